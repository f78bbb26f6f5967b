"""Who may write what, and what a write that is sent again does."""

import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import cargo
import pytest
from problem_answers import assert_problem

from ledger.core import signatures
from ledger.core.records import CustodyKind, Domain, Role
from ledger.errors import ServiceError
from ledger.messages import CustodyRecordMessage, ManifestRecordMessage, to_hex


def post(http, submission):
    return http.post("/v1/manifests", json=submission.model_dump(mode="json", exclude_none=True))


@pytest.fixture
def opened(clients):
    """A consignment of the exporter's, opened on chain."""
    exporter = clients("exporter")
    reference = cargo.reference()
    lodged = exporter.lodge(cargo.manifest_document(reference), "SG:ACME01", reference=reference)
    answer = exporter.open(lodged.consignment, "SG:ACME01", manifest_root=lodged.root, blind=lodged.blind)
    exporter.wait_for_record(lodged.consignment, answer.digest)
    return lodged


def test_a_manifest_is_accepted_with_a_promise_that_the_sequencer_signed(clients, http, network, now):
    submission = cargo.whole_submission(clients("exporter"), now)
    answer = post(http, submission)
    assert answer.status_code == 202
    promise = answer.json()["promise"]
    assert promise["signer"] == network.address("sequencer")
    assert promise["seen"] is True
    assert now < promise["anchor_by"] <= now + 65
    assert promise["index"] == answer.json()["index"]


def test_the_same_manifest_again_is_answered_alike(clients, http, now):
    submission = cargo.whole_submission(clients("exporter"), now)
    first, again = post(http, submission), post(http, submission)
    assert (first.status_code, again.status_code) == (202, 200)
    for name in ("id", "digest", "index", "promise"):
        assert again.json()[name] == first.json()[name]


@pytest.mark.row("E1")
def test_the_same_manifest_fifty_times_at_once_is_one_leaf(clients, http, now):
    submission = cargo.whole_submission(clients("exporter"), now)
    before = http.get("/metrics").text
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: post(http, submission), range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] * 49 + [202]
    assert len({answer.json()["index"] for answer in answers}) == 1
    assert len({str(answer.json()["promise"]) for answer in answers}) == 1
    assert accepted_leaves(http.get("/metrics").text) == accepted_leaves(before) + 1


def accepted_leaves(metrics):
    for line in metrics.splitlines():
        if line.startswith("cargo_ledger_log_accepted_leaves "):
            return float(line.split()[1])
    raise AssertionError("the metric is missing")


@pytest.mark.row("E1")
def test_a_second_signature_under_a_manifest_makes_no_second_leaf(clients, http, now, network):
    """Another account of the same party states the same: the manifest is there already."""
    key = secrets.token_bytes(32)
    network.enrol(key, "SG:ACME01", Role.TRADER)
    record = cargo.manifest_record(now)
    first = post(http, clients("exporter").sign_manifest(record))
    domain = network.profile.log_domain
    signature = signatures.sign(record.digest(domain), key)
    submission = clients("exporter").sign_manifest(record).model_copy(update={"signature": to_hex(signature)})
    again = post(http, submission)
    assert again.status_code == 200
    assert again.json()["index"] == first.json()["index"]


@pytest.mark.row("E1")
def test_the_same_custody_record_fifty_times_at_once_is_one_step(clients, http, opened):
    officer = clients("officer")
    body = {
        "records": [officer.sign_step(CustodyKind.ARRIVAL, opened.consignment, "SG").model_dump(mode="json")]
    }
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: http.post("/v1/custody-records", json=body), range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] * 49 + [202]
    assert len({answer.json()["records"][0]["digest"] for answer in answers}) == 1
    digest = answers[0].json()["records"][0]["digest"]
    officer.wait_for_record(opened.consignment, digest)
    assert [view.digest for view in officer.consignment_records(opened.consignment)].count(digest) == 1


def test_a_custody_record_on_chain_is_answered_as_recorded(clients, opened):
    officer = clients("officer")
    submission = officer.sign_step(CustodyKind.ARRIVAL, opened.consignment, "SG")
    digest = officer.submit_records([submission])[0].digest
    officer.wait_for_record(opened.consignment, digest)
    assert officer.submit_records([submission])[0].state in ("recorded", "final")


