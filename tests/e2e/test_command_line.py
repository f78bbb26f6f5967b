"""`cargo-ledger` against real services and a real chain: the main job as its people would type it, and what is refused."""

import json
import re
import time
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
import running_service
from cargo import manifest_document, reference
from typer.testing import CliRunner

from ledger import keys
from ledger.cli import service
from ledger.cli.main import app

PASSWORD = "a password of a test"


@pytest.fixture(scope="module")
def services(network, tmp_path_factory):
    """The services of SG and NL, each with its worker and database: their addresses."""
    with ExitStack() as running:
        urls = {}
        for administration in ("SG", "NL"):
            folder = tmp_path_factory.mktemp(f"service-{administration}")
            settings = running_service.settings_for(network, folder, administration)
            running.enter_context(running_service.working(settings))
            urls[administration] = running.enter_context(running_service.serving(network, settings)).url
        yield urls


@pytest.fixture(scope="module")
def desk(network, tmp_path_factory):
    """A folder with everybody's key, the password and the chain profile."""
    folder = tmp_path_factory.mktemp("desk")
    for role, private in network.keys.items():
        keys.create(folder / "keys", role.replace("_", "-"), PASSWORD, private_key=private, light=True)
    (folder / "password").write_text(PASSWORD + "\n")
    network.profile.save(folder / "profile.json")
    return folder


@pytest.fixture
def cargo_ledger(desk, services, tmp_path, monkeypatch):
    """`cargo_ledger("consignment show …", key="officer")`: run one command line; `says` and `refused` judge it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("CARGO_LEDGER_KEYS", str(desk / "keys"))
    monkeypatch.setenv("CARGO_LEDGER_PASSWORD_FILE", str(desk / "password"))
    monkeypatch.setenv("CARGO_LEDGER_PROFILE", str(desk / "profile.json"))
    monkeypatch.delenv("CARGO_LEDGER_TRACE", raising=False)
    monkeypatch.setattr(service, "RETRY_SECONDS", 0.2)  # a service that is not there will not come

    def run(line, *more, key="exporter", at="SG", code=0):
        monkeypatch.setenv("CARGO_LEDGER_SERVICE", services.get(at, at))
        monkeypatch.setenv("CARGO_LEDGER_KEY", key)
        result = CliRunner().invoke(app, [*line.split(), *map(str, more)], prog_name="cargo-ledger")
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        if code not in (0, 3) and not result.stdout:
            assert result.stderr.count("\n") == 1, "an error is one sentence"
        return result

    return run


@pytest.fixture
def document(tmp_path):
    """`document(trade_reference)` writes a manifest of its own and returns the file's name."""

    def write(trade_reference, name="invoice.json", **changes):
        basis = {"kind": "declaration", "type": "EXD", "mrn": "24GB7W0S4AXEU2ZAR7"}
        content = manifest_document(trade_reference, basis=basis, **changes)
        (tmp_path / name).write_text(json.dumps(content))
        return name

    return write


@pytest.fixture
def opened(cargo_ledger, document):
    """A consignment that the exporter has opened, by its trade reference."""
    trade_reference = reference()
    container = f"CSQU{int(time.time_ns()) % 10**7:07d}"
    cargo_ledger("manifest lodge", document(trade_reference, containers=[{"number": container}]))
    cargo_ledger("consignment open invoice.lodged.json")
    return SimpleNamespace(reference=trade_reference, container=container)


def read(result):
    return json.loads(result.stdout)


# --- the main job


