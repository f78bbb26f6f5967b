"""What an auditor asks of the service: the same questions, and the same answers, as `cargo-ledger audit ask`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, Field

from api.bodies import StrictRoute
from api.dependencies import SignedIn, TheLedger, TheReader
from api.openapi import problems
from api.parameters import Text
from api.problems import SIGN_IN_NEEDED, TABLE
from ledger.audit.questions import QUESTIONS, Asked
from ledger.errors import InvalidInput, NotFound
from ledger.fields import MAX_JSON_INTEGER, Address, Bytes32, PartyText, party_bytes
from ledger.messages import AuditAnswer, from_hex

router = APIRouter(prefix="/audit", tags=["audit"], route_class=StrictRoute)


class AuditQuery(BaseModel):
    """What is asked about; each question takes some of these."""

    consignment: Annotated[Bytes32 | None, Field(description="Consignment id")] = None
    at: Annotated[
        AwareDatetime | None, Field(description="As of the end of this second; RFC 3339, with its offset")
    ] = None
    account: Annotated[Address | None, Field(description="An account's address")] = None
    party: Annotated[PartyText | None, Field(description="A party")] = None
    record: Annotated[Bytes32 | None, Field(description="Digest of a custody record")] = None
    since: Annotated[
        AwareDatetime | None, Field(description="From this second on; RFC 3339, with its offset")
    ] = None
    container: Annotated[Text | None, Field(description="Number of a container")] = None
    over_seconds: Annotated[
        int | None,
        Field(
            ge=0, le=MAX_JSON_INTEGER, description="Later by more seconds than this is late; by default a day"
        ),
    ] = None
    limit: Annotated[int, Field(ge=1, le=1000, description="How many rows are enough")] = 100
    after: Annotated[Text | None, Field(description="`more` of the answer before")] = None

    def asked(self) -> Asked:
        """The same as the questions take it."""
        return Asked(
            consignment=None if self.consignment is None else from_hex(self.consignment),
            at=None if self.at is None else int(self.at.timestamp()),
            account=None if self.account is None else from_hex(self.account),
            party=None if self.party is None else party_bytes(self.party),
            record=None if self.record is None else from_hex(self.record),
            since=None if self.since is None else int(self.since.timestamp()),
            container=self.container,
            over_seconds=self.over_seconds,
            limit=self.limit,
            after=self.after,
        )


def _described() -> str:
    """The questions in words, with what each takes and the facts of its rows."""
    lines = [
        "Ask, as an auditor of customs; each answer names the events it rests on, and what was not checked."
    ]
    for name, question in QUESTIONS.items():
        takes = ", ".join(
            [*question.needs, " or ".join(question.one_of), *(f"{each} (optional)" for each in question.may)]
        )
        facts = ", ".join(question.facts)
        lines.append(f"`{name}`: {question.asks} Takes {takes.strip(', ')}. Facts: {facts}.")
    return "\n\n".join(lines)


@router.get(
    "/{question}",
    summary="Ask what an auditor asks",
    description=_described(),
    dependencies=[SignedIn],
    responses=problems(TABLE[InvalidInput], SIGN_IN_NEEDED, TABLE[NotFound]),
)
def audit(
    question: Annotated[str, Path(description="Name of the question", examples=["disputed"])],
    query: Annotated[AuditQuery, Query()],
    ledger: TheLedger,
    reader: TheReader,
) -> AuditAnswer:
    """Answer from what this service has indexed and holds."""
    return ledger.ask(question, query.asked(), reader)
