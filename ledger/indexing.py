"""From chain events to the store: in order, whole, and able to take back.

The cursor is the newest block in the store. A block's rows and its place in the cursor are one transaction; a block is
taken by its hash, its parent must be the cursor, and each contract's events must continue its sequence without a gap: a
node that leaves a log out stops the indexer instead of making it wrong. A reorganisation rewinds to the common block; one
that takes back what counted as final stops everything, but on a development chain, which forgets when it is killed. An event
that this version does not know is kept as it came, and read again by the version that knows it.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from ledger import events
from ledger.chain import Block, Chain, Event, event_name
from ledger.config import CONTRACTS
from ledger.core.records import CustodyKind, Domain
from ledger.errors import ChainUnavailable, ChainViolation
from ledger.rows.chain import UNKNOWN
from ledger.rows.custody import encode_custody
from ledger.sequencing import root_at
from ledger.store import Session, Store

_logger = logging.getLogger(__name__)
BATCH_BLOCKS = 200  # blocks taken in one transaction when far behind
_TRIES = 3  # how often blocks that lack an event are asked for before it is looked for further back


class Gap(Exception):
    """A contract's events do not continue its sequence."""

    def __init__(self, block: Block, contract: str, expected: int, found: int | None) -> None:
        self.contract = contract
        self.expected = expected
        came = (
            f"event {found} came" if found is not None else "the contract has counted more, but no event came"
        )
        super().__init__(
            f"Block {block.number}: of {contract} {came} where event {expected} was due. The node leaves logs out of "
            "its answers; nothing of this block was taken. It is asked again; if this goes on, use another node."
        )