def test_an_officer_reads_a_box_in_words(cargo_ledger, opened):
    cargo = opened.reference
    cargo_ledger(f"consignment arrive {cargo} --place SGSIN --seal K12345 --container {opened.container}")
    cargo_ledger(f"consignment inspect {cargo} --place SGSIN --outcome", "as declared", key="officer")
    cargo_ledger(f"consignment hold {cargo} --reason", "documents missing", key="officer")
    held = cargo_ledger(f"consignment show {opened.container}").stdout
    assert held.startswith(cargo)
    assert "In the charge of SG:ACME01. On hold by SG since " in held
    assert ": “documents missing”. May not go: it is on hold." in held
    assert "place SGSIN" in held
    assert re.search(r"As of block \d+, 20\S+ \S+ UTC, \d+ seconds? ago; 4 records on chain\.", held)

    cargo_ledger(f"consignment lift {cargo} --reason", "documents received", key="officer")
    released = cargo_ledger(f"consignment release {cargo} --procedure export", key="officer").stdout
    assert released.startswith("Released for export, as SG.")
    shown = cargo_ledger(f"consignment show {cargo}").stdout
    assert "Released for export by SG on " in shown
    assert "May go, as far as SG is concerned." in shown
    for words in ("opened", "arrived", "inspected", "hold placed", "hold lifted", "released for export"):
        assert words in shown

    answer = read(cargo_ledger(f"consignment show {cargo} --json"))
    assert (answer["custodian"], answer["may_go"], answer["records"]) == ("SG:ACME01", True, 6)
    assert [each["kind"] for each in answer["history"]] == [
        *("OPEN", "ARRIVAL", "INSPECTION", "HOLD", "LIFT", "RELEASE")
    ]
    assert answer["age_seconds"] >= 0


def test_a_release_while_held_is_refused_in_one_sentence(cargo_ledger, opened):
    cargo_ledger(f"consignment hold {opened.reference} --reason control", key="officer")
    refused = cargo_ledger(
        f"consignment release {opened.reference} --procedure export", key="officer", code=1
    )
    assert "on hold by SG" in refused.stderr
    told = cargo_ledger(
        f"consignment release {opened.reference} --procedure export --json", key="officer", code=1
    )
    error = json.loads(told.stderr)["error"]
    assert (error["problem"]["refusal"], error["exit_code"]) == ("HELD", 1)
    cargo_ledger(f"consignment lift {opened.reference}", key="officer")
    cargo_ledger(f"consignment release {opened.reference} --procedure export", key="officer")


def test_cargo_is_handed_over_by_offer_and_acceptance(cargo_ledger, opened):
    cargo = opened.reference
    nothing = cargo_ledger(f"consignment accept {cargo}", key="carrier", code=1)
    assert "is offered to nobody" in nothing.stderr
    cargo_ledger(f"consignment offer {cargo} --to SG:CARR01")
    declined = cargo_ledger(f"consignment decline {cargo} --reason", "seal broken", key="carrier")
    assert declined.stdout.startswith("Declined the handover, as SG:CARR01.")
    cargo_ledger(f"consignment offer {cargo} --to SG:CARR01")
    cargo_ledger(f"consignment offer {cargo} --withdraw")
    cargo_ledger(f"consignment offer {cargo} --to SG:CARR01")
    accepted = cargo_ledger(f"consignment accept {cargo} --place SGSIN", key="carrier").stdout
    assert "In the charge of SG:CARR01." in accepted
    shown = cargo_ledger(f"consignment show {cargo}").stdout
    for words in (
        "handover offered to SG:CARR01",
        "handover declined",
        "offer withdrawn",
        "handover accepted",
    ):
        assert words in shown
    not_in_charge = cargo_ledger(f"consignment offer {cargo} --to SG:CARR01", code=1)
    assert "Error: Refused: " in not_in_charge.stderr


def test_the_accompanying_file_takes_cargo_to_another_administration(cargo_ledger, opened, tmp_path):
    cargo = opened.reference
    unknown = cargo_ledger(f"consignment show {cargo}", at="NL", code=1)
    assert f"There is no open consignment of {cargo} here." in unknown.stderr
    wait_for(lambda: read(cargo_ledger(f"manifest show {cargo} --json"))["anchor"] is not None)
    made = cargo_ledger(f"consignment accompany {cargo} --out box.json --show /goods/0/hs --show /containers")
    assert "/goods/0/hs/code" in made.stdout
    assert (tmp_path / "box.json").stat().st_mode & 0o077 == 0
    assert "gross_mass_kg" not in (tmp_path / "box.json").read_text()
    again = cargo_ledger(f"consignment accompany {cargo} --out box.json", code=2)
    assert "exists already" in again.stderr

    deadline = time.monotonic() + 20  # the other service reads the chain by itself
    while (
        cargo_ledger_code(cargo_ledger, "consignment load box.json", at="NL") and time.monotonic() < deadline
    ):
        time.sleep(0.5)
    shown = cargo_ledger(f"consignment show {opened.container}", at="NL").stdout
    assert "In the charge of SG:ACME01." in shown
    assert "May not go: NL has not released it." in shown
    taken = cargo_ledger(
        f"consignment take {cargo} --reason seizure --place NLRTM", key="foreign-officer", at="NL"
    )
    assert "In the charge of NL." in taken.stdout
    released = cargo_ledger(f"consignment release {cargo} --procedure import", key="foreign-officer", at="NL")
    assert "Released for import by NL" in released.stdout
    changed = json.loads((tmp_path / "box.json").read_text())
    changed["consignment_key"] = "0x" + "11" * 32
    (tmp_path / "other.json").write_text(json.dumps(changed))
    cargo_ledger("consignment load other.json", at="NL", code=1)
    (tmp_path / "none.json").write_text("{}")
    none = cargo_ledger("consignment load none.json", at="NL", code=1)
    assert "none.json: it is no accompanying file: at /" in none.stderr


