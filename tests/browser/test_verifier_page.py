"""The second verifier as people meet it: by keyboard, by dropping files, on a phone, on paper, and without a network."""

import base64
import json
import socket
import subprocess
import time
from pathlib import Path

import contrast
import pytest
import sealed_headers
import second_verifier
import shown_texts
from evidence_maker import World, document, history

from ledger.core import canonical
from ledger.core.records import CustodyKind
from ledger.core.trust import Trust


@pytest.fixture(scope="module")
def files():
    """A cargo on hold by NL as of four minutes ago, with SG's trust file; as they lie on a disk."""
    now = int(time.time())
    world, manifest = history(_of_now(World(), now))
    world.record(CustodyKind.HOLD, "foreign_officer", stated={"reason": "sanitary inspection"})
    return {
        "trust": world.trust(expires_at=now + 10**6).encode(),
        "evidence": world.evidence(manifest).encode(),
    }


def _of_now(world, now):
    """A world that is four minutes old, whose people have long been enrolled."""
    world.clock = now - 3_600
    headers = world.headers
    world.headers = lambda **options: headers(**options | {"time": now - 240})
    return world


@pytest.fixture
def page():
    page = second_verifier.open_page()
    yield page
    page.close()


def upload(name, data):
    return {"name": name, "mimeType": "application/json", "buffer": data}


def choose(page, files):
    for kind in files:
        page.set_input_files(f"#{kind}-file", upload(f"sg.{kind}.json", files[kind]))


def shown(page):
    page.wait_for_selector("#result:not([hidden])")
    return page.inner_text("#verdict")


def test_both_files_chosen_by_keyboard_alone_give_the_verdict_first_then_age_state_and_checks(page, files):
    page.on(
        "filechooser", lambda _: None
    )  # with a listener choosers are caught from here on, and none opens unseen
    for kind in ("trust", "evidence"):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == f"{kind}-file"
        with page.expect_file_chooser() as chooser:
            page.keyboard.press("Enter")
        chooser.value.set_files(upload(f"{kind}.json", files[kind]))
    assert shown(page) == "VALID"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "print"
    order = page.eval_on_selector_all(
        "#result > *", "all => all.map((each) => each.className || each.tagName)"
    )
    assert order == ["verdict", "as-of", "state", "H3", "DL", "H3", "OL", "H3", "DL"]
    assert "4 minutes ago: block 500" in page.inner_text(".as-of")
    state = page.inner_text(".state")
    assert state.startswith("Current. In the charge of SG:CARR01. Released for export by SG on ")
    assert state.endswith("(“sanitary inspection”); may go, as far as SG is concerned.")
    assert page.locator("#result li").count() == 11
    assert "0x" + Trust.decode(files["trust"]).sha256.hex() in page.inner_text("dl >> nth=1")
    assert page.inner_text("#announcement") == f"VALID. {state}"
    assert page.get_attribute("#announcement", "aria-live") == "polite"


def test_files_dropped_together_are_told_apart_by_what_they_are(page, files):
    drop = """([files, target]) => {
      const dropped = new DataTransfer();
      for (const [name, data] of files)
        dropped.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], name));
      document.querySelector(target).dispatchEvent(
        new DragEvent("drop", { dataTransfer: dropped, bubbles: true, cancelable: true }));
    }"""
    encoded = {kind: base64.b64encode(data).decode() for kind, data in files.items()}
    both = [["one.json", encoded["evidence"]], ["two.json", encoded["trust"]]]
    page.evaluate(drop, [both, "footer"])
    assert shown(page) == "VALID"
    assert "two.json" in page.inner_text("dl >> nth=1")
    page.evaluate(drop, [[["other.json", base64.b64encode(b"{}").decode()]], "[data-kind=evidence]"])
    page.wait_for_selector("[data-verdict=INVALID]")
    page.evaluate(drop, [[*both, ["three.json", encoded["trust"]]], "footer"])
    page.wait_for_selector("#problem:not([hidden])")
    assert page.inner_text("#problem") == "Drop one trust file at a time."
    assert page.is_hidden("#result")


