"""What is fuzzed: each function takes any bytes, lets only a LedgerError pass, and checks what must hold of the rest.

`fuzz.py` feeds them for hours, a test feeds them what was found before.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import base45
import orjson

from ledger.core import documents, headers, parts, records, signatures, split, state_proof, strict_json
from ledger.core.disclosures import Disclosure
from ledger.core.evidence import Evidence
from ledger.core.identifiers import Party
from ledger.core.leaves import MAX_DEPTH, MAX_LEAVES
from ledger.core.trust import Trust
from ledger.core.verify import verify
from ledger.errors import InvalidDocument, InvalidEvidence, InvalidSplit, InvalidTrust, LedgerError

_SECRET = bytes(range(32))
_DOMAIN = records.Domain(31337, b"\x22" * 20)
_DOCUMENT_LIMITS = strict_json.Limits(documents.MAX_BYTES, MAX_DEPTH, MAX_LEAVES)

_CASES = Path(__file__).resolve().parents[1] / "tests" / "vectors" / "fuzz"
_JUDGED_AT = 1_800_050_060  # when the kept evidence files are a minute old


def _kept(folder: str) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (_CASES / folder).glob("*") if file.is_file()}


_VALID = _kept("evidence")  # those named `valid-…` pass by the trust file `qbft`, and nothing else does
_VALID_SPLITS = {data for name, data in _kept("splits").items() if name.startswith("valid-")}
_TRUST = Trust.decode(_kept("trust")["qbft"])


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


def fuzz_evidence(data: bytes) -> None:
    """Read and judge; what is read is written again alike, and nothing passes but the files that are kept as valid."""
    try:
        _require(Evidence.decode(data).encode() == data, "an evidence file has two spellings")
    except InvalidEvidence:
        pass
    except InvalidDocument:
        pass  # a whole document that is none is judged by `verify`, and not written again
    verdict = verify(data, _TRUST, _JUDGED_AT).verdict
    kept = [name for name, file in _VALID.items() if file == data]
    _require(
        (verdict == "VALID") == any(name.startswith("valid-") for name in kept),
        f"{kept or 'a file'} is {verdict}",
    )


def fuzz_split(data: bytes) -> None:
    """Read and judge; what is read is written again alike, and nothing is proven but by the files kept as valid."""
    try:
        _require(split.Split.decode(data).encode() == data, "a file of a split view has two spellings")
    except InvalidSplit:
        pass
    verdict = split.verify(data, _TRUST, _JUDGED_AT).verdict
    _require((verdict == "VALID") == (data in _VALID_SPLITS), f"a file is {verdict}")


def fuzz_trust(data: bytes) -> None:
    """Read; what is read is written again alike."""
    try:
        trust = Trust.decode(data)
    except InvalidTrust:
        return
    _require(trust.encode() == data, "a trust file has two spellings")


def fuzz_parts(data: bytes) -> None:
    """Join the lines as texts of codes; the bytes themselves, split, come back."""
    _let(parts.join, data.decode("latin-1").split("\n"))
    packed = zlib.compress(len(data).to_bytes(4, "big") + data)
    _let(parts.join, [f"CE1/{'0' * 16}/1/1/{base45.b45encode(packed).decode()}"])
    try:
        texts = parts.split(data)
    except LedgerError:
        return
    _require(parts.join(reversed(texts)) == data, "parts give back another file")


def fuzz_header(data: bytes) -> None:
    """Decode, hash, recover the seals; what is decoded is encoded to the same bytes."""
    try:
        header = headers.decode(data)
    except LedgerError:
        return
    _require(header.encode() == data, "a header has two spellings")
    for consensus in ("qbft", "clique"):
        _let(headers.block_hash, header, consensus)
        _let(headers.seal_signers, header, consensus)
    _let(headers.clique_signers, header)
    _let(headers.require_qbft_quorum, header, _TRUST.validators)
    _let(headers.next_validators, header, _TRUST.validators)


def fuzz_state_proof(data: bytes) -> None:
    """Walk a trie of nodes, each two bytes of length and its bytes; the first is the root, the key is every digit's."""
    nodes: list[bytes] = []
    at = 0
    while at + 2 <= len(data) and len(nodes) < 80:
        length = int.from_bytes(data[at : at + 2], "big")
        nodes.append(data[at + 2 : at + 2 + length])
        at += 2 + length
    if not nodes:
        return
    root = records.keccak(nodes[0])
    for key in (bytes(32), b"\x12" * 32, b"\xff" * 32):
        alone = _outcome(state_proof.verify, root, key, nodes)
        shared = _outcome(state_proof.SharedNodes(nodes).value, root, key)
        _require(alone is None or alone == shared, "a proof and shared nodes differ")
    _let(state_proof.decode_account, data)
    _let(state_proof.decode_slot, data)


def _outcome(step: Callable[..., bytes | None], *arguments: object) -> bytes | None:
    try:
        return step(*arguments)
    except LedgerError:
        return None


def _let(step: Callable[..., object], *arguments: object) -> None:
    try:
        step(*arguments)
    except LedgerError:
        pass


TARGETS: dict[str, Callable[[bytes], None]] = {
    "documents": fuzz_document,
    "disclosures": fuzz_disclosure,
    "records": fuzz_record,
    "evidence": fuzz_evidence,
    "trust": fuzz_trust,
    "splits": fuzz_split,
    "parts": fuzz_parts,
    "headers": fuzz_header,
    "state_proofs": fuzz_state_proof,
}
