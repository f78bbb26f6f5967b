"""The contract and the Python model, side by side: same refusal, same state, same trail, over all kinds.

Hypothesis drives both with records that mostly follow the rules and sometimes bend them. The run is the same every time
(`derandomize`), so that what it reached can be asserted; MACHINE_EXAMPLES=500 MACHINE_RANDOM=1 makes it long and new.
"""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, ClassVar

from custody_desk import Desk
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from ledger.core.custody import ON_CUSTODY_LINE, Custody, Standing
from ledger.core.records import (
    ZERO16,
    ZERO32,
    CustodyKind,
    CustodyRecord,
    Domain,
    Role,
    consignment_id,
    keccak,
)
from ledger.core.signatures import recover_address
from ledger.errors import InvalidSignature, Refusal

K = CustodyKind
ADMINISTRATIONS = [code.encode().ljust(8, b"\0") for code in ("SG", "AE", "NL")]
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
RARE = (K.LIFT, K.RELEASE, K.CLEARANCE, K.CLOSE, K.DECONSOLIDATE, K.TAKE, K.CONSOLIDATE)
SEED = st.integers(0, 2**24 - 1)  # of wider ranges Hypothesis mostly draws small numbers


@dataclass
class Reached:
    """What a whole run came to."""

    appended: Counter[int] = field(default_factory=Counter)
    refused: Counter[Refusal] = field(default_factory=Counter)
    situations: Counter[str] = field(default_factory=Counter)


