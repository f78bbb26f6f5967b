"""Which records the chain took long after what they say was observed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ledger.audit.log import Closure
from ledger.audit.questions.form import Asked, Chronicle, Row, Unit, cite
from ledger.audit.questions.walking import hexed, number_after, short, when
from ledger.audit.result import Act
from ledger.audit.wording import counted
from ledger.core.findings import LATE_SECONDS, kind_name, party_text
from ledger.core.signatures import checksummed

LATE = ("consignment", "kind", "record", "party", "account", "observed_at", "time", "delay_seconds")
_CLOSING = {2: "AMEND", 3: "WITHDRAW"}


def late_records(chronicle: Chronicle, asked: Asked) -> Iterator[Unit]:
    """Custody records by when they were observed, then closings of manifests by when they were issued."""
    over = LATE_SECONDS if asked.over_seconds is None else asked.over_seconds
    after = number_after("late-records", asked, "a")
    if after is not None:
        for act in _acts(chronicle, asked, after):
            if act.accepted_at - act.record.observed_at > over and _fits(
                asked, act.record.party, act.signer, act.record.consignment
            ):
                yield Unit(f"a{act.sequence}", [_row(act)])
            else:
                yield Unit(f"a{act.sequence}")
    for closure in _closures(chronicle, asked, number_after("late-records", asked, "c") or 0):
        if closure.closed_at - closure.issued_at > over and _fits(
            asked, closure.party, closure.signer, closure.consignment
        ):
            yield Unit(f"c{closure.sequence}", [_row(closure)])
        else:
            yield Unit(f"c{closure.sequence}")


def _acts(chronicle: Chronicle, asked: Asked, after: int) -> Iterable[Act]:
    if asked.consignment is not None:
        acts, _ = chronicle.connected(asked.consignment)
        return [act for act in acts if act.sequence > after]
    if asked.account is not None:
        return chronicle.acts_of(asked.account, after)
    return chronicle.acts(after)


def _closures(chronicle: Chronicle, asked: Asked, after: int) -> Iterable[Closure]:
    if asked.consignment is not None:
        return [each for each in chronicle.closures_of(asked.consignment) if each.sequence > after]
    return chronicle.closures(after)


def _fits(asked: Asked, party: bytes, signer: bytes, consignment: bytes) -> bool:
    return (
        asked.party in (None, party)
        and asked.account in (None, signer)
        and asked.consignment in (None, consignment)
    )


def _row(event: Act | Closure) -> Row:
    if isinstance(event, Act):
        record = event.record
        kind, consignment, party = kind_name(record.kind), record.consignment, record.party
        observed, taken = record.observed_at, event.accepted_at
    else:
        kind, consignment, party = _CLOSING[event.kind], event.consignment, event.party
        observed, taken = event.issued_at, event.closed_at
    facts = {
        "consignment": hexed(consignment),
        "kind": kind,
        "record": hexed(event.digest),
        "party": party_text(party),
        "account": checksummed(event.signer),
        "observed_at": when(observed),
        "time": when(taken),
        "delay_seconds": taken - observed,
    }
    word = "observed" if isinstance(event, Act) else "issued"
    said = (
        f"The {kind} of {party_text(party)} on consignment {short(consignment)} was {word} {when(observed)} and taken by "
        f"the chain {_long(taken - observed)} later, at {when(taken)}."
    )
    return Row(said, facts, (cite(event),))


def _long(seconds: int) -> str:
    if seconds >= 3_600:
        return counted(seconds // 3_600, "hour", "hours")
    return counted(seconds, "second", "seconds")


def say_late_records(asked: Asked, rows: list[Row], is_all: bool) -> str:
    """The answer in words."""
    over = LATE_SECONDS if asked.over_seconds is None else asked.over_seconds
    if not rows:
        return f"No record came more than {_long(over)} late."
    longest = max(int(row.facts["delay_seconds"]) for row in rows)
    return (
        f"{counted(rows, 'record', 'records')} came more than {_long(over)} late, at most {_long(longest)}."
    )
