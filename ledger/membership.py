"""Who may act for whom, as the registry's events say up to an indexed block.

A pure fold of AdministrationRegistry's events; the registry on chain stays the only authority, and refuses what this
view would let through too early.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from ledger.core.records import Role


@dataclass(frozen=True, slots=True)
class EnrolledAccount:
    """An account as enrolled.

    Attributes:
        address: Checksummed.
        party: 16 bytes.
        roles: Bits of `Role`.
        valid_until: Unix seconds; the first second in which it may not act.
        revoked_from: Unix seconds, or 0.
        revoked_at: Unix seconds of the first revocation, or 0: it never acts again.
    """

    address: str
    party: bytes
    roles: int
    valid_until: int
    revoked_from: int = 0
    revoked_at: int = 0

    def may_act_at(self, time: int) -> bool:
        """Whether the account, for itself, may act at a time; its administration is **not** looked at."""
        return time < self.valid_until and not self.revoked_at

    def has(self, *roles: Role) -> bool:
        """Whether it has one of the roles."""
        held = self.roles
        for role in roles:
            if held & role.value:  # the number: a flag's own `&` is slow
                return True
        return False


@dataclass(frozen=True, slots=True)
class Member:
    """An administration.

    Attributes:
        code: 8 bytes.
        governor: Checksummed address.
        active: False while suspended.
    """

    code: bytes
    governor: str
    active: bool


@dataclass(slots=True)
class Membership:
    """Administrations and accounts, folded from events in sequence.

    Attributes:
        sequence: The last event folded in.
        members: By code.
        accounts: By address, 20 bytes.
    """

    sequence: int = 0
    members: dict[bytes, Member] = field(default_factory=dict)
    accounts: dict[bytes, EnrolledAccount] = field(default_factory=dict)

    def after(self, events: Iterable[tuple[int, str, dict[str, Any]]]) -> Membership:
        """The membership after more events in sequence: number, name, arguments with bytes as hex.

        This one stays as it is, since other threads read it.
        """
        later = Membership(self.sequence, dict(self.members), dict(self.accounts))
        for sequence, name, arguments in events:
            later._take(name, arguments)
            later.sequence = sequence
        return later

    def account(self, address: bytes) -> EnrolledAccount | None:
        """The account of an address, 20 bytes."""
        return self.accounts.get(address)

    def is_active(self, administration: bytes) -> bool:
        """Whether an administration, 8 bytes, is a member and not suspended."""
        member = self.members.get(administration)
        return member is not None and member.active

    def of_party(self, party: bytes) -> list[EnrolledAccount]:
        """The accounts of a party, 16 bytes."""
        return [account for account in self.accounts.values() if account.party == party]

    def _take(self, name: str, arguments: dict[str, Any]) -> None:
        if "administration" in arguments:
            code = bytes.fromhex(arguments["administration"][2:])
            match name:
                case "AdministrationAdmitted":
                    self.members[code] = Member(code, arguments["governor"], True)
                case "AdministrationSuspended":
                    self.members[code] = replace(self.members[code], active=False)
                case "AdministrationReinstated":
                    self.members[code] = replace(self.members[code], active=True)
                case "GovernorReplaced" | "GovernorSeatAccepted":
                    self.members[code] = replace(self.members[code], governor=arguments["governor"])
            return
        if "account" in arguments:
            address = bytes.fromhex(arguments["account"][2:])
            match name:
                case "AccountEnrolled":
                    self.accounts[address] = EnrolledAccount(
                        arguments["account"],
                        bytes.fromhex(arguments["party"][2:]),
                        arguments["roles"],
                        arguments["validUntil"],
                    )
                case "AccountValidityRaised":
                    self.accounts[address] = replace(
                        self.accounts[address], valid_until=arguments["validUntil"]
                    )
                case "AccountRevoked":
                    self.accounts[address] = replace(
                        self.accounts[address],
                        revoked_from=arguments["revokedFrom"],
                        revoked_at=arguments["revokedAt"],
                    )