class Indexer:
    """Follows one chain into one store."""

    def __init__(self, chain: Chain, store: Store) -> None:
        self._chain = chain
        self._store = store
        self._consignments: Domain = chain.profile.consignments_domain
        self._gaps = 0  # in a row
        self._looked_back: set[tuple[str, int]] = set()
        self._has_reread = False

    def advance(self) -> int:
        """Take what the chain has beyond the cursor, at most one batch; rewind first if the chain turned.

        Returns:
            How many blocks were taken or taken back; 0 means up to date.

        Raises:
            ChainViolation: A gap in a sequence, or a reorganisation below what is kept or counts as final.
            ChainUnavailable: The node gave no usable answer; nothing was written for the block it was asked for.
        """
        head = self._chain.head()
        with self._store.read() as session:
            cursor = session.cursor()
            kept = session.block(head.number)
        if cursor is None:
            return self.begin()
        if not self._has_reread:
            self._has_reread = True
            if self._reread_unknown():
                return 1
        if head.number < cursor.number and kept is not None and kept.hash == head.hash:
            return 0  # the node is behind and on the same chain: nothing to take back
        if head.number < cursor.number:
            return self._rewind(cursor.number, head)
        there = head if head.number == cursor.number else self._present(cursor.number)
        if there.hash != cursor.hash:
            return self._rewind(cursor.number, head)
        if head.number == cursor.number:
            return self._stand()
        taken: list[tuple[Block, list[Event]]] = []
        parent = cursor.hash
        for number in range(cursor.number + 1, min(head.number, cursor.number + BATCH_BLOCKS) + 1):
            block = head if number == head.number else self._chain.block(number)
            if block is None or block.parent_hash != parent:
                break  # the chain turned between two answers; the next call sees it from the cursor
            taken.append((block, self._chain.events(block)))
            parent = block.hash
        if not taken:
            return 0
        counted = self._counted(taken[-1][0], head)
        try:
            with self._store.write() as session:
                now = session.cursor()
                if now is None or now.hash != cursor.hash:
                    return 0  # another worker was faster
                self.take(session, taken, counted)
                session.set_violation(None)
        except Gap as gap:
            self._note(gap)
            raise ChainViolation(str(gap)) from None
        self._gaps = 0
        return len(taken)

    def take(
        self, session: Session, taken: list[tuple[Block, list[Event]]], counted: dict[str, int] | None
    ) -> None:
        """Put blocks that follow the cursor into the store, each with its events in order.

        Args:
            session: A writing transaction.
            taken: The blocks; that each is the parent of the next is the caller's to see to.
            counted: The number of each contract's last event by then, where somebody knows it.

        Raises:
            Gap: A sequence is not continued; nothing must be committed.
        """
        sequences = {name: _last_sequence(session, name) for name in CONTRACTS}
        told: list[events.Row] = []
        for block, came in taken:
            for event in came:
                expected = sequences[event.contract] + 1
                if event.sequence != expected:
                    raise Gap(block, event.contract, expected, event.sequence)
                sequences[event.contract] = event.sequence
                told += self._put(session, event)
            session.add_block(block.number, block.hash, block.timestamp)
        for name, last in (counted or {}).items():
            if sequences[name] != last:
                raise Gap(taken[-1][0], name, sequences[name] + 1, None)
        session.tell(told)
        self._tell_final(session, taken[-1][0])

    def _tell_final(self, session: Session, newest: Block) -> None:
        """Tell what has its confirmations now; it goes with the block that carries it, should that ever go."""
        told, final = session.told_final(), newest.number - self._chain.profile.confirmations
        if final > told:
            rows = [row for row in session.told_of_blocks(told, final) if row.kind in events.FINAL]
            session.tell([events.final(row, json.loads(row.facts), newest.timestamp) for row in rows])
            session.set_told_final(final)

    def _counted(self, last: Block, head: Block) -> dict[str, int] | None:
        """How many events the contracts say there are; a node need not keep this for old blocks."""
        try:
            return self._chain.last_sequences(last)
        except ChainUnavailable:
            if last.hash == head.hash:
                raise
            return None

    def _note(self, gap: Gap) -> None:
        """Mostly the event is missing from the blocks just asked for, and comes when they are asked for again.

        It may also stand in a block taken before, whose state the node no longer has to count by: what stays missing is
        looked for there, once.
        """
        self._gaps += 1
        if self._gaps % _TRIES != 0 or (gap.contract, gap.expected) in self._looked_back:
            return
        self._looked_back.add((gap.contract, gap.expected))
        with self._store.read() as session:
            cursor, place, oldest = session.cursor(), session.last_place(gap.contract), session.oldest_block()
        common = oldest if place is None else max(oldest, place - 1)
        if cursor is not None and common < cursor.number:
            _logger.warning(
                "looking for an event that is missing in blocks %d to %d", common + 1, cursor.number
            )
            with self._store.write() as session:
                session.rewind(common)

    def begin(self) -> int:
        """Stand on the block before the deployment, where the store stands on none yet."""
        with self._store.read() as session:
            if session.cursor() is not None:
                return 0
        start = self._chain.profile.deployment_block - 1
        block = self._chain.block(start)
        if block is None:
            raise ChainViolation(
                f"The chain has no block {start}, where the profile says that the contracts begin."
            )
        with self._store.write() as session:
            if session.cursor() is None:
                session.add_block(block.number, block.hash, block.timestamp)
        return 1

    def _present(self, number: int) -> Block:
        """A block at or below the newest that this node has named: it has it, or another node answers now."""
        block = self._chain.block(number)
        if block is None:
            raise ChainUnavailable(
                self._chain.shown,
                f"it named a newer block and does not have block {number}: nodes behind one address?",
            )
        return block

    def _stand(self) -> int:
        """The store is at the newest block; whatever was wrong with the chain is right again."""
        with self._store.read() as session:
            is_marked = session.violation() is not None
        if is_marked:
            with self._store.write() as session:
                session.set_violation(None)
        return 0

    def _rewind(self, number: int, head: Block) -> int:
        with self._store.read() as session:
            oldest = session.oldest_block()
            common = min(number - 1, head.number)
            while common >= oldest:
                kept = session.block(common)
                there = head if common == head.number else self._present(common)
                if kept is not None and kept.hash == there.hash:
                    break
                common -= 1
            else:
                raise self._violation(
                    f"The chain has no block in common with the newest {number - oldest + 1} indexed here: it was "
                    "replaced. Stop, and compare with the other administrations before you index it anew."
                )
        final = number - self._chain.profile.confirmations
        if common < final and self._chain.profile.kind != "development":
            raise self._violation(
                f"The chain took back blocks {common + 1} to {number}, of which those to {final} counted as final "
                f"({self._chain.profile.confirmations} confirmations). Nothing here was changed, nothing more is taken or "
                "sent. Compare with the other administrations; index anew only when you know why."
            )
        _logger.warning("the chain turned: taking back blocks %d to %d", common + 1, number)
        with self._store.write() as session:
            session.rewind(common)
        return number - common

    def _violation(self, sentence: str) -> ChainViolation:
        """Note it, so that every process says so, and stop."""
        with self._store.write() as session:
            session.set_violation(sentence)
        return ChainViolation(sentence)

    def _reread_unknown(self) -> bool:
        """Go back to before the first event that an earlier version did not know and this one does."""
        with self._store.read() as session:
            unknown = session.unknown_events()
            oldest = session.oldest_block()
        known = [row for row in unknown if event_name(row.contract, _topic(row.arguments)) is not None]
        if not known:
            return False
        first = known[0].block_number - 1
        if first < oldest:  # no block to stand on there: all of it anew
            first = self._chain.profile.deployment_block - 2
        _logger.warning(
            "reading %d events that were not known before; from block %d on", len(known), first + 1
        )
        with self._store.write() as session:
            session.rewind(first)
        return True

    def _put(self, session: Session, event: Event) -> list[events.Row]:
        """Insert what an event derives to; what is to be told of it is returned."""
        values = event.values
        place: dict[str, Any] = {
            "block_number": event.block.number,
            "transaction_hash": event.transaction_hash,
        }
        if not event.name:
            _logger.error(
                "event %d of %s in block %d is of a version that this service does not know: upgrade it",
                event.sequence,
                event.contract,
                event.block.number,
            )
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
                    "kind": record.kind,
                    "signer": bytes.fromhex(values["signer"][2:]),
                    "body": encode_custody(record),
                    "signature": bytes(values["signature"]),
                    "accepted_at": event.block.timestamp,
                    "log_index": event.log_index,
                }
            )
            return [
                events.of_custody(
                    events.CUSTODY[CustodyKind(record.kind)],
                    record,
                    record.digest(self._consignments),
                    event.block.timestamp,
                    other if any(other) else None,
                    event.block.number,
                    transaction=event.transaction_hash,
                )
            ]
        if event.name == "RecordRefused":
            session.add_chain_refusal(
                place
                | {
                    "sequence": event.sequence,
                    "digest": bytes(values["digest"]),
                    "refusal": int(values["refusal"]),
                }
            )
            return []  # anybody can cause one of anybody's record: those of our own are told by who sent them
        if event.name == "HeadAnchored":
            session.add_chain_head(
                place
                | {
                    "administration": bytes(values["administration"]),
                    "epoch": values["epoch"],
                    "size": values["size"],
                    "root": bytes(values["root"]),
                    "anchored_at": values["anchoredAt"],
                    "sequence": event.sequence,
                    "log_index": event.log_index,
                }
            )
        elif event.name == "ManifestClosed":
            successor, closing = bytes(values["successor"]), values["record"]
            session.add_chain_closure(
                place
                | {
                    "former": bytes(values["former"]),
                    "kind": closing["kind"],
                    "reason": closing["reason"],
                    "closed_at": values["closedAt"],
                    "signer": bytes.fromhex(values["signer"][2:]),
                    "successor": successor if any(successor) else None,
                    "digest": bytes(values["digest"]),
                    "sequence": event.sequence,
                    "log_index": event.log_index,
                    "party": bytes(closing["party"]),
                    "consignment": bytes(closing["consignment"]),
                    "root": bytes(closing["manifestRoot"]) if any(successor) else None,
                    "issued_at": closing["issuedAt"],
                    "signature": bytes(values["signature"]),
                }
            )
        arguments = {name: value for name, value in values.items() if name not in ("record", "signature")}
        session.add_event(
            place
            | {
                "contract": event.contract,
                "sequence": event.sequence,
                "name": event.name or UNKNOWN,
                "block_hash": event.block.hash,
                "log_index": event.log_index,
                "at": event.block.timestamp,
            },
            arguments,
        )
        row = events.of_contract(
            event.name, values, event.block.timestamp, event.block.number, event.transaction_hash
        )
        if row is None:
            return []
        if event.name in ("AccountRevoked", "AccountValidityRaised"):
            party = session.party_enrolled(row["subject"])
            row |= {"party": party, "administration": None if party is None else party[:8]}
        return [row, *(_covered(session, event) if event.name == "HeadAnchored" else ())]


def _covered(session: Session, event: Event) -> list[events.Row]:
    """That the manifest records which a head of our own tree is the first to cover are anchored."""
    values = event.values
    administration, epoch, size = bytes(values["administration"]), values["epoch"], values["size"]
    if administration != session.own_administration():
        return []
    log = session.log()
    if epoch != log.epoch or size > log.sequenced or root_at(session, epoch, size) != bytes(values["root"]):
        return []  # a former epoch's, or not of our tree: `sequencing.compare_heads` finds that out
    before = session.largest_head(administration, epoch, below=size)
    first = 0 if before is None else before.size
    return [
        events.of_manifest(
            "manifest.anchored",
            row,
            event.block.timestamp,
            event.block.number,
            size=size,
            transaction=event.transaction_hash,
        )
        for row in session.manifests_at(epoch, first, size)
    ]


def _topic(arguments: str) -> bytes:
    return bytes.fromhex(json.loads(arguments)["topics"][0][2:])


def _last_sequence(session: Session, contract: str) -> int:
    if contract == "ConsignmentLedger":
        return session.last_custody_sequence()
    return session.last_sequence(contract)
