"""Secrets are planted everywhere they can go in, and looked for everywhere something comes out (RELIABILITY E10)."""

import base64
import json
import secrets
import time

import cargo
import httpx
import local_network
import pytest
import service_process
from receivers_at_work import receiving
from running_service import PASSWORD
from service_process import ServiceProcess, wait_until_ready

from ledger.client import LedgerClient
from ledger.core.records import ManifestReason

# Every process of the service logs whatever any library has to say.
LOG_EVERYTHING = """
import logging, sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
logging.getLogger("sqlalchemy").setLevel(logging.DEBUG)  # else it sets itself to WARNING
"""


class Planted:
    """Secrets by name, in every form in which they could come out."""

    def __init__(self):
        self.forms = {}

    def text(self, name, text):
        self.forms[name] = [text.encode(), text.encode().hex().encode(), base64.b64encode(text.encode())[:-4]]
        return text

    def raw(self, name, data):
        forms = [data, data.hex().encode(), data.hex().upper().encode(), base64.b64encode(data)[:40]]
        self.forms[name] = [*forms, repr(data)[2:-1].encode()]
        return data

    def found_in(self, data):
        return [name for name, forms in self.forms.items() if any(form in data for form in forms)]


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A network of this test's own, for the one database that anchors on it."""
    network = local_network.begin(tmp_path_factory.mktemp("planted_network"))
    yield network
    local_network.end(network)


@pytest.fixture
def planted():
    return Planted()


@pytest.fixture
def service(network, tmp_path, monkeypatch):
    """A service with its worker, on a database of its own, that logs everything."""
    monkeypatch.setattr(service_process, "START_SECONDS", 120)  # logging everything takes its time
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "sitecustomize.py").write_text(LOG_EVERYTHING)
    service = ServiceProcess(
        network, tmp_path, PYTHONPATH=str(tmp_path / "python"), LEDGER_WEBHOOK_NETWORKS="127.0.0.0/8"
    )
    yield service
    service.stop()


@pytest.mark.row("E10")
def test_what_is_planted_comes_out_nowhere(network, service, planted, tmp_path, now):
    service.start("--create")
    wait_until_ready(service.url)
    errors = []
    with (
        LedgerClient(service.url, key=network.keys["exporter"]) as exporter,
        LedgerClient(service.url, key=network.keys["officer"]) as officer,
        httpx.Client(base_url=service.url, timeout=30, trust_env=False) as http,
    ):
        for role in ("sequencer", "relayer", "exporter", "officer"):
            planted.raw(f"key of the {role}", network.keys[role])
        planted.text("password", PASSWORD)
        wrapping = (tmp_path / "ledger.db.wrapping-keys").read_text().split()[-1]
        planted.raw("wrapping key", bytes.fromhex(wrapping))
        ended = {"authorization": f"Bearer {planted.text('ended session', officer.sign_in().token)}"}
        assert http.delete("/v1/sessions/current", headers=ended).status_code == 204
        planted.text("session token", officer.sign_in().token)
        with receiving() as receiver:
            word = planted.text("webhook's token", secrets.token_urlsafe(24))
            hook = officer.webhooks.register(f"{receiver.url}?token={word}", kinds=["manifest"])
            planted.raw("webhook's secret", base64.b64decode(hook.secret.removeprefix("whsec_")))
            lodge_and_read(exporter, officer, planted, now)
            deadline = time.monotonic() + 20
            while not receiver.received:
                assert time.monotonic() < deadline, "nothing was sent to the webhook"
                time.sleep(0.1)
            assert receiver.received[0].path.endswith(word)
        errors += troubles(http, exporter, planted, now)
        errors += [http.get("/v1/accounts/0x00", headers=ended), http.get("/v1/webhooks", headers=ended)]
        metrics = http.get("/metrics").content + http.get("/readyz").content + http.get("/healthz").content
        files = {path.name: path.read_bytes() for path in tmp_path.glob("ledger.db*")}
    assert {"ledger.db", "ledger.db-wal", "ledger.db-shm"} <= files.keys()
    service.stop()
    files |= {f"{path.name}, stopped": path.read_bytes() for path in tmp_path.glob("ledger.db*")}
    log = service.log.read_bytes()
    assert b"DEBUG" in log and b"FROM sealed_objects" in log, "every library was asked to tell all"

    assert len(planted.forms) == 20
    assert planted.found_in(log) == []
    assert planted.found_in(metrics) == []
    for answer in errors:
        assert 400 <= answer.status_code < 500, (answer.request.url, answer.status_code)
        assert planted.found_in(answer.content) == [], (answer.status_code, answer.text)
    keys = {name for name in files if "wrapping-keys" in name}
    assert all("wrapping key" in planted.found_in(files[name]) for name in keys), (
        "the search finds what is there"
    )
    for name in files.keys() - keys:
        assert planted.found_in(files[name]) == [], name


