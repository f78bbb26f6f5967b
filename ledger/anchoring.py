"""From the store to the chain: tree heads, closures and custody records, each once, whatever dies in between.

A transaction's nonce and signed bytes are one row, stored before anything is sent; a retry sends the same bytes. What
became of it is known by looking it up, never by what the node said to it. What it carries points to it, so that nothing
is carried twice; when it fails, what it carried waits again, but what the contract refused by name, which is told.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from eth_account import Account

from ledger.chain import Call, Chain, Receipt
from ledger.core.identifiers import Party
from ledger.core.records import decode_leaf
from ledger.core.signatures import checksummed
from ledger.errors import (
    ContractError,
    LedgerError,
    LogManifestAlreadyClosed,
    LogRecordAhead,
    Refusal,
    refusal_class,
)
from ledger.sequencing import compare_heads, consistency_path, extent, root_at
from ledger.store import Session, Store, decode_custody

_logger = logging.getLogger(__name__)
RECORDS_A_BATCH = 50  # custody records in one transaction
MOST_IN_FLIGHT = 4  # transactions of a purpose that wait to be mined at a time
CLOSURES_A_TURN = 20


class Sender:
    """Sends what waits, and settles what was sent. One at a time for a store: the worker's lock sees to it.

    Args:
        chain: The chain.
        store: The administration's database.
        administration: Its code.
        sequencer_key: Key of the account that may anchor, 32 bytes.
        relayer_key: Key that pays for the rest, 32 bytes; it needs no enrolment.
    """

    def __init__(
        self, chain: Chain, store: Store, administration: str, sequencer_key: bytes, relayer_key: bytes
    ) -> None:
        self._chain = chain
        self._store = store
        self._administration = Party.parse(administration).administration_bytes
        self._keys = {
            "anchor": (sequencer_key, str(Account.from_key(sequencer_key).address)),
            "close": (relayer_key, str(Account.from_key(relayer_key).address)),
            "append": (relayer_key, str(Account.from_key(relayer_key).address)),
        }
        self._complaints: dict[str, str | None] = {}
        self._compared: tuple[int, int, bytes] | None = (
            None  # the newest head that was compared with the tree
        )
        self._foreign: int | None = None

    def turn(self) -> bool:
        """Settle what was sent and send what waits; returns whether anything moved."""
        moved = self._settle()
        moved |= self._follow_restart()
        moved |= self._anchor()
        moved |= self._close()
        moved |= self._append()
        return moved

    # --- settling

    def _settle(self) -> bool:
        with self._store.read() as session:
            rows = session.transactions_in("sent", "mined")
            cursor = session.cursor()
        moved = False
        head_number = cursor.number if cursor is not None else 0
        for row in rows:
            receipt = self._chain.receipt(row.hash)
            moved |= self._look_again(row) if receipt is None else self._mined(row, receipt, head_number)
        for _, address in sorted(set(self._keys.values())):
            moved |= self._reopen(address)
        return moved

    def _mined(self, row: Any, receipt: Receipt, head_number: int) -> bool:
        is_final = receipt.block_number + self._chain.profile.confirmations <= head_number
        with self._store.read() as session:
            block = session.block(receipt.block_number)
        is_indexed = block is not None and block.hash == receipt.block_hash
        if is_final and is_indexed:
            with self._store.write() as session:
                if receipt.succeeded:
                    session.set_transaction(row.hash, "final", receipt.block_number)
                    self._carried(session, row)
                else:
                    session.set_transaction(row.hash, "failed", receipt.block_number)
                    self._dropped(session, row, has_reverted=True)
            return True
        if row.state == "mined" and row.mined_in == receipt.block_number:
            return False
        with self._store.write() as session:
            session.set_transaction(row.hash, "mined", receipt.block_number)
            if receipt.succeeded and is_indexed:
                self._tell_refusals(session, row)
        return True

    def _look_again(self, row: Any) -> bool:
        """A transaction is not mined: send the same bytes again, or give it up where it can never be mined."""
        moved = False
        if row.state == "mined":  # it was, in a block that the chain has dropped
            with self._store.write() as session:
                session.set_transaction(row.hash, "sent", None)
                session.retell(row.hash)
            moved = True
        if self._chain.is_known(row.hash):
            return moved
        if self._is_replaced(row):
            with self._store.write() as session:
                session.set_transaction(row.hash, "replaced", None)
                self._dropped(session, row, has_reverted=False)
            _logger.error(
                "transaction number %d of the key that %ss was not sent by this ledger: is the key used elsewhere?",
                row.nonce,
                row.purpose,
            )
            return True
        complaint = self._chain.send(row.raw)
        self._complain(
            row.purpose,
            complaint
            and f"the node does not take transaction 0x{row.hash.hex()} to {row.purpose}: {complaint}",
        )
        return moved

    def _is_replaced(self, row: Any) -> bool:
        """Whether another transaction holds its nonce in a block that is final: its own bytes can't be mined then."""
        final = self._chain.head().number - self._chain.profile.confirmations
        return (
            final >= 0
            and self._chain.nonce(checksummed(row.account), final) > row.nonce
            and self._chain.receipt(row.hash) is None
        )

    def _carried(self, session: Session, row: Any) -> None:
        """A transaction is final: its effects are what the indexer saw."""
        if row.purpose == "append":
            self._tell_refusals(session, row)
            for record in session.custody_of_transaction(row.hash):
                if record.state == "sent" and session.chain_custody_by_digest(record.digest) is not None:
                    session.set_custody(record.digest, "done", row.hash)
        elif row.purpose == "close":
            session.finish_closings(row.hash)

    def _tell_refusals(self, session: Session, row: Any) -> None:
        if row.purpose != "append":
            return
        for record in session.custody_of_transaction(row.hash):
            if record.state != "sent" or session.chain_custody_by_digest(record.digest) is not None:
                continue
            refused = session.chain_refusal(record.digest, row.hash)
            if refused is not None:
                session.set_custody(
                    record.digest, "refused", row.hash, _refusal_problem(Refusal(refused.refusal))
                )

    def _dropped(self, session: Session, row: Any, has_reverted: bool) -> None:
        """A transaction reverted or was replaced: what it carried waits again."""
        carried = [record for record in session.custody_of_transaction(row.hash) if record.state == "sent"]
        for record in carried:
            if len(carried) == 1 and json.loads(row.subject).get("records") == 1 and has_reverted:
                session.set_custody(record.digest, "refused", row.hash, _REVERTED)
            else:
                session.set_custody(record.digest, "waiting", None)
        session.reopen_closings(row.hash)
        _logger.warning("a transaction to %s came to nothing; what it carried waits again", row.purpose)

    def _reopen(self, address: str) -> bool:
        """Notice a chain that lost blocks which counted as final here (a development chain that was killed)."""
        account = bytes.fromhex(address[2:])
        with self._store.read() as session:
            highest = session.highest_nonce(account)
            waiting = [row for row in session.transactions_in("sent", "mined") if row.account == account]
        if highest is None or (waiting and waiting[0].nonce == 0):
            return False
        mined = self._chain.nonce(address)
        first_open = waiting[0].nonce if waiting else highest + 1
        if mined >= first_open:
            return False
        with self._store.write() as session:
            return session.reopen_transactions(account, mined) > 0

    def _complain(self, about: str, complaint: str | None) -> None:
        """Say what is wrong once, not at every turn."""
        if complaint and self._complaints.get(about) != complaint:
            _logger.warning("%s", complaint)
        self._complaints[about] = complaint

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
            # A head on its way, or mined and not indexed yet, is what the next one must extend.
            on_its_way = any(
                row.purpose == "anchor"
                and (row.state == "sent" or _is_beyond(json.loads(row.subject), log.epoch, first))
                for row in session.transactions_in("sent", "mined")
            )
            if foreign is None and not on_its_way and log.sequenced > first:
                root = root_at(session, log.epoch, log.sequenced)
                path = consistency_path(session, log.epoch, first, log.sequenced)
            else:
                root, path = b"", []
        if foreign != log.foreign_from:
            with self._store.write() as session:
                session.set_foreign_from(foreign)
        if foreign is not None:
            self._complain(
                "anchor",
                f"epoch {log.epoch} has heads on chain from size {foreign} on that are not of this database's tree: "
                "the sequencer's key is used elsewhere, or the database is older than the chain. Nothing more is "
                "accepted or anchored until the governor restarts the log.",
            )
            return False
        if not root:
            return False
        call = self._chain.anchor_call(self._administration, log.epoch, log.sequenced, root, path)
        try:
            self._chain.simulate(call, self._keys["anchor"][1])
        except ContractError as error:
            self._complain("anchor", f"the head of size {log.sequenced} is not anchored: {error}")
            return False
        self._complain("anchor", None)
        mined = self._chain.nonce(self._keys["anchor"][1])
        with self._store.write() as session:
            _, raw = self._add(session, "anchor", call, mined, {"epoch": log.epoch, "size": log.sequenced})
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
            if session.in_flight("close") >= CLOSURES_A_TURN:
                return False
            waiting = session.closings("waiting", CLOSURES_A_TURN)
        moved = False
        for row in waiting:
            record, signature = decode_leaf(row.leaf)
            with self._store.read() as session:
                former = session.manifest_of_id(record.supersedes)
            former_record = record if former is None else decode_leaf(former.leaf)[0]
            call = self._chain.closure_call(
                record, signature, former_record.party, former_record.manifest_root
            )
            try:
                self._chain.simulate(call, self._keys["close"][1])
            except ContractError as error:
                moved |= self._not_closing(record.supersedes, row.digest, error)
                continue
            mined = self._chain.nonce(self._keys["close"][1])
            with self._store.write() as session:
                transaction_hash, raw = self._add(session, "close", call, mined, {})
                session.set_closing(row.digest, "sent", transaction_hash)
            self._chain.send(raw)
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
        key_address = self._keys["append"][1]
        account = bytes.fromhex(key_address[2:])
        with self._store.read() as session:
            in_flight = session.in_flight("append")
            if in_flight >= MOST_IN_FLIGHT or not session.custody_in("waiting", 1):
                return False
        moved = False
        mined = self._chain.nonce(key_address)
        while in_flight < MOST_IN_FLIGHT:
            with self._store.write() as session:
                # A batch that reverts is halved until what makes it revert is alone, and told.
                reverted = session.reverted_in_a_row(account, "append")
                limit = max(1, RECORDS_A_BATCH >> reverted)
                rows = session.custody_in("waiting", limit)
                if not rows or (reverted and in_flight):
                    return moved
                call = self._chain.append_call(
                    [decode_custody(row.body) for row in rows], [row.signature for row in rows]
                )
                transaction_hash, raw = self._add(session, "append", call, mined, {"records": len(rows)})
                for row in rows:
                    session.set_custody(row.digest, "sent", transaction_hash)
            self._chain.send(raw)
            in_flight += 1
            moved = True
        return moved

    def _add(
        self, session: Session, purpose: str, call: Call, mined: int, subject: dict[str, int]
    ) -> tuple[bytes, bytes]:
        """Sign a call with the next nonce and note it; returns hash and signed bytes, to be sent after the commit."""
        key, address = self._keys[purpose]
        account = bytes.fromhex(address[2:])
        highest = session.highest_nonce(account)
        nonce = max(mined, 0 if highest is None else highest + 1)
        transaction_hash, raw = self._chain.sign(call, key, nonce)
        cursor = session.cursor()
        session.add_transaction(
            {
                "hash": transaction_hash,
                "account": account,
                "nonce": nonce,
                "raw": raw,
                "purpose": purpose,
                "made_at_block": 0 if cursor is None else cursor.number,
                "state": "sent",
                "mined_in": None,
                "subject": json.dumps(subject),
            }
        )
        return transaction_hash, raw


def _is_beyond(subject: dict[str, int], epoch: int, size: int) -> bool:
    """Whether a head on its way is of this epoch and larger."""
    return subject.get("epoch") == epoch and subject.get("size", 0) > size


_REVERTED = json.dumps(
    {
        "type": "/problems/contract-error",
        "title": "TransactionReverted",
        "status": 409,
        "detail": "The transaction with this record alone reverted: it needs more gas than the chain's budget for a record.",
    }
)


def _refusal_problem(refusal: Refusal) -> str:
    return json.dumps(
        {
            "type": "/problems/record-refused",
            "title": refusal_class(refusal).__name__,
            "status": 409,
            "detail": f"The chain refused the record: {refusal.name}.",
            "refusal": refusal.name,
        }
    )


def _problem(name: str, error: LedgerError) -> str:
    return json.dumps(
        {"type": "/problems/contract-error", "title": name, "status": 409, "detail": str(error)}
    )
