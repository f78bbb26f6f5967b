"""Administrations, governors and accounts from AdministrationRegistry's events, each rule of the registry judged again.

`take` refuses what the contract would have refused. What an event does not say (who sent it, the consent of an enrolled
account) is judged where a transaction shows it, and counted where none does. Times are kept: who was what at any time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from eth_abi.abi import decode as abi_decode
from eth_abi.exceptions import DecodingError

from ledger.audit.checking import Happening
from ledger.audit.wording import counted
from ledger.core.custody import Standing
from ledger.core.findings import party_text
from ledger.core.identifiers import Party
from ledger.core.records import ZERO16, Domain, Role, keccak
from ledger.core.signatures import recover_address
from ledger.errors import InvalidIdentifier, InvalidSignature, RuleBroken

_DEVELOPMENT_CHAIN_ID = 31337
_LEAST_FOUNDERS = 3
_PROPOSAL_SECONDS = 30 * 86_400
_ENROLMENT_TYPE = b"Enrolment(address account,bytes16 party,uint8 roles,uint40 validUntil)"
_ENROL = keccak(b"enrol(address,bytes16,uint8,uint40,bytes)")[:4]
_ADMISSION, _SUSPENSION, _REINSTATEMENT, _REPLACEMENT = 1, 2, 3, 4
_CARRIED_INTO = {
    "AdministrationAdmitted": _ADMISSION,
    "AdministrationSuspended": _SUSPENSION,
    "AdministrationReinstated": _REINSTATEMENT,
    "GovernorReplaced": _REPLACEMENT,
}


@dataclass(slots=True)
class AccountHistory:
    """An account, and what became of it.

    Attributes:
        address: 20 bytes.
        party: 16 bytes.
        roles: Bits of `Role`.
        enrolled_at: Unix seconds, like all times here.
        validity: When it was set, and the first second in which it may no longer act; in order of time.
        revocations: When it was revoked, and from which second on its acts are disputed; the last counts.
    """

    address: bytes
    party: bytes
    roles: int
    enrolled_at: int
    validity: list[tuple[int, int]]
    revocations: list[tuple[int, int]] = field(default_factory=list)

    @property
    def valid_until(self) -> int:
        """The first second in which it may no longer act, as it stands."""
        return self.validity[-1][1]

    @property
    def revoked_from(self) -> int:
        """The second from which on its acts are disputed; 0 if it is not revoked."""
        return self.revocations[-1][1] if self.revocations else 0

    @property
    def revoked_at(self) -> int:
        """Time of its first revocation; 0 if it is not revoked."""
        return self.revocations[0][0] if self.revocations else 0

    def is_disputed(self, time: int) -> bool:
        """Whether an act at this time is disputed, by all that was said since."""
        return bool(self.revocations) and self.revoked_from <= time <= self.revoked_at

    def might_act(self, time: int) -> bool:
        """Whether the account itself could act at a time, by what was known then; its administration is not looked at."""
        until = [until for at, until in self.validity if at <= time]
        return bool(until) and time < until[-1] and (not self.revocations or time <= self.revoked_at)


@dataclass(slots=True)
class AdministrationHistory:
    """An administration, and what became of it.

    Attributes:
        code: 8 bytes.
        governors: When each took the seat, and its address (20 bytes); in order of time.
        states: When it became active (True) or suspended (False); in order of time.
        offered_to: The address the seat is offered to, 20 bytes; zero if to nobody.
        index: Its place in the order of admission, from 0.
    """

    code: bytes
    governors: list[tuple[int, bytes]]
    states: list[tuple[int, bool]]
    offered_to: bytes
    index: int

    @property
    def governor(self) -> bytes:
        """Who holds the seat, 20 bytes."""
        return self.governors[-1][1]

    @property
    def is_active(self) -> bool:
        """Whether it is active now."""
        return self.states[-1][1]

    def was_active(self, time: int) -> bool:
        """Whether it was active at a time; at the very second of a change, as changed."""
        before = [active for at, active in self.states if at <= time]
        return bool(before) and before[-1]


@dataclass(slots=True)
class Motion:
    """A proposal, and who approved it.

    Attributes:
        proposal: Its id, 32 bytes.
        kind: 1 admission, 2 suspension, 3 reinstatement, 4 replacement of a governor.
        administration: Whom it concerns, 8 bytes.
        governor: The governor proposed, 20 bytes, or zero.
        proposed_at: Unix seconds.
        round: In which it was proposed; a carried motion ends the round.
        approvals: Codes that approved, in order.
        carried_at: Unix seconds; 0 if it was not.
    """

    proposal: bytes
    kind: int
    administration: bytes
    governor: bytes
    proposed_at: int
    round: int
    approvals: list[bytes] = field(default_factory=list)
    carried_at: int = 0


class Registry:
    """The registry as of the events taken, with its history.

    Attributes:
        administrations: By code, 8 bytes.
        accounts: By address, 20 bytes.
        motions: By id, 32 bytes; of an id proposed again, the last.
        consents: How many enrolments were shown with the account's own signature.
        not_shown: How many events' senders no transaction shows.
    """

    def __init__(self, domain: Domain) -> None:
        """Begin before the first event.

        Args:
            domain: AdministrationRegistry's EIP-712 domain.
        """
        self._domain = domain
        self.administrations: dict[bytes, AdministrationHistory] = {}
        self.accounts: dict[bytes, AccountHistory] = {}
        self.motions: dict[bytes, Motion] = {}
        self.round = 0
        self.consents = 0
        self.not_shown = 0
        self._carried: Motion | None = None  # its outcome must be the next event
        self._founded_at = -1
        self._founded_in = -1  # block of the deployment, while nothing but founders came
        self._standings: dict[bytes, Standing | None] = {}

    def standing(self, address: bytes) -> Standing | None:
        """What the contracts see of an account now; None if it is not enrolled."""
        if address not in self._standings:
            account = self.accounts.get(address)
            self._standings[address] = (
                None
                if account is None
                else Standing(
                    account.party,
                    account.roles,
                    account.valid_until,
                    account.revoked_from,
                    account.revoked_at,
                    self.administrations[account.party[:8]].is_active,
                )
            )
        return self._standings[address]

    def take(self, event: Happening) -> None:
        """Take the next event.

        Raises:
            RuleBroken: The contract would not have emitted it.
        """
        self._standings.clear()
        if event.sender is None:
            self.not_shown += 1
        carried, self._carried = self._carried, None
        if carried is not None:
            wanted = event.name in _CARRIED_INTO and _CARRIED_INTO[event.name] == carried.kind
            if not wanted or event.values["administration"] != carried.administration:
                self._refuse(event, "the motion that was carried just before has another outcome")
        elif event.name in _CARRIED_INTO and not self._is_founding(event):
            self._refuse(event, "no motion was carried that says so")
        getattr(self, f"_{event.name}")(event, carried)

    def require_founders(self, chain_id: int) -> None:
        """Refuse a network founded by fewer than the rules ask for, once something follows the founders' block."""
        if chain_id == _DEVELOPMENT_CHAIN_ID or not self.administrations:
            return
        founders = sum(1 for each in self.administrations.values() if each.states[0][0] == self._founded_at)
        if founders < _LEAST_FOUNDERS:
            raise RuleBroken(
                "AdministrationRegistry",
                1,
                self._founded_in,
                f"the network was founded by {counted(founders, 'administration', 'administrations')}; at least {_LEAST_FOUNDERS} are needed",
            )

    def _is_founding(self, event: Happening) -> bool:
        if event.name != "AdministrationAdmitted":
            return False
        if not self.administrations:
            self._founded_in, self._founded_at = event.block, event.time
        return event.block == self._founded_in and not self.motions and not self.accounts

    @staticmethod
    def _refuse(event: Happening, why: str) -> None:
        raise _broken(event, why)

    def _known(self, event: Happening) -> AdministrationHistory:
        found = self.administrations.get(event.values["administration"])
        if found is None:
            raise _broken(event, f"{party_text(event.values['administration'])} is not a member")
        return found

    def _seat(self, event: Happening, administration: AdministrationHistory, governor: bytes) -> None:
        if governor == bytes(20) or any(each.governor == governor for each in self.administrations.values()):
            self._refuse(event, "the seat goes to nobody, or to one who has a seat")
        administration.governors.append((event.time, governor))
        administration.offered_to = bytes(20)

    # ------------------------------------------------------------------------------------------------------ members

    def _AdministrationAdmitted(self, event: Happening, carried: Motion | None) -> None:
        code, governor = event.values["administration"], event.values["governor"]
        if code in self.administrations:
            self._refuse(event, "it is a member already")
        try:
            is_code = Party.from_bytes(code.ljust(16, b"\0")).administration_bytes == code
        except InvalidIdentifier:
            is_code = False
        if not is_code:
            self._refuse(event, "its code is none")
        if carried is not None and carried.governor != governor:
            self._refuse(event, "the motion names another governor")
        admitted = AdministrationHistory(code, [], [(event.time, True)], bytes(20), len(self.administrations))
        self._seat(event, admitted, governor)
        self.administrations[code] = admitted

    def _AdministrationSuspended(self, event: Happening, _: Motion | None) -> None:
        member = self._known(event)
        if not member.is_active or sum(each.is_active for each in self.administrations.values()) == 1:
            self._refuse(event, "it is not active, or the last that is")
        member.states.append((event.time, False))

    def _AdministrationReinstated(self, event: Happening, _: Motion | None) -> None:
        member = self._known(event)
        if member.is_active:
            self._refuse(event, "it is not suspended")
        member.states.append((event.time, True))

    def _GovernorReplaced(self, event: Happening, carried: Motion | None) -> None:
        member = self._known(event)
        governor = event.values["governor"]
        if event.values["former"] != member.governor or (carried and carried.governor != governor):
            self._refuse(event, "the former governor or the new one is another")
        self._seat(event, member, governor)

    def _GovernorSeatOffered(self, event: Happening, _: Motion | None) -> None:
        member = self._known(event)
        if event.values["governor"] != member.governor or not member.is_active:
            self._refuse(event, "it is not its governor's to offer, or the administration is suspended")
        self._need_sender(event, member.governor)
        member.offered_to = event.values["offeredTo"]

    def _GovernorSeatAccepted(self, event: Happening, _: Motion | None) -> None:
        member = self._known(event)
        governor = event.values["governor"]
        if member.offered_to != governor or event.values["former"] != member.governor or not member.is_active:
            self._refuse(event, "the seat was not offered to it, or the administration is suspended")
        self._need_sender(event, governor)
        self._seat(event, member, governor)

    # ------------------------------------------------------------------------------------------------------ motions

    def _MotionProposed(self, event: Happening, _: Motion | None) -> None:
        values = event.values
        former = self.motions.get(values["proposal"])
        if former is not None and event.time < former.proposed_at + _PROPOSAL_SECONDS:
            self._refuse(event, "it is proposed already")
        proposer = self.administrations.get(values["proposer"])
        if proposer is None or not proposer.is_active:
            self._refuse(event, "it is proposed by no active administration")
        elif event.sender is not None and event.sender != proposer.governor:
            self._refuse(event, "it is not sent by the proposer's governor")
        self.motions[values["proposal"]] = Motion(
            values["proposal"],
            values["kind"],
            values["administration"],
            values["governor"],
            event.time,
            self.round,
        )

    def _MotionApproved(self, event: Happening, _: Motion | None) -> None:
        motion = self._motion(event)
        approver = self._known(event)
        if not approver.is_active or approver.code in motion.approvals:
            self._refuse(event, "it is approved by one that is suspended, or that approved it already")
        if event.time >= motion.proposed_at + _PROPOSAL_SECONDS or motion.round != self.round:
            self._refuse(event, "the proposal had ended")
        self._need_sender(event, approver.governor)
        motion.approvals.append(approver.code)

    def _MotionCarried(self, event: Happening, _: Motion | None) -> None:
        motion = self._motion(event)
        active = {code for code, each in self.administrations.items() if each.is_active}
        others = active - {motion.administration}
        approvals = active & set(motion.approvals)
        if 3 * len(approvals & others) < 2 * len(others) or 2 * len(approvals) <= len(active):
            self._refuse(
                event,
                f"{len(approvals)} of {len(active)} active administrations approved, which is no quorum",
            )
        self.round += 1
        if event.values["round"] != self.round:
            self._refuse(event, f"it opens round {event.values['round']} where {self.round} was due")
        motion.carried_at = event.time
        self._carried = motion

    def _motion(self, event: Happening) -> Motion:
        motion = self.motions.get(event.values["proposal"])
        if motion is None:
            raise _broken(event, "nobody proposed that motion")
        return motion

    # ----------------------------------------------------------------------------------------------------- accounts

    def _AccountEnrolled(self, event: Happening, _: Motion | None) -> None:
        values = event.values
        member = self.administrations.get(values["party"][:8])
        address, party, roles = values["account"], values["party"], values["roles"]
        if member is None or not member.is_active or party == ZERO16:
            raise _broken(event, f"the administration of {party_text(party)} is no active member")
        try:
            Party.from_bytes(party)
        except InvalidIdentifier:
            self._refuse(event, f"{party_text(party)} is no party")
        if address in self.accounts:
            self._refuse(event, "the account is enrolled already")
        if not _are_allowed(roles, party[8:] == bytes(8)):
            self._refuse(event, f"the roles {roles} may not be enrolled together for {party_text(party)}")
        if values["validUntil"] <= event.time:
            self._refuse(event, "its validity is over when it begins")
        self._need_sender(event, member.governor)
        self._need_consent(event)
        self.accounts[address] = AccountHistory(
            address, party, roles, event.time, [(event.time, values["validUntil"])]
        )

    def _AccountValidityRaised(self, event: Happening, _: Motion | None) -> None:
        account = self._account(event)
        until = event.values["validUntil"]
        if account.revocations or event.time >= account.valid_until or until <= account.valid_until:
            self._refuse(event, "only a valid account's validity is raised, and only raised")
        member = self.administrations[account.party[:8]]
        if not member.is_active:
            self._refuse(event, "its administration is suspended")
        self._need_sender(event, member.governor)
        account.validity.append((event.time, until))

    def _AccountRevoked(self, event: Happening, _: Motion | None) -> None:
        account = self._account(event)
        revoked_from, revoked_at = event.values["revokedFrom"], event.values["revokedAt"]
        first = account.revoked_at or event.time
        earlier = not account.revocations or revoked_from < account.revoked_from
        if revoked_from > event.time or revoked_at != first or not earlier:
            self._refuse(event, "a revocation is never ahead, and a later one only ever dates further back")
        self._need_sender(event, self.administrations[account.party[:8]].governor)
        account.revocations.append((event.time, revoked_from))

    def _account(self, event: Happening) -> AccountHistory:
        account = self.accounts.get(event.values["account"])
        if account is None:
            raise _broken(event, "the account is not enrolled")
        return account

    def _need_sender(self, event: Happening, expected: bytes) -> None:
        if event.sender is not None and event.sender != expected:
            self._refuse(event, f"it was sent by 0x{event.sender.hex()}, who may not")

    def _need_consent(self, event: Happening) -> None:
        """Require the enrolled account's own signature, which stands in the call and in no event."""
        if event.call is None or event.call[:4] != _ENROL:
            return
        values = event.values
        try:
            called = abi_decode(["address", "bytes16", "uint8", "uint40", "bytes"], event.call[4:])
        except DecodingError:
            self._refuse(event, "its call is malformed")
            return
        if called[0] != "0x" + values["account"].hex():
            return  # another call of the same transaction's contract can't be; an event of another call, perhaps
        struct = keccak(
            keccak(_ENROLMENT_TYPE)
            + values["account"].rjust(32, b"\0")
            + values["party"].ljust(32, b"\0")
            + values["roles"].to_bytes(32, "big")
            + values["validUntil"].to_bytes(32, "big")
        )
        digest = keccak(b"\x19\x01" + self._domain.separator + struct)
        try:
            signer = recover_address(digest, called[4])
        except InvalidSignature:
            signer = b""
        if signer != values["account"]:
            self._refuse(event, "the enrolled account has not signed its enrolment")
        self.consents += 1


def _broken(event: Happening, why: str) -> RuleBroken:
    return RuleBroken(event.contract, event.sequence, event.block, f"{event.name}, but {why}")


def _are_allowed(roles: int, is_customs: bool) -> bool:
    if roles == Role.SEQUENCER:
        return is_customs
    if roles == 0 or roles > Role.TRADER | Role.OFFICER | Role.AUDITOR:
        return False
    if roles & Role.TRADER:
        return not is_customs and not roles & Role.OFFICER
    return True