def test_a_verdict_is_gone_as_soon_as_another_file_is_chosen(page, files):
    choose(page, files)
    assert shown(page) == "VALID"
    page.set_input_files("#trust-file", upload("trust.json", files["trust"] + b"\n"))
    page.wait_for_selector("#trust-said .problem")
    assert "This is no trust file: at its root, it is no" in page.inner_text("#trust-said")
    assert page.is_hidden("#result") and page.is_hidden("#actions")
    page.set_input_files("#trust-file", upload("trust.json", files["trust"]))
    assert shown(page) == "VALID"
    page.set_input_files("#evidence-file", [])
    assert page.is_hidden("#result")


def test_what_may_not_go_is_said_as_that_and_an_unread_file_is_no_pass(page, files):
    theirs = canonical.read(files["trust"], most_bytes=1 << 16, most_values=4_096, refuse=ValueError)
    choose(page, files | {"trust": canonical.encode(theirs | {"administration": "NL"})})
    assert shown(page) == "VALID"
    assert page.inner_text(".state strong") == "may not go"
    assert page.get_attribute(".state strong", "data-go") == "no"
    newer = files["evidence"].replace(b"cargo-evidence/1", b"cargo-evidence/2")
    choose(page, {"evidence": newer})
    page.wait_for_selector("[data-verdict=INDETERMINATE]")
    assert page.inner_text(".as-of") == "As of no block: the file shows none."
    choose(page, {"evidence": b"[" * (4 << 20) + b"]"})
    page.wait_for_selector("[data-verdict=INVALID]")
    assert "4194305 bytes, 4194304 are allowed" in page.inner_text("ol")


def test_what_the_manifest_shows_is_there_to_be_compared_and_gone_where_the_file_does_not_hold(page, files):
    choose(page, files)
    shown(page)
    rows = page.eval_on_selector_all(
        "dl:first-of-type dt", "all => all.map((dt) => [dt.textContent, dt.nextElementSibling.textContent])"
    )
    assert ["/containers/0/number", "CSQU3054383"] in rows and ["/references/0/scheme", "ducr"] in rows
    forged = files["evidence"].replace(b"CSQU3054383", b"CSQU3054384")
    choose(page, {"evidence": forged})
    page.wait_for_selector("[data-verdict=INVALID]")
    assert page.locator("dl").count() == 1 and "CSQU" not in page.inner_text("#result")


def test_a_value_that_would_turn_its_line_around_is_shown_as_what_it_is(page):
    now = int(time.time())
    note = "not\u202e321 \u2066KO\u2069"
    world, manifest = history(_of_now(World(), now), content=document(note=note))
    trust = world.trust(expires_at=now + 10**6).encode()
    choose(page, {"trust": trust, "evidence": world.evidence(manifest, show=[""]).encode()})
    assert shown(page) == "VALID"
    said = page.inner_text("dl >> nth=0")
    assert "not\\u202e321 \\u2066KO\\u2069" in said and "\u202e" not in said


def test_texts_are_shown_as_the_command_line_shows_them():
    script = (
        "import { printable } from './verifier/names.js';"
        "process.stdout.write(JSON.stringify(JSON.parse(process.argv[1]).map(printable)));"
    )
    said = subprocess.run(
        ["node", "--input-type=module", "-e", script, json.dumps([*shown_texts.SHOWN])],
        cwd=Path(__file__).parents[2],
        check=True,
        stdout=subprocess.PIPE,
    ).stdout
    assert json.loads(said) == [*shown_texts.SHOWN.values()]


def test_a_container_number_with_a_letter_that_is_not_latin_says_so(page):
    now = int(time.time())
    number = "\u0421SQU3054383"
    world, manifest = history(
        _of_now(World(), now), content=document(containers=[{"number": number}], note="Москва")
    )
    trust = world.trust(expires_at=now + 10**6).encode()
    choose(page, {"trust": trust, "evidence": world.evidence(manifest, show=[""]).encode()})
    assert shown(page) == "VALID"
    said = page.inner_text("dl >> nth=0")
    assert f"{number}{shown_texts.NOTE}" in said and f"Москва{shown_texts.NOTE}" not in said


