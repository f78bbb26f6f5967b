"""From the store to the chain: tree heads, closures and custody records, each once, whatever dies in between.

A transaction's nonce and signed bytes are one row, stored before anything is sent (`outgoing`); what became of it is known
by looking it up (`settling`). What it carries points to it, so that nothing is carried twice.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

from ledger import lanes
from ledger.chain import Chain
from ledger.core.identifiers import Party
from ledger.core.records import decode_leaf
from ledger.core.signatures import checksummed
from ledger.errors import ContractError, InvalidKey, LedgerError, LogManifestAlreadyClosed, LogRecordAhead
from ledger.outgoing import Outgoing
from ledger.rows.custody import decode_custody
from ledger.sequencing import compare_heads, consistency_path, extent, root_at
from ledger.settling import Settler
from ledger.store import Session, Store

_logger = logging.getLogger(__name__)
RECORDS_A_BATCH = 50  # custody records in one transaction
MOST_IN_FLIGHT = 4  # transactions with custody records that wait to be mined, for each key
CLOSURES_A_TURN = 20  # closures that wait to be mined, for each key


class Sender:
    """Sends what waits, and settles what was sent. One at a time for a store: the worker's lock sees to it.

    Args:
        chain: The chain.
        store: The administration's database.
        administration: Its code.
        sequencer_key: Key of the account that may anchor, 32 bytes; heads go out in the order of its nonces.
        relayer_keys: Keys that pay for the rest, 32 bytes each; they need no enrolment.
        read_relayer_keys: What gives them as they are by now, or None where they stay.
    """

    def __init__(
        self,
        chain: Chain,
        store: Store,
        administration: str,
        sequencer_key: bytes,
        relayer_keys: tuple[bytes, ...],
        read_relayer_keys: Callable[[], tuple[bytes, ...]] | None = None,
    ) -> None:
        self._chain = chain
        self._store = store
        self._administration = Party.parse(administration).administration_bytes
        self._read_relayer_keys = read_relayer_keys
        self._outgoing = Outgoing(chain, sequencer_key, relayer_keys)
        self._settler = Settler(chain, store, self._outgoing)
        self._compared: tuple[int, int, bytes] | None = (
            None  # the newest head that was compared with the tree
        )
        self._foreign: int | None = None

    def turn(self) -> bool:
        """Settle what was sent and send what waits; returns whether anything moved.

        Raises:
            ChainMismatch: The node serves another chain by now; nothing was sent.
            InvalidKey: No relayer's key can be used now; the rest was done.
        """
        self._outgoing.begin_turn()
        if self._read_relayer_keys is not None:
            self._outgoing.use_relayers(self._read_relayer_keys())
        moved = self._settler.turn()
        moved |= self._follow_restart()
        moved |= self._anchor()
        if not self._outgoing.relayers:
            raise InvalidKey(
                "of the relayers", "none can be used now: custody records and closures wait for one"
            )
        moved |= self._close()
        moved |= self._append()
        return moved

    # --- sending

    def _follow_restart(self) -> bool:
        """When the governor restarted the log, give what was not anchored its place in the new epoch.

        Only when the restart is final: leaves that were given a new place can't be given their former one back.
        """
        confirmations = self._chain.profile.confirmations
        with self._store.read() as session:
            cursor = session.cursor()
            if cursor is None:
                return False
            epoch = 1 + session.restarts(self._administration, cursor.number - confirmations)
            if epoch <= session.log().epoch:
                return False
        with self._store.write() as session:
            log = session.log()
            # Heads that somebody else anchored cover nothing of ours, however large they are.
            session.set_foreign_from(compare_heads(session, self._administration))
            anchored = extent(session, self._administration, confirmations).anchored
            moved = session.move_leaves(log.epoch, anchored, epoch)
            session.begin_epoch(epoch)
            session.set_next_index(moved)
        _logger.warning(
            "the log was restarted: epoch %d begins with %d leaves that were not anchored", epoch, moved
        )
        return True

    def _anchor(self) -> bool:
        with self._store.read() as session:
            log = session.log()
            newest = session.newest_head(self._administration, log.epoch)
            foreign = self._foreign_from(session, newest)
            first = 0 if newest is None else newest.size
            if foreign is None and not _is_on_its_way(session, log.epoch, first) and log.sequenced > first:
                root = root_at(session, log.epoch, log.sequenced)
                path = consistency_path(session, log.epoch, first, log.sequenced)
            else:
                root, path = b"", []
        if foreign != log.foreign_from:
            with self._store.write() as session:
                session.set_foreign_from(foreign)
        if foreign is not None:
            self._outgoing.complain(
                "anchor",
                f"epoch {log.epoch} has heads on chain from size {foreign} on that are not of this database's tree: "
                "the sequencer's key is used elsewhere, or the database is older than the chain. Nothing more is "
                "accepted or anchored until the governor restarts the log.",
            )
            return False
        if not root:
            return False
        account = self._outgoing.sequencer
        address = checksummed(account)
        call = self._chain.anchor_call(self._administration, log.epoch, log.sequenced, root, path)
        try:
            self._chain.simulate(call, address)
        except ContractError as error:
            self._outgoing.complain("anchor", f"the head of size {log.sequenced} is not anchored: {error}")
            return False
        self._outgoing.complain("anchor", None)
        mined = self._chain.nonce(address)
        subject = {"epoch": log.epoch, "size": log.sequenced}
        with self._store.write() as session:
            if _is_on_its_way(session, log.epoch, first):  # looked at again: nothing was locked till now
                return False
            if (
                session.newest_head(self._administration, log.epoch) != newest
            ):  # what it extends is not the newest
                return False
            _, raw = self._outgoing.add(session, account, "anchor", call, mined, subject)
        self._chain.send(raw)
        return True

    def _foreign_from(self, session: Session, newest: Any) -> int | None:
        """From which size on the heads on chain are not of our tree; compared once for each newest head."""
        if newest is None:
            return None
        head = (newest.epoch, newest.size, newest.root)
        if head != self._compared:
            self._foreign = compare_heads(session, self._administration)
            self._compared = head
        return self._foreign

    def _close(self) -> bool:
        with self._store.read() as session:
            waiting = session.closings("waiting", CLOSURES_A_TURN * len(self._outgoing.relayers))
            carriers = dict(session.closing_carriers([row.consignment for row in waiting]))
            load = self._in_flight(session, "close")
        moved = False
        for row in waiting:
            # The closures of one consignment go by one key: each must come after the one before.
            account = carriers.get(row.consignment) or min(self._outgoing.relayers, key=load.__getitem__)
            if account not in load or load[account] >= CLOSURES_A_TURN:
                continue  # so much is on its way, or all of a key that was exchanged
            record, signature = decode_leaf(row.leaf)
            with self._store.read() as session:
                former = session.manifest_of_id(record.supersedes)
            former_record = record if former is None else decode_leaf(former.leaf)[0]
            call = self._chain.closure_call(
                record, signature, former_record.party, former_record.manifest_root
            )
            try:
                self._chain.simulate(call, checksummed(account))
            except ContractError as error:
                moved |= self._not_closing(record.supersedes, row.digest, error)
                continue
            mined = self._chain.nonce(checksummed(account))
            with self._store.write() as session:
                now = session.manifest_of_digest(row.digest)
                if now is None or now.closing != "waiting":
                    continue  # another worker was faster
                transaction_hash, raw = self._outgoing.add(session, account, "close", call, mined, {})
                session.set_closing(row.digest, "sent", transaction_hash)
            self._chain.send(raw)
            carriers[row.consignment] = account
            load[account] += 1
            moved = True
        return moved

    def _not_closing(self, former: bytes, digest: bytes, error: ContractError) -> bool:
        """The contract would refuse a closure: because it is done, because it is early, or for a reason to tell."""
        with self._store.write() as session:
            closure = session.closure(former)
            if closure is not None and closure.digest == digest:
                session.set_closing(digest, "done", None)
            elif closure is None and isinstance(error, LogManifestAlreadyClosed):
                return False  # somebody closed it in a block that is not indexed yet
            elif isinstance(error, LogRecordAhead):
                return False  # the chain's clock is behind the signer's by more than ours is
            else:
                session.set_closing(digest, "refused", None, _problem(type(error).__name__, error))
        return True

    def _append(self) -> bool:
        with self._store.read() as session:
            if not session.custody_in("waiting", 1):
                return False
        most = min(RECORDS_A_BATCH, self._outgoing.records_that_fit())
        self._outgoing.complain("gas limit", None if most else _NO_ROOM)
        if not most:
            return False
        mined = {account: self._chain.nonce(checksummed(account)) for account in self._outgoing.relayers}
        moved = False
        while (raw := self._next_batch(most, mined)) is not None:
            self._chain.send(raw)
            moved = True
        return moved

    def _next_batch(self, most: int, mined: dict[bytes, int]) -> bytes | None:
        """Sign and note one more transaction with custody records; None if nothing may be sent now."""
        accounts = self._outgoing.relayers
        with self._store.write() as session:
            load = self._in_flight(session, "append")
            free = [each for each in sorted(accounts, key=load.__getitem__) if load[each] < MOST_IN_FLIGHT]
            cursor = session.cursor()
            if not free or cursor is None:
                return None
            final_block = cursor.number - self._chain.profile.confirmations
            batch = lanes.next_batch(session, accounts, free, most, final_block)
            if batch is None:
                return None
            account, rows = batch
            call = self._chain.append_call(
                [decode_custody(row.body) for row in rows], [row.signature for row in rows]
            )
            subject = {"records": len(rows)}
            transaction_hash, raw = self._outgoing.add(
                session, account, "append", call, mined[account], subject
            )
            for row in rows:
                session.set_custody(row.digest, "sent", transaction_hash)
        return raw

    def _in_flight(self, session: Session, purpose: str) -> dict[bytes, int]:
        return {account: session.in_flight(purpose, account) for account in self._outgoing.relayers}


def _is_on_its_way(session: Session, epoch: int, size: int) -> bool:
    """Whether a head is sent, or mined and not indexed yet: it is what the next one must extend."""
    return any(
        row.purpose == "anchor" and (row.state == "sent" or _is_beyond(json.loads(row.subject), epoch, size))
        for row in session.transactions_in("sent", "mined")
    )


def _is_beyond(subject: dict[str, int], epoch: int, size: int) -> bool:
    """Whether a head on its way is of this epoch and larger."""
    return subject.get("epoch") == epoch and subject.get("size", 0) > size


_NO_ROOM = (
    "a block has gas for not even one custody record: none is sent until the chain's gas limit is raised"
)


def _problem(name: str, error: LedgerError) -> str:
    return json.dumps(
        {"type": "/problems/contract-error", "title": name, "status": 409, "detail": str(error)}
    )