def cargo_ledger_code(cargo_ledger, line, at):
    try:
        cargo_ledger(line, at=at)
    except AssertionError:
        return 1
    return 0


def test_details_of_a_file_go_with_a_record_if_they_are_of_its_schema(cargo_ledger, opened, tmp_path):
    hold = f"consignment hold {opened.reference} --reason control --details details.json"
    for content, words in (
        ('{"containers": "CSQU3054383"}', "at /containers, these are no cargo-hold/1 details"),
        ('{"share": 0.5}', "at /share, a number has a fraction"),
        ('{"note": "a", "note": "b"}', "at /note"),
    ):
        (tmp_path / "details.json").write_text(content)
        assert words in cargo_ledger(hold, key="officer", code=1).stderr
    (tmp_path / "details.json").write_text('{"note": "see the file", "reason": "of the file"}')
    cargo_ledger(hold, key="officer")
    [record] = [
        each for each in read(cargo_ledger(f"consignment show {opened.reference} --json"))["history"]
    ][1:]
    assert record["document"] == {"schema": "cargo-hold/1", "note": "see the file", "reason": "control"}


def test_a_consignment_goes_into_another_and_comes_out(cargo_ledger, opened, document):
    master = reference()
    cargo_ledger("manifest lodge", document(master, "master.json"))
    cargo_ledger("consignment open master.lodged.json")
    put = cargo_ledger(f"consignment consolidate {opened.reference} --into {master}").stdout
    assert put.startswith(f"Put it into {master}, as SG:ACME01.")
    assert "put into this" in cargo_ledger(f"consignment show {master}").stdout
    inside = cargo_ledger(f"consignment show {opened.reference}").stdout
    assert re.search(rf"inside: +{re.escape(master)} \(0x", inside)
    refused = cargo_ledger(f"consignment offer {opened.reference} --to SG:CARR01", code=1)
    assert "inside" in refused.stderr
    cargo_ledger(f"consignment deconsolidate {opened.reference}")
    nowhere = cargo_ledger(f"consignment deconsolidate {opened.reference}", code=1)
    assert "is inside no other consignment" in nowhere.stderr


def test_a_part_is_split_off_and_the_whole_closed(cargo_ledger, opened, document):
    part = opened.reference + "#2"
    cargo_ledger("manifest lodge", document(opened.reference, "part.json"), "--reference", part)
    cargo_ledger("consignment open part.lodged.json --split-from", opened.reference)
    assert "split off from this" in cargo_ledger(f"consignment show {opened.reference}").stdout
    cargo_ledger("consignment seal", part, "--affix", "K1")
    cargo_ledger("consignment depart", part, "--place", "SGSIN")
    cargo_ledger("consignment remark", part, "--reason", "container changed")
    cargo_ledger("consignment clear", part, "--procedure", "export", key="officer")
    closed = cargo_ledger("consignment close", part, "--outcome", "exported").stdout
    assert "Closed: in nobody's charge." in closed


# --- manifests


