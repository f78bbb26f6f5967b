"""Custody records: every step of every consignment comes in here."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Response

from api.bodies import StrictRoute
from api.dependencies import Counting, CountingFurther, RecordDomain, TheLedger
from api.following import leading
from api.openapi import CUSTODY_SUBMISSIONS, also, problems
from api.problems import TABLE, TOO_LARGE, UNSUPPORTED_MEDIA, problem_of
from ledger.core.records import Domain
from ledger.errors import (
    Conflict,
    DigestMismatch,
    InvalidDocument,
    InvalidRecord,
    InvalidSignature,
    LedgerError,
    NotFound,
    NotPermitted,
    QueueFull,
    RecordRefused,
)
from ledger.messages import AcceptedRecord, AcceptedRecords, CustodySubmission, CustodySubmissions, to_hex

router = APIRouter(prefix="/custody-records", tags=["custody"], route_class=StrictRoute)
_PROBLEMS = problems(
    TABLE[InvalidDocument],
    TABLE[InvalidRecord],
    TABLE[InvalidSignature],
    TABLE[NotPermitted],
    TABLE[NotFound],
    TABLE[RecordRefused],
    TABLE[Conflict],
    TOO_LARGE,
    UNSUPPORTED_MEDIA,
    TABLE[DigestMismatch],
    TABLE[QueueFull],
)


@router.post(
    "",
    summary="Send custody records",
    status_code=202,
    response_description="At least one is new and durable, and will be sent to the chain",
    responses=leading(
        202,
        also(200, "Those that were taken were here already", AcceptedRecords) | _PROBLEMS,
        consignment={"id": "$request.body#/records/0/record/consignment"},
    ),
)
def record(
    submissions: Annotated[
        CustodySubmissions, Body(openapi_examples={"open": {"value": dict(CUSTODY_SUBMISSIONS)}})
    ],
    ledger: TheLedger,
    domain: RecordDomain,
    count: Counting,
    count_further: CountingFurther,
    response: Response,
) -> AcceptedRecords:
    """Take signed custody records in order, each judged alone; if none is taken, the answer is the first one's problem.

    Each beyond the first counts as a quarter of a request, of the address and of the account that signed it; if one of
    them is to wait, none is taken, and the same is sent again.
    """
    count_further(len(submissions.records))
    results = ledger.record(submissions.records, count)
    answers = [
        _refused(submission, result, domain) if isinstance(result, LedgerError) else result[0]
        for submission, result in zip(submissions.records, results, strict=True)
    ]
    taken = [result for result in results if not isinstance(result, LedgerError)]
    if not taken:
        problem = problem_of(next(result for result in results if isinstance(result, LedgerError)))
        problem.facts["records"] = [answer.model_dump(mode="json") for answer in answers]
        raise problem
    response.status_code = 202 if any(is_new for _, is_new in taken) else 200
    return AcceptedRecords(records=answers)


def _refused(submission: CustodySubmission, error: LedgerError, domain: Domain) -> AcceptedRecord:
    digest = to_hex(submission.record.to_record().digest(domain))
    return AcceptedRecord(digest=digest, state="refused", problem=problem_of(error).to_view())
