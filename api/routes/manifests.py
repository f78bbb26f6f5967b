"""Manifests: lodge, amend, withdraw, find, prove."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Query, Request, Response
from pydantic import BaseModel, Field

from api.batches import MEDIA_TYPE, AnswersAsTheyCome, answer_lines
from api.bodies import StrictRoute, require_media_type
from api.dependencies import Counting, CountingLines, IsBeside, SignedIn, TheGrouping, TheLedger, TheReader
from api.evidence_files import CONTENT, EvidenceFile
from api.following import leading
from api.openapi import MANIFEST_SUBMISSION, also, ndjson, problems
from api.parameters import ManifestId, ShownPointers, Text
from api.problems import (
    SIGN_IN_NEEDED,
    TABLE,
    TOO_LARGE,
    UNSUPPORTED_MEDIA,
)
from ledger.errors import (
    Conflict,
    DigestMismatch,
    InvalidDisclosure,
    InvalidDocument,
    InvalidIdentifier,
    InvalidRecord,
    InvalidSignature,
    NotFound,
    NotPermitted,
    QueueFull,
)
from ledger.fields import MAX_JSON_INTEGER, Bytes32, ManifestState, PartyText, Signature
from ledger.messages import (
    ErasureView,
    InclusionProofView,
    ManifestAccepted,
    Manifests,
    ManifestSubmission,
    ManifestView,
    from_hex,
)

router = APIRouter(prefix="/manifests", tags=["manifests"], route_class=StrictRoute)
BATCH_PATH = "/v1/manifests/batch"
_THIS = {"id": "#/digest"}

_WRITING = problems(
    TABLE[InvalidIdentifier],
    TABLE[InvalidDocument],
    TABLE[InvalidRecord],
    TABLE[InvalidSignature],
    TABLE[NotPermitted],
    TABLE[NotFound],
    TABLE[Conflict],
    TOO_LARGE,
    UNSUPPORTED_MEDIA,
    TABLE[DigestMismatch],
    TABLE[QueueFull],
)


class ManifestQuery(BaseModel):
    """What manifests are looked for."""

    reference: Annotated[Text | None, Field(description="Trade reference, `scheme:value`")] = None
    container: Annotated[Text | None, Field(description="Container number")] = None
    party: Annotated[PartyText | None, Field(description="Who lodged it")] = None
    state: Annotated[ManifestState | None, Field(description="Where it stands")] = None
    limit: Annotated[int, Field(ge=1, le=200, description="How many at most")] = 50
    after: Annotated[Bytes32 | None, Field(description="`next` of the page before")] = None


class ErasureRequest(BaseModel):
    """A signed request to erase."""

    issued_at: Annotated[
        int, Field(ge=0, le=MAX_JSON_INTEGER, description="When it was signed, Unix seconds; within 24 hours")
    ]
    signature: Annotated[Signature, Field(description="Signature of the request (EIP-712)")]


@router.post(
    "",
    summary="Lodge, amend or withdraw a manifest",
    status_code=202,
    response_description="It is durable, and will be in the log at this index",
    responses=leading(
        202,
        leading(
            200,
            also(200, "It was here already: the same answer", ManifestAccepted) | _WRITING,
            manifest=_THIS,
            manifest_proof=_THIS,
        ),
        manifest=_THIS,
        manifest_proof=_THIS,
    ),
)
async def lodge(
    submission: Annotated[
        ManifestSubmission, Body(openapi_examples={"lodge": {"value": dict(MANIFEST_SUBMISSION)}})
    ],
    grouping: TheGrouping,
    count: Counting,
    response: Response,
) -> ManifestAccepted:
    """Take a signed manifest record; the same record or manifest again is answered as the first time."""
    answer, new = await grouping.lodge(submission, count)
    response.status_code = 202 if new else 200
    return answer


@router.post(
    "/batch",
    summary="Lodge many manifests, a line each",
    response_class=AnswersAsTheyCome,
    responses=also(
        200,
        "For each line, in order, an answer or a problem; a blank line is a problem too. A line counts as a quarter of a "
        "request, of its address and of the account that signed it: one too many is a problem of status 429, and so are "
        "those of the same after it. It was not taken: send it again, with those after it, in `retry_after_seconds`",
        content=ndjson("ManifestAccepted", "ProblemView"),
    )
    | problems(UNSUPPORTED_MEDIA),
    openapi_extra={"requestBody": {"required": True, "content": ndjson("ManifestSubmission")}},
)
async def lodge_batch(
    request: Request, ledger: TheLedger, beside: IsBeside, counting: CountingLines
) -> AnswersAsTheyCome:
    """Take signed manifest records line by line, answering as they come; read the answers while sending a long batch."""
    require_media_type(request, MEDIA_TYPE)
    return AnswersAsTheyCome(answer_lines(request.stream(), ledger, beside, counting))


@router.get(
    "",
    summary="Find manifests",
    dependencies=[SignedIn],
    responses=leading(
        200,
        problems(SIGN_IN_NEEDED, TABLE[InvalidIdentifier], TABLE[NotFound]),
        find_manifests={"after": "#/next"},
        manifest={"id": "#/manifests/0/digest"},
        consignment={"id": "#/manifests/0/record/consignment"},
    ),
)
def find_manifests(
    query: Annotated[ManifestQuery, Query()], ledger: TheLedger, reader: TheReader
) -> Manifests:
    """List what you may see of the manifest records that fit every given filter, in the order of the log.

    Who does not see all gets, without a reference or container, what its own party lodged.
    """
    after = None if query.after is None else from_hex(query.after)
    found = ledger.find_manifests(
        reference=query.reference,
        container=query.container,
        party=query.party,
        state=query.state,
        limit=query.limit,
        after=after,
        reader=reader,
    )
    return Manifests(manifests=found, next=found[-1].digest if len(found) == query.limit else None)


@router.get(
    "/{id}",
    summary="Read a manifest record",
    dependencies=[SignedIn],
    responses=leading(
        200,
        problems(SIGN_IN_NEEDED, TABLE[NotFound]),
        manifest_proof=_THIS,
        manifest_evidence=_THIS,
        consignment={"id": "#/record/consignment"},
        account={"address": "#/signer"},
        party={"party": "#/party"},
    ),
)
def manifest(id: ManifestId, ledger: TheLedger, reader: TheReader) -> ManifestView:
    """Show a manifest record, what became of it, and its document where this service has it."""
    return ledger.manifest(from_hex(id), reader)


@router.delete(
    "/{id}/content",
    summary="Erase what is kept of a manifest",
    response_description="It is erased, now or before",
    responses=problems(
        TABLE[InvalidRecord],
        TABLE[InvalidSignature],
        TABLE[NotPermitted],
        TABLE[NotFound],
        TABLE[Conflict],
    ),
)
def erase_content(
    id: ManifestId, request: Annotated[ErasureRequest, Query()], ledger: TheLedger
) -> ErasureView:
    """Erase document, secret and data key; with a consignment's last manifest also its reference and key.

    The request is signed as EIP-712 `Erasure(bytes32 manifest,uint64 issuedAt)` in ManifestLog's domain, `manifest` as in
    the path, by an account of the manifest's party or an officer of its administration's customs. Record and proofs stay.
    """
    return ledger.erase(from_hex(id), request.issued_at, from_hex(request.signature))


@router.get(
    "/{id}/proof",
    summary="Prove that a manifest record is in the log",
    dependencies=[SignedIn],
    responses=problems(SIGN_IN_NEEDED, TABLE[NotFound]),
)
def manifest_proof(id: ManifestId, ledger: TheLedger, reader: TheReader) -> InclusionProofView:
    """Give the inclusion path to the first anchored tree head that covers the record; 404 until there is one."""
    return ledger.manifest_proof(from_hex(id), reader)


@router.get(
    "/{id}/evidence",
    summary="Make the evidence file of a manifest",
    dependencies=[SignedIn],
    response_class=EvidenceFile,
    responses=also(200, "The file", content=CONTENT)
    | problems(SIGN_IN_NEEDED, TABLE[InvalidDisclosure], TABLE[NotFound], TABLE[Conflict]),
)
def manifest_evidence(
    id: ManifestId,
    ledger: TheLedger,
    reader: TheReader,
    show: ShownPointers = [],  # noqa: B006  the framework copies it
) -> EvidenceFile:
    """Give what a stranger checks offline of this manifest, as of the newest final block; "" shows the whole document."""
    return EvidenceFile(ledger.manifest_evidence(from_hex(id), show, reader))
