"""Who may read what: every route by every person, on an object that is theirs, another's, and absent.

The routes come from the OpenAPI document; a route that has no row in `TABLE` fails.
"""

import contextlib
import re
import secrets
import time

import cargo
import httpx
import orjson
import pytest
import running_service
import sqlalchemy
from ledger_at_work import Anvil, until
from problem_answers import assert_problem

from api import problems
from api.logs import REQUEST_ID_HEADER
from ledger import tables
from ledger.client import LedgerClient
from ledger.core.records import Role
from ledger.core.signatures import account_of
from ledger.messages import to_hex

# who is who beside the network's own people; all act for SG
MORE = {
    "agency": ("SG:FOOD01", Role.OFFICER),
    "company_auditor": ("SG:ACME01", Role.AUDITOR),
    "offered": ("SG:CONS01", Role.TRADER),
    "loader": ("SG:LOAD01", Role.TRADER),
    "outsider": ("SG:OTHR01", Role.TRADER),
    "outside_auditor": ("SG:OTHR01", Role.AUDITOR),
}
CUSTOMS = {"officer", "auditor"}
SEE_MANIFEST = CUSTOMS | {"agency", "exporter", "company_auditor", "carrier"}
SEE_CONSIGNMENT = SEE_MANIFEST | {"offered", "loader"}
READERS = SEE_CONSIGNMENT | {"outsider", "outside_auditor"}
MAY_LOAD = READERS - {"auditor", "company_auditor", "outside_auditor"}
NO_READERS = {"nobody", "guesser", "expired", "revoked", "ended", "stranger", "sequencer", "foreign_officer"}

# evidence is made from the node anew for each who may have it: of those, some are asked; of those who may not, all
EVIDENCE = {"manifest_evidence", "consignment_evidence"}
ASKED_FOR_EVIDENCE = {
    "exporter",
    "loader",
    "offered",
}  # its issuer, and who sees the consignment and not its manifest

ONE, LIST, OPEN = "one thing", "a list", "open"
ITS_OWN = {"exporter"}  # whose webhook it is; nobody else's, not customs' either
# by operation: what it is, and who sees the consignment in question, or its manifest, there
TABLE = {
    "manifest": (ONE, SEE_MANIFEST),
    "manifest_proof": (ONE, SEE_MANIFEST),
    "manifest_evidence": (ONE, SEE_MANIFEST),
    "find_manifests": (LIST, SEE_MANIFEST),
    "consignment": (ONE, SEE_CONSIGNMENT),
    "consignment_records": (ONE, SEE_CONSIGNMENT),
    "accompanying_file": (ONE, SEE_MANIFEST | {"loader"}),
    "consignment_evidence": (ONE, SEE_MANIFEST | {"loader"}),
    "find_consignments": (LIST, SEE_CONSIGNMENT),
    "events": (LIST, SEE_CONSIGNMENT),
    "leaves": (ONE, {"auditor"}),
    "audit": (ONE, {"auditor"}),
    "register_webhook": (LIST, READERS),
    "webhooks": (LIST, ITS_OWN),
    "webhook": (ONE, ITS_OWN),
    "remove_webhook": (ONE, ITS_OWN),
    "rotate_webhook_secret": (ONE, ITS_OWN),
    "enable_webhook": (ONE, ITS_OWN),
    "dead_letters": (ONE, ITS_OWN),
    "replay_dead_letters": (ONE, ITS_OWN),
    "head": (ONE, READERS),
    "consistency": (ONE, READERS),
    "administrations": (LIST, READERS),
    "party": (ONE, READERS),
    "account": (ONE, READERS),
    "sign_out": (LIST, READERS),
    "load_accompanying": (ONE, MAY_LOAD),
    # what needs no token: writes are signed, the others give nothing away
    "lodge": (OPEN, None),
    "lodge_batch": (OPEN, None),
    "record": (OPEN, None),
    "erase_content": (OPEN, None),
    "judge": (OPEN, None),
    "chain": (OPEN, None),
    "challenge": (OPEN, None),
    "sign_in": (OPEN, None),
    "healthz": (OPEN, None),
    "readyz": (OPEN, None),
    "metrics": (OPEN, None),
}


