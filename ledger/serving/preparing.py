"""Manifest submissions, checked as far as that needs neither database nor chain: here, or in a process beside.

A process beside needs no more than this: no store, no key, no web framework.
"""

from __future__ import annotations

import gc
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

from ledger.core import signatures, strict_json
from ledger.core.identifiers import TradeReference
from ledger.core.records import Domain, ManifestKind, ManifestRecord
from ledger.errors import InvalidDocument, InvalidRecord
from ledger.messages import ManifestSubmission, from_hex
from ledger.serving.checked import Content, checked_content

_AHEAD_SECONDS = 300  # `issued_at` may be ahead of our clock by this
_RECORD_LIFE_SECONDS = 30 * 86_400  # from `issued_at` on, ManifestLog takes a closure this long


@dataclass(frozen=True, slots=True)
class Prepared:
    """A manifest submission whose form, signature and document are checked."""

    record: ManifestRecord
    manifest_id: bytes | None
    signature: bytes
    digest: bytes
    signer: bytes
    leaf: bytes
    content: Content | None
    reference: str | None
    key: bytes | None


def prepare(submission: ManifestSubmission, domain: Domain, now: int) -> Prepared:
    """Check what needs no database: form, signature, document.

    Args:
        submission: What was sent.
        domain: ManifestLog's.
        now: Unix seconds.

    Raises:
        InvalidRecord, InvalidSignature, InvalidDocument, DigestMismatch, InvalidIdentifier: It is malformed, or the
            document is not the one that the root commits to.
    """
    record = submission.record.to_record()
    record.require_form()
    signature = from_hex(submission.signature)
    digest = record.digest(domain)
    signer = signatures.recover_address(digest, signature)
    if record.issued_at > now + _AHEAD_SECONDS:
        raise InvalidRecord("issued_at", "is more than 300 seconds ahead of this service's clock: set yours")
    if record.kind != ManifestKind.LODGE and record.issued_at + _RECORD_LIFE_SECONDS <= now:
        raise InvalidRecord(
            "issued_at", "is 30 days old: no contract takes the amendment or withdrawal, sign it anew"
        )
    content = checked_content(submission, record.manifest_root, "The manifest root")
    if (submission.reference is None) != (submission.consignment_key is None):
        raise InvalidRecord("reference", "and consignment_key come together")
    reference = None if submission.reference is None else str(TradeReference.parse(submission.reference))
    key = None if submission.consignment_key is None else from_hex(submission.consignment_key)
    return Prepared(
        record,
        record.manifest_id,
        signature,
        digest,
        signer,
        record.leaf_data(signature),
        content,
        reference,
        key,
    )


def prepare_for(asker: Connection, domain: Domain, limits: strict_json.Limits) -> None:
    """Prepare the lines of JSON that come over a connection, until its other end is gone: what a process beside runs.

    The first answer, None, says that it can begin. In the others None stands for a line that is refused: why is for the
    asker to find, who can tell it in its own words.

    Args:
        asker: Gives lists of lines, each with the time to judge by, and gets lists of what they ask for.
        domain: ManifestLog's.
        limits: Of a line.
    """

    def one(line: bytes, now: int) -> Prepared | None:
        try:
            value = strict_json.read(line, limits, InvalidDocument)
            return prepare(ManifestSubmission.model_validate(value), domain, now)
        except Exception:
            return None

    gc.freeze()  # what the imports made is not looked through again
    with suppress(EOFError, OSError, KeyboardInterrupt):
        asker.send(None)
        while True:
            lines, now = asker.recv()
            asker.send([one(line, now) for line in lines])
