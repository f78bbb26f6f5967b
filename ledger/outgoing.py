"""What leaves for the chain: signed with the next nonce of a key, and noted before it is sent.

Nonce, version and signed bytes are one row, written in the transaction that also marks what it carries. There is no
counter beside the rows, so there is nothing that could run ahead of them.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from ledger import fees
from ledger.chain import GAS_PER_BATCH, GAS_PER_RECORD, Call, Chain, Terms
from ledger.core.signatures import account_of, checksummed
from ledger.errors import ChainMismatch
from ledger.fees import Fees
from ledger.store import Session

_logger = logging.getLogger(__name__)


class Outgoing:
    """Signs with the service's keys, and says what is wrong once.

    Args:
        chain: The chain.
        sequencer_key: Key of the account that anchors, 32 bytes.
        relayer_keys: Keys that pay for the rest, 32 bytes each.

    Attributes:
        sequencer: Account that anchors, 20 bytes.
        relayers: Accounts that carry custody records and closures, 20 bytes each, in the settings' order.
        accounts: All of them, each once. Others may have transactions on their way: their keys were exchanged.
        terms: What the chain asked for as of the turn's beginning.
    """

    def __init__(self, chain: Chain, sequencer_key: bytes, relayer_keys: tuple[bytes, ...]) -> None:
        self._chain = chain
        self._sequencer_key = sequencer_key
        self.sequencer = bytes.fromhex(account_of(sequencer_key)[2:])
        self._use(relayer_keys)
        self.terms = Terms(0, 0, 0)
        self._complaints: dict[str, str | None] = {}

    def use_relayers(self, relayer_keys: tuple[bytes, ...]) -> None:
        """Sign with these keys from now on, and with no other but the sequencer's."""
        if relayer_keys != self._relayer_keys:
            self._use(relayer_keys)

    def _use(self, relayer_keys: tuple[bytes, ...]) -> None:
        self._relayer_keys = relayer_keys
        self._keys = {bytes.fromhex(account_of(key)[2:]): key for key in (self._sequencer_key, *relayer_keys)}
        self.relayers = tuple(dict.fromkeys(bytes.fromhex(account_of(key)[2:]) for key in relayer_keys))
        self.accounts = tuple(self._keys)

    def may_sign(self, account: bytes) -> bool:
        """Whether the key of an account is at hand; if not, nothing new is signed with it."""
        return account in self._keys

    def begin_turn(self) -> None:
        """Ask the node which chain it serves and what that asks for now.

        Raises:
            ChainMismatch: It serves another chain: nothing is sent.
        """
        chain_id = self._chain.chain_id()
        if chain_id != self._chain.profile.chain_id:
            raise ChainMismatch("the chain id", self._chain.profile.chain_id, chain_id)
        self.terms = self._chain.terms()
        cap = self._chain.profile.gas_price_wei
        self.complain(
            "fees",
            f"the chain asks {self.terms.base_fee_wei} wei for a unit of gas and the profile pays {cap} at most: nothing "
            "is mined until it asks less, or the profile's gas_price_wei is raised"
            if self.terms.base_fee_wei > cap
            else None,
        )

    def records_that_fit(self) -> int:
        """How many custody records a block has gas for; 0 where not even one fits."""
        return max(0, (self.terms.gas_limit - GAS_PER_BATCH) // GAS_PER_RECORD)

    def add(
        self, session: Session, account: bytes, purpose: str, call: Call, mined: int, subject: dict[str, int]
    ) -> tuple[bytes, bytes]:
        """Sign a call with the key's next nonce and note it.

        Args:
            session: The writing transaction that also marks what the call carries.
            account: Who sends it, one of `accounts`.
            purpose: anchor, close, append or fill.
            call: What is called.
            mined: The account's nonce on chain, asked for before the session began.
            subject: What the call is about, for people and for `anchor`.

        Returns:
            Hash and signed bytes, to be sent after the commit.
        """
        highest = session.highest_nonce(account)
        nonce = max(mined, 0 if highest is None else highest + 1)
        offer = fees.first(self._chain.profile, self.terms.base_fee_wei)
        return self._note(session, account, nonce, 0, purpose, call, offer, subject)

    def add_version(
        self, session: Session, former: Any, call: Call, offer: Fees, subject: dict[str, int]
    ) -> tuple[bytes, bytes]:
        """Sign another version with the nonce of one that is on its way, and note it; what that carries, it carries now.

        Either may be mined: both stay known.
        """
        signed = self._note(
            session, former.account, former.nonce, former.version + 1, former.purpose, call, offer, subject
        )
        session.carry_by(former.account, former.nonce, signed[0])
        return signed

    def fill(self, session: Session, account: bytes, nonce: int) -> tuple[bytes, bytes]:
        """Sign a transaction that does nothing, for a nonce that nothing holds and others wait for."""
        address = checksummed(account)
        offer = fees.first(self._chain.profile, self.terms.base_fee_wei)
        return self._note(session, account, nonce, 0, "fill", Call(address, b"", 21_000), offer, {})

    def _note(
        self,
        session: Session,
        account: bytes,
        nonce: int,
        version: int,
        purpose: str,
        call: Call,
        offer: Fees,
        subject: dict[str, int],
    ) -> tuple[bytes, bytes]:
        transaction_hash, raw = self._chain.sign(call, self._keys[account], nonce, offer)
        session.add_transaction(
            {
                "hash": transaction_hash,
                "account": account,
                "nonce": nonce,
                "version": version,
                "raw": raw,
                "purpose": purpose,
                "made_at_block": self.terms.number,
                "state": "sent",
                "mined_in": None,
                "subject": json.dumps(subject),
            }
        )
        return transaction_hash, raw

    def complain(self, about: str, complaint: str | None) -> None:
        """Say what is wrong once, not at every turn; None says that it is right again."""
        if complaint and self._complaints.get(about) != complaint:
            _logger.warning("%s", complaint)
        self._complaints[about] = complaint
