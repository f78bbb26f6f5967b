"""What became of what was sent, known by looking it up; what is stuck is sent again, then replaced.

A nonce may have several versions: all are known, any may be mined, and what it carries goes with the one that is. A
transaction that fails puts back what it carried, but what the contract refused by name, which is told to whoever sent it.
"""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Sequence
from typing import Any

from ledger import fees
from ledger.chain import Chain, Receipt, unsigned
from ledger.core.signatures import checksummed
from ledger.errors import Refusal, refusal_class
from ledger.outgoing import Outgoing
from ledger.rows.custody import decode_custody
from ledger.store import Session, Store

_logger = logging.getLogger(__name__)
STUCK_BLOCKS = 5  # without a key's next transaction: it is sent again, and after as many more it is replaced


class Settler:
    """Settles what was sent. One at a time for a store."""

    def __init__(self, chain: Chain, store: Store, outgoing: Outgoing) -> None:
        self._chain = chain
        self._store = store
        self._outgoing = outgoing
        self._resent: dict[bytes, int] = {}  # at which block a stuck transaction was sent again
        self._known: Sequence[bytes] = ()
        self._known_with: tuple[bytes, ...] | None = None

    def turn(self) -> bool:
        """Look everything up that is on its way; returns whether anything moved."""
        with self._store.read() as session:
            rows = session.transactions_in("sent", "mined")
            cursor = session.cursor()
        head_number = cursor.number if cursor is not None else 0
        moved = False
        open_lines: set[bytes] = set()
        for (account, _), group in itertools.groupby(rows, key=lambda row: (row.account, row.nonce)):
            versions = list(group)
            found = self._mined_version(versions)
            if found is not None:
                moved |= self._mined(*found, head_number)
                continue
            moved |= self._look_again(versions)
            if account not in open_lines:  # the others of this key can only be mined after it
                open_lines.add(account)
                moved |= self._watch(account, versions[-1].nonce)
        for account in dict.fromkeys((*self._outgoing.accounts, *self._senders())):
            moved |= self._compare_nonce(account)
        return moved

    def _senders(self) -> Sequence[bytes]:
        """Every account that ever sent: their keys may have been exchanged since. Asked again when keys were."""
        if self._known_with != self._outgoing.accounts:
            with self._store.read() as session:
                self._known = session.sending_accounts()
            self._known_with = self._outgoing.accounts
        return self._known

    def _mined_version(self, versions: list[Any]) -> tuple[Any, Receipt] | None:
        for row in versions:
            receipt = self._chain.receipt(row.hash)
            if receipt is not None:
                return row, receipt
        return None

    # --- mined

    def _mined(self, row: Any, receipt: Receipt, head_number: int) -> bool:
        is_final = receipt.block_number + self._chain.profile.confirmations <= head_number
        with self._store.read() as session:
            block = session.block(receipt.block_number)
        is_indexed = block is not None and block.hash == receipt.block_hash
        if is_final and is_indexed:
            with self._store.write() as session:
                session.outrun(row)
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
            session.outrun(row)
            session.set_transaction(row.hash, "mined", receipt.block_number)
            if receipt.succeeded and is_indexed:
                self._tell_refusals(session, row)
        return True

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
            if refused is None:
                continue
            if session.is_behind_another(record):  # its turn had not come: one before it was put back
                session.set_custody(record.digest, "waiting", None)
                continue
            session.set_custody(
                record.digest, "refused", row.hash, _refusal_problem(Refusal(refused.refusal))
            )

    def _dropped(self, session: Session, row: Any, has_reverted: bool) -> None:
        """A transaction reverted or was replaced: what it carried waits again."""
        carried = [record for record in session.custody_of_transaction(row.hash) if record.state == "sent"]
        for record in carried:
            if has_reverted:
                session.count_revert(record.digest)
            if len(carried) == 1 and json.loads(row.subject).get("records") == 1 and has_reverted:
                session.set_custody(record.digest, "refused", row.hash, _REVERTED)
            else:
                session.set_custody(record.digest, "waiting", None)
        session.reopen_closings(row.hash)
        _logger.warning("a transaction to %s came to nothing; what it carried waits again", row.purpose)

    # --- not mined

    def _look_again(self, versions: list[Any]) -> bool:
        """A nonce is not mined: send the same bytes again, or give it up where it can never be mined."""
        newest = versions[-1]
        if newest.state == "mined":  # it was, in a block that the chain has dropped
            with self._store.write() as session:
                session.unmine(newest)
            return True
        if any(self._chain.is_known(row.hash) for row in reversed(versions)):
            return False
        address = checksummed(newest.account)
        if self._chain.nonce(address) > newest.nonce and self._mined_version(versions) is None:
            return self._outrun_by_another(address, versions)
        complaint = self._chain.send(newest.raw)
        self._outgoing.complain(
            newest.purpose,
            complaint
            and f"the node does not take transaction 0x{newest.hash.hex()} to {newest.purpose}: {complaint}",
        )
        return False

    def _outrun_by_another(self, address: str, versions: list[Any]) -> bool:
        """A transaction that is not ours has the nonce; once it is final, what ours carried waits again."""
        newest = versions[-1]
        self._outgoing.complain(
            f"nonce of {address}",
            f"transaction number {newest.nonce} of {address} (to {newest.purpose}) was not sent by this ledger: is the "
            "key used elsewhere? What ours carried is sent again when that one is final.",
        )
        final = self._outgoing.terms.number - self._chain.profile.confirmations
        if final < 0 or self._chain.nonce(address, final) <= newest.nonce or self._mined_version(versions):
            return False
        with self._store.write() as session:
            for row in versions:
                session.set_transaction(row.hash, "replaced", None)
            self._dropped(session, newest, has_reverted=False)
        return True

    def _watch(self, account: bytes, nonce: int) -> bool:
        """A key's next transaction stays out while the chain goes on: send it again, then replace it."""
        terms = self._outgoing.terms
        with self._store.read() as session:
            versions = [
                row for row in session.transactions_in("sent") if (row.account, row.nonce) == (account, nonce)
            ]
            since = session.last_mined(account)
        if not versions:
            return False
        newest = versions[-1]
        call, offer = unsigned(newest.raw)
        may_sign = self._outgoing.may_sign(account)
        if newest.purpose == "append" and call.gas > terms.gas_limit and may_sign:
            return self._cut(newest)
        if terms.number - max(newest.made_at_block, since) < STUCK_BLOCKS:
            return False
        resent = self._resent.get(newest.hash)
        if resent is not None and terms.number - resent < STUCK_BLOCKS:
            return False
        better = None
        if resent is not None and may_sign:
            better = fees.raised(self._chain.profile, terms.base_fee_wei, offer)
        self._outgoing.complain(
            f"stuck {newest.hash.hex()}",
            f"transaction 0x{newest.hash.hex()} to {newest.purpose} is not mined after {STUCK_BLOCKS} blocks: it is sent "
            + (
                "again, and offers more where the chain's policy allows it"
                if may_sign
                else f"again as it is, since the key of {checksummed(account)} is not among the settings' any more; put "
                "it back for as long as this takes if the chain wants more for it"
            ),
        )
        if better is None:
            self._resent[newest.hash] = terms.number
            self._chain.send(newest.raw)
            return False
        with self._store.write() as session:
            _, raw = self._outgoing.add_version(session, newest, call, better, json.loads(newest.subject))
        self._chain.send(raw)
        return True

    def _cut(self, newest: Any) -> bool:
        """Blocks have become too small for a batch: its nonce carries what fits, the rest waits again."""
        most = self._outgoing.records_that_fit()
        if not most:
            return False  # the sender says so
        _, offer = unsigned(newest.raw)
        better = fees.raised(self._chain.profile, self._outgoing.terms.base_fee_wei, offer) or offer
        with self._store.write() as session:
            rows = session.custody_of_transaction(newest.hash)
            call = self._chain.append_call(
                [decode_custody(row.body) for row in rows[:most]], [row.signature for row in rows[:most]]
            )
            _, raw = self._outgoing.add_version(session, newest, call, better, {"records": len(rows[:most])})
            for row in rows[most:]:
                session.set_custody(row.digest, "waiting", None)
        _logger.warning("a block has gas for %d records only: a batch of %d was cut", most, len(rows))
        self._chain.send(raw)
        return True

    # --- the key's own number

    def _compare_nonce(self, account: bytes) -> bool:
        """Notice what the chain has forgotten: blocks that counted as final here, or another's use of the key."""
        with self._store.read() as session:
            highest = session.highest_nonce(account)
            waiting = [row for row in session.transactions_in("sent", "mined") if row.account == account]
        if highest is None or (waiting and waiting[0].nonce == 0):
            return False
        mined = self._chain.nonce(checksummed(account))
        first_open = waiting[0].nonce if waiting else highest + 1
        if mined >= first_open:
            return False
        with self._store.write() as session:
            if session.reopen_transactions(account, mined):
                return True
            if not waiting or waiting[0].state != "sent" or session.has_nonce(account, mined):
                return False
            if not self._outgoing.may_sign(account):
                self._outgoing.complain(
                    f"gap of {account.hex()}",
                    f"number {mined} of {checksummed(account)} is held by no transaction, others wait for it, and its key "
                    "is not among the settings' any more: put it back for as long as this takes",
                )
                return False
            _, raw = self._outgoing.fill(session, account, mined)
        _logger.warning(
            "number %d of the key %s is held by no transaction, and others wait for it: it is filled with one that does "
            "nothing",
            mined,
            checksummed(account),
        )
        self._chain.send(raw)
        return True


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
