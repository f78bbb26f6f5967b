"""The auditor's questions over HTTP: who asks gets the answer in its documented form, and what can't be asked is said."""

from datetime import UTC, datetime

import cargo
import pytest
from problem_answers import assert_problem

from ledger.core.identifiers import Party
from ledger.errors import ServiceError


@pytest.fixture(scope="module")
def lodged(clients):
    exporter = clients("exporter")
    reference = cargo.reference()
    lodged = exporter.lodge(cargo.manifest_document(reference), "SG:ACME01", reference=reference)
    answer = exporter.open(lodged.consignment, "SG:ACME01", manifest_root=lodged.root, blind=lodged.blind)
    exporter.wait_for_record(lodged.consignment, answer.digest)
    return lodged


def test_an_auditor_is_answered_with_the_events_it_rests_on(clients, lodged):
    auditor, digest = clients("auditor"), None
    taken = clients("exporter").consignment_records(lodged.consignment)[0]
    answer = auditor.audit("holder", consignment=lodged.consignment, at=taken.accepted_at)
    (row,) = answer.rows
    assert row.facts["holder"] == "SG:ACME01" and "in the charge of SG:ACME01" in answer.answer
    (event,) = [answer.events[place] for place in row.events]
    digest, transaction = event.digest, event.transaction
    assert (digest, transaction, event.signature) == (taken.digest, taken.transaction, taken.signature)
    assert (event.block, event.name) == (taken.block, "OPEN") and answer.as_of.block >= event.block
    before = auditor.audit("holder", consignment=lodged.consignment, at=datetime(2020, 1, 1, tzinfo=UTC))
    assert before.rows[0].facts["holder"] is None
    of_party = auditor.audit("allowed", party=Party.parse("SG:ACME01"), at=taken.accepted_at)
    assert {row.facts["then"] for row in of_party.rows} == {"allowed"}


def test_an_unknown_question_is_answered_with_those_there_are(clients, http):
    with pytest.raises(ServiceError, match="the questions are holder, allowed, signed-since"):
        clients("auditor").audit("who-is-it")
    answer = http.get("/v1/audit/who-is-it")
    assert_problem(answer, 404, "not-found")
    assert answer.json()["questions"][0] == "holder"


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("holder", 400, "consignment and at must be given"),
        ("holder?at=2026-01-01T00:00:00Z", 400, "consignment must be given"),
        ("disputed?container=CSQU3054383", 400, "does not take container"),
        ("disputed?after=yesterday", 400, "after is not what an answer"),
        ("shared-containers?after=zz", 400, "after is not what an answer"),
        ("disputed?limit=0", 422, "limit"),
        ("holder?at=2026-01-01T00:00:00", 422, "at"),
        ("disputed?nobody=1", 422, "nobody"),
        ("moved-while-held?consignment=0x" + "ab" * 32, 404, "There is no consignment"),
        ("allowed?record=0x" + "ab" * 32, 404, "There is no custody record"),
        ("signed-since?account=0x" + "ab" * 20, 404, "There is no account"),
    ],
)
def test_what_can_not_be_answered_is_said(http, path, status, says):
    answer = http.get(f"/v1/audit/{path}")
    assert answer.status_code == status, answer.text
    assert says in answer.text
