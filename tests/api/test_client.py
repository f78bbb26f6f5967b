"""The typed client: what it refuses to sign, when it asks again, what it makes of odd answers."""

import contextlib
import dataclasses
import http.server
import inspect
import json
import re
import secrets
import threading
import time
from contextlib import contextmanager

import cargo
import httpx
import pytest

from ledger.client import LedgerClient
from ledger.core.identifiers import Party
from ledger.core.records import CustodyKind
from ledger.errors import (
    ChainMismatch,
    InvalidDocument,
    InvalidIdentifier,
    InvalidKey,
    ServiceError,
    ServiceUnavailable,
)

HEALTHY = (200, {"administrations": []})
NOT_READY = (
    503,
    {"type": "/problems/chain-unavailable", "title": "t", "status": 503, "detail": "Try again."},
)


@contextmanager
def answering(*answers):
    """A server of HTTP that gives these answers, one a request, the last for ever; yields its address and what it got."""
    left, got = list(answers), []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            got.append(self.path)
            answer = left.pop(0) if len(left) > 1 else left[0]
            if answer is None:
                self.close_connection = True
                return  # no answer at all
            status, body = answer
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", got
        server.shutdown()
        thread.join()


def test_a_request_without_an_answer_or_with_503_is_sent_again():
    with (
        answering(None, NOT_READY, None, HEALTHY) as (url, got),
        LedgerClient(url, retry_seconds=20) as client,
    ):
        assert client.administrations() == []
        assert len(got) == 4


def test_after_its_time_it_says_what_was_wrong_last():
    with answering(NOT_READY) as (url, _), LedgerClient(url, retry_seconds=0.5) as client:
        with pytest.raises(ServiceUnavailable) as unavailable:
            client.administrations()
    assert "Try again." in str(unavailable.value)
    assert unavailable.value.status == 503


def test_a_refusal_is_not_sent_again():
    refused = (403, {"type": "/problems/not-permitted", "title": "t", "status": 403, "detail": "No."})
    with answering(refused) as (url, got), LedgerClient(url, retry_seconds=20) as client:
        with pytest.raises(ServiceError) as error:
            client.administrations()
        assert len(got) == 1
    assert error.value.problem["type"] == "/problems/not-permitted"


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", {"else": 1}, {"administrations": [{"administration": "SG"}]}, b"\xff"]
)
def test_an_answer_that_is_none_is_said_to_be(body):
    with answering((200, body)) as (url, _), LedgerClient(url, retry_seconds=0) as client:
        with pytest.raises(ServiceUnavailable):
            client.administrations()


def test_a_problem_without_json_is_still_an_error():
    with answering((500, b"<html>oops")) as (url, _), LedgerClient(url, retry_seconds=0) as client:
        with pytest.raises(ServiceError) as error:
            client.administrations()
    assert error.value.status == 500


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "http://nowhere.invalid", "ftp://x", "not an address", ""]
)
def test_a_service_that_is_not_there_is_one_sentence(url):
    with LedgerClient(url, retry_seconds=0) as client, pytest.raises(ServiceUnavailable) as unavailable:
        client.chain()
    assert "Is it running?" in str(unavailable.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"chain_id": 1},
        {"genesis_hash": bytes(32)},
        {"manifest_log": "0x" + "11" * 20},
        {"consignment_ledger": "0x" + "11" * 20},
        {"registry": "0x" + "11" * 20},
    ],
)
def test_it_signs_nothing_for_another_chain_than_the_one_it_was_given(service, now, changes):
    other = dataclasses.replace(service.network.profile, **changes)
    with service.client("exporter", profile=other) as client, pytest.raises(ChainMismatch):
        client.sign_manifest(cargo.manifest_record(now))
    with service.client("exporter", profile=service.network.profile) as client:
        client.sign_manifest(cargo.manifest_record(now))


def test_without_a_key_it_reads_and_signs_nothing(service, now):
    with service.client() as client:
        assert client.chain().chain_id == service.network.profile.chain_id
        with pytest.raises(InvalidKey):
            client.sign_manifest(cargo.manifest_record(now))


def test_its_text_shows_no_key(service):
    with service.client("exporter") as client:
        assert service.network.keys["exporter"].hex() not in repr(client) + str(vars(client).keys())


def test_a_document_that_cannot_be_committed_to_is_refused_before_it_is_sent(clients):
    for document in ({"mass": 1.5}, b'{"a": 1, "a": 2}', {"a": {1, 2}}, b"[]", {"\ud800": 1}):
        with pytest.raises(InvalidDocument):
            clients("exporter").lodge(document, "SG:ACME01", reference=cargo.reference())


def test_text_is_kept_as_it_was_written(clients):
    reference = cargo.reference()
    text = json.dumps(cargo.manifest_document(reference), indent=2).encode()
    lodged = clients("exporter").lodge(text, "SG:ACME01", reference=reference)
    assert clients("exporter").manifest(lodged.id).document == json.loads(text)