def test_a_manifest_is_shown_with_its_basis_and_proved(cargo_ledger, opened, desk, tmp_path):
    shown = cargo_ledger(f"manifest show {opened.reference}").stdout
    assert "export declaration (EXD), MRN 24GB7W0S4AXEU2ZAR7" in shown
    assert "stands:        current" in shown
    kept = json.loads((tmp_path / "invoice.lodged.json").read_text())
    assert (tmp_path / "invoice.lodged.json").stat().st_mode & 0o077 == 0
    root = json.loads(cargo_ledger("manifest commit invoice.json --json --secret", kept["secret"]).stdout)
    assert root["manifest_root"] == kept["manifest_root"]

    proved = wait_until_anchored(cargo_ledger, kept["id"])
    assert "is leaf" in proved.stdout
    pure = read(cargo_ledger("manifest verify-inclusion proof.json --json"))
    assert (pure["verdict"], pure["id"]) == ("VALID", kept["id"])
    whole = read(cargo_ledger("manifest verify-inclusion proof.json --json --profile", desk / "profile.json"))
    assert {each["name"]: each["status"] for each in whole["checks"]} == dict.fromkeys(
        ("network", "record", "inclusion", "signature", "head", "authority"), "VALID"
    )
    proof = json.loads((tmp_path / "proof.json").read_text())
    # a tree of one leaf holds together by itself; only the chain knows that no such head was anchored
    forged = proof | {"index": 0, "size": 1, "path": [], "root": proof["leaf_hash"], "epoch": 9}
    (tmp_path / "forged.json").write_text(json.dumps(forged))
    assert read(cargo_ledger("manifest verify-inclusion forged.json --json"))["verdict"] == "VALID"
    against = cargo_ledger(
        "manifest verify-inclusion forged.json --json --profile", desk / "profile.json", code=1
    )
    checks = {each["name"]: each["status"] for each in read(against)["checks"]}
    assert checks["head"] == "INVALID"


def wait_until_anchored(cargo_ledger, manifest):
    deadline = time.monotonic() + 20
    while read(cargo_ledger(f"manifest show {manifest} --json"))["anchor"] is None:
        assert time.monotonic() < deadline, "the manifest was not anchored"
        time.sleep(0.2)
    return cargo_ledger(f"manifest prove {manifest} --out proof.json")


def test_a_manifest_is_amended_and_withdrawn(cargo_ledger, opened, document):
    document(opened.reference, "corrected.json", dangerous=False)
    first = read(cargo_ledger(f"manifest show {opened.reference} --json"))["id"]
    amended = cargo_ledger(
        f"manifest amend {opened.reference} corrected.json --reason correction --wait --json"
    )
    second = read(amended)["id"]
    wait_for(lambda: read(cargo_ledger(f"manifest show {first} --json"))["closure"] is not None)
    closure = read(cargo_ledger(f"manifest show {first} --json"))["closure"]
    assert (closure["kind"], closure["successor"]) == ("AMEND", second)
    shown = read(cargo_ledger(f"manifest show {opened.reference} --json"))
    assert (shown["id"], [each["id"] for each in shown["others"]]) == (second, [first])
    assert "Not current any more" in cargo_ledger(f"manifest show {opened.reference}").stdout

    withdrawn = cargo_ledger(f"manifest withdraw {opened.reference} --reason lodged-in-error")
    assert f"Withdrew manifest {second}: lodged in error." in withdrawn.stdout
    wait_for(lambda: read(cargo_ledger(f"manifest show {second} --json"))["closure"] is not None)
    nothing = cargo_ledger(
        f"consignment release {opened.reference} --procedure export", key="officer", code=1
    )
    assert "is withdrawn; name the one decided on with --manifest" in nothing.stderr
    cargo_ledger(f"consignment hold {opened.reference} --reason", "manifest withdrawn", key="officer")


def test_a_manifest_is_erased_once_its_party_says_so_twice(cargo_ledger, opened):
    manifest = read(cargo_ledger(f"manifest show {opened.reference} --json"))["id"]
    kept = cargo_ledger(f"manifest erase {manifest}", code=130)
    assert "Erase the document of manifest" in kept.stderr
    assert read(cargo_ledger(f"manifest show {manifest} --json"))["content"] == "seen"
    refused = cargo_ledger(f"manifest erase {manifest} --yes", key="carrier", code=1)
    assert "There is no manifest" in refused.stderr
    erased = read(cargo_ledger(f"manifest erase {opened.reference} --yes --json"))
    assert (erased["content"], erased["consignment_key"]) == ("erased", "erased")
    assert "Erased: what this service kept" in cargo_ledger(f"manifest erase {manifest} --yes").stdout
    shown = cargo_ledger(f"manifest show {manifest}").stdout
    assert "erased here" in shown and "Static converters" not in shown
    wait_for(lambda: read(cargo_ledger(f"manifest show {manifest} --json"))["anchor"] is not None)
    cargo_ledger(f"manifest prove {manifest} --out proof.json")
    assert "VALID" in cargo_ledger("manifest verify-inclusion proof.json").stdout


