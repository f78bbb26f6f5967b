"""The audit report as people meet it: by its text, by what is painted, on a phone, by keyboard, on paper, without a network."""

import io
import shutil
import socket
import subprocess

import audited_trade
import contrast
import generated_chain
import pytest
import second_verifier
from PIL import Image
from typer.testing import CliRunner

from ledger.cli.main import app


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A report of two months of trade, and its PDF, by the command that people use."""
    second_verifier.browser()  # skips, or fails under CI, where there is none
    folder = tmp_path_factory.mktemp("report")
    chain, named = audited_trade.trade()
    chain.write(folder / "chain.audit", folder / "details")
    (folder / "trust.json").write_bytes(generated_chain.trust().encode())
    words = [
        "audit",
        "report",
        folder / "chain.audit",
        "--trust",
        folder / "trust.json",
        "--documents",
        folder / "details",
    ]
    words += ["--consignment", "0x" + named["box"].id.hex(), "--out", folder / "audit.html", "--pdf"]
    result = CliRunner().invoke(app, [str(word) for word in words], prog_name="cargo-ledger")
    assert result.exit_code == 3, result.output
    return folder


@pytest.fixture
def page(files):
    page = second_verifier.browser().new_page()
    page.asked, page.said = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("console", lambda message: page.said.append(message.text))
    page.goto((files / "audit.html").as_uri())
    page.asked.remove((files / "audit.html").as_uri())
    yield page
    page.close()


def painted(locator):
    """How much of an element each colour covers, 0 to 1."""
    image = Image.open(io.BytesIO(locator.screenshot())).convert("RGB")
    pixels = image.width * image.height
    return {color: count / pixels for count, color in image.getcolors(pixels)}


def color_of(page, selector, name="fill"):
    text = page.eval_on_selector(selector, f"each => getComputedStyle(each).{name}")
    return tuple(int(number) for number in text.removeprefix("rgb(").removesuffix(")").split(","))


def test_the_verdict_comes_first_in_words_and_then_what_it_rests_on(page):
    order = page.eval_on_selector_all(
        "main > section", "all => all.map((each) => each.querySelector('h2').innerText)"
    )
    assert order == [
        "INDETERMINATE", "Findings", "Consignments", "Passages", "Volumes by administration and day", "Lateness",
        "What was checked", "What was not checked", "How to run it again",
    ]  # fmt: skip
    first = page.inner_text("section.first").replace("\n\n", "\n")
    assert first.startswith("?\nINDETERMINATE\nNo verdict can be given.\nAs of block ")
    assert "not all that a verdict needs was shown. Contracts: Nobody showed the contracts' code" in first
    assert (
        "21 findings (5 grave, 2 serious, 14 slight) in 9 consignments ask for a closer look. 2 holds are open."
        in first
    )
    assert page.locator("h3.kind").first.inner_text() == "grave Another seal than the one on record"
    findings = page.locator("ol.findings > li").first
    assert findings.inner_text().startswith("The seal seen is XX-99 000001;")
    assert "cargo-ledger audit event" in findings.inner_text() and "NLRTM Rotterdam" in findings.inner_text()
    findings.locator("dd a").nth(1).click()
    record = findings.locator(".digest").last.inner_text()
    row = page.locator("li:target").inner_text()
    assert "NLRTM Rotterdam" in row and record[:12] in row, "evidence leads to the record's own line"


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    """A report whose verdict is VALID, of a chain that QBFT validators sealed."""
    second_verifier.browser()
    folder = tmp_path_factory.mktemp("valid")
    chain, _ = audited_trade.trade(8, is_shown=True, is_sealed=True)
    chain.write(folder / "chain.audit", folder / "details")
    (folder / "trust.json").write_bytes(chain.trust.encode())
    words = ["audit", "report", folder / "chain.audit", "--trust", folder / "trust.json"]
    words += ["--documents", folder / "details", "--out", folder / "audit.html"]
    result = CliRunner().invoke(app, [str(word) for word in words], prog_name="cargo-ledger")
    assert result.exit_code == 0, result.output
    return folder / "audit.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_valid_verdict_is_painted_as_one_with_what_stands_in_the_record_beside_it(valid, scheme):
    page = second_verifier.browser().new_page()
    try:
        page.emulate_media(color_scheme=scheme)
        page.goto(valid.as_uri())
        box = page.locator(".verdict")
        said = "VALID\nThe chain of custody holds.\n5 grave and 2 serious findings stand in it: the verdict is about the record"
        assert said in box.inner_text().replace("\n\n", "\n")
        colours = painted(box)
        assert colours[color_of(page, ".verdict", "backgroundColor")] > 0.6
        contrast.require(page, texts=100)
        text = page.inner_text("main")
        assert "is final: 3 of 4 trusted validators sealed it." in text
        assert "Write this report again from the same documents" in text
        assert (
            "cargo-ledger audit report chain.audit --trust trust.json --documents details --out again.html"
            in text
        )
        assert page.locator("#checked .status").all_inner_texts() == ["VALID"] * 10
    finally:
        page.close()


def test_the_map_shows_land_sea_and_a_dot_and_a_line_for_what_is_disclosed(page):
    shown = painted(page.locator("svg.map"))
    assert 0.15 < shown[color_of(page, "svg .land")] < 0.6
    assert 0.3 < shown[color_of(page, "svg .sea")] < 0.8
    assert 0.0003 < shown[color_of(page, "svg .place")] < 0.02
    assert page.locator("svg.map .place").count() == 7
    assert page.locator("ol.places").first.locator("li").count() == 7
    across = page.evaluate(
        "() => [...document.querySelectorAll('svg.map .leg')].map((each) => each.getBBox().width)"
    )
    width = 720
    assert max(across) < width * 0.6, "from Japan to America it is over the Pacific"


def test_the_timeline_is_painted_and_told(page):
    held = page.locator("article", has_text="Held by EG, NL").first
    shown = painted(held.locator("svg.chart"))
    assert shown[color_of(page, "svg .bar.hold")] > 0.1 and shown[color_of(page, "svg .bar.charge")] > 0.05
    lines = held.locator("ol.acts > li")
    assert lines.count() == 9
    assert "Hold placed: sanitary inspection" in lines.nth(3).inner_text()
    assert "seal broken <b>on arrival</b>" in lines.nth(6).inner_text()
    box = page.locator("article").first
    assert "inside" in box.locator("svg.chart").text_content() and box.locator("svg .bar.inside").count() == 1


def test_every_picture_has_a_title_and_a_description(page):
    pictures = page.locator("svg[role=img]")
    assert pictures.count() == 3 + page.locator("article").count()
    for picture in pictures.all():
        names = picture.get_attribute("aria-labelledby").split()
        title, description = (page.locator(f"[id='{name}']").text_content() for name in names)
        assert len(title) > 10 and len(description) > 40
    assert page.eval_on_selector_all("[id]", "all => new Set(all.map((each) => each.id)).size === all.length")


def test_it_is_read_by_keyboard_alone(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Findings"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_function("location.hash === '#consignments'")
    assert page.evaluate("document.querySelector('#consignments').getBoundingClientRect().top") < 5
    scrolled = page.evaluate(
        "() => [...document.querySelectorAll('.wide')].every((each) => each.tabIndex === 0 && each.ariaLabel)"
    )
    assert scrolled


@pytest.mark.parametrize("width", [320, 360])
def test_it_fits_a_phone(page, width):
    page.set_viewport_size({"width": width, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") == width
    outside = f"all => all.filter((e) => e.getBoundingClientRect().right > {width}).map((e) => e.outerHTML.slice(0, 80))"
    assert page.eval_on_selector_all("main *:not(.unseen, .wide *, svg *)", outside) == []
    size = "document.querySelector('svg.chart text').getBoundingClientRect().height"
    assert page.evaluate(size) > 10, "texts of charts do not shrink"
    number = "document.querySelector('svg.map text.number').getBoundingClientRect().height"
    assert page.evaluate(number) > 9


@pytest.mark.parametrize("width", [320, 1280])
def test_no_name_of_a_period_is_cut_off_or_lies_over_another(page, width):
    page.set_viewport_size({"width": width, "height": 740})
    boxes = page.eval_on_selector_all(
        "svg.chart",
        """all => all.map((chart) => {
          const box = (each) => { const { left, right, top } = each.getBoundingClientRect(); return [left, right, top]; };
          return { chart: box(chart), on: [...chart.querySelectorAll("text.on")].map((t) => [box(t), box(t.parentElement)]),
                   names: [...chart.querySelectorAll("text:is(.on, .beside)")].map(box) };
        })""",
    )
    names = 0
    for each in boxes:
        assert [name for name, bar in each["on"] if name[1] > bar[1]] == []
        left, right, _ = each["chart"]
        assert [name for name in each["names"] if name[0] < left - 1 or name[1] > right + 1] == []
        lines = {}
        for start, end, top in sorted(each["names"]):
            assert start >= lines.get(top, start)
            lines[top] = end
        names += len(each["names"])
    assert names > 20 and page.locator("svg.chart text.beside").count() > 2


@pytest.mark.parametrize(
    "media, scheme", [("screen", "light"), ("screen", "dark"), ("print", "light"), ("print", "dark")]
)
def test_every_text_stands_out_from_what_is_behind_it(page, media, scheme):
    page.emulate_media(media=media, color_scheme=scheme)
    contrast.require(page, texts=300)


def test_it_asks_no_network_for_anything_and_could_not(page):
    assert page.asked == [] and page.said == []
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
                  const image = new Image();
                  image.src = address;
                  const inline = document.createElement("script");
                  inline.textContent = "window.gotIn = true";
                  document.body.append(image, inline);
                  document.body.setAttribute("style", "display: none");
                  await new Promise((done) => setTimeout(done, 200));
                  return { blocked, gotIn: window.gotIn ?? false, display: getComputedStyle(document.body).display };
                }""",
                address,
            )
        finally:
            page.context.set_offline(True)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert refused["gotIn"] is False and refused["display"] == "block"
    assert {"connect-src", "img-src", "script-src-elem", "style-src-attr"} <= set(refused["blocked"])