class Scene:
    """A consignment made by the exporter, in the carrier's charge, offered on, with its file loaded by a third."""

    def __init__(self, network, service, closing):
        self.clients, self.anvil = closing, Anvil(network.chain.url)
        closing.callback(self.anvil.close)
        self.network, self.service = network, service
        self.keys = dict(network.keys)
        for name, (party, roles) in MORE.items():
            self.keys[name] = secrets.token_bytes(32)
            network.enrol(self.keys[name], party, roles)
        for name in ("revoked", "expired", "ended"):
            self.keys[name] = secrets.token_bytes(32)
            network.enrol(self.keys[name], "SG:ACME01", Role.TRADER)
        exporter, carrier = self.client("exporter"), self.client("carrier")
        self.reference = cargo.reference()
        self.lodged = self.made(exporter, self.reference)
        self.spare = self.made(exporter, cargo.reference())  # its file is loaded by everybody who may
        exporter.offer(self.lodged.consignment, "SG:ACME01", "SG:CARR01")
        answer = carrier.accept(self.lodged.consignment, "SG:CARR01")
        carrier.wait_for_record(self.lodged.consignment, answer.digest)
        answer = carrier.offer(self.lodged.consignment, "SG:CARR01", "SG:CONS01")
        carrier.wait_for_record(self.lodged.consignment, answer.digest)
        self.anvil.mine(4)
        exporter.wait_for_manifest(self.lodged.id, state="final")
        exporter.wait_for_manifest(self.spare.id, state="final")
        self.file = exporter.accompanying_file(self.spare.consignment)
        self.webhook = exporter.webhooks.register("https://public.example/").id
        self.client("loader").load_accompanying(exporter.accompanying_file(self.lodged.consignment))
        with service.app.state.ledger._store.read() as session:
            self.told = session.last_told()
        self.tokens = {name: self.client(name).sign_in().token for name in READERS}
        self.tokens |= {"nobody": None, "guesser": secrets.token_urlsafe(32)}
        self.tokens |= {name: self.client(name).sign_in().token for name in ("revoked", "expired", "ended")}
        # what those would show who can't sign in at all
        self.tokens |= {
            name: secrets.token_urlsafe(32) for name in ("stranger", "sequencer", "foreign_officer")
        }
        self.http = closing.enter_context(httpx.Client(base_url=service.url, timeout=30, trust_env=False))

    def client(self, name):
        return self.clients.enter_context(
            contextlib.closing(_Closing(LedgerClient(self.service.url, key=self.keys[name])))
        ).client

    def made(self, client, reference):
        lodged = client.lodge(cargo.manifest_document(reference), "SG:ACME01", reference=reference)
        answer = client.open(lodged.consignment, "SG:ACME01", manifest_root=lodged.root, blind=lodged.blind)
        client.wait_for_record(lodged.consignment, answer.digest)
        return lodged

    def ask(self, operation, method, path, name, is_there):
        """One cell: the answer to a person, about the object or about one that is absent."""
        absent = {
            "manifests": "0x" + "ab" * 32,
            "consignments": "0x" + "cd" * 32,
            "webhooks": "0x" + "ef" * 32,
        }
        there = {
            "manifests": to_hex(self.lodged.id),
            "consignments": to_hex(self.lodged.consignment),
            "webhooks": self.webhook,
        }
        ids = there if is_there else absent
        path = re.sub(
            r"^/v1/(manifests|consignments|webhooks)/\{id\}", lambda m: f"/v1/{m[1]}/{ids[m[1]]}", path
        )
        path = path.replace("{administration}", "SG" if is_there else "ZZ")
        path = path.replace("{question}", "disputed" if is_there else "who-is-it")
        path = path.replace("{party}", "SG:ACME01" if is_there else "SG:NONE99")
        path = path.replace("{address}", account_of(self.keys["officer"]) if is_there else "0x" + "ef" * 20)
        assert "{" not in path, f"{path}: say what stands there"
        request = {}
        reference = self.reference if is_there else "ucr:6SGABSENT"
        if operation in ("find_manifests", "find_consignments"):
            request["params"] = {"reference": reference}
        if operation == "consistency":
            request["params"] = {"first": self.http_head_size()}
        if operation == "events":
            request["params"] = {"consignment": ids["consignments"], "after": 0}
        if operation == "remove_webhook" and is_there and name in ITS_OWN:
            spare = self.client(name).webhooks.register("https://public.example/spare").id
            path = path.replace(self.webhook, spare)
        if operation in ("rotate_webhook_secret", "replay_dead_letters"):
            request["json"] = {}
        if operation == "register_webhook":
            request["json"] = {"url": f"https://public.example/{secrets.token_hex(4)}"}
        if operation == "load_accompanying":
            file = self.file.model_dump(mode="json")
            file["consignment"] = file["consignment"] if is_there else "0x" + "cd" * 32
            request["json"] = file
        token = self.tokens[name]
        if operation == "sign_out" and name in READERS:
            token = self.client(name).sign_in().token
        headers = {REQUEST_ID_HEADER: "the-same-for-all"}  # else answers differ by it
        headers |= {} if token is None else {"authorization": f"Bearer {token}"}
        with self.http.stream(method, path, headers=headers, **request) as answer:
            if operation == "events" and answer.status_code == 200:
                lines = []
                for line in answer.iter_lines():
                    lines.append(line)
                    if line.startswith("id: ") and int(line[4:]) >= self.told:
                        break  # all is told that was there before: each page ends with its id
                return answer, "\n".join(line for line in lines if line.startswith("data: ")).encode()
            return answer, answer.read()

    def http_head_size(self):
        if not hasattr(self, "_size"):
            self._size = self.client("officer").head("SG").size
        return self._size


