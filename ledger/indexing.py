"""From chain events to the store: in order, whole, and able to take back.

The cursor is the newest block in the store. A block's rows and its place in the cursor are one transaction; a block is
taken by its hash, its parent must be the cursor, and each contract's events must continue its sequence without a gap: a
node that leaves a log out stops the indexer instead of making it wrong. A reorganisation rewinds to the common block.
"""

from __future__ import annotations

import logging
from typing import Any

from ledger.chain import Block, Chain, Event
from ledger.config import CONTRACTS
from ledger.core.records import Domain
from ledger.errors import ChainViolation
from ledger.store import Session, Store, encode_custody

_logger = logging.getLogger(__name__)
BATCH_BLOCKS = 200  # blocks taken in one transaction when far behind


class Indexer:
    """Follows one chain into one store."""

    def __init__(self, chain: Chain, store: Store) -> None:
        self._chain = chain
        self._store = store
        self._consignments: Domain = chain.profile.consignments_domain

    def advance(self) -> int:
        """Take what the chain has beyond the cursor, at most one batch; rewind first if the chain turned.

        Returns:
            How many blocks were taken or taken back; 0 means up to date.

        Raises:
            ChainViolation: A gap in a sequence, or a reorganisation below what is kept.
            ChainUnavailable: The node gave no usable answer; nothing was written for the block it was asked for.
        """
        head = self._chain.head()
        with self._store.read() as session:
            cursor = session.cursor()
        if cursor is None:
            return self._begin()
        there = head if head.number == cursor.number else self._chain.block(cursor.number)
        if there is None or there.hash != cursor.hash:
            return self._rewind(cursor.number)
        if head.number == cursor.number:
            return 0
        taken: list[tuple[Block, list[Event]]] = []
        parent = cursor.hash
        for number in range(cursor.number + 1, min(head.number, cursor.number + BATCH_BLOCKS) + 1):
            block = head if number == head.number else self._chain.block(number)
            if block is None or block.parent_hash != parent:
                break  # the chain turned between two answers; the next call sees it from the cursor
            taken.append((block, self._chain.events(block)))
            parent = block.hash
        with self._store.write() as session:
            now = session.cursor()
            if now is None or now.hash != cursor.hash:
                return 0  # another worker was faster
            sequences = {name: _last_sequence(session, name) for name in CONTRACTS}
            for block, events in taken:
                for event in events:
                    self._require_next(event, sequences)
                    self._put(session, event)
                session.add_block(block.number, block.hash, block.timestamp)
        return len(taken)

    def _begin(self) -> int:
        start = self._chain.profile.deployment_block - 1
        block = self._chain.block(start)
        if block is None:
            raise ChainViolation(
                f"The chain has no block {start}, where the profile says that the contracts begin."
            )
        with self._store.write() as session:
            session.add_block(block.number, block.hash, block.timestamp)
        return 1

    def _rewind(self, number: int) -> int:
        with self._store.read() as session:
            oldest = session.oldest_block()
            common = number - 1
            while common >= oldest:
                kept = session.block(common)
                there = self._chain.block(common)
                if kept is not None and there is not None and kept.hash == there.hash:
                    break
                common -= 1
            else:
                raise ChainViolation(
                    f"The chain has no block in common with the newest {number - oldest + 1} indexed here: it was "
                    "replaced. Stop, and compare with the other administrations before you index it anew."
                )
        _logger.warning("the chain turned: taking back blocks %d to %d", common + 1, number)
        with self._store.write() as session:
            session.rewind(common)
        return number - common

    def _require_next(self, event: Event, sequences: dict[str, int]) -> None:
        expected = sequences[event.contract] + 1
        if event.sequence != expected:
            raise ChainViolation(
                f"Block {event.block.number}: {event.contract}'s event {event.sequence} came where {expected} was due. "
                "The node leaves logs out of its answers; nothing of this block was taken. Use another node."
            )
        sequences[event.contract] = event.sequence

    def _put(self, session: Session, event: Event) -> None:
        values = event.values
        place: dict[str, Any] = {
            "block_number": event.block.number,
            "transaction_hash": event.transaction_hash,
        }
        if event.name == "RecordAppended":
            record = values["record"]
            other = bytes(values["other"])
            session.add_chain_custody(
                place
                | {
                    "sequence": event.sequence,
                    "digest": record.digest(self._consignments),
                    "consignment": record.consignment,
                    "other": other if any(other) else None,
                    "signer": bytes.fromhex(values["signer"][2:]),
                    "body": encode_custody(record),
                    "signature": bytes(values["signature"]),
                    "accepted_at": event.block.timestamp,
                }
            )
            return
        if event.name == "RecordRefused":
            session.add_chain_refusal(
                place
                | {
                    "sequence": event.sequence,
                    "digest": bytes(values["digest"]),
                    "refusal": int(values["refusal"]),
                }
            )
            return
        if event.name == "HeadAnchored":
            session.add_chain_head(
                place
                | {
                    "administration": bytes(values["administration"]),
                    "epoch": values["epoch"],
                    "size": values["size"],
                    "root": bytes(values["root"]),
                    "anchored_at": values["anchoredAt"],
                }
            )
        elif event.name == "ManifestClosed":
            successor = bytes(values["successor"])
            session.add_chain_closure(
                place
                | {
                    "former": bytes(values["former"]),
                    "kind": values["record"]["kind"],
                    "reason": values["record"]["reason"],
                    "closed_at": values["closedAt"],
                    "signer": bytes.fromhex(values["signer"][2:]),
                    "successor": successor if any(successor) else None,
                    "digest": bytes(values["digest"]),
                }
            )
        arguments = {name: value for name, value in values.items() if name not in ("record", "signature")}
        session.add_event(
            place
            | {
                "contract": event.contract,
                "sequence": event.sequence,
                "name": event.name,
                "block_hash": event.block.hash,
                "log_index": event.log_index,
            },
            arguments,
        )


def _last_sequence(session: Session, contract: str) -> int:
    if contract == "ConsignmentLedger":
        return session.last_custody_sequence()
    return session.last_sequence(contract)
