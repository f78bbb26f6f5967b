"""An import's records, sent: from HMRC's notifications to a history on chain, once, whatever happens on the way."""

import json
import re
import secrets
import shutil
import time
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest
import running_service
from ledger_at_work import until
from typer.testing import CliRunner

from ledger import keys
from ledger.cli import service
from ledger.cli.main import app
from ledger.client import LedgerClient
from ledger.core.signatures import account_of
from ledger.errors import ServiceError, ServiceUnavailable
from ledger.importing.prepared import read_prepared
from ledger.sending import send_records

DEMO_DATA = Path(__file__).parents[2] / "scripts" / "demo_data"
PASSWORD = "a password of a test"
ROLES = {"trader": "exporter", "customs": "officer"}
SEND = "import send import-under-control.ndjson --trader-key exporter --customs-key officer"


@pytest.fixture(scope="module")
def at_work(network, tmp_path_factory):
    """The service of SG with its worker."""
    settings = running_service.settings_for(network, tmp_path_factory.mktemp("service"))
    with running_service.working(settings), running_service.serving(network, settings) as running:
        yield running


@pytest.fixture(scope="module")
def desk(network, tmp_path_factory):
    """A folder with the keys and the password of everybody here."""
    folder = tmp_path_factory.mktemp("desk")
    for role in (*ROLES.values(), "foreign_officer", "stranger"):
        name = role.replace("_", "-")
        keys.create(folder / "keys", name, PASSWORD, private_key=network.keys[role], light=True)
    (folder / "password").write_text(PASSWORD + "\n")
    return folder


@pytest.fixture
def imported(tmp_path):
    """A folder with the demo's imported notifications and manifests."""
    for file in (*DEMO_DATA.glob("*.json"), *DEMO_DATA.glob("*.ndjson")):
        shutil.copy(file, tmp_path)
    for file in tmp_path.glob("*.ndjson"):
        known_by_its_own_reference(file)
    return tmp_path


def known_by_its_own_reference(file):
    """The same records for a consignment of this test's own: a reference has one open consignment at a service."""
    own = f'\\1-{secrets.token_hex(3).upper()}"'
    file.write_text(re.sub(r'("trade_reference":"[^"]+)"', own, file.read_text()))


@pytest.fixture
def cargo_ledger(at_work, desk, imported, monkeypatch):
    monkeypatch.chdir(imported)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("CARGO_LEDGER_SERVICE", at_work.url)
    monkeypatch.setenv("CARGO_LEDGER_KEYS", str(desk / "keys"))
    monkeypatch.setenv("CARGO_LEDGER_PASSWORD_FILE", str(desk / "password"))
    for name in ("PROFILE", "KEY", "TRACE"):
        monkeypatch.delenv(f"CARGO_LEDGER_{name}", raising=False)
    monkeypatch.setattr(service, "RETRY_SECONDS", 5)

    def run(line, *more, code=0):
        result = CliRunner().invoke(app, [*line.split(), *map(str, more)], prog_name="cargo-ledger")
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    return run


def changed(file, change):
    """Write a file's records anew, each as `change` makes it."""
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps(change(line)) + "\n" for line in lines if line))


def of_singapore(line):
    """The same record, stated by SG's party today: what these keys may state."""
    line["party"]["administration"] = "SG"
    line.update({name: int(time.time()) for name in ("issued_at", "observed_at") if name in line})
    return line


def history(at_work, consignment):
    with at_work.client() as client:
        return [each.kind for each in client.consignment_records(consignment) if each.state != "refused"]


STORY = ["OPEN", "REMARK", "HOLD", "LIFT", "CLEARANCE"]