class _Closing:
    def __init__(self, client):
        self.client = client

    def close(self):
        self.client._session = None  # the tokens that the cells show are not signed out one by one
        self.client.disconnect()


@pytest.fixture(scope="module")
def closed(network, service):
    """The same ledger by another process's settings: nothing is read without a sign-in, not on this machine either."""
    settings = service.settings.model_copy(update={"open_reading": False})
    with running_service.serving(network, settings) as service:
        yield service


@pytest.fixture(scope="module")
def scene(network, closed):
    with contextlib.ExitStack() as closing:
        scene = Scene(network, closed, closing)
        ended = {"authorization": f"Bearer {scene.tokens['ended']}"}
        assert scene.http.delete("/v1/sessions/current", headers=ended).status_code == 204
        with closed.app.state.ledger._store.write() as session:
            session._connection.execute(
                sqlalchemy.update(tables.sessions)
                .where(tables.sessions.c.account == bytes.fromhex(account_of(scene.keys["expired"])[2:]))
                .values(expires_at=int(time.time()))
            )
        revoked = {"authorization": f"Bearer {scene.tokens['revoked']}"}
        assert scene.http.get("/v1/administrations", headers=revoked).status_code == 200
        scene.anvil.mine()
        with contextlib.closing(network.governance()) as governance:
            governance.revoke(account_of(scene.keys["revoked"]), int(time.time()) - 60)
        officer = scene.client("officer")
        until(lambda: officer.account(account_of(scene.keys["revoked"])).revoked_at is not None)
        yield scene


def routes_of(described):
    return [
        (operation["operationId"], method.upper(), path)
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
    ]


@pytest.mark.row("E3")
def test_every_route_has_a_row_and_every_row_a_route(closed):
    assert {name for name, _, _ in routes_of(closed.app.openapi())} == TABLE.keys()


