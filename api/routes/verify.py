"""Verification: an evidence file judged by a trust file, for a program that has no verifier of its own."""

from __future__ import annotations

import time as clock

from fastapi import APIRouter

from api.bodies import StrictRoute
from api.openapi import problems
from api.problems import TABLE, TOO_LARGE, UNSUPPORTED_MEDIA
from ledger.core.trust import Trust
from ledger.core.verify import verify
from ledger.errors import InvalidTrust
from ledger.messages import VerdictView, VerificationRequest

router = APIRouter(prefix="/verify", tags=["verification"], route_class=StrictRoute)


@router.post(
    "",
    summary="Judge an evidence file",
    responses=problems(TABLE[InvalidTrust], TOO_LARGE, UNSUPPORTED_MEDIA),
)
def judge(request: VerificationRequest) -> VerdictView:
    """Judge an evidence file by the trust file given with it, as `cargo-ledger evidence verify` does offline.

    Nothing of this service is asked, no chain, no database; a file that is no evidence is INVALID. Who asks trusts this
    service for the judgement: who must not judges the file alone.
    """
    trust = Trust.decode(request.trust.encode())
    now = int(clock.time()) if request.now is None else request.now
    return VerdictView.model_validate(verify(request.evidence.encode(), trust, now).to_json(), strict=False)
