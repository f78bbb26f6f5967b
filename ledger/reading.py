"""Who may read what, of what one administration's service holds.

- OFFICER and AUDITOR of customs (organisation zero) see all; the log's leaves, which tell of everybody, its AUDITORs alone.
- OFFICER of another agency sees the consignments whose trade reference is known here, and their manifests.
- Everybody else (TRADER, a company's own AUDITOR) sees the manifests that their party issued, and all of a consignment
  that their party has in its charge; for what is inside another, that is the outermost's custodian.
- Who made a consignment, lodged a manifest of it or signed a record of it sees where it stands and its history; so does
  whoever it is offered to, who could not accept it else, and whoever's party loaded its accompanying file. Neither sees
  its manifests so, nor the documents of other parties' records.
- SEQUENCER reads nothing, nor do accounts of other administrations: they have a service of their own.
- What stands on chain for every member (administrations, accounts, tree heads) is for all who may read anything.

Of what one may not see nothing is said, not even that it is there: callers answer as if it were not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ledger import history
from ledger.core.records import ZERO16, Role
from ledger.membership import EnrolledAccount, Membership
from ledger.rows.custody import decode_custody
from ledger.store import Session


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads.

    Attributes:
        address: Checksummed.
        party: 16 bytes.
        roles: Bits of `Role`.
    """

    address: str
    party: bytes
    roles: int

    @property
    def sees_all(self) -> bool:
        """Whether it is an officer or auditor of customs."""
        return not any(self.party[8:]) and bool(self.roles & (Role.OFFICER | Role.AUDITOR))

    @property
    def is_agency(self) -> bool:
        """Whether it is an officer of another agency."""
        return any(self.party[8:]) and bool(self.roles & Role.OFFICER)

    @property
    def may_read_leaves(self) -> bool:
        """Whether it may read the log's leaves."""
        return not any(self.party[8:]) and bool(self.roles & Role.AUDITOR)

    @property
    def may_load(self) -> bool:
        """Whether it may load accompanying files."""
        return bool(self.roles & (Role.TRADER | Role.OFFICER))


def reader_of(
    account: EnrolledAccount | None, membership: Membership, administration: bytes, now: int
) -> Reader | None:
    """Who reads by an account, as the registry has it now; None if it may read nothing here.

    Args:
        account: As the registry has it.
        membership: The registry, as indexed.
        administration: Whose service this is, 8 bytes.
        now: Unix seconds.
    """
    if account is None or account.party[:8] != administration or not account.may_act_at(now):
        return None
    if not membership.is_active(administration) or not account.has(Role.TRADER, Role.OFFICER, Role.AUDITOR):
        return None
    return Reader(account.address, account.party, account.roles)


@dataclass(frozen=True, slots=True)
class _Concern:
    """Whom a consignment concerns.

    Attributes:
        is_known: Whether its trade reference and key are known here.
        in_charge: The party in whose charge it is, 16 bytes; zero for none.
        follows: Parties that see where it stands.
    """

    is_known: bool
    in_charge: bytes
    follows: frozenset[bytes]


class Rights:
    """What one reader may see, in one session.

    Args:
        session: The store.
        membership: The registry as indexed.
        reader: Who reads; None is a program of the administration's own, which sees all.
        now: Unix seconds.
    """

    def __init__(self, session: Session, membership: Membership, reader: Reader | None, now: int) -> None:
        self._session = session
        self._membership = membership
        self._reader = reader
        self._now = now
        self._concerns: dict[bytes, _Concern] = {}

    @property
    def sees_all(self) -> bool:
        """Whether nothing is kept from the reader but the leaves."""
        return self._reader is None or self._reader.sees_all

    def consignment(self, consignment: bytes) -> bool:
        """Whether the reader sees where a consignment stands, and its history."""
        if self._reader is None or self.contents(consignment):
            return True
        return self._reader.party in self._concern(consignment).follows

    def contents(self, consignment: bytes) -> bool:
        """Whether the reader sees all of a consignment: its manifests, and the documents of its records."""
        if self._reader is None or self._reader.sees_all:
            return True
        concern = self._concern(consignment)
        if self._reader.is_agency and concern.is_known:
            return True
        return self._reader.party == concern.in_charge

    def manifest(self, row: Any) -> bool:
        """Whether the reader sees the manifest of a row."""
        return self._is_own(row.party) or self.contents(row.consignment)

    def details(self, row: Any) -> bool:
        """Whether the reader sees the document of a custody record's row."""
        return self._is_own(decode_custody(row.body).party) or self.contents(row.consignment)

    def event(self, row: Any) -> bool:
        """Whether the reader is told of an event of the feed; what the registry and the logs say is for all."""
        if self._reader is None or self._reader.sees_all or row.consignment is None:
            return True
        if row.kind.startswith("manifest."):
            return self._is_own(row.party) or self.contents(row.consignment)
        about = (row.consignment,) if row.second is None else (row.consignment, row.second)
        return any(self.consignment(each) for each in about)

    def accompanying(self, consignment: bytes) -> bool:
        """Whether the reader sees the accompanying files that were loaded for a consignment."""
        if self._reader is None or self.contents(consignment):
            return True
        return self._reader.party in self._session.loaders_of(consignment)

    def _is_own(self, party: bytes) -> bool:
        return self._reader is None or self._reader.party == party

    def _concern(self, consignment: bytes) -> _Concern:
        if consignment not in self._concerns:
            self._concerns[consignment] = self._gather(consignment)
        return self._concerns[consignment]

    def _gather(self, consignment: bytes) -> _Concern:
        session = self._session
        known = session.known_consignment(consignment)
        read = history.read(session, self._membership, [consignment], self._now)
        follows = {step.record.party for step in read.custody.steps(consignment)}
        follows |= {decode_custody(row.body).party for row in session.custody_accepted_for(consignment)}
        follows |= {row.party for row in session.manifests_of(consignment)}
        follows |= session.loaders_of(consignment)
        follows |= {read.custody.offered_to(consignment), read.ahead.offered_to(consignment)}
        if known is not None:
            follows.add(known.opener)
        return _Concern(
            is_known=known is not None,
            in_charge=read.custody.custodian(consignment),
            follows=frozenset(follows - {ZERO16}),
        )