def test_what_needs_a_token_says_so_in_the_document_and_only_that(closed):
    for path, operations in closed.app.openapi()["paths"].items():
        for operation in operations.values():
            is_open = TABLE[operation["operationId"]][0] == OPEN
            assert ("security" in operation) != is_open, path
            assert ("401" in operation["responses"]) != is_open, path


@pytest.mark.row("E4")
@pytest.mark.parametrize("name", sorted(NO_READERS))
def test_who_has_no_token_that_holds_reads_nothing(scene, name):
    bodies = set()
    for operation, method, path in routes_of(scene.service.app.openapi()):
        if TABLE[operation][0] == OPEN:
            continue
        for is_there in (True, False):
            answer, body = scene.ask(operation, method, path, name, is_there)
            assert answer.status_code == 401, (operation, body)
            assert answer.headers["www-authenticate"].startswith("Bearer")
            bodies.add(body)
    assert len(bodies) == 1  # which of the reasons it is, nobody learns


@pytest.mark.row("E3")
@pytest.mark.parametrize("name", sorted(READERS))
def test_a_reader_sees_what_the_table_says_and_of_the_rest_not_that_it_is_there(scene, name):
    for operation, method, path in routes_of(scene.service.app.openapi()):
        kind, sees = TABLE[operation]
        if kind == OPEN or (operation in EVIDENCE and name in sees - ASKED_FOR_EVIDENCE):
            continue
        answer, body = scene.ask(operation, method, path, name, True)
        absent, absent_body = scene.ask(operation, method, path, name, False)
        where = (operation, name, body[:300])
        if operation == "sign_out":
            assert answer.status_code == absent.status_code == 204, where
        elif operation == "load_accompanying":
            assert answer.status_code == (200 if name in sees else 403), where
            assert absent.status_code == (422 if name in sees else 403), where
        elif operation == "register_webhook":
            assert answer.status_code == absent.status_code == 201, where
        elif operation == "webhooks":
            assert (scene.webhook.encode() in body) == (name in sees), where
        elif kind == LIST:
            assert answer.status_code == absent.status_code == 200, where
            if operation != "administrations":
                assert (body != absent_body) == (name in sees), where
        elif name in sees:
            assert answer.status_code == (204 if operation == "remove_webhook" else 200), where
            assert absent.status_code == 404, where
        else:
            assert answer.status_code == absent.status_code == 404, where
            ids = rb"0x[0-9a-f]{64}|\bSG\b|\bZZ\b"
            if name in SEE_CONSIGNMENT and "/consignments/" in path:
                continue  # it sees the consignment, and is told that there is no file for it
            assert re.sub(ids, b"", body) == re.sub(ids, b"", absent_body), where
            assert sorted(answer.headers) == sorted(absent.headers)


@pytest.mark.parametrize("elapsed", [0.0, 0.001, 0.0249, 0.025, 0.03, 0.0501, 7.012])
def test_an_answer_on_the_beat_goes_out_at_a_whole_step_and_never_at_once(elapsed):
    wait = problems.seconds_to_beat(elapsed)
    assert 0 < wait <= problems.NOT_FOUND_STEP_SECONDS
    steps = (elapsed + wait) / problems.NOT_FOUND_STEP_SECONDS
    assert steps == pytest.approx(round(steps)) and steps >= 1


@pytest.mark.row("E3")
@pytest.mark.parametrize("operation", ["manifest", "consignment", "manifest_evidence", "accompanying_file"])
def test_what_one_may_not_see_goes_out_on_the_beat_as_what_is_not_there_does(scene, operation, monkeypatch):
    method, path = next(
        (method, path) for name, method, path in routes_of(scene.service.app.openapi()) if name == operation
    )
    waited = []
    beat = problems.seconds_to_beat
    monkeypatch.setattr(
        problems, "seconds_to_beat", lambda elapsed: waited.append(beat(elapsed)) or waited[-1]
    )
    for is_there in (True, False):
        waited.clear()
        began = time.monotonic()
        answer, _ = scene.ask(operation, method, path, "outsider", is_there)
        took = time.monotonic() - began
        assert answer.status_code == 404
        assert len(waited) == 1 and took >= waited[0]  # a load makes it longer, never shorter
    answer, _ = scene.ask("administrations", "GET", "/v1/administrations", "outsider", True)
    assert answer.status_code == 200 and len(waited) == 1  # what is found goes out at once


