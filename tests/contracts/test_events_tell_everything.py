"""Whatever anyone tries, in any order: events are numbered without a gap, and from them alone every view is rebuilt.

A state machine has governors, sequencers and traders try things; most are refused. After each step the numbers are
checked and who acted was not suspended; at the end of a run a reader of the events alone must know all state.
"""

import dataclasses
import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from ape.exceptions import ContractLogicError
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from ledger.core import merkle
from ledger.core.records import (
    ManifestRecord,
    closure_commitment,
    head_commitment,
    manifest_id,
)

ZERO = "0x" + "0" * 40
CODES = [text.encode().ljust(8, b"\0") for text in ("SG", "AE", "NL", "KE")]
LEAVES = [merkle.hash_leaf(bytes([number])) for number in range(40)]
NODES = merkle.complete_nodes(LEAVES)
ACTIVE, SUSPENDED = 1, 2
GOVERNORS = st.sampled_from([0, 0, 0, 1, 1, 2, 2, 3, 4])  # by place; the last two hold no seat at first
CONSIGNMENT = hashlib.sha256(b"a consignment").digest()
MANIFESTS = [hashlib.sha256(bytes([number])).digest() for number in range(3)]


class Reader:
    """All state of the registry and the log, by a reader who has nothing but their events."""

    def __init__(self) -> None:
        self.administrations: dict[bytes, list] = {}  # code: governor, state, index, offered to
        self.accounts: dict[str, list] = {}  # address: party, roles, valid until, revoked from, revoked at
        self.proposals: dict[bytes, list] = {}  # id: kind, administration, governor, time, round, approvals
        self.round = 0
        self.heads: dict[tuple[bytes, int, int], bytes] = {}
        self.last_heads: dict[bytes, tuple[int, int, int, bytes]] = {}  # epoch, size, anchored at, root
        self.closures: dict[bytes, bytes] = {}

    def read(self, event: Any, time: int) -> None:
        getattr(self, f"_{event.event_name}")(time, **event.event_arguments)

    def _AdministrationAdmitted(self, _time, sequence, administration, governor):
        self.administrations[administration] = [governor, ACTIVE, len(self.administrations), ZERO]

    def _AdministrationSuspended(self, _time, sequence, administration):
        self.administrations[administration][1] = SUSPENDED

    def _AdministrationReinstated(self, _time, sequence, administration):
        self.administrations[administration][1] = ACTIVE

    def _GovernorReplaced(self, _time, sequence, administration, former, governor):
        assert self.administrations[administration][0] == former
        self.administrations[administration][0] = governor
        self.administrations[administration][3] = ZERO

    _GovernorSeatAccepted = _GovernorReplaced

    def _GovernorSeatOffered(self, _time, sequence, administration, governor, offeredTo):
        assert self.administrations[administration][0] == governor
        self.administrations[administration][3] = offeredTo

    def _MotionProposed(self, time, sequence, proposal, kind, administration, governor, proposer):
        self.proposals[proposal] = [kind, administration, governor, time, self.round, 0]

    def _MotionApproved(self, _time, sequence, proposal, administration):
        self.proposals[proposal][5] |= 1 << self.administrations[administration][2]

    def _MotionCarried(self, _time, sequence, proposal, round):
        self.round += 1
        assert round == self.round

    def _AccountEnrolled(self, _time, sequence, account, party, roles, validUntil):
        self.accounts[account] = [party, roles, validUntil, 0, 0]

    def _AccountValidityRaised(self, _time, sequence, account, validUntil):
        self.accounts[account][2] = validUntil

    def _AccountRevoked(self, _time, sequence, account, revokedFrom, revokedAt):
        self.accounts[account][3:] = [revokedFrom, revokedAt]

    def _HeadAnchored(self, time, sequence, administration, epoch, size, root, anchoredAt):
        assert time == anchoredAt
        self.heads[administration, epoch, size] = head_commitment(root, anchoredAt)
        self.last_heads[administration] = (epoch, size, anchoredAt, root)

    def _LogRestarted(self, time, sequence, administration, epoch, frozenSize, reason, restartedAt):
        assert time == restartedAt
        assert self.last_heads.get(administration, (1, 0, 0, bytes(32)))[:2] == (epoch - 1, frozenSize)
        self.last_heads[administration] = (epoch, 0, 0, bytes(32))

    def _ManifestClosed(self, time, sequence, former, successor, signer, digest, closedAt, record, signature):
        assert time == closedAt
        self.closures[former] = closure_commitment(
            record[1], record[2], closedAt, bytes.fromhex(signer[2:]), successor
        )


