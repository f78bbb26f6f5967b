"""The auditor's questions over random histories: each answer is what a naive reading of the same records gives."""

import random

import pytest
from kept_history import ADDRESS, DOMAIN, START, WHO, party
from random_custody import IDS, NETWORK, OPENERS, K, attempt_of, event, record_of, registry_events, row_of

from ledger.audit.folding import Fold
from ledger.audit.journal import Journal
from ledger.audit.papers import Reading
from ledger.audit.questions import Asked, ask
from ledger.audit.replayed import ReplayedChronicle
from ledger.audit.result import Replayed
from ledger.core.custody import Custody
from ledger.core.findings import time_text
from ledger.core.records import ZERO16
from ledger.core.signatures import checksummed
from ledger.errors import Refusal


class NoCiting:
    """Nobody is asked where events stand."""

    lacks = None

    def proven(self, cited):
        return {each: each for each in cited}


class Past:
    """A random history as the replay has it, its acts as (record, digest, signer, time) beside it."""

    def __init__(self, folder, seed):
        rng = self.rng = random.Random(seed)
        self.journal = Journal(folder, "")
        self.fold, model = Fold(NETWORK, self.journal), Custody()
        registry_events(self.fold)
        self.acts, time = [], START
        first = [(which, K.OPEN, OPENERS[which], 0, 0, 0) for which in range(3)]
        for number in range(250):
            attempt = first[number] if number < len(first) else attempt_of(rng, model)
            time += rng.choice([0, 30, 30])  # some of them in one block
            record = record_of(model, attempt, time)
            digest, signer = record.digest(DOMAIN), ADDRESS[attempt[2]]
            standing = self.fold.registry.standing(signer)
            if model.judge(record, digest, signer, standing, time):
                continue
            step = model.apply(record, digest, signer, standing, time)
            row = row_of(record, len(self.acts) + 1, digest, signer, step.other, time)
            self.fold.take_rows(bytearray(row), 0, 1)
            self.acts.append((record, digest, signer, time))
        self.end = time + 100
        self.revoked = {}
        codes = len({party(role)[:8] for role in WHO})
        for place, role in enumerate(("officer", "exporter"), codes + len(WHO) + 1):
            since = self.revoked[ADDRESS[role]] = rng.randrange(START, self.end)
            values = {"account": ADDRESS[role], "revokedFrom": since, "revokedAt": START}
            happening = event("AccountRevoked", place, values | {"revokedAt": self.end})
            self.fold.take(type(happening)(**(fields(happening) | {"time": self.end})))
        self.journal.flush()
        self.chronicle = ReplayedChronicle(self._replayed(), Reading(), NoCiting())

    def _replayed(self):
        rest = dict.fromkeys(("source", "trust", "verdict", "broken", "counts", "digest", "own_folder"))
        return Replayed(
            **rest,
            network=NETWORK,
            checks=(),
            first_block=1,
            block=2,
            block_hash=bytes(32),
            block_time=self.end,
            state_root=bytes(32),
            seconds=0.0,
            fold=self.fold,
            journal=self.journal,
        )

    def standing(self, signer, time):
        return self.fold.registry.standing(signer).as_of(time)

    def model(self, before, but=()):
        """The custody model of the acts that a condition lets through; what it refuses is left out."""
        custody, refused = Custody(), {}
        for record, digest, signer, time in self.acts:
            if before(time) and digest not in but:
                refusal = custody.append(record, digest, signer, self.standing(signer, time), time)
                if refusal:
                    refused[digest] = refusal
        return custody, refused

    def rows(self, question, **asked):
        return [row.facts for row in ask(self.chronicle, question, Asked(**asked, limit=1000)).rows]


def fields(happening):
    return {name: getattr(happening, name) for name in type(happening).__slots__}


def hexed(value):
    return "0x" + value.hex()


@pytest.fixture(params=range(6))
def past(request, tmp_path):
    past = Past(tmp_path / "journal", request.param)
    yield past
    past.journal.close()


def test_whoever_was_in_charge_is_whom_the_records_up_to_then_put_in_charge(past):
    for consignment in [each for each in IDS if each in past.fold.custody]:
        times = [time for *_, time in past.acts if time > START]
        for at in [past.rng.choice(times) + past.rng.choice((-1, 0, 0, 1)) for _ in range(16)]:
            custody, _ = past.model(lambda time, at=at: time <= at)
            custodian = custody.custodian(consignment) if consignment in custody else ZERO16
            (row,) = past.rows("holder", consignment=consignment, at=at)
            holder = next((WHO[role][0] for role in WHO if party(role) == custodian), None)
            assert row["holder"] == holder
            inside = custody.parent(consignment) if consignment in custody else None
            assert row["inside"] == (None if inside is None else hexed(inside))
            standing, _ = past.model(lambda time, at=at: time < at)
            released = past.rows("released-before", consignment=consignment, at=at)
            there = standing.releases(consignment) if consignment in standing else ()
            assert {row["record"] for row in released if row["stood"]} == {
                hexed(each.record) for each in there
            }