def test_what_is_open_is_open_to_nobody_in_particular(scene):
    for operation, method, path in routes_of(scene.service.app.openapi()):
        if TABLE[operation][0] == OPEN:
            answer = scene.http.request(method, path, json={} if method == "POST" else None)
            assert answer.status_code in (200, 400, 415, 422, 503), (operation, answer.text)


@pytest.mark.row("E4")
def test_a_token_writes_nothing(scene):
    """A record of nobody's signature stays refused, whoever's token is shown with it."""
    client = scene.client("exporter")
    submission = cargo.submission(client, int(time.time())).model_dump(mode="json", exclude_none=True)
    submission["signature"] = "0x" + "11" * 64 + "1b"
    headers = {"authorization": f"Bearer {scene.tokens['officer']}"}
    answer = scene.http.post("/v1/manifests", json=submission, headers=headers)
    assert answer.status_code in (400, 403)


def test_who_is_offered_a_consignment_sees_no_documents_of_others_records(scene):
    officer, offered = scene.client("officer"), scene.client("offered")
    answer = officer.remark(
        scene.spare.consignment, "SG", {"schema": "cargo-remark/1", "note": "for those in charge"}
    )
    officer.wait_for_record(scene.spare.consignment, answer.digest)
    exporter = scene.client("exporter")
    answer = exporter.offer(scene.spare.consignment, "SG:ACME01", "SG:CONS01")
    exporter.wait_for_record(scene.spare.consignment, answer.digest)

    def notes(client):
        return [record.document for record in client.consignment_records(scene.spare.consignment)]

    assert {"schema": "cargo-remark/1", "note": "for those in charge"} in notes(exporter)
    assert notes(offered) and not any(notes(offered))


def test_a_list_without_reference_or_container_holds_ones_own_alone(scene):
    own = scene.client("exporter").find_manifests(limit=200)
    assert own and {view.party for view in own} == {"SG:ACME01"}
    assert scene.client("outsider").find_manifests(limit=200) == []
    assert scene.client("outsider").find_manifests(party="SG:ACME01") == []
    first = to_hex(scene.lodged.id)
    with pytest.raises(Exception, match="manifest"):
        scene.client("outsider").find_manifests(after=first)


def test_pages_of_what_one_may_see_leave_nothing_out(scene):
    carrier = scene.client("carrier")
    container = f"CSQU{secrets.randbelow(10**7):07d}"
    exporter = scene.client("exporter")
    for party, client in (("SG:CARR01", carrier), ("SG:ACME01", exporter), ("SG:CARR01", carrier)):
        reference = cargo.reference()
        client.lodge(cargo.manifest_document(reference, container), party, reference=reference)
    whole = carrier.find_manifests(container=container)
    assert [view.party for view in whole] == ["SG:CARR01"] * 2
    first = carrier.find_manifests(container=container, limit=1)
    rest = carrier.find_manifests(container=container, limit=1, after=first[0].digest)
    # where each stands goes on meanwhile: accepted, anchored
    assert [view.digest for view in first + rest] == [view.digest for view in whole]


def test_a_suspended_account_of_another_service_is_no_reader_here(scene):
    for name in ("stranger", "sequencer", "foreign_officer", "revoked"):
        client = scene.client(name)
        with pytest.raises(Exception, match="may not do this"):
            client.sign_in()


@pytest.mark.row("E4")
def test_a_guess_at_a_token_is_answered_as_a_problem_without_it(scene):
    token = secrets.token_urlsafe(32)
    answer = scene.http.get("/v1/administrations", headers={"authorization": f"Bearer {token}"})
    assert token not in answer.text
    assert_problem(answer, 401, "sign-in-needed")
    assert orjson.loads(answer.content)["detail"]
