"""One event of one block, shown from a node or an export: what a finding's evidence link leads to.

The block is checked by itself: its receipts hash to the root in its header, and so the event stands in it. Who signed is
recovered from the signature and held against who the event says it was. That the block is on the sealed chain, and that
the event obeys the rules, is for the replay to say: **not** checked here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ledger.audit import blocks
from ledger.audit.blocks import Source
from ledger.audit.checking import Checker, Happening, custody_record, manifest_record, plain
from ledger.audit.citing import InBlock, logs_of
from ledger.config import CONTRACTS
from ledger.core import headers, transactions
from ledger.core.findings import kind_name, party_text, time_text
from ledger.core.records import Domain, keccak
from ledger.core.signatures import checksummed, recover_key
from ledger.errors import ChainViolation, InvalidSignature, NotFound


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature, and who made it.

    Attributes:
        what: What was signed, in words.
        digest: What the signature is over, 32 bytes.
        signature: r ‖ s ‖ v, 65 bytes.
        account: Who signed, by the signature; None if nobody can have made it.
        public_key: With which key, x ‖ y of 64 bytes; None if nobody can have made it.
        verifies: Whether that is who the event says it was.
        sentence: All that in words.
    """

    what: str
    digest: bytes
    signature: bytes
    account: str | None
    public_key: bytes | None
    verifies: bool
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """As programs read it."""
        return {
            "what": self.what,
            "digest": "0x" + self.digest.hex(),
            "signature": "0x" + self.signature.hex(),
            "account": self.account,
            "public_key": None if self.public_key is None else "0x" + self.public_key.hex(),
            "verifies": self.verifies,
            "sentence": self.sentence,
        }


@dataclass(frozen=True, slots=True)
class Hanging:
    """The block that an event hangs on.

    Attributes:
        number: Its number.
        hash: 32 bytes.
        parent_hash: 32 bytes.
        state_root: 32 bytes.
        receipts_root: 32 bytes.
        receipts: How many receipts hash to that root.
        at: Its time.
        sealed_by: Whose seals are in its header; nobody's on a development chain.
        sentence: In words what that is worth.
    """

    number: int
    hash: bytes
    parent_hash: bytes
    state_root: bytes
    receipts_root: bytes
    receipts: int
    at: str
    sealed_by: tuple[str, ...]
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """As programs read it."""
        return {
            "number": self.number,
            "hash": "0x" + self.hash.hex(),
            "parent_hash": "0x" + self.parent_hash.hex(),
            "state_root": "0x" + self.state_root.hex(),
            "receipts_root": "0x" + self.receipts_root.hex(),
            "receipts": self.receipts,
            "time": self.at,
            "sealed_by": list(self.sealed_by),
            "sentence": self.sentence,
        }


@dataclass(frozen=True, slots=True)
class ShownEvent:
    """An event where it stands.

    Attributes:
        hangs_on: Its block.
        transaction: Place of its transaction in the block, from 0.
        transaction_hash: 32 bytes; None where the block is shown without that transaction.
        log: Place of its log in the block, from 0.
        contract: Name of the contract.
        name: Name of the event.
        sequence: Its number in this contract.
        values: What it says, as people read it.
        signed: Who signed what of it; None where nothing signed is shown with it.
        unsigned: Why `signed` is None, or "".
    """

    hangs_on: Hanging
    transaction: int
    transaction_hash: bytes | None
    log: int
    contract: str
    name: str
    sequence: int
    values: dict[str, Any]
    signed: Signed | None
    unsigned: str

    def to_json(self) -> dict[str, Any]:
        """As programs read it."""
        return {
            "block": self.hangs_on.number,
            "block_hash": "0x" + self.hangs_on.hash.hex(),
            "at": self.hangs_on.at,
            "transaction": self.transaction,
            "transaction_hash": None if self.transaction_hash is None else "0x" + self.transaction_hash.hex(),
            "log": self.log,
            "contract": self.contract,
            "name": self.name,
            "sequence": self.sequence,
            "values": self.values,
            "signed": None if self.signed is None else self.signed.to_json(),
            "unsigned": self.unsigned,
            "hangs_on": self.hangs_on.to_json(),
        }