def test_a_manifest_of_someone_who_is_not_enrolled_is_refused(clients, http, network, now):
    answer = post(http, cargo.submission(clients("stranger"), now))
    problem = assert_problem(answer, 403, "not-permitted")
    assert problem["account"] == network.address("stranger")
    assert "not enrolled" in problem["detail"]


@pytest.mark.row("E6")
def test_a_manifest_for_another_party_is_refused(clients, http, now):
    answer = post(http, cargo.submission(clients("carrier"), now))
    assert "SG:CARR01" in assert_problem(answer, 403, "not-permitted")["detail"]


@pytest.mark.row("E6")
def test_a_manifest_in_a_role_that_may_not_is_refused(clients, http, now):
    answer = post(http, cargo.submission(clients("auditor"), now, party="SG"))
    assert "TRADER" in assert_problem(answer, 403, "not-permitted")["detail"]


@pytest.mark.row("E6")
def test_a_manifest_of_another_administration_is_refused(clients, http, now):
    answer = post(http, cargo.submission(clients("importer"), now, party="NL:IMPO01"))
    assert "NL:IMPO01" in assert_problem(answer, 403, "not-permitted")["detail"]


@pytest.mark.row("E6")
@pytest.mark.parametrize("what", ["chain id", "contract"])
def test_a_manifest_signed_for_another_chain_or_contract_is_refused(clients, http, network, now, what):
    record = cargo.manifest_record(now)
    ours = network.profile.log_domain
    domain = Domain(1, ours.contract) if what == "chain id" else network.profile.consignments_domain
    signature = to_hex(signatures.sign(record.digest(domain), network.keys["exporter"]))
    answer = post(
        http,
        cargo.submission(clients("exporter"), now).model_copy(
            update={"record": ManifestRecordMessage.of(record), "signature": signature}
        ),
    )
    assert "is the record signed for this chain?" in assert_problem(answer, 403, "not-permitted")["detail"]


def _high_s(signature):
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    data = bytes.fromhex(signature[2:])
    s = order - int.from_bytes(data[32:64], "big")
    return to_hex(data[:32] + s.to_bytes(32, "big") + bytes([55 - data[64]]))


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(_high_s, id="high s"),
        pytest.param(lambda signature: signature[:-2] + "00", id="v 0"),
        pytest.param(lambda signature: "0x" + "00" * 65, id="zeros"),
        pytest.param(lambda signature: "0x" + "ff" * 64 + "1b", id="beyond the order"),
    ],
)
def test_a_signature_of_another_form_is_refused(clients, http, now, spoil):
    submission = cargo.submission(clients("exporter"), now)
    answer = post(http, submission.model_copy(update={"signature": spoil(submission.signature)}))
    assert_problem(answer, 400, "invalid-signature")


def test_a_changed_manifest_is_refused_with_both_roots(clients, http, now):
    submission = cargo.whole_submission(clients("exporter"), now)
    changed = submission.document | {"containers": [{"number": "MSKU1234565"}]}
    answer = post(http, submission.model_copy(update={"document": changed}))
    problem = assert_problem(answer, 422, "digest-mismatch")
    assert problem["expected"] == submission.record.manifest_root
    assert problem["found"] != problem["expected"]


def test_a_document_without_its_secret_is_refused(clients, http, now):
    submission = cargo.whole_submission(clients("exporter"), now)
    answer = post(http, submission.model_copy(update={"secret": None}))
    assert_problem(answer, 400, "invalid-record")


def test_a_trade_reference_in_use_is_refused_for_a_second_open_consignment(clients, opened):
    with pytest.raises(ServiceError) as refused:
        clients("exporter").lodge(
            cargo.manifest_document(opened.reference), "SG:ACME01", reference=opened.reference
        )
    assert refused.value.status == 409