class CustodyMachine(RuleBasedStateMachine):
    """One run: a fresh model beside the same deployment, brought back at the end."""

    network: ClassVar[Any]
    url: ClassVar[str]
    standings_at_start: ClassVar[dict[bytes, Standing]]
    actors: ClassVar[list[Any]]
    reached: ClassVar[Reached]

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk(self.network, self.url)
        self.snapshot = self.desk.rpc("evm_snapshot")
        self.model = Custody()
        self.acts = 0
        self.ids: list[bytes] = []
        self.lifted: list[tuple[bytes, bytes, bytes]] = []
        self.history: list[tuple[CustodyRecord, bytes]] = []
        self.appended: list[tuple[CustodyRecord, bytes, bytes, int]] = []
        self.pending: list[tuple[CustodyRecord, bytes, Refusal, bytes | None]] = []
        self.sequence = int.from_bytes(self.desk.ask("sequence"), "big")
        self.standings = self.standings_at_start

    @classmethod
    def read_standings(cls) -> dict[bytes, Standing]:
        """What the registry says of everyone, as the model is told it."""
        registry = cls.network.registry
        active = {code: registry.isActive(code) for code in ADMINISTRATIONS}
        standings: dict[bytes, Standing] = {}
        for actor in cls.actors:
            account = registry.account(actor.address)
            if bytes(account.party) != ZERO16:
                standings[actor.address_bytes] = Standing(
                    bytes(account.party),
                    account.roles,
                    account.validUntil,
                    account.revokedFrom,
                    account.revokedAt,
                    active[bytes(account.party)[:8]],
                )
        return standings

    # --------------------------------------------------------------------------------------------------- proposing

    def submit(self, record: CustodyRecord, signature: bytes, signer: bytes | None) -> None:
        """Judge by the model now, by the contract when the batch goes."""
        digest = self.desk.digest(record)
        standing = self.standings.get(signer) if signer is not None else None
        if not self.pending:
            expected = self.model.judge(record, digest, signer, standing, self.desk.now)
            assert self.desk.check(record, signature) is expected
        held = self.model.holds(record.consignment)
        other = self.model.parent(record.consignment) if record.kind == K.TAKE else None
        refusal = self.model.append(record, digest, signer, standing, self.desk.now)
        if refusal is Refusal.NONE:
            assert signer is not None
            self.appended.append((record, digest, signer, self.desk.now))
            if record.kind == K.OPEN:
                self.ids.append(record.consignment)
                other = None if record.subject == ZERO32 else record.subject
            if record.kind in (K.CONSOLIDATE, K.DECONSOLIDATE):
                other = record.subject
            if record.kind == K.LIFT:
                (hold,) = [hold for hold in held if hold.record == record.subject]
                self.lifted.append((record.consignment, hold.party, hold.record))
            self.reached.appended[record.kind] += 1
        else:
            self.reached.refused[refusal] += 1
            self.note_refusal(record, refusal)
        self.history.append((record, signature))
        self.pending.append((record, signature, refusal, other))
        if len(self.pending) >= 6:
            self.flush()

    def note_refusal(self, record: CustodyRecord, refusal: Refusal) -> None:
        """Count refusals that hang on something further away than the record's own consignment and party."""
        administration = record.party[:8]
        if refusal is Refusal.HELD and not self.model.open_holds(record.consignment, administration):
            self.reached.situations["held by what it is in"] += 1
        if refusal is Refusal.NOT_A_HOLD:
            for hold in self.model.holds(record.consignment):
                if hold.record == record.subject and hold.party[:8] == administration:
                    self.reached.situations["lifted by another party of the administration"] += 1
        if refusal is Refusal.ALREADY_APPENDED and record.kind == K.HOLD:
            self.reached.situations["the same hold again"] += 1

    def flush(self) -> None:
        """Send the batch and hold everything it touched against the model."""
        if not self.pending:
            return
        pending, self.pending = self.pending, []
        outcomes = self.desk.append([(record, signature) for record, signature, _, _ in pending])
        assert len(outcomes) == len(pending)
        for (record, signature, refusal, other), outcome in zip(pending, outcomes, strict=True):
            self.sequence += 1
            assert outcome.sequence == self.sequence
            assert outcome.refusal is refusal, f"{K(record.kind).name}: {outcome.refusal!r}, not {refusal!r}"
            assert outcome.digest == self.desk.digest(record)
            if refusal is Refusal.NONE:
                assert (outcome.record, outcome.signature) == (record, signature)
                assert outcome.other == (other or ZERO32)
        touched = {record.consignment for record, *_ in pending} | {other for *_, other in pending if other}
        for consignment in touched | {self.outermost(each) for each in touched}:
            self.compare(consignment)
        assert int.from_bytes(self.desk.ask("sequence"), "big") == self.sequence

    def outermost(self, consignment: bytes) -> bytes:
        while (parent := self.model.parent(consignment)) is not None:
            consignment = parent
        return consignment

    def compare(self, consignment: bytes) -> None:
        """Every getter against the model."""
        model = self.model
        expected: dict[tuple[Any, ...], bytes] = {}

        def expect(function: str, answer: bytes | int, **more: Any) -> None:
            word = answer.to_bytes(32, "big") if isinstance(answer, int) else answer.ljust(32, b"\0")
            expected[(function, ("bytes32", *more), (consignment, *more.values()))] = word

        expect("trail", model.trail(consignment))
        expect("custodyLine", model.custody_line(consignment))
        expect("custodian", model.custodian(consignment))
        expect("offeredTo", model.offered_to(consignment))
        expect("parent", model.parent(consignment) or ZERO32)
        expect("contents", len(model.contents(consignment)))
        expect("height", model.height(consignment))
        for actor in self.actors:
            line = model.account_line(consignment, actor.address_bytes)
            if line != ZERO32:
                expect("accountLine", line, address=actor.address)
        for administration in ADMINISTRATIONS:
            expect("openHolds", model.open_holds(consignment, administration), bytes8=administration)
        opened = {(hold.party, hold.record) for hold in model.holds(consignment)}
        for party, digest in opened | {hold[1:] for hold in self.lifted if hold[0] == consignment}:
            word = int((party, digest) in opened)
            key = ("isOpenHold", ("bytes32", "bytes16", "bytes32"), (consignment, party, digest))
            expected[key] = word.to_bytes(32, "big")
        answers = self.desk.ask_many(list(expected))
        for question, answer in zip(expected, answers, strict=True):
            assert answer == expected[question], question

    # ------------------------------------------------------------------------------------------------------ people

    @property
    def governors(self) -> tuple[Any, Any, Any]:
        network = self.network
        return network.origin_governor, network.transit_governor, network.destination_governor

    def may_sign(self, actor: Any) -> bool:
        standing = self.standings.get(actor.address_bytes)
        return standing is not None and standing.may_sign(actor.party, self.desk.now)

    def of_party(self, party: bytes) -> Any:
        """An account that may sign for the party; anyone if it has none."""
        those = [actor for actor in self.actors if actor.party == party and self.may_sign(actor)]
        return self.random.choice(those or self.actors)

    def officer(self, *, customs: bool = False) -> Any:
        return self.random.choice(
            [
                actor
                for actor in self.actors
                if self.may_sign(actor)
                and self.standings[actor.address_bytes].is_officer
                and not (customs and actor.party[8:] != bytes(8))
            ]
        )

    def trader(self) -> Any:
        return self.random.choice(
            [
                actor
                for actor in self.actors
                if self.may_sign(actor) and not self.standings[actor.address_bytes].is_officer
            ]
        )

    def held_by(self, consignment: bytes) -> list[bytes]:
        """Who holds the outermost that this one is in, or this one itself."""
        return [hold.party for hold in self.model.holds(self.outermost(consignment))]

    def pick(self, wanted: Callable[[bytes], Any]) -> bytes:
        """One of the consignments that are wanted for this, else any; now and then any."""
        those = [consignment for consignment in self.ids if wanted(consignment)]
        return self.random.choice(self.ids if self.random.random() < 0.1 else those or self.ids)

    # ------------------------------------------------------------------------------------------------------- rules

    def draft(self, kind: CustodyKind) -> tuple[CustodyRecord, Any]:
        """A record that the rules most likely allow, and who signs it."""
        model, random = self.model, self.random
        changes: dict[str, Any] = {"details": keccak(b"details %d" % random.randrange(9))}
        if kind == K.OPEN:
            actor = self.trader() if random.random() < 0.8 else self.officer()
            if self.ids and random.random() < 0.4:
                changes["subject"] = self.pick(lambda each: model.custodian(each) == actor.party)
            return self.desk.opening(actor, **changes), actor
        if kind in (K.ARRIVAL, K.DEPARTURE, K.SEAL, K.REMARK):
            consignment = random.choice(self.ids)
            actor = self.officer() if random.random() < 0.5 else self.of_party(model.custodian(consignment))
            if kind == K.REMARK and random.random() < 0.5:
                changes["subject"] = keccak(b"corrected")
        elif kind in (K.INSPECTION, K.HOLD):
            full = random.random() < 0.3
            consignment = self.pick(model.contents) if full else random.choice(self.ids)
            actor = self.officer()
        elif kind == K.LIFT:
            consignment = self.pick(model.holds)
            holds = model.holds(consignment)
            hold = random.choice(holds) if holds else None
            actor = self.of_party(hold.party) if hold else self.officer()
            if hold and random.random() < 0.3:  # somebody else of the administration, at times
                colleagues = [each for each in self.actors if each.party[:8] == hold.party[:8]]
                actor = random.choice([each for each in colleagues if self.may_sign(each)] or [actor])
            changes["subject"] = hold.record if hold else keccak(b"no hold")
        elif kind in (K.RELEASE, K.CLEARANCE):
            consignment, actor = random.choice(self.ids), self.officer(customs=True)
            if random.random() < 0.3:  # under a hold of the same administration, on it or on what it is in
                inside = random.random() < 0.5
                consignment = self.pick(
                    lambda each: self.held_by(each) and not (inside and model.parent(each) is None)
                )
                for holder in self.held_by(consignment):
                    actor = self.of_party(holder[:8] + bytes(8))
            changes["subject"] = keccak(b"manifest %d" % random.randrange(3))
        elif kind == K.TAKE:
            wanted = random.choice([model.is_closed, model.parent, lambda each: True])
            consignment, actor = self.pick(wanted), self.officer(customs=True)
        else:
            consignment, actor = self.draft_custody(kind, changes)
        return self.completed(kind, actor, consignment, changes), actor

    def draft_custody(self, kind: CustodyKind, changes: dict[str, Any]) -> tuple[bytes, Any]:
        """The consignment and the signer of a record on the custody line; `changes` is filled in."""
        model, random = self.model, self.random

        inside = random.random() < 0.1  # of what can't be done inside another

        def free(each: bytes) -> bool:
            return (model.parent(each) is not None) == inside and not model.is_closed(each)

        if kind in (K.ACCEPT, K.DECLINE):
            consignment = self.pick(lambda each: model.offered_to(each) != ZERO16)
            line = model.custody_line(consignment)
            changes["subject"] = line if line != ZERO32 else keccak(b"no offer")
            return consignment, self.of_party(model.offered_to(consignment))
        if kind == K.DECONSOLIDATE:
            consignment = self.pick(model.parent)
            changes["subject"] = model.parent(consignment) or keccak(b"no parent")
        elif kind == K.CONSOLIDATE:
            consignment = self.pick(free)
        elif kind == K.OFFER:
            consignment = self.pick(free)
            changes["counterpart"] = random.choice([ZERO16, *(actor.party for actor in self.actors[:10])])
        else:
            full = random.random() < 0.4
            consignment = self.pick(lambda each: free(each) and bool(model.contents(each)) == full)
        actor = self.of_party(model.custodian(consignment))
        if kind == K.CONSOLIDATE:
            loops = random.random() < 0.2

            def fits(each: bytes) -> bool:
                return model.custodian(each) == actor.party and (loops or self.outermost(each) != consignment)

            changes["subject"] = self.pick(model.is_closed if random.random() < 0.15 else fits)
        return consignment, actor

    def completed(
        self, kind: CustodyKind, actor: Any, consignment: bytes, changes: dict[str, Any]
    ) -> CustodyRecord:
        """Lines from the model: the batch that is waiting has not reached the chain."""
        line = (
            self.model.custody_line(consignment)
            if kind in ON_CUSTODY_LINE
            else self.model.account_line(consignment, actor.address_bytes)
        )
        return self.desk.record(kind, actor, consignment, **({"previous": line} | changes))

    @initialize(seed=SEED)
    def open_some(self, seed: int) -> None:
        self.random = Random(seed)
        for _ in range(4):
            self.propose(K.OPEN)

    @rule(seed=SEED)
    def act(self, seed: int) -> None:
        """One of the acts below; the seed says which and on what, evenly, where Hypothesis would favour small numbers."""
        self.acts += 1
        self.random = Random(f"{seed}/{self.acts}")
        acts = {
            self.step: 10,
            self.hand_over: 2,
            self.hold_and_decide: 1,
            self.nest: 0.5,
            self.bent_record: 3,
            self.somebody_else: 2,
            self.bent_signature: 1,
            self.the_same_again: 1,
            self.two_officers_the_same_words: 0.5,
            self.wait: 0.7,
            self.revoke: 0.2,
            self.suspend: 0.05,
        }
        self.random.choices(list(acts), list(acts.values()))[0]()

    def propose(self, kind: CustodyKind) -> None:
        record, actor = self.draft(kind)
        self.submit(record, self.desk.sign(actor, self.desk.digest(record)), actor.address_bytes)

    def step(self) -> None:
        self.propose(self.random.choices(list(K), [1 + (kind in RARE) for kind in K])[0])

    def hand_over(self) -> None:
        """An offer and its answer, with something between that may have ended it."""
        self.propose(K.OFFER)
        between = self.random.choice(
            [None, None, K.OFFER, K.TAKE, K.CONSOLIDATE, K.DECONSOLIDATE, K.OPEN, K.REMARK]
        )
        if between is not None:
            self.propose(between)
        self.propose(self.random.choice([K.ACCEPT, K.ACCEPT, K.DECLINE]))

    def hold_and_decide(self) -> None:
        """A hold on what a consignment is in, a decision on it by the same administration, a colleague who lifts."""
        consignment = self.pick(self.model.parent)
        above, holder = self.outermost(consignment), self.officer()
        colleagues = [
            each for each in self.actors if each.party[:8] == holder.party[:8] and self.may_sign(each)
        ]
        customs = [each for each in colleagues if each.party[8:] == bytes(8)]
        hold = self.completed(K.HOLD, holder, above, {"details": keccak(b"above")})
        digest = self.desk.digest(hold)
        self.submit(hold, self.desk.sign(holder, digest), holder.address_bytes)
        decider, lifter = self.random.choice(customs or colleagues), self.random.choice(colleagues)
        kind = self.random.choice([K.RELEASE, K.CLEARANCE])
        decision = self.completed(kind, decider, consignment, {"subject": keccak(b"manifest 0")})
        self.submit(decision, self.desk.sign(decider, self.desk.digest(decision)), decider.address_bytes)
        lift = self.completed(K.LIFT, lifter, above, {"subject": digest})
        self.submit(lift, self.desk.sign(lifter, self.desk.digest(lift)), lifter.address_bytes)

    def nest(self) -> None:
        """One in the other in the other, so that depth is reached."""
        actor = self.trader()
        above: bytes | None = None
        for _ in range(self.random.choice([2, 3, 5, 9, 10])):
            record = self.desk.opening(actor)
            self.submit(record, self.desk.sign(actor, self.desk.digest(record)), actor.address_bytes)
            if above is not None:
                inner = self.completed(K.CONSOLIDATE, actor, record.consignment, {"subject": above})
                self.submit(inner, self.desk.sign(actor, self.desk.digest(inner)), actor.address_bytes)
            above = record.consignment

    def bent_record(self) -> None:
        """A record with one thing about it that is not as it should be, or just still is."""
        record, actor = self.draft(self.random.choice([*K, K.OPEN, K.OPEN, K.RELEASE]))
        now, day = self.desk.now, 86_400
        longest = day if record.kind in (K.RELEASE, K.CLEARANCE) else 30 * day
        twists: list[dict[str, Any]] = [
            {"expires_at": now - 1, "observed_at": now - 5},
            {"expires_at": now, "observed_at": now - 5},
            {"expires_at": now + longest + 1},
            {"expires_at": now + longest},
            {"observed_at": now + 301, "expires_at": now + 600},
            {"observed_at": now + 300, "expires_at": now + 600},
            {"observed_at": 2**64 - 1, "expires_at": 2**64 - 1},
            {"kind": self.random.choice([0, 18, 19, 255])},
            {"counterpart": actor.party},
            {"subject": ZERO32 if record.subject != ZERO32 else keccak(b"subject")},
            {"details": ZERO32},
            {"previous": keccak(b"previous")},
            {"consignment": keccak(b"nobody's")},
            {"consignment": self.random.choice(self.ids)},
            {"party": self.random.choice(self.actors).party},
            {"subject": self.random.choice(self.ids)},
            {"subject": record.consignment},
        ]
        if record.kind == K.OPEN:
            twists += [{"previous": keccak(b"another blind")}] * 6
        if record.kind in (K.RELEASE, K.CLEARANCE):
            twists += [{"expires_at": now + longest + 1}] * 6
        record = replace(record, **self.random.choice(twists))
        self.submit(record, self.desk.sign(actor, self.desk.digest(record)), actor.address_bytes)

    def somebody_else(self) -> None:
        """The right record by another person, for the right party or for their own."""
        record, _ = self.draft(self.random.choice(list(K)))
        actor = self.random.choice(self.actors)
        own = self.random.random() < 0.7
        if own and record.kind == K.OPEN:
            consignment = consignment_id(actor.party, record.previous)
            record = replace(record, party=actor.party, consignment=consignment)
        elif own:
            changes = {name: getattr(record, name) for name in ("subject", "details", "counterpart")}
            record = self.completed(K(record.kind), actor, record.consignment, changes)
        self.submit(record, self.desk.sign(actor, self.desk.digest(record)), actor.address_bytes)

    def bent_signature(self) -> None:
        """Another spelling, contract, chain or record under the signature."""
        record, actor = self.draft(self.random.choice(list(K)))
        good = self.desk.sign(actor, self.desk.digest(record))
        mirrored = (ORDER - int.from_bytes(good[32:64], "big")).to_bytes(32, "big")
        spellings = [
            b"",
            good[:64],
            good + b"\0",
            good[:64] + bytes([good[64] - 27]),
            good[:32] + mirrored + bytes([55 - good[64]]),
            bytes(64) + good[64:],
        ]
        if self.random.random() < 0.6:
            self.submit(record, self.random.choice(spellings), None)
            return
        chain, address = self.network.chain_id, self.desk.domain.contract
        digests = [
            record.digest(Domain(chain, bytes.fromhex(self.network.log.address[2:]))),
            record.digest(Domain(chain + 1, address)),
            replace(record, expires_at=record.expires_at + 1).digest(self.desk.domain),
        ]
        # It recovers somebody, whom nobody enrolled.
        signature = self.desk.sign(actor, self.random.choice(digests))
        self.submit(record, signature, recover_address(self.desk.digest(record), signature))

    def the_same_again(self) -> None:
        """A record that was brought before, taken then or not; mostly one of the last."""
        record, signature = self.random.choice(
            self.history[-4:] if self.random.random() < 0.7 else self.history
        )
        try:
            signer = recover_address(self.desk.digest(record), signature)
        except InvalidSignature:
            signer = None
        self.submit(record, signature, signer)

    def two_officers_the_same_words(self) -> None:
        """Two officers of one party sign one HOLD: their own lines both start at zero."""
        consignment, officer = self.random.choice(self.ids), self.officer()
        others = [actor for actor in self.actors if actor.party == officer.party and actor != officer]
        hold = self.desk.record(K.HOLD, officer, consignment, previous=ZERO32)
        for actor in (officer, *others):
            self.submit(hold, self.desk.sign(actor, self.desk.digest(hold)), actor.address_bytes)

    def wait(self) -> None:
        self.flush()
        self.desk.now += self.random.choice([1, 60, 3_000, 3_601, 86_401])

    def revoke(self) -> None:
        """A governor revokes an account, from some time ago on; never one of the first three, so that work goes on."""
        actor = self.random.choice(self.actors[3:])
        standing = self.standings.get(actor.address_bytes)
        if standing is None or standing.revoked_at:
            return
        self.flush()
        (governor,) = [each for each in self.governors if each.administration == actor.party[:8]]
        revoked_from = self.desk.now - self.random.randrange(5_000)
        self.desk.send_as(
            governor,
            self.network.registry,
            "revoke(address,uint40)",
            ["address", "uint40"],
            [actor.address, revoked_from],
        )
        self.standings = self.read_standings()
        assert self.standings[actor.address_bytes].revoked_at

    def suspend(self) -> None:
        """The two others suspend the transit administration."""
        registry = self.network.registry
        proposer, concerned, second = self.governors
        if not registry.isActive(concerned.administration):
            return
        self.flush()
        types, values = ["bytes8"], [concerned.administration]
        self.desk.send_as(proposer, registry, "proposeSuspension(bytes8)", types, values)
        proposal = registry.proposalId(2, concerned.administration, "0x" + "0" * 40)
        self.desk.send_as(second, registry, "approve(bytes32)", ["bytes32"], [proposal])
        self.standings = self.read_standings()
        assert not registry.isActive(concerned.administration)

    # --------------------------------------------------------------------------------------------------------- end

    def teardown(self) -> None:
        try:
            self.flush()
            for consignment in self.ids:
                self.compare(consignment)
            self.replay()
        finally:
            self.desk.rpc("evm_revert", self.snapshot)

    def replay(self) -> None:
        """The history alone, judged by what the registry says now, gives the same state."""
        again = Custody()
        for record, digest, signer, time in self.appended:
            standing = replace(self.standings[signer], administration_active=True)
            again.apply(record, digest, signer, standing, time)
        for consignment in self.ids:
            one, two = self.model.state(consignment), again.state(consignment)
            assert replace(one, findings=()) == replace(two, findings=())