class Attempts(RuleBasedStateMachine):
    """What people try. Each rule is one attempt by one of them; it succeeds or it is refused and changes nothing."""

    def __init__(self, network: Any, cast: "Cast", chain: Any) -> None:
        super().__init__()
        self.network, self.chain = network, chain
        self.contracts = (network.registry, network.log)
        self.snapshot = chain.snapshot()
        self.governors = [
            network.origin_governor,
            network.transit_governor,
            network.destination_governor,
            *cast.spare_governors,
        ]
        self.sequencers = [cast.people.origin_sequencer, cast.people.destination_sequencer]
        self.traders = [cast.people.exporter, cast.people.importer, cast.people.origin_officer]
        self.spare_accounts = list(cast.spare_accounts)
        self.accounts = [*self.sequencers, *self.traders]
        self.proposals: list[bytes] = []
        self.times: dict[str, int] = {}  # by block hash

    def teardown(self) -> None:
        try:
            self.check_every_view()
        finally:
            self.chain.restore(self.snapshot)

    # ------------------------------------------------------------------------------------------------- attempts

    def attempt(self, author: bytes, act: Callable[[], Any], *, may_be_suspended: bool = False) -> bool:
        active = author == bytes(8) or self.network.registry.isActive(author)
        before = self.numbers()
        try:
            act()
        except ContractLogicError:
            assert self.numbers() == before
            return False
        assert active or may_be_suspended, "a suspended administration wrote"
        assert self.numbers() != before
        return True

    def numbers(self) -> tuple[int, int]:
        return self.network.registry.sequence(), self.network.log.sequence()

    def seat(self, governor: Any) -> bytes:
        return bytes(self.network.registry.seatOf(governor.address))

    @rule(who=GOVERNORS, kind=st.integers(1, 4), code=st.sampled_from(CODES), new=st.integers(3, 4))
    def propose(self, who, kind, code, new):
        governor, registry = self.governors[who], self.network.registry
        given = {1: (code, self.governors[new].address), 2: (code,), 3: (code,)}.get(kind)
        given = given or (code, self.governors[new].address)
        method = (
            registry.proposeAdmission,
            registry.proposeSuspension,
            registry.proposeReinstatement,
            registry.proposeReplacement,
        )[kind - 1]
        proposal = registry.proposalId(kind, given[0], given[1] if len(given) == 2 else ZERO)
        if self.attempt(self.seat(governor), lambda: method(*given, sender=governor.account)):
            self.proposals.append(proposal)

    @rule(data=st.data(), approvers=st.lists(GOVERNORS, min_size=1, max_size=4))
    def approve(self, data, approvers):
        if self.proposals:
            proposal = data.draw(st.sampled_from(self.proposals[-2:]))
            for who in approvers:
                self._approve(self.governors[who], proposal)

    def _approve(self, governor, proposal):
        registry = self.network.registry
        self.attempt(self.seat(governor), lambda: registry.approve(proposal, sender=governor.account))

    @rule(kind=st.integers(1, 4), code=st.sampled_from(CODES), new=st.integers(3, 4))
    def decide_together(self, kind, code, new):
        self.propose(0, kind, code, new)
        self.approve_last([1, 2, 3])

    def approve_last(self, approvers):
        for proposal in self.proposals[-1:]:
            for who in approvers:
                self._approve(self.governors[who], proposal)

    @rule(who=GOVERNORS, to=st.integers(0, 4))
    def offer_seat(self, who, to):
        governor, registry = self.governors[who], self.network.registry
        self.attempt(
            self.seat(governor),
            lambda: registry.offerSeat(self.governors[to].address, sender=governor.account),
        )

    @rule(who=st.integers(0, 4), code=st.sampled_from(CODES))
    def accept_seat(self, who, code):
        governor = self.governors[who]
        self.attempt(code, lambda: self.network.registry.acceptSeat(code, sender=governor.account))

    @rule(who=GOVERNORS, to=st.integers(3, 4))
    def hand_over_seat(self, who, to):
        code = self.seat(self.governors[who])
        self.offer_seat(who, to)
        self.accept_seat(to, code)

    @rule(who=GOVERNORS, roles=st.integers(0, 16))
    def enrol(self, who, roles):
        if self.spare_accounts:
            governor = self.governors[who]
            code = self.seat(governor)
            actor = dataclasses.replace(self.spare_accounts[-1], party=code + b"NEWCO\0\0\0")
            if self.attempt(code, lambda: self.network.enrol(governor, actor, roles)):
                self.accounts.append(self.spare_accounts.pop())

    @rule(data=st.data(), who=GOVERNORS, by=st.integers(-1, 10**6))
    def raise_validity(self, data, who, by):
        governor, account = self.governors[who], data.draw(st.sampled_from(self.accounts)).address
        until = self.network.registry.account(account).validUntil + by
        self.attempt(
            self.seat(governor),
            lambda: self.network.registry.raiseValidity(account, until, sender=governor.account),
        )

    @rule(data=st.data(), who=GOVERNORS, back=st.integers(-1000, 10**6))
    def revoke(self, data, who, back):
        governor, account = self.governors[who], data.draw(st.sampled_from(self.accounts)).address
        since = self.chain.blocks.head.timestamp - back
        self.attempt(
            self.seat(governor),
            lambda: self.network.registry.revoke(account, since, sender=governor.account),
            may_be_suspended=True,
        )

    @rule(who=st.integers(0, 1), more=st.integers(0, 6), late=st.integers(0, 1))
    def anchor(self, who, more, late):
        sequencer, log = self.sequencers[who], self.network.log
        head = log.head(sequencer.administration)
        size = min(head.size + more, len(LEAVES))
        path = merkle.prove_consistency(head.size, size, NODES) if 0 < head.size < size else []
        given = (sequencer.administration, head.epoch - late, size, merkle.root(LEAVES[:size]), path)
        self.attempt(sequencer.administration, lambda: log.anchor(*given, sender=sequencer.account))

    @rule(who=GOVERNORS, code=st.sampled_from(CODES), reason=st.integers(0, 4))
    def restart(self, who, code, reason):
        governor = self.governors[who]
        self.attempt(code, lambda: self.network.log.restart(code, reason, sender=governor.account))

    @rule(
        signer=st.integers(0, 2),
        of=st.integers(0, 1),
        kind=st.integers(2, 3),
        former=st.sampled_from(MANIFESTS),
        new=st.sampled_from(MANIFESTS),
    )
    def close(self, signer, of, kind, former, new):
        trader, issuer = self.traders[signer], self.traders[of]
        record = ManifestRecord(
            party=trader.party,
            kind=kind,
            reason=1,
            consignment=CONSIGNMENT,
            manifest_root=new if kind == 2 else bytes(32),
            supersedes=manifest_id(issuer.party, CONSIGNMENT, former),
            issued_at=self.chain.blocks.head.timestamp,
        )
        signature = trader.sign(record.digest(self.network.domain(self.network.log)))
        given = (dataclasses.astuple(record), signature, issuer.party, former)
        sender = self.network.deployer
        self.attempt(trader.administration, lambda: self.network.log.closeManifest(*given, sender=sender))

    @rule(days=st.sampled_from([1, 29, 31]))
    def wait(self, days):
        self.chain.mine(timestamp=self.chain.blocks.head.timestamp + days * 86400)

    # --------------------------------------------------------------------------------------------------- checks

    def raw_events(self, contract: Any) -> list[dict]:
        logs = self.chain.provider.web3.eth.get_logs(
            {"address": contract.address, "fromBlock": 0, "toBlock": "latest"}
        )
        return [dict(entry) for entry in logs]

    def decoded(self, contract: Any) -> list[Any]:
        ecosystem = self.chain.provider.network.ecosystem
        return list(ecosystem.decode_logs(self.raw_events(contract), *contract.contract_type.events))

    def read(self) -> Reader:
        reader = Reader()
        for contract in self.contracts:
            for event in self.decoded(contract):
                if event.block_hash not in self.times:
                    block = self.chain.provider.web3.eth.get_block(event.block_hash)
                    self.times[event.block_hash] = block["timestamp"]
                reader.read(event, self.times[event.block_hash])
        return reader

    @invariant()
    def events_are_numbered_without_a_gap(self):
        for contract in self.contracts:
            # The number is the first word of the data, in every event.
            numbers = [int.from_bytes(entry["data"][:32], "big") for entry in self.raw_events(contract)]
            assert numbers == list(range(1, contract.sequence() + 1))

    def check_every_view(self) -> None:
        reader, registry, log = self.read(), self.network.registry, self.network.log
        assert registry.round() == reader.round
        assert registry.administrations() == len(reader.administrations)
        active = [known for known in reader.administrations.values() if known[1] == ACTIVE]
        assert registry.activeAdministrations() == len(active) >= 1
        for code in CODES:
            known = reader.administrations.get(code, [ZERO, 0, 0, ZERO])
            assert list(registry.administration(code)) == known
            assert registry.isActive(code) == (known[1] == ACTIVE)
            assert registry.governor(code) == known[0]
            assert tuple(log.head(code)) == reader.last_heads.get(code, (1, 0, 0, bytes(32)))
        for governor in self.governors:
            seats = [code for code, known in reader.administrations.items() if known[0] == governor.address]
            assert registry.seatOf(governor.address) == (seats[0] if seats else bytes(8))
            assert len(seats) <= 1
        for actor in self.accounts:
            assert list(registry.account(actor.address)) == reader.accounts[actor.address]
        for proposal, known in reader.proposals.items():
            assert list(registry.proposal(proposal)) == known
        for key, commitment in reader.heads.items():
            assert log.headCommitment(*key) == commitment
        for issuer in self.traders[:2]:
            for root in MANIFESTS:
                former = manifest_id(issuer.party, CONSIGNMENT, root)
                assert log.closure(former) == reader.closures.get(former, bytes(32))