def test_what_moved_while_held_is_what_a_list_of_holds_and_of_what_is_in_what_shows(past):
    holds, parents, charge, expected = {}, {}, {}, []
    for record, digest, _, _ in past.acts:
        moved, kind = record.consignment, record.kind
        above = [moved]
        while above[-1] in parents:
            above.append(parents[above[-1]])
        below, seen = [moved], 0
        while seen < len(below):
            below += [child for child, parent in parents.items() if parent == below[seen]]
            seen += 1
        near = {*above, *below}
        held = [of for of, consignment in holds.values() if consignment in near]
        if kind == K.TAKE:
            held = [of for of in held if of[:8] != record.party[:8]]
            held = [] if charge.get(above[-1]) == record.party else held
        if held and kind in (K.ARRIVAL, K.DEPARTURE, K.ACCEPT, K.TAKE, K.CONSOLIDATE, K.DECONSOLIDATE):
            expected.append((hexed(digest), sorted({WHO[r][0] for r in WHO if party(r) in held})))
        if kind == K.HOLD:
            holds[digest] = record.party, moved
        elif kind == K.LIFT:
            del holds[record.subject]
        elif kind == K.CONSOLIDATE:
            parents[moved] = record.subject
        elif kind in (K.DECONSOLIDATE, K.TAKE):
            parents.pop(moved, None)
        if kind in (K.OPEN, K.ACCEPT, K.TAKE, K.DECONSOLIDATE):
            charge[moved] = record.party
        elif kind == K.CLOSE:
            charge.pop(moved)
    found = [(row["record"], row["held_by"]) for row in past.rows("moved-while-held")]
    assert sorted(found) == sorted(expected)
    for consignment in [each for each in IDS if each in past.fold.custody]:
        own = {row["record"] for row in past.rows("moved-while-held", consignment=consignment)}
        assert {hexed(d) for r, d, *_ in past.acts if r.consignment == consignment} & {
            record for record, _ in expected
        } <= own


def test_what_is_disputed_or_late_is_what_a_filter_of_all_records_leaves(past):
    disputed = [digest for _, digest, signer, time in past.acts if past.revoked.get(signer, time + 1) <= time]
    assert [row["record"] for row in past.rows("disputed")] == [hexed(each) for each in disputed]
    for over in (0, 60, 86_400):
        late = [digest for record, digest, _, time in past.acts if time - record.observed_at > over]
        assert [row["record"] for row in past.rows("late-records", over_seconds=over)] == [
            hexed(each) for each in late
        ]
    for role in WHO:
        at = past.rng.randrange(START, past.end)
        (row,) = past.rows("allowed", account=ADDRESS[role], at=at)
        is_disputed = past.revoked.get(ADDRESS[role], at + 1) <= at
        assert (row["then"], row["now"]) == ("allowed", "disputed" if is_disputed else "allowed")


def test_without_what_an_account_signed_and_what_hangs_on_it_all_else_is_taken(past):
    for role in ("officer", "exporter"):
        since = past.rng.randrange(START, past.end)
        signed = {d for _, d, signer, time in past.acts if signer == ADDRESS[role] and time >= since}
        rows = past.rows("signed-since", account=ADDRESS[role], since=since)
        assert {row["record"] for row in rows if row["relation"] == "signed"} == {hexed(d) for d in signed}
        told = {row["record"]: row["because"] for row in rows if row["relation"] == "hangs on it"}
        _, refused = past.model(lambda _: True, but=signed)
        assert {hexed(digest) for digest in refused} <= told.keys()
        odd = {record for record, because in told.items() if because.startswith("without them:")}
        assert {hexed(digest) for digest in refused} == told.keys() - odd
        _, still = past.model(lambda _: True, but=signed | refused.keys())
        assert not still, [Refusal(each).name for each in still.values()]
        for row in rows:
            assert row["account"] == checksummed(ADDRESS[role]) or row["relation"] == "hangs on it"
            assert row["time"] >= time_text(since)


def test_an_answer_in_pages_is_the_answer(past):
    asked = [("late-records", {"over_seconds": 0}), ("moved-while-held", {}), ("disputed", {})]
    for question, about in asked:
        rows, after = [], None
        while True:
            answer = ask(past.chronicle, question, Asked(**about, limit=3, after=after))
            rows += answer.rows
            after = answer.more
            if after is None:
                break
            assert len(answer.rows) >= 1
        assert [row.facts for row in rows] == past.rows(question, **about)


def test_what_a_sequencer_anchored_is_said_to_be_in_question_too(past):
    sequencer, code = b"\x77" * 20, party("officer")[:8]
    number = past.fold.sequences["AdministrationRegistry"]

    def lacks(question, **asked):
        lines = ask(past.chronicle, question, Asked(**asked)).not_checked
        return [line for line in lines if line.startswith("Tree heads")]

    def happens(place, name, values):
        happening = event(name, number + place, {"account": sequencer, **values})
        past.fold.take(type(happening)(**(fields(happening) | {"time": past.end})))

    happens(1, "AccountEnrolled", {"party": code + bytes(8), "roles": 8, "validUntil": past.end + 10**6})
    assert lacks("disputed") == [] == lacks("signed-since", account=ADDRESS["officer"])
    (line,) = lacks("signed-since", account=sequencer, since=past.end - 60)
    assert checksummed(sequencer) in line and f"from {time_text(past.end - 60)} on" in line
    happens(2, "AccountRevoked", {"revokedFrom": past.end - 30, "revokedAt": past.end})
    (line,) = lacks("disputed")
    assert f"from {time_text(past.end - 30)} to {time_text(past.end)}" in line
    assert lacks("signed-since", account=sequencer) == [line] == lacks("disputed", account=sequencer)
    assert lacks("disputed", account=ADDRESS["officer"]) == []