@pytest.mark.on_validators
def test_the_notifications_of_an_import_become_its_history_once(cargo_ledger, at_work, imported):
    first = cargo_ledger(f"{SEND} --observed now --as-enrolled --json")
    report = json.loads(first.stdout)
    assert report["whole"]
    assert [each["kind"] for each in report["records"]] == [
        *("LODGE", "OPEN", "REMARK", "HOLD", "AMEND", "LIFT", "CLEARANCE")
    ]
    assert {each["outcome"] for each in report["records"]} == {"sent"}
    assert report["reference"].startswith("ducr:1GB553202734852-12345-")
    kept = imported / "import-under-control.sent.json"
    assert kept.stat().st_mode & 0o077 == 0

    with at_work.client() as client:
        state = client.consignment(report["consignment"])
        records = client.consignment_records(report["consignment"])
        amended = json.loads(kept.read_text())["records"]["5"]
        first_manifest = json.loads(kept.read_text())["records"]["1"]["id"]
        deadline = time.monotonic() + 20
        while (closure := client.manifest(first_manifest).closure) is None:
            assert time.monotonic() < deadline, "the amendment is not on chain"
            time.sleep(0.2)
    assert [each.kind for each in records] == STORY
    assert {each.state for each in records} <= {"recorded", "final"}
    assert [each.party for each in records] == ["SG:ACME01", "SG", "SG", "SG", "SG"]
    assert (state.holds, state.custodian) == ([], "SG:ACME01")
    [release] = state.releases
    assert (release.procedure, release.manifest) == ("free circulation", amended["id"])
    assert (closure.kind, closure.successor) == ("AMEND", amended["id"])
    hold = records[2].document
    assert hold["note"] == "observed at 2021-07-19T14:55:35Z by its source"
    assert (hold["schema"], hold["reason"]) == ("cargo-hold/1", "control")

    second = cargo_ledger(f"{SEND} --observed now --as-enrolled")
    assert "0 records sent of 7, 7 sent before." in second.stdout
    assert history(at_work, report["consignment"]) == STORY


class LosesAnswers(httpx.BaseTransport):
    """A wire that breaks after a number of writes: the last one arrives, its answer does not."""

    def __init__(self, writes):
        self._wire = httpx.HTTPTransport()
        self._writes = writes

    def handle_request(self, request):
        if self._writes <= 0:
            raise httpx.ConnectError("the wire is broken", request=request)
        answer = self._wire.handle_request(request)
        if request.method == "POST":
            self._writes -= 1
            if self._writes == 0:
                answer.read()
                answer.close()
                raise httpx.ReadError("the wire broke", request=request)
        return answer

    def close(self):
        self._wire.close()


@pytest.mark.parametrize("writes", range(1, 6))
def test_a_broken_connection_goes_on_and_states_nothing_twice(network, at_work, imported, writes):
    file = imported / "import-under-control.ndjson"
    changed(file, of_singapore)

    def send(wire=None):
        with ExitStack() as opened:
            clients = {
                role: opened.enter_context(
                    LedgerClient(at_work.url, key=network.keys[key], retry_seconds=0, transport=wire)
                )
                for role, key in ROLES.items()
            }
            return send_records(file, read_prepared(file), clients, imported / "sent.json")

    with pytest.raises(ServiceUnavailable):
        send(LosesAnswers(writes))
    kept = json.loads((imported / "sent.json").read_text())
    assert [each["state"] for each in kept["records"].values()][-1] == "sending"
    report = send()
    assert report.is_whole
    assert report.consignment == kept["facts"]["consignment"]
    assert history(at_work, report.consignment) == STORY
    assert [each.outcome for each in report.records].count("sent before") >= writes - 1


def test_a_refusal_stops_with_the_line_and_the_reason_and_go_on_leaves_out_what_needs_it(
    cargo_ledger, at_work, imported
):
    file = imported / "import-under-control.ndjson"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    clear, lift = lines[6], lines[5]
    clear["number"], lift["number"] = 6, 7  # cleared while the hold stands
    file.write_text("".join(json.dumps(of_singapore(line)) + "\n" for line in [*lines[:5], clear, lift]))
    stopped = cargo_ledger(SEND, code=1)
    assert "import-under-control.ndjson, line 6: CLEARANCE was refused: " in stopped.stdout
    assert "on hold by SG" in stopped.stdout
    assert "5 records sent of 7, 2 not." in stopped.stdout
    told = json.loads(cargo_ledger(f"{SEND} --go-on --json", code=1).stdout)
    assert [each["outcome"] for each in told["records"]] == [*["sent before"] * 5, "refused", "sent"]
    assert told["records"][5]["problem"]["refusal"] == "HELD"
    whole = json.loads(cargo_ledger(f"{SEND} --json").stdout)
    assert [each["outcome"] for each in whole["records"]] == [*["sent before"] * 5, "sent", "sent before"]
    assert history(at_work, whole["consignment"]) == STORY


def is_revoked_at(at_work, address):
    """Whether the service has read of a revocation, whose registry it reads by turns."""
    with at_work.client() as client:
        try:
            return client.account(address).revoked_at is not None
        except ServiceError as error:
            assert error.status == 404, error
            return False