@pytest.mark.parametrize("given", ["0x12", "12" * 32, "0x" + "zz" * 32, b"12", "", 7])
def test_an_id_of_another_form_is_refused(clients, given):
    with pytest.raises(InvalidIdentifier):
        clients("exporter").manifest(given)


@pytest.mark.parametrize("given", [Party("SG", "ACME01"), "SG:ACME01", "0x534700000000000041434d4530310000"])
def test_a_party_is_given_in_any_of_its_forms(clients, given):
    reference = cargo.reference()
    lodged = clients("exporter").lodge(cargo.manifest_document(reference), given, reference=reference)
    assert clients("exporter").manifest(lodged.id).party == "SG:ACME01"


@pytest.mark.parametrize("given", ["sg", "SG:", "0x12", "0xzz", ""])
def test_a_party_of_another_form_is_refused(clients, given):
    with pytest.raises(InvalidIdentifier):
        clients("exporter").lodge(cargo.manifest_document("ucr:X"), given, reference="ucr:X")


def test_a_lodging_without_reference_or_consignment_is_refused(clients):
    with pytest.raises(InvalidIdentifier):
        clients("exporter").lodge(cargo.manifest_document("ucr:X"), "SG:ACME01")


def test_an_importers_own_manifest_names_the_consignment_that_another_opens(clients, service):
    exporter, importer = clients("exporter"), clients("importer")
    reference = cargo.reference()
    lodged = exporter.lodge(cargo.manifest_document(reference), "SG:ACME01", reference=reference)
    record = importer.sign_manifest(
        cargo.manifest_record(0, "NL:IMPO01", consignment=lodged.consignment)
    ).record.to_record()
    assert record.consignment == lodged.consignment
    with pytest.raises(ServiceError) as refused:  # and is lodged at home, in NL
        importer.lodge(
            cargo.manifest_document(reference),
            "NL:IMPO01",
            reference=reference,
            consignment_key=lodged.consignment_key,
            opener="SG:ACME01",
            consignment=lodged.consignment,
        )
    assert refused.value.status == 403


def test_every_step_has_a_method_of_its_name():
    named = {
        "open", "arrive", "depart", "inspect", "seal", "offer", "accept", "decline", "hold", "lift", "release",
        "close", "clear", "take", "consolidate", "deconsolidate", "remark",
    }  # fmt: skip
    assert len(named) == len(CustodyKind)
    assert named <= {name for name, _ in inspect.getmembers(LedgerClient, inspect.isfunction)}


def test_every_method_says_what_it_does():
    for name, method in inspect.getmembers(LedgerClient, inspect.isfunction):
        if not name.startswith("_"):
            assert method.__doc__, name


ABSENT = "0x" + "ab" * 32


def _submission(client):
    return cargo.submission(client, int(time.time()))


#: by operation, the method that asks for it
CALLS = {
    "lodge": lambda client: client.submit_manifest(_submission(client)),
    "lodge_batch": lambda client: list(client.submit_manifests([_submission(client)])),
    "find_manifests": lambda client: client.find_manifests(reference="ucr:ABSENT"),
    "manifest": lambda client: client.manifest(ABSENT),
    "erase_content": lambda client: client.erase(ABSENT),
    "manifest_proof": lambda client: client.manifest_proof(ABSENT),
    "manifest_evidence": lambda client: client.manifest_evidence(ABSENT),
    "record": lambda client: client.submit_records(
        [client.sign_custody(cargo.custody_record(bytes(32), 17, "SG:ACME01", int(time.time())))]
    ),
    "find_consignments": lambda client: client.find_consignments(reference="ucr:ABSENT"),
    "consignment": lambda client: client.consignment(ABSENT),
    "consignment_records": lambda client: client.consignment_records(ABSENT),
    "accompanying_file": lambda client: client.accompanying_file(ABSENT),
    "consignment_evidence": lambda client: client.consignment_evidence(ABSENT),
    "load_accompanying": lambda client: client.load_accompanying(_accompanying(client)),
    "head": lambda client: client.head("SG"),
    "consistency": lambda client: client.consistency("SG", 1),
    "leaves": lambda client: client.leaves("SG"),
    "audit": lambda client: client.audit("custody", consignment=ABSENT),
    "administrations": lambda client: client.administrations(),
    "party": lambda client: client.party("SG"),
    "account": lambda client: client.account(client.address),
    "chain": lambda client: client.chain(),
    "judge": lambda client: client.verify(b"{}", b"{}"),
    "events": lambda client: next(client.events(after=0)),
    "challenge": lambda client: client.sign_in(),
    "sign_in": lambda client: client.sign_in(),
    "sign_out": lambda client: (client.sign_in(), client.disconnect()),
    "register_webhook": lambda client: client.webhooks.register("https://nowhere.invalid/"),
    "webhooks": lambda client: client.webhooks.list(),
    "webhook": lambda client: client.webhooks.get(ABSENT),
    "remove_webhook": lambda client: client.webhooks.remove(ABSENT),
    "rotate_webhook_secret": lambda client: client.webhooks.rotate_secret(ABSENT),
    "enable_webhook": lambda client: client.webhooks.enable(ABSENT),
    "dead_letters": lambda client: list(client.webhooks.dead_letters(ABSENT)),
    "replay_dead_letters": lambda client: client.webhooks.replay(ABSENT),
    "healthz": lambda client: client.is_alive(),
    "readyz": lambda client: client.readiness(),
    "metrics": lambda client: client.metrics(),
}