def lodge_and_read(exporter, officer, planted, now):
    """The main job, with something secret in each of its parts; all of it is read back."""
    word = secrets.token_hex(8)
    reference = "ucr:" + planted.text("trade reference", f"6SG{word.upper()}")
    container = planted.text("container", f"CSQU{secrets.randbelow(10**7):07d}")
    key = planted.raw("consignment key", secrets.token_bytes(32))
    secret = planted.raw("document's secret", secrets.token_bytes(32))
    text = planted.text("manifest text", f"Vaccines for {word}, lot 7")
    document = cargo.manifest_document(reference, container, description=text)
    lodged = exporter.lodge(document, "SG:ACME01", reference=reference, consignment_key=key, secret=secret)
    amended = exporter.amend(
        lodged.id,
        document | {"note": planted.text("amended text", f"Corrected by {word}")},
        ManifestReason.CORRECTION,
    )
    exporter.open(lodged.consignment, "SG:ACME01", manifest_root=lodged.root, blind=lodged.blind)
    exporter.wait_for_manifest(amended.id, "anchored")
    hold = planted.text("reason of a hold", f"Suspicion {word}")
    seal = planted.text("seal", f"K{word.upper()}")
    held = officer.hold(lodged.consignment, "SG", {"reason": hold, "seal": seal})
    officer.wait_for_record(lodged.consignment, held.digest)
    assert officer.find_manifests(container=container)[0].document["description"] == text
    found = officer.find_consignments(reference=reference)[0]
    assert found.holds[0].reason == hold
    assert officer.find_consignments(seal=seal)
    assert officer.consignment_records(lodged.consignment)
    travelling = exporter.accompanying_file(lodged.consignment, ["/description"])
    officer.load_accompanying(travelling)


def troubles(http, exporter, planted, now):
    """What goes wrong with secrets in the request: every answer."""
    word = secrets.token_hex(8)
    text = planted.text("refused text", f"Never taken {word}")
    good = cargo.whole_submission(exporter, now).model_dump(mode="json")
    good["document"]["description"] = text
    planted.raw("refused key", bytes.fromhex(good["consignment_key"][2:]))
    body = json.dumps(good)
    spoiled = [
        body,  # it does not lead to the root
        body.replace(f'"{text}"', f'"{text}", "mass": 1.5'),
        body.replace(f'"{text}"', f'"{text}", "a": "\\ud800"'),
        body.replace(f'"{text}"', f'"{text}", "description": "{text}"'),
        body.replace(f'"{text}"', f'"{text}'),
        body[:-30],
        body.replace('"secret": "0x', '"secret": "'),
        body.replace('"consignment_key": "0x', '"consignment_key": "0y'),
        body.replace('"reference"', f'"{word}"'),
    ]
    answers = [post(http, "/v1/manifests", each) for each in spoiled]
    answers.append(post(http, "/v1/manifests", body, "text/plain"))
    again = json.loads(body)
    del again["document"], again["secret"]
    answers.append(post(http, "/v1/manifests", json.dumps(again | {"document": {"a": text}})))
    lines = http.post(
        "/v1/manifests/batch",
        content="\n".join(spoiled).encode("utf-8", "surrogatepass"),
        headers={"content-type": "application/x-ndjson"},
    )
    assert planted.found_in(lines.content) == [], lines.text
    assert lines.content.count(b"/problems/") >= len(spoiled) - 1
    answers.append(http.get(f"/v1/manifests/0x{'00' * 32}"))
    answers.append(post(http, "/v1/custody-records", json.dumps({"records": [{"document": {"a": text}}]})))
    answers.append(
        post(http, "/v1/accompanying-files", json.dumps({"consignment_key": good["consignment_key"]}))
    )
    return answers


def post(http, path, body, media_type="application/json"):
    return http.post(
        path, content=body.encode("utf-8", "surrogatepass"), headers={"content-type": media_type}
    )