def wait_for(is_there):
    deadline = time.monotonic() + 20
    while not is_there():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_second_consignment_of_one_reference_is_refused_and_leaves_no_file(
    cargo_ledger, opened, document, tmp_path
):
    document(opened.reference, "again.json", dangerous=True)
    refused = cargo_ledger("manifest lodge again.json", code=1)
    assert "is in use for the open consignment" in refused.stderr
    assert not (tmp_path / "again.lodged.json").exists()


def test_secrets_that_are_kept_are_never_written_over(cargo_ledger, opened, tmp_path):
    kept = (tmp_path / "invoice.lodged.json").read_text()
    again = cargo_ledger("manifest lodge invoice.json", code=2)
    assert "invoice.lodged.json exists already" in again.stderr
    assert (tmp_path / "invoice.lodged.json").read_text() == kept


def test_a_lodging_that_got_no_answer_goes_on_with_what_was_kept(cargo_ledger, document, tmp_path):
    trade_reference = reference()
    document(trade_reference)
    gone = cargo_ledger("manifest lodge invoice.json --party SG:ACME01", at="http://127.0.0.1:9", code=4)
    assert "is not reachable" in gone.stderr
    kept = json.loads((tmp_path / "invoice.lodged.json").read_text())
    assert kept["id"] is None
    early = cargo_ledger("consignment open invoice.lodged.json", code=1)
    assert "got no answer yet; run the same `manifest lodge` again first" in early.stderr
    cargo_ledger("manifest lodge invoice.json")
    after = json.loads((tmp_path / "invoice.lodged.json").read_text())
    assert (after["secret"], after["consignment_key"]) == (kept["secret"], kept["consignment_key"])
    assert after["id"] is not None
    cargo_ledger("consignment open invoice.lodged.json")


def test_a_manifest_without_a_reference_of_its_own_needs_one_given(cargo_ledger, tmp_path):
    (tmp_path / "bare.json").write_text('{"schema": "cargo-manifest/1", "references": [], "goods": [{}]}')
    bare = cargo_ledger("manifest lodge bare.json", code=2)
    assert "give --reference scheme:VALUE" in bare.stderr


# --- who may


def test_an_account_consents_is_enrolled_acts_and_is_revoked(cargo_ledger, opened, tmp_path):
    name = f"inspector{time.time_ns()}"
    made = read(cargo_ledger(f"key new {name} --light --json"))
    stranger = cargo_ledger(f"consignment hold {opened.reference} --reason control", key=name, code=1)
    assert "is not enrolled with any administration" in stranger.stderr
    cargo_ledger("account consent --party SG --roles officer,auditor --out consent.json", key=name)
    foreign = cargo_ledger("account enrol consent.json", key="foreign-governor", code=1)
    assert "does not hold the governor's seat of SG" in foreign.stderr
    enrolled = read(cargo_ledger("account enrol consent.json --json", key="governor"))
    assert (enrolled["party"], enrolled["roles"], enrolled["valid_now"]) == (
        "SG",
        ["OFFICER", "AUDITOR"],
        True,
    )
    twice = cargo_ledger("account enrol consent.json", key="governor", code=1)
    assert "an address is enrolled once ever" in twice.stderr

    wait_for(lambda: not cargo_ledger_code(cargo_ledger, f"account show {made['address']}", at="SG"))
    deadline = time.monotonic() + 20
    while True:
        try:
            cargo_ledger(f"consignment hold {opened.reference} --reason control", key=name)
            break
        except AssertionError:  # the service has not read the enrolment yet
            assert time.monotonic() < deadline
            time.sleep(0.5)
    revoked = cargo_ledger(f"account revoke {made['address']}", key="governor")
    assert "it never acts again" in revoked.stdout
    assert "It was revoked at" in cargo_ledger(f"account show {made['address']}").stdout
    cargo_ledger("account show 0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A", code=1)


