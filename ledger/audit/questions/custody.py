"""Who was in charge, what was released, and what happened to cargo while it was held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ledger.audit.questions.form import Asked, Chronicle, Row, Unit, cite
from ledger.audit.questions.walking import (
    NOT_DISCLOSED,
    Components,
    details,
    downwards,
    hexed,
    number_after,
    place_of,
    require_beginning,
    short,
    upwards,
    walk,
    when,
)
from ledger.audit.result import Act, ConsignmentHistory, history_of
from ledger.audit.wording import counted
from ledger.core.custody import Hold
from ledger.core.findings import kind_name, party_text
from ledger.core.records import CustodyKind as K
from ledger.errors import TooMuchConnected

HOLDER = (
    "consignment",
    "at",
    "holder",
    "since",
    "until",
    "began_by",
    "inside",
    "offered_to",
    "held_by",
    "last_seen_at",
    "place",
)
RELEASED = ("consignment", "party", "released_at", "procedure", "manifest", "record", "stood", "voided_at")
MOVED = ("consignment", "kind", "time", "observed_at", "record", "party", "held_by", "held", "place")

_MOVES = frozenset((K.ARRIVAL, K.DEPARTURE, K.ACCEPT, K.TAKE, K.CONSOLIDATE, K.DECONSOLIDATE))
_PASSAGES = frozenset((K.ARRIVAL, K.DEPARTURE))
_WORDS = {
    K.ARRIVAL: "arrived",
    K.DEPARTURE: "left a checkpoint",
    K.ACCEPT: "was handed over",
    K.TAKE: "was taken",
    K.CONSOLIDATE: "was put into another consignment",
    K.DECONSOLIDATE: "was taken out of another consignment",
}


def _history(chronicle: Chronicle, consignment: bytes) -> tuple[ConsignmentHistory, dict[bytes, Act]]:
    acts, connected = chronicle.connected(consignment)
    return history_of(consignment, acts, connected, chronicle.accounts), {act.digest: act for act in acts}


# ------------------------------------------------------------------------------------------------------------- holder


def holder(chronicle: Chronicle, asked: Asked) -> Iterator[Unit]:
    """Who was in charge at the end of a second."""
    require_beginning("holder", asked)
    consignment, at = asked.consignment or b"", asked.at or 0
    history, acts = _history(chronicle, consignment)
    period = next((each for each in history.holders if each.covers(at)), None)
    inside = next((each for each in history.insides if each.covers(at)), None)
    offered = next((each for each in history.offers if each.covers(at)), None)
    seen = [act for act in history.acts if act.accepted_at <= at and act.record.kind in _PASSAGES]
    seen = [act for act in seen if act.record.consignment == consignment]
    holds = [each for each in history.holds if each.covers(at)]
    rests_on = [acts[digest] for digest in ([] if period is None else [period.began_by])]
    if period is not None and period.ended_by is not None:
        rests_on.append(acts[period.ended_by])
    if period is None:  # before it was opened, or closed: what shows that
        rests_on = [act for act in history.acts if act.record.kind in (K.OPEN, K.CLOSE)]
        rests_on = [act for act in rests_on if act.record.consignment == consignment]
    rests_on += [acts[each.began_by] for each in (inside, offered) if each is not None]
    rests_on += [acts[each.record] for each in holds]
    rests_on += seen[-1:]
    facts: dict[str, object] = {
        "consignment": hexed(consignment),
        "at": when(at),
        "holder": None if period is None else party_text(period.value),
        "since": None if period is None else when(period.since),
        "until": None if period is None or period.until is None else when(period.until),
        "began_by": None if period is None else hexed(period.began_by),
        "inside": None if inside is None else hexed(inside.value),
        "offered_to": None if offered is None else party_text(offered.value),
        "held_by": [party_text(each.party) for each in holds],
        "last_seen_at": when(seen[-1].record.observed_at) if seen else None,
        "place": place_of(chronicle, seen[-1]) if seen else None,
    }
    yield Unit(
        "a1", [Row(_holder_sentence(history, facts, at), facts, tuple(map(cite, dict.fromkeys(rests_on))))]
    )


def _holder_sentence(history: ConsignmentHistory, facts: dict[str, object], at: int) -> str:
    name = f"Consignment {short(history.consignment)}"
    if at < history.opened_at:
        return f"{name} was not opened before {when(history.opened_at)}: nobody was in charge of it at {when(at)}."
    if facts["holder"] is None:
        return f"{name} was closed at {when(at)}: in nobody's charge."
    said = f"{name} was in the charge of {facts['holder']} at {when(at)}, since {facts['since']}"
    said += f" until {facts['until']}" if facts["until"] else ""
    said += ", inside another consignment, whose custodian that is" if facts["inside"] else ""
    said += f", offered to {facts['offered_to']}" if facts["offered_to"] else ""
    said += f", on hold by {', '.join(history_parties(facts['held_by']))}" if facts["held_by"] else ""
    said += f"; last seen at {facts['last_seen_at']}, {facts['place']}" if facts["last_seen_at"] else ""
    return said + "."


def history_parties(value: object) -> list[str]:
    """The names in a fact that lists parties."""
    return [str(each) for each in value] if isinstance(value, list) else []


def say_holder(asked: Asked, rows: list[Row], is_all: bool) -> str:
    """The answer in words."""
    return rows[0].sentence


# ----------------------------------------------------------------------------------------------------------- releases


def released_before(chronicle: Chronicle, asked: Asked) -> Iterator[Unit]:
    """Every release that the chain took before a time, whether it still stood or not."""
    require_beginning("released-before", asked)
    consignment, at = asked.consignment or b"", asked.at or 0
    history, acts = _history(chronicle, consignment)
    rows = []
    for release in history.releases:
        if release.released_at >= at:
            continue
        act = acts[release.record]
        held = details(chronicle, act)
        procedure = None if held is None else held.text("/procedure", "/procedure/code")
        stood = release.voided_at is None or release.voided_at >= at
        voided = [] if stood or release.voided_by is None else [acts[release.voided_by]]
        facts = {
            "consignment": hexed(consignment),
            "party": party_text(release.party),
            "released_at": when(release.released_at),
            "procedure": procedure,
            "manifest": hexed(release.manifest),
            "record": hexed(release.record),
            "stood": stood,
            "voided_at": None if release.voided_at is None else when(release.voided_at),
        }
        said = f"Released for {procedure or 'a procedure not disclosed'} by {facts['party']} at {facts['released_at']}"
        said += "." if stood else f"; that ended at {facts['voided_at']}."
        rows.append(Row(said, facts, tuple(map(cite, (act, *voided)))))
    yield Unit("a1", rows)


def say_released_before(asked: Asked, rows: list[Row], is_all: bool) -> str:
    """The answer in words."""
    name, at = short(asked.consignment or b""), when(asked.at or 0)
    if not rows:
        return (
            f"No: consignment {name} had no release before {at}. Every record of it was read, without a gap: a release would be "
            "among them. For a third, `cargo-ledger evidence absent` proves it from the trail."
        )
    standing = sum(1 for row in rows if row.facts["stood"])
    return (
        f"Yes: {counted(rows, 'release', 'releases')} of consignment {name} before {at}, of which {standing} "
        "still stood then."
    )


# --------------------------------------------------------------------------------------------------- moved while held


@dataclass(frozen=True, slots=True)
class _Moved:
    """An act that moved cargo or changed its hands, with what was held then."""

    act: Act
    moved: tuple[bytes, ...]  # what moved, what is in it, and what it is in
    held: tuple[tuple[bytes, Hold], ...]


def moved_while_held(chronicle: Chronicle, asked: Asked) -> Iterator[Unit]:
    """Passages and hand-overs of what is held, of what is in it, or of what it is in."""
    components = Components(chronicle, lambda acts, _: _moved(chronicle, acts))
    by_digest = Components(chronicle, lambda acts, _: {act.digest: act for act in acts})

    def rows_of(consignment: bytes, own: bool) -> list[Row]:
        found = [
            each
            for each in components.of(consignment)
            if each.act.record.consignment == consignment
            or (not own and any(held == consignment for held, _ in each.held))
        ]
        acts = by_digest.of(consignment) if found else {}
        return [_moved_row(chronicle, each, [acts[hold.record] for _, hold in each.held]) for each in found]

    if asked.consignment is not None:
        require_beginning("moved-while-held", asked)
        yield Unit("a1", rows_of(asked.consignment, own=False))
        return
    for opening in chronicle.openings(number_after("moved-while-held", asked, "a") or 0):
        try:
            yield Unit(f"a{opening.sequence}", rows_of(opening.record.consignment, own=True))
        except TooMuchConnected as error:
            yield Unit(f"a{opening.sequence}", unknown=[str(error)])


def _moved(chronicle: Chronicle, acts: Sequence[Act]) -> list[_Moved]:
    found = []
    for act, custody in walk(chronicle, acts):
        record = act.record
        if record.kind not in _MOVES or record.consignment not in custody:
            continue
        excused = b""
        if record.kind == K.TAKE:
            if custody.custodian(record.consignment) == record.party:
                continue
            excused = record.party[:8]  # to seize what one holds is what the hold was for
        around = (
            *downwards(custody, record.consignment),
            *list(upwards(custody, record.consignment))[1:],
        )
        held = tuple(
            (each, hold) for each in around for hold in custody.holds(each) if hold.party[:8] != excused
        )
        if held:
            found.append(_Moved(act, around, held))
    return found


def _moved_row(chronicle: Chronicle, moved: _Moved, holds: Sequence[Act]) -> Row:
    act, record = moved.act, moved.act.record
    parties = sorted({party_text(hold.party) for _, hold in moved.held})
    place = place_of(chronicle, act) if record.kind in _PASSAGES else None
    facts = {
        "consignment": hexed(record.consignment),
        "kind": kind_name(record.kind),
        "time": when(act.accepted_at),
        "observed_at": when(record.observed_at),
        "record": hexed(act.digest),
        "party": party_text(record.party),
        "held_by": parties,
        "held": [hexed(each) for each in dict.fromkeys(held for held, _ in moved.held)],
        "place": place,
    }
    what = "it" if record.consignment in {held for held, _ in moved.held} else "what it is in, or is in it,"
    where = f" ({place})" if place else ""
    said = (
        f"Consignment {short(record.consignment)} {_WORDS[K(record.kind)]}{where}, observed {facts['observed_at']}, "
        f"while {what} was on hold by {', '.join(parties)}."
    )
    return Row(said, facts, (cite(act), *map(cite, holds)))


def say_moved_while_held(asked: Asked, rows: list[Row], is_all: bool) -> str:
    """The answer in words."""
    if not rows:
        return "No passage and no hand-over happened while cargo was held."
    hidden = sum(1 for row in rows if row.facts["place"] == NOT_DISCLOSED)
    said = f"{counted(rows, 'passage or hand-over', 'passages and hand-overs')} happened while cargo was held"
    return said + (f"; the place of {hidden} is not disclosed." if hidden else ".")