def test_what_needs_a_refused_record_is_left_out(cargo_ledger, at_work, imported, network, desk):
    network.enrol(bytes([7]) * 32, "SG:DEFUNCT", 1)
    keys.create(desk / "keys", "revoked", PASSWORD, private_key=bytes([7]) * 32, light=True)
    with closing(network.governance()) as governance:
        governance.revoke(account_of(bytes([7]) * 32), int(time.time()) - 3600)
    until(lambda: is_revoked_at(at_work, account_of(bytes([7]) * 32)))
    changed(imported / "import-under-control.ndjson", of_singapore)
    line = "import send import-under-control.ndjson --trader-key revoked --customs-key officer --go-on --json"
    told = json.loads(cargo_ledger(line, code=1).stdout)
    assert {each["outcome"] for each in told["records"]} == {"refused", "left out"}


@pytest.mark.parametrize(
    ("line", "words", "code"),
    [
        (SEND, "line 1: it is stated by a trader of GB, and --trader-key acts for SG:ACME01; ", 1),
        (
            f"{SEND} --as-enrolled",
            "line 2: OPEN was observed at 2021-07-19T14:55:34Z, and the chain takes it",
            1,
        ),
        (
            SEND.split(" --customs")[0],
            "line 3: REMARK is stated by the customs administration; give the key",
            1,
        ),
        (SEND.replace("officer", "exporter"), "it is enrolled for SG:ACME01 as trader, and --customs-key", 1),
        (SEND.replace("exporter", "officer"), "it is enrolled for SG as officer, and --trader-key", 1),
        (SEND.replace("officer", "stranger"), "it is not enrolled with any administration", 1),
        (
            SEND.replace("import-under-control.ndjson", "missing.ndjson"),
            "there is no file 'missing.ndjson'",
            2,
        ),
        (f"{SEND} --out import-under-control.json", "it is no file that a sending kept", 1),
    ],
)
def test_what_cannot_be_sent_is_one_sentence_and_nothing_is_sent(
    cargo_ledger, at_work, imported, line, words, code
):
    refused = cargo_ledger(line, code=code)
    assert words in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not list(imported.glob("*.sent.json"))


def test_what_was_sent_of_other_records_is_not_taken_for_these(cargo_ledger, imported):
    file = imported / "import-free-circulation.ndjson"
    changed(file, of_singapore)
    line = f"import send {file.name} --trader-key exporter --customs-key officer"
    assert "3 records sent of 3." in cargo_ledger(line).stdout
    file.write_text(file.read_text() + "\n")
    assert "the records are not those of which it keeps what was sent" in cargo_ledger(line, code=1).stderr


def test_a_master_reference_goes_first_and_what_is_in_it_follows(cargo_ledger, at_work, imported):
    keys_given = "--trader-key exporter --customs-key officer --observed now --as-enrolled --json"
    house = imported / "export-consolidated.ndjson"
    lines = [json.loads(line) for line in house.read_text().splitlines()]
    known = json.loads((imported / "export-consolidated-movements.ndjson").read_text().splitlines()[1])
    master_reference = known["trade_reference"]
    into = {
        **lines[-1],
        "kind": "CONSOLIDATE",
        "party": lines[0]["party"],
        "details": {"schema": "cargo-consolidation/1", "reference": master_reference},
    }
    house.write_text("".join(json.dumps(line) + "\n" for line in [*lines[:-1], into]))
    unknown = cargo_ledger(f"import send {house.name} {keys_given}", code=1)
    assert f"line 5: open consignment of {master_reference}" in json.loads(unknown.stderr)["error"]["message"]
    master = json.loads(cargo_ledger(f"import send export-consolidated-movements.ndjson {keys_given}").stdout)
    assert history(at_work, master["consignment"]) == ["OPEN", "REMARK", "ARRIVAL", "DEPARTURE"]
    sent = json.loads(cargo_ledger(f"import send {house.name} {keys_given}").stdout)
    with at_work.client() as client:
        assert client.consignment(sent["consignment"]).inside == master["consignment"]


def test_a_scenario_of_hmrc_s_is_imported_and_sent(cargo_ledger, at_work, conformance, imported):
    [scenario] = (conformance / "4-messages" / "hmrc-cds").rglob("TT_IM017a")
    cargo_ledger("import hmrc-cds --out imported", scenario)
    [file] = (imported / "imported" / "records").glob("*.ndjson")
    known_by_its_own_reference(file)
    report = json.loads(cargo_ledger("import send", file, *SEND.split()[3:], *_TRIAL).stdout)
    assert report["whole"]
    assert history(at_work, report["consignment"]) == STORY
    assert file.with_name(f"{file.stem}.sent.json").exists()


_TRIAL = ("--observed", "now", "--as-enrolled", "--json")