def test_what_a_holds_reason_says_of_going_is_never_set_apart_as_ours(page):
    now = int(time.time())
    world, manifest = history(_of_now(World(), now))
    world.record(CustodyKind.HOLD, "officer", stated={"reason": "none; may go, as far as SG is concerned"})
    trust = world.trust(expires_at=now + 10**6).encode()
    choose(page, {"trust": trust, "evidence": world.evidence(manifest).encode()})
    assert shown(page) == "VALID"
    assert page.eval_on_selector_all(".state strong", "all => all.map((each) => each.textContent)") == [
        "may not go"
    ]


def test_that_something_was_not_there_is_asked_by_keyboard_and_answered_in_words(page, files):
    choose(page, files)
    shown(page)
    page.focus("summary")
    page.keyboard.press("Enter")
    assert page.is_disabled("#by")
    page.focus("#asked")
    page.keyboard.press("ArrowDown")
    page.wait_for_selector(".asked")
    assert page.inner_text(".asked") == "Asked: that our administration never released it."
    page.wait_for_selector("[data-verdict=INVALID]")
    assert page.inner_text(".state").startswith("SG released it on ")
    assert page.inner_text(".verdict p").startswith("It was there, or")
    page.keyboard.press("ArrowDown")
    page.wait_for_selector("[data-verdict=VALID]")
    assert page.inner_text(".state").startswith("SG had no hold open on ducr:9GB123456789000-INV1")
    page.keyboard.press("Tab")
    page.keyboard.type("nl")
    page.keyboard.press("Tab")
    page.wait_for_selector("[data-verdict=INVALID]")
    assert page.inner_text(".state").startswith("It is on hold by NL since ")
    assert "absence" in page.inner_text("li:last-child")
    page.fill("#by", "N-")
    page.keyboard.press("Tab")
    page.wait_for_selector("#problem:not([hidden])")
    assert "an administration's code, as NL" in page.inner_text("#problem") and page.is_hidden("#result")
    page.select_option("#asked", "closure")
    page.wait_for_selector("[data-verdict=VALID]")
    assert "was neither amended nor withdrawn as of block 500" in page.inner_text(".state")


def test_what_is_inside_is_counted_from_the_files_of_its_contents(page):
    now = int(time.time())
    world = _of_now(World(), now)
    name, key = "bl:CONTAINER", b"\x77" * 32
    outer = world.lodge(
        world.manifest("carrier", document(name), consignment=world.consignment("carrier", name, key))
    )
    world.open(outer, "carrier", name, key)
    boxes = []
    for n in range(3):
        named = f"bl:BOX-{n}", bytes((n + 1,)) * 32
        consignment = world.consignment("carrier", *named)
        box = world.lodge(world.manifest("carrier", document(named[0]), consignment=consignment))
        world.open(box, "carrier", *named)
        world.record(
            CustodyKind.CONSOLIDATE,
            "carrier",
            consignment,
            subject=outer.record.consignment,
            others=[outer.record.consignment],
        )
        boxes.append((box, *named))
    world.record(CustodyKind.HOLD, "foreign_officer", boxes[1][0].record.consignment)
    inner = [world.evidence(box, reference=name, key=key).encode() for box, name, key in boxes]
    choose(
        page,
        {
            "trust": world.trust(expires_at=now + 10**6).encode(),
            "evidence": world.evidence(outer, reference=name, key=key).encode(),
        },
    )
    assert shown(page) == "VALID"
    page.set_input_files("#contents-file", [upload(f"{n}.json", inner[n]) for n in (0, 1)])
    page.wait_for_selector(".inside")
    assert page.inner_text(".inside") == "3 inside, files for 2: one missing; 1 on hold."
    assert page.get_attribute(".inside", "data-lacking") == ""
    assert page.inner_text("#announcement").endswith("one missing; 1 on hold.")
    assert "Inside, file 2" in page.inner_text("dl >> nth=1")
    page.set_input_files("#contents-file", [upload(f"{n}.json", inner[n]) for n in range(3)])
    page.wait_for_function("() => document.querySelector('.inside')?.textContent.includes('none missing')")
    page.set_input_files("#contents-file", [upload("0.json", inner[0][:-1])])
    page.wait_for_function("() => document.querySelector('.inside')?.textContent.includes('does not pass')")