def test_administrations_decide_together(cargo_ledger):
    listed = read(cargo_ledger("administration show --json"))["administrations"]
    assert [each["administration"] for each in listed][:3] == ["SG", "NL", "AE"]
    put = read(cargo_ledger("administration propose suspension AE --json", key="governor"))
    assert (put["state"], put["approved_by"]) == ("open", ["SG"])
    assert ": open." in cargo_ledger(f"administration show {put['proposal']}").stdout
    twice = cargo_ledger(f"administration approve {put['proposal']}", key="governor", code=1)
    assert "before" in twice.stderr
    carried = cargo_ledger(f"administration approve {put['proposal']}", key="foreign-governor").stdout
    assert "The suspension of AE: carried." in carried
    assert read(cargo_ledger("administration show AE --json"))["state"] == "suspended"
    back = read(cargo_ledger("administration propose reinstatement AE --json", key="governor"))
    cargo_ledger(f"administration approve {back['proposal']}", key="foreign-governor")
    assert read(cargo_ledger("administration show AE --json"))["state"] == "active"
    cargo_ledger("administration show KE", code=1)
    needs = cargo_ledger("administration propose admission KE", key="governor", code=2)
    assert "name the new governor with --governor" in needs.stderr


# --- what cannot be


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "consignment show invoice",
            "a consignment id (64 hex digits), a trade reference (scheme:VALUE) or a container",
        ),
        ("consignment arrive ucr:6SG1 --place NOWHERE", "a UN/LOCODE is expected"),
        ("consignment hold ucr:6SG1", "Missing option '--reason'"),
        ("consignment offer ucr:6SG1", "give one of --to PARTY and --withdraw"),
        ("consignment offer ucr:6SG1 --to sg", "a party is expected"),
        ("consignment seal ucr:6SG1", "give one of --affix NUMBER and --remove NUMBER"),
        ("consignment arrive ucr:6SG1 --at 2026-03-01T14:30", "has no zone"),
        ("consignment show ucr:6SG1 --service nowhere", "the address of a service is expected"),
        ("manifest show nothing:", "a trade reference is expected"),
        ("manifest withdraw ucr:6SG1 --reason mood", "'mood' is not one of"),
    ],
)
def test_wrong_usage_is_one_sentence_and_code_2(cargo_ledger, line, words):
    assert words in cargo_ledger(line, code=2).stderr


@pytest.mark.parametrize(
    "line",
    ["consignment show ucr:6SG1", "manifest show ucr:6SG1", "consignment hold ucr:6SG1 --reason control"],
)
def test_a_service_that_is_not_there_is_code_4(cargo_ledger, line):
    gone = cargo_ledger(line, at="http://127.0.0.1:9", code=4)
    assert "The service at http://127.0.0.1:9 is not reachable" in gone.stderr
    told = cargo_ledger(line + " --json", at="http://127.0.0.1:9", code=4)
    assert json.loads(told.stderr)["error"]["kind"] == "ServiceUnavailable"


def test_a_profile_of_another_chain_signs_nothing(cargo_ledger, opened, desk, tmp_path):
    profile = json.loads((desk / "profile.json").read_text()) | {"chain_id": 1}
    (tmp_path / "other.json").write_text(json.dumps(profile))
    refused = cargo_ledger(
        f"consignment hold {opened.reference} --reason control --profile other.json", key="officer", code=1
    )
    assert "the chain id is 31337, the profile pins 1" in refused.stderr


def test_the_development_chain_is_started_once_and_goes_on(cargo_ledger, tmp_path):
    chain = "--folder chain --block-seconds 0 --json"
    none = cargo_ledger("chain status --folder chain --json", code=4)
    assert read(none) == {"running": False, "folder": str(tmp_path / "chain")}
    first = read(cargo_ledger(f"chain up {chain} --founder SG --founder NL"))
    try:
        assert (first["founded"], set(first["governors"])) == (True, {"governor-sg", "governor-nl"})
        second = read(cargo_ledger(f"chain up {chain}"))
        assert (second["founded"], second["pid"]) == (False, first["pid"])
        assert read(cargo_ledger("chain status --folder chain --json"))["running"]
        listed = cargo_ledger("administration show --json --profile", first["profile"])
        assert [each["administration"] for each in read(listed)["administrations"]] == ["SG", "NL"]
        assert read(cargo_ledger("chain down --folder chain --json"))["stopped"]
        gone = cargo_ledger("administration show --profile", first["profile"], code=4)
        assert "Is it running?" in gone.stderr
        third = read(cargo_ledger(f"chain up {chain}"))
        assert not third["founded"]
        again = cargo_ledger("administration show --json --profile", third["profile"])
        assert read(again) == read(listed)
    finally:
        cargo_ledger("chain down --folder chain")