def test_it_prints_everything_with_page_numbers(page, files):
    page.emulate_media(media="print")
    assert page.is_hidden("nav") and page.is_visible("svg.map") and page.is_visible("#again")
    pdf = files / "audit.pdf"
    assert pdf.read_bytes().startswith(b"%PDF-")
    if shutil.which("pdftotext") is None:
        return
    text = subprocess.run(
        ["pdftotext", "-layout", pdf, "-"], capture_output=True, check=True, text=True
    ).stdout
    pages = text.rstrip("\f").split("\f")
    assert "INDETERMINATE" in pages[0] and "No verdict can be given." in pages[0]
    assert f"1 of {len(pages)}" in pages[0] and f"{len(pages)} of {len(pages)}" in pages[-1]
    for said in (
        "Another seal than the one on record",
        "EGPSD Port Said",
        "within a minute",
        "How to run it again",
    ):
        assert said in text
    assert not [number for number, each in enumerate(pages) if len(each.split()) < 12]


def test_without_chromium_a_pdf_is_refused_before_any_work(files, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "")
    words = [
        "audit",
        "report",
        files / "chain.audit",
        "--trust",
        files / "trust.json",
        "--out",
        tmp_path / "a.html",
    ]
    result = CliRunner().invoke(app, [*map(str, words), "--pdf"], prog_name="cargo-ledger")
    assert result.exit_code == 2 and "needs Chromium" in result.stderr
    assert not list(tmp_path.iterdir())
