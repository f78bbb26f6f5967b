"""The chain's tables made anew from an export: no node is asked for anything.

An export has the bytes of the transactions that registry and log were called with, and so their hashes; of those with
custody records it has nothing. Why it does not carry them: nobody who reads it could check them, no receipt says them.
They are taken from the database that is looked at, so that its tables are held against each other in this, and whoever
looks is told so (`WORD`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from ledger import tables as t
from ledger.audit.blocks import Network
from ledger.audit.fsck.anew import Anew
from ledger.chain import Block, Chain, Event
from ledger.config import CONTRACTS, ChainProfile
from ledger.core.records import ZERO32, Domain, keccak
from ledger.core.signatures import checksummed
from ledger.store import Session, Store

NO_TIME = -1
"""The time of the block before the deployment, where an export does not show it."""

WORD = (
    "Which transactions custody records are of was held against nothing but the database's own tables: an export does not "
    "say it."
)


class AnewOffline(Anew):
    """As `Anew`, of an export."""

    def __init__(self, network: Network, theirs: Store) -> None:
        """Make one.

        Args:
            network: The export's.
            theirs: The database that is looked at; nothing is made beyond the block that it has now.
        """
        super().__init__(Chain(_profile(network)))
        self._theirs = theirs
        self._domain = self._chain.profile.consignments_domain
        with theirs.read() as session:
            cursor = session.cursor()
        self._through = -1 if cursor is None else int(cursor.number)

    def follow(self, last: int) -> None:
        """An export has no more than it has shown."""

    def _take(self, shown: list[tuple[Block, list[Event]]]) -> None:
        before = self._chain.profile.deployment_block - 1
        for block, _ in shown:
            if self.last < 0 and block.number in (before, before + 1):
                is_shown = block.number == before
                with self.store.write() as session:
                    session.add_block(
                        before,
                        block.hash if is_shown else block.parent_hash,
                        block.timestamp if is_shown else NO_TIME,
                    )
        self._put([each for each in shown if max(self.last, before) < each[0].number <= self._through])

    def _hash(self, block: Block, at: int, hashes: Mapping[int, str]) -> str:
        return hashes.get(at, "0x" + ZERO32.hex())

    def _transactions(self, of: list[tuple[Block, Mapping[int, bytes]]]) -> dict[int, dict[int, str]]:
        return {
            block.number: {at: "0x" + keccak(raw).hex() for at, raw in signed.items()} for block, signed in of
        }

    def _put(self, taken: list[tuple[Block, list[Event]]]) -> None:
        with self._theirs.read() as session:
            super()._put(
                [(block, [_by_their_word(session, each, self._domain) for each in of]) for block, of in taken]
            )


def _by_their_word(session: Session, event: Event, domain: Domain) -> Event:
    """An event with the transaction that the database says it is of, where nothing else says it.

    Of what several tables say, what the signed bytes of a transaction bear out comes first.
    """
    if any(event.transaction_hash):
        return event
    said: list[bytes] = []
    if event.name == "RecordAppended":
        digest = event.values["record"].digest(domain)
        for row in (session.chain_custody_by_digest(digest), session.first(t.custody, digest=digest)):
            said += () if row is None or row.transaction_hash is None else (row.transaction_hash,)
        said += _told_by_the_feed(session, digest)
    elif event.name == "RecordRefused":
        row = session.first(t.chain_refusals, sequence=event.sequence)
        said += () if row is None else (row.transaction_hash,)
    said = [each for each in said if len(each) == len(ZERO32)]
    if not said:
        return event
    return replace(event, transaction_hash=next((each for each in said if _is_here(session, each)), said[0]))


def _is_here(session: Session, transaction_hash: bytes) -> bool:
    row = session.first(t.transactions, hash=transaction_hash)
    return row is not None and keccak(row.raw) == transaction_hash


def _told_by_the_feed(session: Session, digest: bytes) -> list[bytes]:
    for row in session.every(t.feed, t.feed.c.id, subject=digest):
        if row.block_number is not None:
            try:
                return [bytes.fromhex(json.loads(row.facts)["transaction"][2:])]
            except (ValueError, LookupError, TypeError):
                return []
    return []


def _profile(network: Network) -> ChainProfile:
    """A profile of an export's network, for what is only decoded: there is no node at its address."""
    registry, manifest_log, consignments = (checksummed(network.addresses[name]) for name in CONTRACTS)
    return ChainProfile(
        kind=network.consensus,
        rpc_url="export:",
        chain_id=network.chain_id,
        genesis_hash=network.genesis_hash,
        registry=registry,
        manifest_log=manifest_log,
        consignment_ledger=consignments,
        code_hashes={name: "0x" + network.code_hashes[name].hex() for name in CONTRACTS},
        deployment_block=network.first_block,
        block_seconds=0,
        confirmations=0,
        gas_price_wei=0,
    )