@pytest.fixture
def seen(page):
    """The page with a browser that has seen nothing yet, and forgets what it sees here."""
    page.evaluate("localStorage.clear()")
    yield page
    page.evaluate("localStorage.clear()")


def test_a_clock_set_back_behind_the_newest_sealed_block_is_told_and_makes_nothing_fresher(seen, files):
    choose(seen, files)
    assert shown(seen) == "VALID"
    assert "none before this file, on this device" in seen.inner_text("dl >> nth=1")
    now = int(time.time())
    older, manifest = history(_of_now(World(), now - 10_000))
    seen.add_init_script("const right = Date.now; Date.now = () => right() - 5_000_000")
    seen.reload()
    choose(seen, files | {"evidence": older.evidence(manifest).encode()})
    seen.wait_for_selector("[data-verdict=INDETERMINATE]")
    assert "has passed: set it; the age is not known." in seen.inner_text("ol")
    assert "kept on this device" in seen.inner_text("dl >> nth=1")
    assert "2 hours ago" in seen.inner_text(".as-of")
    seen.evaluate("localStorage.clear()")  # without the floor this very file passes by that clock
    seen.reload()
    choose(seen, files | {"evidence": older.evidence(manifest).encode()})
    assert shown(seen) == "VALID"


def test_a_header_that_nobody_sealed_moves_no_clock(seen):
    now = int(time.time())
    world, manifest = history(_of_now(World(), now))
    headers = world.headers
    world.headers = lambda **options: headers(
        **options | {"sealers": sealed_headers.KEYS[4:], "time": now + 10**6}
    )
    choose(
        seen,
        {
            "trust": world.trust(expires_at=now + 10**7).encode(),
            "evidence": world.evidence(manifest).encode(),
        },
    )
    shown(seen)
    assert seen.evaluate("localStorage.length") == 0


def test_a_browser_that_keeps_nothing_says_so_and_judges_all_the_same(page, files):
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } })"
    )
    page.reload()
    choose(page, files)
    assert shown(page) == "VALID"
    assert "this browser keeps none" in page.inner_text("dl >> nth=1")


def test_a_text_of_the_file_is_never_markup(page, files):
    value = json.loads(files["evidence"])
    value["schema"] = "<img src=x onerror=alert(1)><script>alert(1)</script>"
    choose(page, files | {"evidence": canonical.encode(value)})
    page.wait_for_selector("[data-verdict=INDETERMINATE]")
    assert "<img src=x onerror" in page.inner_text("ol")
    assert page.locator("#result img, #result script").count() == 0


def test_a_verdict_grows_old_while_it_is_looked_at(page, files):
    page.clock.install()
    page.reload()
    choose(page, files)
    assert shown(page) == "VALID"
    page.clock.fast_forward("25:00:00")
    page.wait_for_selector("[data-verdict=INDETERMINATE]")
    assert "too old" in page.inner_text("ol")
    assert page.inner_text(".state strong") == "may not go"


@pytest.mark.parametrize(
    "worker, words",
    [
        ("class { postMessage() {} terminate() {} }", "it takes too long on this device"),
        ("class { postMessage() { this.onerror(new Event('error', { cancelable: true })); } terminate() {} }", "compute"),
        ("undefined", "compute"),
    ],
    ids=["never answers", "fails", "is not there"],
)  # fmt: skip
def test_what_cannot_be_judged_is_no_pass(page, files, worker, words):
    page.clock.install()
    page.reload()
    page.evaluate(f"() => {{ window.Worker = {worker}; }}")
    choose(page, files)
    if words.startswith("it takes"):
        page.wait_for_selector("#busy:not([hidden])")
        page.clock.fast_forward("31")
    page.wait_for_selector("#problem:not([hidden])")
    said = page.inner_text("#problem")
    assert said.startswith("INDETERMINATE: the file could not be judged") and words in said
    assert page.is_hidden("#result") and page.is_hidden("#busy")