@dataclasses.dataclass(frozen=True)
class Cast:
    """The session's people, and some who are nobody yet."""

    people: Any
    spare_governors: list[Any]
    spare_accounts: list[Any]


@pytest.fixture
def cast(people, new_actor) -> Cast:
    return Cast(people, [new_actor(sends=True), new_actor(sends=True)], [new_actor() for _ in range(6)])


def test_events_are_gapless_and_tell_all_state_whatever_is_tried(network, cast, chain):
    run_state_machine_as_test(
        lambda: Attempts(network, cast, chain),
        settings=settings(
            max_examples=4,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_every_kind_of_event_is_read(network, cast, chain):
    machine = Attempts(network, cast, chain)
    machine.decide_together(kind=1, code=CODES[3], new=3)
    machine.decide_together(kind=2, code=CODES[2], new=3)
    machine.decide_together(kind=3, code=CODES[2], new=3)
    machine.decide_together(kind=4, code=CODES[2], new=4)
    machine.check_every_view()
    network.registry.offerSeat(cast.spare_accounts[0].address, sender=network.origin_governor.account)
    network.registry.offerSeat(network.deployer.address, sender=network.origin_governor.account)
    network.registry.acceptSeat(CODES[0], sender=network.deployer)
    governor = network.transit_governor
    trader = dataclasses.replace(cast.spare_accounts[0], party=CODES[1] + b"NEWCO\0\0\0")
    network.enrol(governor, trader, 1)
    until = network.registry.account(trader.address).validUntil
    network.registry.raiseValidity(trader.address, until + 1, sender=governor.account)
    network.registry.revoke(trader.address, 1000, sender=governor.account)
    network.registry.revoke(trader.address, 999, sender=governor.account)
    machine.accounts.append(trader)
    machine.anchor(who=0, more=3, late=0)
    machine.anchor(who=0, more=3, late=0)
    network.log.restart(CODES[0], 1, sender=network.deployer)
    machine.anchor(who=0, more=2, late=0)
    machine.close(signer=0, of=0, kind=2, former=MANIFESTS[0], new=MANIFESTS[1])
    machine.close(signer=2, of=0, kind=3, former=MANIFESTS[1], new=MANIFESTS[2])
    machine.check_every_view()
    machine.events_are_numbered_without_a_gap()
    seen = {event.event_name for contract in machine.contracts for event in machine.decoded(contract)}
    assert seen == {event.name for contract in machine.contracts for event in contract.contract_type.events}


def test_a_reader_of_events_notices_one_that_is_missing(network, chain, cast):
    """The control of the test above: without one of its events the reader's state is another, or it can't go on."""
    machine = Attempts(network, cast, chain)
    machine.anchor(who=0, more=3, late=0)
    machine.restart(who=0, code=CODES[0], reason=1)
    machine.check_every_view()
    raw_events = machine.raw_events
    machine.raw_events = lambda contract: raw_events(contract)[:-1]
    with pytest.raises(AssertionError):
        machine.events_are_numbered_without_a_gap()
    with pytest.raises(AssertionError):
        machine.check_every_view()