def show(source: Source, block: int, log: int) -> ShownEvent:
    """Read one event.

    Args:
        source: Who gives the block; from the block on it may give others, which are not read.
        block: Number of the block.
        log: Place of the log in the block, from 0.

    Raises:
        NotFound: The block has no event of our contracts there.
        ChainViolation: The block does not hold by itself.
        ChainUnavailable, InvalidExport: As `Source.chunks`.
    """
    network = source.network
    if not network.first_block <= block <= source.last:
        raise NotFound("block", str(block), f"there are {network.first_block} to {source.last}")
    chunk = next(each for each in source.chunks(block) if each.first <= block <= each.last)
    checker = Checker(network, recovers=False)  # a false signature is shown for what it is
    outcome = checker.check(chunk)
    if outcome.last < block:
        assert outcome.fault is not None  # noqa: S101  else it would reach to its end
        raise ChainViolation(outcome.fault.sentence)
    shown = next(
        each for number, each in enumerate(blocks.decode(plain(chunk)), chunk.first) if number == block
    )
    contracts = {network.addresses[name]: name for name in CONTRACTS}
    events = dict(logs_of(checker, contracts, shown))
    found = events.get(log)
    if found is None:
        there = (
            f"that block has log {', '.join(map(str, sorted(events)))}" if events else "that block has none"
        )
        raise NotFound("event of our contracts in block", f"{block}, log {log}", there)
    hangs_on = _hanging(source, shown, outcome.hashes[block - outcome.first])

    def told(
        contract: str, name: str, sequence: int, values: dict[str, Any], signed: Signed | None
    ) -> ShownEvent:
        transaction = None if found.raw is None else keccak(found.raw)
        return ShownEvent(
            hangs_on, found.at, transaction, log, contract, name, sequence, values, signed,
            "" if signed is not None else _NOTHING_SIGNED,
        )  # fmt: skip

    for row in outcome.custody_rows():
        if (int.from_bytes(row[8:16], "big"), int.from_bytes(row[24:28], "big")) == (block, log):
            of = Domain(network.chain_id, network.addresses["ConsignmentLedger"])
            digest = custody_record(row).digest(of)
            assert found.signature is not None  # noqa: S101  each of these logs has one
            signed = _signed("the custody record", digest, found.signature, row[64:84])
            sequence = int.from_bytes(row[:8], "big")
            return told("ConsignmentLedger", "RecordAppended", sequence, _record_values(row), signed)
    event = next(each for each in outcome.happenings if (each.block, each.place) == (block, log))
    values = {name: _shown(name, value) for name, value in event.values.items() if name != "signature"}
    log_domain = Domain(network.chain_id, network.addresses["ManifestLog"])
    return told(event.contract, event.name, event.sequence, values, _of_happening(event, found, log_domain))


_NOTHING_SIGNED = (
    "Nothing signed is shown with this event: neither a record nor the transaction that caused it stands in the blocks that "
    "an audit reads."
)


def _of_happening(event: Happening, found: InBlock, log_domain: Domain) -> Signed | None:
    if found.signature is not None:
        digest = manifest_record(event.values).digest(log_domain)
        return _signed("the closing record", digest, found.signature, event.values["signer"])
    if found.raw is None:
        return None
    digest, signature = transactions.signature_of(found.raw)
    return _signed("the transaction", digest, signature, None)


def _signed(what: str, digest: bytes, signature: bytes, by: bytes | None) -> Signed:
    """A signature held against who is said to have made it; a transaction says nobody but by its signature."""
    try:
        key = recover_key(digest, signature)
    except InvalidSignature as error:
        sentence = f"The signature of {what} does NOT verify: {error.rule}."
        return Signed(what, digest, signature, None, None, False, sentence)
    account = keccak(key)[12:]
    verifies = by is None or account == by
    sentence = (
        f"The signature of {what} verifies: {checksummed(account)} made it."
        if verifies
        else f"The signature of {what} does NOT verify: {checksummed(account)} made it, and the event says "
        f"{checksummed(by or b'')}."
    )
    return Signed(what, digest, signature, checksummed(account), key, verifies, sentence)


def _hanging(source: Source, shown: blocks.ShownBlock, block_hash: bytes) -> Hanging:
    header = headers.decode(shown.header)
    consensus = source.network.consensus
    if consensus == "development":
        sealed_by: tuple[str, ...] = ()
        sentence = "Nobody seals the blocks of a development chain: who runs the node can write any."
    else:
        sealed_by = tuple(headers.seal_signers(header, consensus))
        sentence = f"{len(sealed_by)} sealed it. Whether a trust file names them, and who follows, `audit replay` says."
    return Hanging(
        header.number,
        block_hash,
        header.parent_hash,
        header.state_root,
        header.receipts_root,
        len(shown.receipts),
        time_text(header.timestamp),
        sealed_by,
        sentence,
    )


def _record_values(row: bytes) -> dict[str, Any]:
    record = custody_record(row)
    return {
        "record": "0x" + row[32:64].hex(),
        "consignment": "0x" + record.consignment.hex(),
        "other": _or_none(row[84:116]),
        "kind": kind_name(record.kind),
        "party": party_text(record.party),
        "signer": checksummed(row[64:84]),
        "previous": _or_none(record.previous),
        "subject": _or_none(record.subject),
        "details": _or_none(record.details),
        "counterpart": party_text(record.counterpart) if any(record.counterpart) else None,
        "observed_at": time_text(record.observed_at),
        "expires_at": time_text(record.expires_at),
    }


def _or_none(value: bytes) -> str | None:
    return "0x" + value.hex() if any(value) else None


def _shown(name: str, value: Any) -> Any:
    if not isinstance(value, bytes):
        return value
    return party_text(value) if name.rpartition(".")[2] in ("party", "administration") else "0x" + value.hex()