def test_contract_and_model_judge_alike(network, people, new_actor, chain):
    """Twelve people of eight parties, all kinds, all refusals."""
    second_officer, second_exporter = new_actor("SG"), new_actor("SG:ACME01")
    network.enrol(network.origin_governor, second_officer, Role.OFFICER)
    network.enrol(network.origin_governor, second_exporter, Role.TRADER)
    expiring = new_actor("NL:IMPORT01")
    network.enrol(network.destination_governor, expiring, Role.TRADER, chain.pending_timestamp + 4_000)
    CustodyMachine.network = network
    CustodyMachine.url = chain.provider.uri
    CustodyMachine.reached = reached = Reached()
    CustodyMachine.actors = [
        people.exporter,
        people.origin_officer,
        people.destination_officer,
        second_exporter,
        second_officer,
        people.carrier,
        people.agency_officer,
        people.transit_officer,
        people.importer,
        expiring,
        people.auditor,
        people.destination_sequencer,
        new_actor("NL:NOBODY"),
    ]
    CustodyMachine.standings_at_start = CustodyMachine.read_standings()
    random = os.environ.get("MACHINE_RANDOM") == "1"
    run_state_machine_as_test(
        CustodyMachine,
        settings=settings(
            max_examples=int(os.environ.get("MACHINE_EXAMPLES", "40")),
            stateful_step_count=50,
            deadline=None,
            derandomize=not random,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
    taken, refused = sum(reached.appended.values()), sum(reached.refused.values())
    print(f"\n{taken} records taken, {refused} refused")
    print({K(kind).name: count for kind, count in sorted(reached.appended.items())})
    print({refusal.name: count for refusal, count in sorted(reached.refused.items())})
    print(dict(reached.situations))
    assert len(reached.situations) == 3, "every situation must have been met"
    assert set(reached.appended) == set(K), "every kind must have been taken"
    assert set(reached.refused) == set(Refusal) - {Refusal.NONE}, "every refusal must have been met"
    assert taken > 0.4 * (taken + refused), "most of what is tried should be possible"
