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

from ledger.chain import Call, Chain
from ledger.core.identifiers import Party
from ledger.core.records import decode_leaf
from ledger.errors import ContractError, LedgerError, LogManifestAlreadyClosed, Refusal, refusal_class
from ledger.sequencing import consistency_path, root_at
from ledger.store import Session, Store, decode_custody

_logger = logging.getLogger(__name__)
RECORDS_A_BATCH = 50  # custody records in one transaction
MOST_IN_FLIGHT = 4  # transactions of custody records that wait to be mined at a time
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
            if receipt is None:
                if row.state == "mined":
                    with self._store.write() as session:
                        session.set_transaction(row.hash, "sent", None)
                    moved = True
                if not self._chain.is_known(row.hash):
                    self._chain.send(row.raw)
                continue
            final = receipt.block_number + self._chain.profile.confirmations <= head_number
            if final and self._is_indexed(receipt.block_number, receipt.block_hash):
                with self._store.write() as session:
                    if receipt.succeeded:
                        session.set_transaction(row.hash, "final", receipt.block_number)
                        self._carried(session, row)
                    else:
                        session.set_transaction(row.hash, "failed", receipt.block_number)
                        self._dropped(session, row)
                moved = True
            elif row.state == "sent" or row.mined_in != receipt.block_number:
                with self._store.write() as session:
                    session.set_transaction(row.hash, "mined", receipt.block_number)
                    if receipt.succeeded and self._is_indexed(receipt.block_number, receipt.block_hash):
                        self._tell_refusals(session, row)
                moved = True
        for _, address in set(self._keys.values()):
            moved |= self._reopen(address)
        return moved

    def _is_indexed(self, number: int, block_hash: bytes) -> bool:
        with self._store.read() as session:
            block = session.block(number)
        return block is not None and block.hash == block_hash

    def _carried(self, session: Session, row: Any) -> None:
        """A transaction is final: its effects are what the indexer saw."""
        if row.purpose == "append":
            self._tell_refusals(session, row)
            for record in session.custody_of_transaction(row.hash):
                if record.state == "sent" and session.chain_custody_by_digest(record.digest) is not None:
                    session.set_custody(record.digest, "done", row.hash)
        elif row.purpose == "close":
            for record in session.closings("sent", 1_000):
                if record.closing_transaction == row.hash:
                    session.set_closing(record.digest, "done", row.hash)

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

    def _dropped(self, session: Session, row: Any) -> None:
        """A transaction reverted: what it carried waits again."""
        for record in session.custody_of_transaction(row.hash):
            if record.state == "sent":
                session.set_custody(record.digest, "waiting", None)
        session.reopen_closings(row.hash)
        _logger.warning("a transaction to %s reverted; what it carried waits again", row.purpose)

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

    # --- sending

    def _follow_restart(self) -> bool:
        """When the governor restarted the log, give what was not anchored its place in the new epoch."""
        with self._store.read() as session:
            epoch = 1 + sum(
                1
                for _, _, arguments in session.events_of("ManifestLog", 0, name="LogRestarted")
                if arguments["administration"] == "0x" + self._administration.hex()
            )
            log = session.log()
        if epoch <= log.epoch:
            return False
        with self._store.write() as session:
            log = session.log()
            anchored = session.newest_head(self._administration, log.epoch)
            moved = session.move_leaves(log.epoch, 0 if anchored is None else anchored.size, epoch)
            session.begin_epoch(epoch)
            session.set_next_index(moved)
        _logger.warning(
            "the log was restarted: epoch %d begins with %d leaves that were not anchored", epoch, moved
        )
        return True

    def _anchor(self) -> bool:
        with self._store.read() as session:
            if any(row.purpose == "anchor" for row in session.transactions_in("sent", "mined")):
                return False
            log = session.log()
            anchored = session.newest_head(self._administration, log.epoch)
            first = 0 if anchored is None else anchored.size
            if log.sequenced <= first:
                return False
            root = root_at(session, log.epoch, log.sequenced)
            path = consistency_path(session, log.epoch, first, log.sequenced)
        call = self._chain.anchor_call(self._administration, log.epoch, log.sequenced, root, path)
        try:
            self._chain.simulate(call, self._keys["anchor"][1])
        except ContractError as error:
            _logger.warning("the head of size %d is not anchored: %s", log.sequenced, error)
            return False
        mined = self._chain.nonce(self._keys["anchor"][1])
        with self._store.write() as session:
            _, raw = self._add(session, "anchor", call, mined, {"epoch": log.epoch, "size": log.sequenced})
        self._chain.send(raw)
        return True

    def _close(self) -> bool:
        with self._store.read() as session:
            waiting = session.closings("waiting", CLOSURES_A_TURN)
        moved = False
        for row in waiting:
            record, signature = decode_leaf(row.leaf)
            with self._store.read() as session:
                former = session.manifest(record.supersedes)
            former_record = record if former is None else decode_leaf(former.leaf)[0]
            call = self._chain.closure_call(
                record, signature, former_record.party, former_record.manifest_root
            )
            try:
                self._chain.simulate(call, self._keys["close"][1])
            except ContractError as error:
                with self._store.write() as session:
                    if not self._closed_by(session, record.supersedes, row.digest):
                        session.set_closing(
                            row.digest, "refused", None, _problem(type(error).__name__, error)
                        )
                    else:
                        session.set_closing(row.digest, "done", None)
                moved = True
                continue
            mined = self._chain.nonce(self._keys["close"][1])
            with self._store.write() as session:
                transaction_hash, raw = self._add(session, "close", call, mined, {})
                session.set_closing(row.digest, "sent", transaction_hash)
            self._chain.send(raw)
            moved = True
        return moved

    def _not_closing(self, former: bytes, digest: bytes, error: ContractError) -> bool:
        """The contract would refuse a closure: because it is done, or for a reason to tell."""
        with self._store.write() as session:
            closure = session.closure(former)
            if closure is not None and closure.digest == digest:
                session.set_closing(digest, "done", None)
            elif closure is None and isinstance(error, LogManifestAlreadyClosed):
                return False  # somebody closed it in a block that is not indexed yet
            else:
                session.set_closing(digest, "refused", None, _problem(type(error).__name__, error))
        return True

    def _append(self) -> bool:
        with self._store.read() as session:
            in_flight = sum(1 for row in session.transactions_in("sent", "mined") if row.purpose == "append")
            if not session.custody_in("waiting", 1):
                return False
        moved = False
        mined = self._chain.nonce(self._keys["append"][1])
        while in_flight < MOST_IN_FLIGHT:
            with self._store.write() as session:
                rows = session.custody_in("waiting", RECORDS_A_BATCH)
                if not rows:
                    return moved
                call = self._chain.append_call(
                    [decode_custody(row.body) for row in rows], [row.signature for row in rows]
                )
                transaction_hash, raw = self._add(session, "append", call, mined, {})
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
