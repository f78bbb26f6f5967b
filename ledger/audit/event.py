"""One event of one block, shown from a node or an export: what a finding's evidence link leads to.

The block is checked by itself: its receipts hash to the root in its header, the record's signature is by its signer. That
the block is on the sealed chain, and that the event obeys the rules, is for the replay to say: **not** checked here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ledger.audit.blocks import Source
from ledger.audit.checking import Checker, custody_record
from ledger.core.findings import kind_name, party_text, time_text
from ledger.core.signatures import checksummed
from ledger.errors import ChainViolation, NotFound


@dataclass(frozen=True, slots=True)
class ShownEvent:
    """An event where it stands.

    Attributes:
        block: Number of its block.
        block_hash: 32 bytes.
        transaction: Place of its transaction in the block, from 0; None where that is not kept of it.
        log: Place of its log in the block, from 0.
        contract: Name of the contract.
        name: Name of the event.
        sequence: Its number in this contract.
        at: Time of the block.
        values: What it says, as people read it.
    """

    block: int
    block_hash: bytes
    transaction: int | None
    log: int
    contract: str
    name: str
    sequence: int
    at: str
    values: dict[str, Any]


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
    what = f"{block}, log {log}"
    if not source.network.first_block <= block <= source.last:
        raise NotFound("block", str(block))
    chunk = next(each for each in source.chunks(block) if each.first <= block <= each.last)
    outcome = Checker(source.network).check(chunk)
    if outcome.last < block:
        assert outcome.fault is not None  # noqa: S101  else it would reach to its end
        raise ChainViolation(outcome.fault.sentence)
    block_hash = outcome.hashes[block - outcome.first]
    for row in outcome.custody_rows():
        if (int.from_bytes(row[8:16], "big"), int.from_bytes(row[24:28], "big")) == (block, log):
            return ShownEvent(
                block,
                block_hash,
                int.from_bytes(row[28:32], "big"),
                log,
                "ConsignmentLedger",
                "RecordAppended",
                int.from_bytes(row[:8], "big"),
                time_text(int.from_bytes(row[16:24], "big")),
                _record_values(row),
            )
    for event in outcome.happenings:
        if (event.block, event.place) == (block, log):
            values = {name: _shown(name, value) for name, value in event.values.items()}
            at = time_text(event.time)
            return ShownEvent(
                block, block_hash, None, log, event.contract, event.name, event.sequence, at, values
            )
    raise NotFound("event of our contracts in block", what)


def _record_values(row: bytes) -> dict[str, Any]:
    record = custody_record(row)
    return {
        "record": "0x" + row[32:64].hex(),
        "consignment": "0x" + record.consignment.hex(),
        "other": "0x" + row[84:116].hex(),
        "kind": kind_name(record.kind),
        "party": party_text(record.party),
        "signer": checksummed(row[64:84]),
        "previous": "0x" + record.previous.hex(),
        "subject": "0x" + record.subject.hex(),
        "details": "0x" + record.details.hex(),
        "counterpart": party_text(record.counterpart) if any(record.counterpart) else None,
        "observed_at": time_text(record.observed_at),
        "expires_at": time_text(record.expires_at),
    }


def _shown(name: str, value: Any) -> Any:
    if not isinstance(value, bytes):
        return value
    return party_text(value) if name.rpartition(".")[2] in ("party", "administration") else "0x" + value.hex()
