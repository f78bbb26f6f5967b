"""What is fuzzed: each function takes any bytes, lets only a LedgerError pass, and checks what must hold of the rest.

`fuzz.py` feeds them for hours, a test feeds them what was found before.
"""

from __future__ import annotations

from collections.abc import Callable

import orjson

from ledger.core import documents, records, signatures, strict_json
from ledger.core.disclosures import Disclosure
from ledger.core.identifiers import Party
from ledger.core.leaves import MAX_DEPTH, MAX_LEAVES
from ledger.errors import InvalidDocument, LedgerError

_SECRET = bytes(range(32))
_DOMAIN = records.Domain(31337, b"\x22" * 20)
_DOCUMENT_LIMITS = strict_json.Limits(documents.MAX_BYTES, MAX_DEPTH, MAX_LEAVES)


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(what)


def fuzz_document(data: bytes) -> None:
    """Parse; a document has the leaves that the strict reader finds, and discloses itself to its own root."""
    try:
        document = documents.parse(data)
    except InvalidDocument:
        return
    strict = strict_json.read(data, _DOCUMENT_LIMITS, InvalidDocument)
    again = documents.parse(orjson.dumps(strict))
    _require(again.pointers == document.pointers and again.texts == document.texts, "two readers differ")
    commitment = documents.commit(document, _SECRET)
    for pointers in ([""], document.pointers[:1], document.pointers[-3:]):
        disclosure = documents.disclose(document, _SECRET, pointers)
        _require(documents.disclosure_root(disclosure) == commitment.root, "a disclosure leads elsewhere")
        _require(Disclosure.from_json(disclosure.to_json()) == disclosure, "a disclosure changes in JSON")


def fuzz_disclosure(data: bytes) -> None:
    """Decode and compute the root; what is decoded is encoded again to what decodes alike."""
    try:
        disclosure = Disclosure.from_json(data)
        root = documents.disclosure_root(disclosure)
    except LedgerError:
        return
    encoded = orjson.dumps(disclosure.to_json())
    _require(documents.disclosure_root(encoded) == root, "a disclosure changes in JSON")


def fuzz_record(data: bytes) -> None:
    """Decode a log leaf, judge its record, recover its signer; a leaf that decodes is encoded to the same bytes."""
    for leaf in (data, (b"\x01" + data).ljust(records.LEAF_BYTES, b"\x1b")[: records.LEAF_BYTES]):
        try:
            record, signature = records.decode_leaf(leaf)
        except LedgerError:
            continue
        _require(record.leaf_data(signature) == leaf, "a leaf has two spellings")
        _let(record.require_form)
        _let(Party.from_bytes, record.party)
        _let(signatures.recover, record.digest(_DOMAIN), signature)
    _let(signatures.recover, data[:32], data[32:])


def _let(step: Callable[..., object], *arguments: object) -> None:
    try:
        step(*arguments)
    except LedgerError:
        pass


TARGETS: dict[str, Callable[[bytes], None]] = {
    "documents": fuzz_document,
    "disclosures": fuzz_disclosure,
    "records": fuzz_record,
}