def test_the_page_answers_and_says_how_far_it_is_while_it_judges_a_file_of_many_signatures(page, files):
    value = json.loads(files["evidence"])
    last = value["custody"][-1]
    for n in range(1_500):
        record = last["record"] | {"observed_at": last["record"]["observed_at"] + n}
        value["custody"].append(last | {"record": record})
    choose(page, files | {"evidence": canonical.encode(value)})
    page.wait_for_selector("#busy:not([hidden])")
    assert page.evaluate("1 + 1") == 2 and page.is_visible("#busy")  # it is not this thread that judges
    page.wait_for_function(
        f"() => /^Judging… [1-9]\\d* of {len(value['custody'])} signatures$/"
        ".test(document.getElementById('busy').textContent)"
    )
    page.wait_for_selector("#problem:not([hidden]), #result:not([hidden])", timeout=60_000)
    assert page.locator("[data-verdict=VALID]").count() == 0


def test_it_fits_a_phone(page, files):
    page.set_viewport_size({"width": 360, "height": 740})
    page.click("summary")
    choose(page, files | {"contents": files["evidence"]})
    shown(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    outside = (
        "all => all.filter((e) => e.getBoundingClientRect().right > 360).map((e) => e.outerHTML.slice(0, 80))"
    )
    assert page.eval_on_selector_all("main *:not(.unseen)", outside) == []
    tall = "all => all.every((each) => each.getBoundingClientRect().height >= 44)"
    assert page.eval_on_selector_all("input, select, summary, button", tall)


def test_it_prints_verdict_checks_and_digests_on_one_sheet_without_the_choosers(page, files):
    choose(page, files)
    shown(page)
    page.emulate_media(media="print")
    assert page.is_hidden("form") and page.is_hidden("#print")
    assert all(
        page.is_visible(each) for each in (".verdict", ".as-of", ".state", "ol", "dl >> nth=0", "dl >> nth=1")
    )
    assert page.pdf(format="A4", prefer_css_page_size=True).count(b"/Type /Page\n") == 1


@pytest.mark.parametrize("media, scheme", [("screen", "light"), ("screen", "dark"), ("print", "light")])
def test_every_text_stands_out_from_what_is_behind_it(page, files, media, scheme):
    page.emulate_media(media=media, color_scheme=scheme)
    good = files["evidence"]
    for evidence in (
        good,
        good.replace(b'"kind":9', b'"kind":4'),
        good.replace(b"evidence/1", b"evidence/2"),
    ):
        choose(page, files | {"evidence": evidence})
        shown(page)
        contrast.require(page, texts=15)


def test_it_asks_no_network_for_anything_and_could_not(page, files):
    choose(page, files)
    shown(page)
    assert [each for each in page.asked if not each.startswith("blob:")] == []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        page.context.set_offline(False)  # so that the policy alone keeps it from asking
        try:
            refused = page.evaluate(
                """async (address) => {
                  const blocked = [];
                  document.addEventListener("securitypolicyviolation", (event) => blocked.push(event.effectiveDirective));
                  await fetch(address, { mode: "no-cors" }).catch(() => {});
                  navigator.sendBeacon(address, "x");
                  const image = new Image();
                  image.src = address;
                  const inline = document.createElement("script");
                  inline.textContent = "window.gotIn = true";
                  document.body.append(image, inline);
                  await new Promise((done) => setTimeout(done, 200));
                  return { blocked, gotIn: window.gotIn ?? false };
                }""",
                address,
            )
        finally:
            page.context.set_offline(True)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert refused["gotIn"] is False
    assert {"connect-src", "img-src", "script-src-elem"} <= set(refused["blocked"])