def _accompanying(client):
    reference = cargo.reference()
    lodged = client.lodge(cargo.manifest_document(reference), "SG:ACME01", reference=reference)
    answer = client.open(lodged.consignment, "SG:ACME01", manifest_root=lodged.root, blind=lodged.blind)
    client.wait_for_record(lodged.consignment, answer.digest)
    client.wait_for_manifest(lodged.id)
    return client.accompanying_file(lodged.consignment)


def test_every_operation_of_the_service_has_a_method(service):
    described = service.app.openapi()["paths"]
    operations = {
        operation["operationId"]: (method.upper(), re.sub(r"\{[^}]+\}", "[^/]+", path))
        for path, methods in described.items()
        for method, operation in methods.items()
    }
    assert operations.keys() == CALLS.keys()
    for name, (method, path) in operations.items():
        with service.client("exporter", retry_seconds=0) as client:
            asked = []
            client._http.event_hooks["request"].append(
                lambda request, asked=asked: asked.append((request.method, request.url.path))
            )
            with contextlib.suppress(ServiceError, httpx.HTTPError):
                CALLS[name](client)
            assert any(one == method and re.fullmatch(path, at) for one, at in asked), (name, asked)


def test_pages_are_asked_for_when_they_are_needed_and_leave_nothing_out(clients, service):
    exporter, auditor = clients("exporter"), clients("auditor")
    container = f"CSQU{secrets.randbelow(10**7):07d}"
    lodged = []
    for _ in range(5):
        reference = cargo.reference()
        document = cargo.manifest_document(reference, container)
        lodged.append(exporter.lodge(document, "SG:ACME01", reference=reference).answer.digest)
    with service.client("exporter") as client:
        asked = []
        client._http.event_hooks["request"].append(lambda request: asked.append(request.url))
        found = client.all_manifests(container=container, page=2)
        assert not asked
        assert next(found).digest == lodged[0]
        assert len(asked) == 1
        assert [view.digest for view in found] == lodged[1:]
        assert len(asked) == 3
    exporter.wait_for_manifest(lodged[-1])  # then all five are leaves
    whole = auditor.leaves("SG")
    paged = list(auditor.all_leaves("SG", page=max(1, len(whole) // 3)))
    assert [leaf.index for leaf in paged] == list(range(len(paged)))
    assert paged[: len(whole)] == whole and len(whole) >= 5


def test_cargo_goes_into_a_container_and_comes_out(clients):
    exporter, officer = clients("exporter"), clients("officer")
    made = []
    for _ in range(2):
        reference = cargo.reference()
        lodged = exporter.lodge(cargo.manifest_document(reference), "SG:ACME01", reference=reference)
        exporter.open(lodged.consignment, "SG:ACME01", manifest_root=lodged.root, blind=lodged.blind)
        made.append(lodged)
    box, container = made
    inside = exporter.consolidate(box.consignment, "SG:ACME01", container.consignment)
    exporter.wait_for_record(box.consignment, inside.digest)
    assert exporter.consignment(container.consignment).contents == ["0x" + box.consignment.hex()]
    exporter.deconsolidate(box.consignment, "SG:ACME01", container.consignment)
    exporter.offer(container.consignment, "SG:ACME01", "SG:CARR01")
    clients("carrier").decline(container.consignment, "SG:CARR01")
    closing = exporter.close(
        box.consignment, "SG:ACME01", {"schema": "cargo-closing/1", "outcome": "delivered"}
    )
    exporter.wait_for_record(box.consignment, closing.digest)
    assert exporter.consignment(box.consignment).closed
    officer.take(container.consignment, "SG", {"schema": "cargo-taking/1", "reason": "seized"})
    cleared = officer.clear(
        container.consignment, "SG", container.id, {"schema": "cargo-release/1", "procedure": "x"}
    )
    officer.wait_for_record(container.consignment, cleared.digest)
    assert officer.consignment(container.consignment).custodian == "SG"


def test_the_registry_is_read(clients, network):
    auditor = clients("auditor")
    assert [one.administration for one in auditor.administrations()] == ["SG", "NL", "AE"]
    assert auditor.account(network.address("carrier")).roles == ["TRADER"]
    assert [one.address for one in auditor.party("SG:CARR01").accounts] == [network.address("carrier")]
    assert auditor.readiness().database
    assert "cargo_ledger_indexed_block" in auditor.metrics()
