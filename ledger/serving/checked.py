"""Documents that come with a record, checked against the root they were given for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from ledger.core import documents
from ledger.errors import DigestMismatch, InvalidDocument, InvalidRecord
from ledger.messages import CustodySubmission, ManifestSubmission, from_hex
from ledger.terms import search_terms


@dataclass(frozen=True, slots=True)
class Content:
    """A document that leads to the root it was given for, its secret, and what it is found by."""

    root: bytes
    document: bytes
    secret: bytes
    terms: Sequence[tuple[str, str]]


def checked_content(
    submission: ManifestSubmission | CustodySubmission, expected: bytes, what: str
) -> Content | None:
    """A submission's document, once it led to the root that the record names; None where none came with it.

    Args:
        submission: Of which record.
        expected: The root that the record names, 32 bytes.
        what: What the root is called in errors.

    Raises:
        InvalidRecord: A document without its secret, or a secret alone.
        InvalidDocument: It is no document that can be committed to.
        DigestMismatch: It leads to another root.
    """
    if (submission.document is None) != (submission.secret is None):
        raise InvalidRecord(
            "document", "and secret come together: the root cannot be checked with one of them"
        )
    if submission.document is None or submission.secret is None:
        return None
    try:
        document = orjson.dumps(submission.document)
    except TypeError as error:  # half a surrogate pair, an integer over 64 bits, too deep
        raise InvalidDocument("", str(error)[:100]) from None
    secret = from_hex(submission.secret)
    root = documents.commit(documents.parse(document), secret).root
    if root != expected:
        raise DigestMismatch(what, expected, root)
    return Content(root, document, secret, search_terms(submission.document))