def test_an_amendment_of_nothing_is_refused(clients, http, now):
    submission = cargo.submission(
        clients("exporter"), now, kind=2, reason=1, supersedes=secrets.token_bytes(32)
    )
    assert_problem(post(http, submission), 404, "not-found")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kind": 4}, "kind"),
        ({"reason": 6}, "reason"),
        ({"consignment": bytes(32)}, "consignment"),
        ({"manifest_root": bytes(32)}, "manifest_root"),
        ({"supersedes": b"\1" * 32}, "supersedes"),
        ({"issued_at": 1 << 52}, "issued_at"),
    ],
)
def test_a_record_that_no_log_takes_is_refused_by_its_field(clients, http, now, changes, field):
    answer = post(http, cargo.submission(clients("exporter"), now, **changes))
    assert assert_problem(answer, 400, "invalid-record")["field"] == field


def test_a_record_of_a_revoked_officer_is_refused(clients, service, network, opened):
    key = secrets.token_bytes(32)
    address = network.enrol(key, "SG", Role.OFFICER)
    device = service.client()
    device._key = key
    with closing(network.governance()) as governance:
        wait_until(lambda: device.account(address).revoked_at is None)
        device.arrive(opened.consignment, "SG")
        governance.revoke(address, int(time.time()) - 30)
        wait_until(lambda: device.account(address).revoked_at is not None)
    with pytest.raises(ServiceError) as refused:
        device.depart(opened.consignment, "SG")
    device.disconnect()
    assert refused.value.status == 403
    assert "revoked" in refused.value.detail


def wait_until(is_so, seconds=20):
    deadline = time.monotonic() + seconds
    while True:
        try:
            if is_so():
                return
        except ServiceError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.row("E6")
def test_an_officer_of_another_administration_cannot_write_here(clients, http, opened, now):
    record = cargo.custody_record(opened.consignment, CustodyKind.HOLD, "NL", now)
    submission = clients("foreign_officer").sign_custody(record)
    answer = http.post("/v1/custody-records", json={"records": [submission.model_dump(mode="json")]})
    assert "NL" in assert_problem(answer, 403, "not-permitted")["detail"]


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"kind": 0}, "NO_KIND"),
        ({"kind": 18}, "NO_KIND"),
        ({"counterpart": b"SG".ljust(16, b"\0")}, "FIELDS"),
        ({"subject": b"\1" * 32}, "FIELDS"),
        ({"expires_at": 1}, "EXPIRED"),
        ({"expires_at": 1 << 50}, "TOO_LONG"),
        ({"previous": b"\1" * 32}, "NOT_NEXT"),
        ({"kind": 1, "details": b"\1" * 32}, "ALREADY_OPENED"),
        ({"consignment": b"\1" * 32}, "NOT_OPENED"),
        ({"kind": 10, "subject": b"\1" * 32}, "NOT_A_HOLD"),
    ],
)
def test_a_step_that_the_rules_refuse_is_refused_by_the_name_of_the_rule(
    clients, http, network, opened, now, changes, refusal
):
    record = cargo.custody_record(
        **({"consignment": opened.consignment, "kind": 9, "party": "SG", "now": now} | changes)
    )
    submission = clients("officer").sign_custody(record)
    answer = http.post("/v1/custody-records", json={"records": [submission.model_dump(mode="json")]})
    problem = assert_problem(answer, 409, "record-refused")
    assert problem["refusal"] == refusal
    assert problem["records"][0]["digest"] == to_hex(record.digest(network.profile.consignments_domain))


def test_no_records_and_too_many_are_refused(clients, http, now):
    assert_problem(http.post("/v1/custody-records", json={"records": []}), 422, "invalid-fields")
    record = CustodyRecordMessage.of(cargo.custody_record(bytes(32), 9, "SG", now)).model_dump(mode="json")
    many = [{"record": record, "signature": "0x" + "11" * 65}] * 101
    assert_problem(http.post("/v1/custody-records", json={"records": many}), 422, "invalid-fields")


def test_writes_at_once_take_indexes_without_gaps(clients, http, now):
    exporter = clients("exporter")
    submissions = [cargo.submission(exporter, now) for _ in range(40)]
    indexes = []
    lock = threading.Lock()

    def send(submission):
        index = post(http, submission).json()["index"]
        with lock:
            indexes.append(index)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, submissions))
    assert sorted(indexes) == list(range(min(indexes), min(indexes) + 40))
