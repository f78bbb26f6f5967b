"""What a report says, gathered from a replay: one tree of plain values, from which the page is drawn and JSON is written.

The chain is read twice from the journal, once for its acts and once for its findings, and everything is counted on the
way. Only the consignments that are drawn are read whole: those that were asked for, then those with the gravest findings.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from ledger.audit.report import places, telling
from ledger.audit.report.disclosed import Disclosed
from ledger.audit.result import Act, ConsignmentHistory, Replayed
from ledger.core.findings import Finding, FindingKind, party_text, time_text
from ledger.core.records import ZERO32, CustodyKind
from ledger.core.signatures import checksummed

DAY = 86_400
MOST_CONSIGNMENTS = 200  # that are read whole, so that their findings can be told
MOST_DRAWN = 60  # of them; what was asked for always is
FILLED_UP_TO = 12  # consignments without findings are drawn until there are so many
MOST_FINDINGS = 200
MOST_EVENTS = 60  # of a consignment
MOST_SPANS = 60  # of a consignment: the latest
MOST_PLACES = 60  # on the map
MOST_COLUMNS = 92  # of the picture of volumes
MOST_ADMINISTRATIONS = 12  # with a row of their own there
MOST_CONNECTED = 20_000  # records of all that a consignment was ever connected with
_TOLD_EVERY = 4_096
_PASSAGES = frozenset((int(CustodyKind.ARRIVAL), int(CustodyKind.DEPARTURE)))
LATENESS = (
    (0, "ahead of the block"),
    (60, "within a minute"),
    (300, "1 to 5 minutes"),
    (3_600, "5 minutes to an hour"),
    (6 * 3_600, "1 to 6 hours"),
    (DAY, "6 hours to a day"),
    (7 * DAY, "1 to 7 days"),
)
BEYOND = "over a week"
_BOUNDS = [-1, *(seconds for seconds, _ in LATENESS[1:])]

Progress = Callable[[str, int, int], None]
"""Told what is going on, how many steps of it are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where an event stands on the chain, and what shows it.

    Attributes:
        sequence: Number of the event in its contract.
        block: Number of its block.
        transaction: Place of its transaction in the block, from 0; None where no receipt was kept of it.
        log: Place of its log in the block, from 0.
        record: Digest of the record.
        command: What shows the event.
    """

    sequence: int
    block: int
    transaction: int | None
    log: int
    record: str
    command: str


@dataclass(frozen=True, slots=True)
class ToldBreak:
    """A check that does not hold, or could not be judged.

    Attributes:
        check: Its name.
        status: INVALID or ERROR.
        message: What does not hold.
        block: The block by which it shows; None where it is no block's.
        log: Place of the event in that block, from 0; None where it is no one event's.
        command: What shows it: that event, or the replay up to that block.
    """

    check: str
    status: str
    message: str
    block: int | None
    log: int | None
    command: str


@dataclass(frozen=True, slots=True)
class ToldFinding:
    """A finding: how grave, what, of which consignment and reference, by whom, and where it stands."""

    gravity: telling.Gravity
    kind: str
    title: str
    sentence: str
    consignment: str
    reference: str | None
    party: str
    signer: str
    where: str
    accepted_at: int
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Span:
    """A period of a consignment: in the charge of, inside of, held by or released by `value`, from and to (Unix seconds)."""

    lane: Literal["charge", "inside", "hold", "release"]
    value: str
    words: str
    since: int
    until: int | None


@dataclass(frozen=True, slots=True)
class ToldAct:
    """An act of a consignment: when it was accepted and observed (Unix seconds), what, where, by whom."""

    accepted_at: int
    observed_at: int
    kind: str
    what: str
    where: str
    party: str
    is_finding: bool
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class ToldConsignment:
    """A consignment as it is drawn.

    Attributes:
        id: Its id, hex.
        reference: Its trade reference, if an evidence file shows it.
        opener: Who opened it.
        state: Where it stands, in words.
        since: From when it is drawn, Unix seconds.
        until: To when: the last act if it is closed, else the report's block.
        spans: Who, inside what, held, released; where there are over `MOST_SPANS`, the latest.
        spans_left_out: How many are not among them.
        acts: What happened, in order; where there are over `MOST_EVENTS`, the first and the last.
        left_out: How many acts are not among them.
        findings: How many findings it has, by gravity.
        undrawn: Why nothing is drawn of it, or "".
    """

    id: str
    reference: str | None
    opener: str
    state: str
    since: int
    until: int
    spans: tuple[Span, ...]
    spans_left_out: int
    acts: tuple[ToldAct, ...]
    left_out: int
    findings: dict[str, int]
    undrawn: str


@dataclass(frozen=True, slots=True)
class Place:
    """A place of disclosed passages; without a position where none is known, and then `why`."""

    code: str
    name: str
    latitude: float | None
    longitude: float | None
    arrivals: int
    departures: int
    why: str


@dataclass(frozen=True, slots=True)
class Leg:
    """Passages of one consignment in a row at two places, how often; not the route that was travelled."""

    origin: str
    destination: str
    times: int


@dataclass(frozen=True, slots=True)
class Passages:
    """Arrivals and departures: how many, of how many the place is disclosed, and where."""

    total: int
    disclosed: int
    places: tuple[Place, ...]
    legs: tuple[Leg, ...]


@dataclass(frozen=True, slots=True)
class Volumes:
    """Custody records by administration and by days of UTC.

    Attributes:
        days_a_column: How many days a column stands for.
        starts: The first second of each column, Unix seconds.
        rows: By administration: a number a column, most records first; over `MOST_ADMINISTRATIONS` the rest is one row.
        by_day: Every day that has records: the day, and a number an administration.
    """

    days_a_column: int
    starts: tuple[int, ...]
    rows: tuple[tuple[str, tuple[int, ...]], ...]
    by_day: tuple[tuple[str, dict[str, int]], ...]


@dataclass(frozen=True, slots=True)
class Lateness:
    """How long after it was observed the chain took each record: how many, by span; and how many over a day, by whom."""

    spans: tuple[tuple[str, int], ...]
    over_a_day: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Again:
    """How to run it again: a command, and what it must show."""

    what: str
    command: str


@dataclass(frozen=True, slots=True)
class How:
    """How the report was made, for whoever makes it again.

    Attributes:
        made_at: Unix seconds.
        version: Of this program.
        trust: Name of the trust file.
        replay: The command that replays the same blocks.
        event: The command that shows an event; block and log follow.
        again: Commands, and what each must show.
        export_sha256: Of the export that was read, hex; None if a node was.
    """

    made_at: int
    version: str
    trust: str
    replay: str
    event: str
    export_sha256: str | None
    again: tuple[Again, ...]


@dataclass(frozen=True)
class Report:
    """All that a report says."""

    verdict: str
    heading: str
    grounds: str
    is_sealed: bool
    replay: dict[str, Any]
    how: How
    broken: tuple[ToldBreak, ...]
    findings_by_kind: tuple[tuple[str, str, str, int], ...]
    findings: tuple[ToldFinding, ...]
    findings_total: int
    consignments: tuple[ToldConsignment, ...]
    consignments_total: int
    consignments_with_findings: int
    open_holds: int
    passages: Passages
    volumes: Volumes
    lateness: Lateness
    not_checked: tuple[str, ...]
    documents: int
    documents_unused: tuple[tuple[str, str], ...]


def gather(
    replayed: Replayed,
    disclosed: Disclosed,
    how: How,
    asked: Sequence[bytes] = (),
    progress: Progress | None = None,
) -> Report:
    """Gather what a report says.

    Args:
        replayed: A replay, of any verdict; open.
        disclosed: What the auditor's documents show.
        how: How the report is made.
        asked: Consignments that are drawn whatever they are, 32 bytes each.
        progress: Told how far it is.

    Raises:
        NotFound: A consignment that was asked for was never opened.
    """
    return _Gathering(replayed, disclosed, how, progress or (lambda what, done, total: None)).run(asked)


class _Gravest:
    """The consignments with the gravest findings: so many at most, whatever comes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._best: dict[bytes, tuple[int, int]] = {}
        self._worst: tuple[int, int] | None = None  # of those kept, once there are as many as may be

    def see(self, finding: Finding) -> None:
        key = (telling.RANK[finding.kind], finding.at)
        known = self._best.get(finding.consignment)
        if known is not None:
            if key < known:
                self._best[finding.consignment] = key
                self._worst = None
            return
        if len(self._best) >= self._most:
            if self._worst is None:
                self._worst = max(self._best.values())
            if key >= self._worst:
                return
            del self._best[max(self._best, key=self._best.__getitem__)]
            self._worst = None
        self._best[finding.consignment] = key

    def consignments(self) -> list[bytes]:
        """Gravest first; of equals, the earlier."""
        return sorted(self._best, key=lambda each: (self._best[each], each))


@dataclass
class _Acts:
    """What one pass over all acts counted."""

    by_day: dict[int, Counter[bytes]] = field(default_factory=dict)
    late: list[int] = field(default_factory=lambda: [0] * (len(LATENESS) + 1))
    over_a_day: Counter[bytes] = field(default_factory=Counter)
    passages: int = 0
    documents: dict[bytes, Mapping[str, object]] = field(default_factory=dict)  # by record digest
    with_documents: dict[bytes, None] = field(default_factory=dict)
    stops: dict[bytes, list[tuple[int, str | None]]] = field(default_factory=dict)
    arrivals: Counter[str] = field(default_factory=Counter)
    departures: Counter[str] = field(default_factory=Counter)
    details_committed: int = 0


class _Gathering:
    def __init__(self, replayed: Replayed, disclosed: Disclosed, how: How, progress: Progress) -> None:
        self._replayed = replayed
        self._disclosed = disclosed
        self._how = how
        self._progress = progress
        self._names: dict[str, str] = {}
        self._closures = replayed.disputed_closures()

    def run(self, asked: Sequence[bytes]) -> Report:
        replayed = self._replayed
        for consignment in asked:
            replayed.require_opened(consignment)
        acts = self._count_acts()
        passages = self._passages(acts)
        by_kind, gravest, with_findings = self._count_findings(acts)
        drawn = self._choose(asked, gravest)
        told, findings = self._tell(drawn, len(set(asked)), acts.documents)
        checks = replayed.checks
        heading, grounds = telling.verdict_words(
            replayed.verdict, checks, needs_seals=replayed.trust.consensus != "development"
        )
        return Report(
            verdict=replayed.verdict,
            heading=heading,
            grounds=grounds,
            is_sealed=replayed.trust.consensus != "development",
            replay=replayed.to_json(),
            how=self._how,
            broken=tuple(self._breaks()),
            findings_by_kind=tuple(
                (gravity, kind.value, title, by_kind[kind])
                for kind, (gravity, title) in telling.RANKS.items()
                if by_kind[kind]
            ),
            findings=tuple(findings[:MOST_FINDINGS]),
            findings_total=sum(by_kind.values()),
            consignments=tuple(told),
            consignments_total=replayed.counts.consignments,
            consignments_with_findings=with_findings,
            open_holds=replayed.open_holds(),
            passages=passages,
            volumes=_volumes(acts.by_day),
            lateness=_lateness(acts),
            not_checked=_not_checked(replayed, acts, passages),
            documents=self._disclosed.files,
            documents_unused=tuple(self._disclosed.refused),
        )

    # ---------------------------------------------------------------------------------------------------- counting

    def _count_acts(self) -> _Acts:
        found = _Acts()
        total = self._replayed.journal.acts
        details = self._disclosed.details
        for number, row in enumerate(self._replayed.journal.rows(0, total)):
            if number % _TOLD_EVERY == 0:
                self._progress("counting records", number, total)
            time = int.from_bytes(row[16:24], "big")
            code, kind = row[149:157], row[148]
            day = time // DAY
            counted = found.by_day.get(day)
            if counted is None:
                counted = found.by_day[day] = Counter()
            counted[code] += 1
            late = time - int.from_bytes(row[277:285], "big")
            found.late[bisect_left(_BOUNDS, late)] += 1
            if late > DAY:
                found.over_a_day[code] += 1
            if kind in _PASSAGES:
                found.passages += 1
            root = row[229:261]
            if root == ZERO32 or kind == CustodyKind.OPEN:
                continue
            found.details_committed += 1
            shown = details.get(root)
            if shown is not None:
                found.documents[row[32:64]] = shown
                found.with_documents[row[116:148]] = None
            if kind in _PASSAGES:
                self._stop(found, row, shown)
        self._progress("counting records", total, total)
        return found

    @staticmethod
    def _stop(found: _Acts, row: bytes, shown: Mapping[str, object] | None) -> None:
        consignment, place = row[116:148], None if shown is None else telling.place_of(shown)
        if place is not None:
            counted = found.arrivals if row[148] == CustodyKind.ARRIVAL else found.departures
            counted[place] += 1
        if place is not None or consignment in found.stops:
            found.stops.setdefault(consignment, []).append((int.from_bytes(row[277:285], "big"), place))

    def _passages(self, acts: _Acts) -> Passages:
        codes = acts.arrivals | acts.departures
        known = places.look_up(codes)
        self._names = {code: each.name for code, each in known.items()}
        told = []
        for code in sorted(codes, key=lambda code: (-acts.arrivals[code] - acts.departures[code], code)):
            each = known.get(code)
            position = None if each is None else each.position
            why = (
                ""
                if position is not None
                else "no UN/LOCODE that is listed"
                if each is None
                else "its registers do not agree on a position"
            )
            told.append(
                Place(
                    code,
                    "" if each is None else each.name,
                    None if position is None else position[0],
                    None if position is None else position[1],
                    acts.arrivals[code],
                    acts.departures[code],
                    why,
                )
            )
        legs: Counter[tuple[str, str]] = Counter()
        for stops in acts.stops.values():
            stops.sort(key=lambda stop: stop[0])
            for (_, one), (_, other) in itertools.pairwise(stops):
                if one is not None and other is not None and one != other:
                    legs[one, other] += 1
        disclosed = sum(acts.arrivals.values()) + sum(acts.departures.values())
        return Passages(
            acts.passages,
            disclosed,
            tuple(told),
            tuple(
                Leg(*ends, times) for ends, times in sorted(legs.items(), key=lambda leg: (-leg[1], leg[0]))
            ),
        )

    def _count_findings(self, acts: _Acts) -> tuple[Counter[FindingKind], list[bytes], int]:
        """How many of each kind, and the consignments with the gravest; documents show seals and places beside."""
        by_kind: Counter[FindingKind] = Counter()
        gravest = _Gravest(MOST_CONSIGNMENTS)
        seen: set[bytes] = set()

        def see(finding: Finding) -> None:
            by_kind[finding.kind] += 1
            gravest.see(finding)
            seen.add(finding.consignment)

        again: set[bytes] = set()
        for number, consignment in enumerate(acts.with_documents):
            self._progress("reading documents", number, len(acts.with_documents))
            history = self._history(consignment, acts.documents)
            if history is not None:
                again.add(consignment)
                for finding in history.findings:
                    see(finding)
        total = self._replayed.counts.findings
        for number, finding in enumerate(self._replayed.findings()):
            if number % _TOLD_EVERY == 0:
                self._progress("ranking findings", number, total)
            if finding.record in self._closures:
                by_kind[finding.kind] += 1  # a manifest's: what concerns it is told whatever is drawn
            elif finding.consignment not in again:
                see(finding)
        return by_kind, gravest.consignments(), len(seen)

    # ----------------------------------------------------------------------------------------------------- telling

    def _history(
        self, consignment: bytes, documents: Mapping[bytes, Mapping[str, object]]
    ) -> ConsignmentHistory | None:
        """A consignment whole; None if what it is connected with is too much to read."""
        return self._replayed.history_within(MOST_CONNECTED, consignment, documents)

    def _choose(self, asked: Sequence[bytes], gravest: list[bytes]) -> list[bytes]:
        """What is drawn: what was asked for, the gravest, and the newest up to a handful."""
        drawn = dict.fromkeys([*asked, *gravest][: max(MOST_CONSIGNMENTS, len(asked))])
        if len(drawn) < FILLED_UP_TO:
            newest = deque(self._replayed.consignments(), maxlen=FILLED_UP_TO)
            for consignment in reversed(newest):
                if len(drawn) < FILLED_UP_TO:
                    drawn.setdefault(consignment)
        return list(drawn)

    def _tell(
        self, drawn: list[bytes], asked: int, documents: Mapping[bytes, Mapping[str, object]]
    ) -> tuple[list[ToldConsignment], list[ToldFinding]]:
        told, ranked = [], []
        for number, consignment in enumerate(drawn):
            self._progress("telling consignments", number, len(drawn))
            if not self._replayed.is_opened(consignment):
                continue
            history = self._history(consignment, documents)
            if history is None:
                told.append(self._undrawn(consignment))
                continue
            acts = {act.digest: act for act in history.connected_acts}
            if len(told) < max(MOST_DRAWN, asked):
                told.append(self._consignment(history, documents))
            for finding in history.findings:
                ranked.append((finding, self._finding(finding, acts[finding.record], documents)))
        for finding in self._replayed.findings() if self._closures else ():
            if finding.record in self._closures:
                ranked.append((finding, self._closure_finding(finding)))
        ranked.sort(key=lambda each: (telling.RANK[each[0].kind], each[0].at, each[0].consignment))
        return told, [each for _, each in ranked]

    def _breaks(self) -> Iterator[ToldBreak]:
        """What does not hold; the replay ends with the first, so that one alone has a place of its own."""
        broken = self._replayed.broken
        for check in self._replayed.checks:
            if check.status not in ("INVALID", "ERROR"):
                continue
            block = log = None
            if broken is not None and broken.check == check.name:
                block, log = broken.block, broken.log
            command = self._how.replay if block is None or log is None else self._shown_by(block, log)
            yield ToldBreak(check.name, check.status, check.message, block, log, command)

    def _shown_by(self, block: int, log: int) -> str:
        return f"{self._how.event} --block {block} --log {log}"

    def _evidence(self, act: Act) -> Evidence:
        return Evidence(
            act.sequence,
            act.block,
            act.transaction,
            act.place,
            "0x" + act.digest.hex(),
            self._shown_by(act.block, act.place),
        )

    def _finding(
        self, finding: Finding, act: Act, documents: Mapping[bytes, Mapping[str, object]]
    ) -> ToldFinding:
        gravity, title = telling.RANKS[finding.kind]
        return ToldFinding(
            gravity,
            finding.kind.value,
            title,
            telling.one_line(finding.sentence, telling.LONGEST_SENTENCE),
            "0x" + finding.consignment.hex(),
            self._disclosed.references.get(finding.consignment),
            party_text(act.record.party),
            checksummed(act.signer),
            telling.where_words(act, documents.get(act.digest, {}), self._names),
            finding.at,
            self._evidence(act),
        )

    def _closure_finding(self, finding: Finding) -> ToldFinding:
        gravity, title = telling.RANKS[finding.kind]
        closure = self._closures[finding.record]
        return ToldFinding(
            gravity,
            finding.kind.value,
            title,
            f"The manifest 0x{closure.former.hex()} was amended or withdrawn. {finding.sentence}",
            "0x" + finding.consignment.hex(),
            self._disclosed.references.get(finding.consignment),
            party_text(closure.party),
            checksummed(closure.signer),
            "",
            finding.at,
            Evidence(
                closure.sequence,
                closure.block,
                None,
                closure.place,
                "0x" + closure.digest.hex(),
                self._shown_by(closure.block, closure.place),
            ),
        )

    def _undrawn(self, consignment: bytes) -> ToldConsignment:
        return ToldConsignment(
            "0x" + consignment.hex(),
            self._disclosed.references.get(consignment),
            "",
            "",
            0,
            0,
            (),
            0,
            (),
            0,
            {},
            f"It is connected with over {MOST_CONNECTED} records, more than this report reads for one consignment.",
        )

    def _consignment(
        self, history: ConsignmentHistory, documents: Mapping[bytes, Mapping[str, object]]
    ) -> ToldConsignment:
        gravities = Counter(telling.RANKS[finding.kind][0] for finding in history.findings)
        odd = {finding.record for finding in history.findings}
        last = max([act.accepted_at for act in history.acts], default=history.opened_at)
        acts = [self._act(act, history.consignment, documents, act.digest in odd) for act in history.acts]
        half = MOST_EVENTS // 2
        spans = list(_spans(history, documents, self._name))
        shown = acts if len(acts) <= MOST_EVENTS else [*acts[:half], *acts[-half:]]
        return ToldConsignment(
            "0x" + history.consignment.hex(),
            self._disclosed.references.get(history.consignment),
            party_text(history.opener),
            self._state(history),
            history.opened_at,
            last if history.state.closed else max(self._replayed.block_time, last),
            _latest(spans),
            max(0, len(spans) - MOST_SPANS),
            tuple(shown),
            len(acts) - len(shown),
            {gravity: gravities[gravity] for gravity in telling.GRAVITIES if gravities[gravity]},
            "",
        )

    def _act(
        self, act: Act, consignment: bytes, documents: Mapping[bytes, Mapping[str, object]], is_odd: bool
    ) -> ToldAct:
        details = documents.get(act.digest, {})
        return ToldAct(
            act.accepted_at,
            act.record.observed_at,
            CustodyKind(act.record.kind).name,
            telling.act_words(act, consignment, details),
            telling.where_words(act, details, self._names),
            party_text(act.record.party),
            is_odd,
            self._evidence(act),
        )

    def _name(self, consignment: bytes) -> str:
        return self._disclosed.references.get(consignment) or telling.short(consignment)

    def _state(self, history: ConsignmentHistory) -> str:
        state = history.state
        words = (
            "Closed: in nobody's charge."
            if state.custodian is None
            else f"In the charge of {party_text(state.custodian)}."
        )
        if state.inside is not None:
            name = self._name(state.inside)
            words += f" Inside {name}" + ("" if name.endswith("…") else ".")
        if state.contents:
            words += f" {len(state.contents)} inside it."
        if state.offered_to is not None:
            words += f" Offered to {party_text(state.offered_to)}, not accepted."
        if state.holds:
            words += f" Held by {_listed(party_text(hold.party) for hold in state.holds)}."
        if state.releases:
            words += f" Released by {_listed(party_text(each.party) for each in state.releases)}."
        if not state.holds and not state.releases:
            words += " Neither held nor released."
        return words


def _listed(texts: Iterator[str]) -> str:
    return ", ".join(dict.fromkeys(texts))


def _latest(spans: Sequence[Span]) -> tuple[Span, ...]:
    """The latest, in the order they have."""
    latest = sorted(range(len(spans)), key=lambda place: spans[place].since)[-MOST_SPANS:]
    return tuple(spans[place] for place in sorted(latest))


def _spans(
    history: ConsignmentHistory,
    documents: Mapping[bytes, Mapping[str, object]],
    name: Callable[[bytes], str],
) -> Iterator[Span]:
    for period in history.holders:
        party = party_text(period.value)
        yield Span("charge", party, f"In the charge of {party}", period.since, period.until)
    for period in history.insides:
        outer = name(period.value)
        yield Span("inside", outer, f"Inside {outer}", period.since, period.until)
    for hold in history.holds:
        party = party_text(hold.party)
        reason = telling.text_of(documents.get(hold.record, {}), "reason")
        words = f"Held by {party}" + (f": {reason}" if reason else "")
        yield Span("hold", party, words, hold.placed_at, hold.lifted_at)
    for release in history.releases:
        party = party_text(release.party)
        procedure = telling.text_of(documents.get(release.record, {}), "procedure")
        words = f"Released by {party} for {procedure or 'a procedure that is not disclosed'}"
        yield Span("release", party, words, release.released_at, release.voided_at)


def _volumes(by_day: Mapping[int, Counter[bytes]]) -> Volumes:
    if not by_day:
        return Volumes(1, (), (), ())
    first, last = min(by_day), max(by_day)
    width = -(-(last - first + 1) // MOST_COLUMNS)
    columns = -(-(last - first + 1) // width)
    totals: Counter[bytes] = Counter()
    for counted in by_day.values():
        totals.update(counted)
    order = sorted(totals, key=lambda code: (-totals[code], code))
    own = order if len(order) <= MOST_ADMINISTRATIONS else order[: MOST_ADMINISTRATIONS - 1]
    rows = {code: [0] * columns for code in own}
    others = [0] * columns
    for day, counted in by_day.items():
        for code, count in counted.items():
            rows.get(code, others)[(day - first) // width] += count
    told = [(party_text(code), tuple(counts)) for code, counts in rows.items()]
    if len(order) > len(own):
        told.append((f"{len(order) - len(own)} others", tuple(others)))
    return Volumes(
        width,
        tuple((first + column * width) * DAY for column in range(columns)),
        tuple(told),
        tuple(
            (
                time_text(day * DAY)[:10],
                {party_text(code): by_day[day][code] for code in order if by_day[day][code]},
            )
            for day in sorted(by_day)
        ),
    )


def _lateness(acts: _Acts) -> Lateness:
    names = [*(name for _, name in LATENESS), BEYOND]
    return Lateness(
        tuple(zip(names, acts.late, strict=True)),
        tuple((party_text(code), count) for code, count in acts.over_a_day.most_common()),
    )


def _not_checked(replayed: Replayed, acts: _Acts, passages: Passages) -> tuple[str, ...]:
    """What this report does not vouch for, in sentences."""
    by_reason: dict[str, list[str]] = {}
    for check in replayed.checks:
        if check.status in ("SKIPPED", "ERROR"):
            by_reason.setdefault(check.message, []).append(check.name)
    said = [f"{', '.join(names).capitalize()}: {reason}" for reason, names in by_reason.items()]
    log = replayed.fold.log
    if log.without_former:
        said.append(
            f"In {log.without_former} of {len(log.closed)} closures nothing shows whose manifest it was that was closed."
        )
    unseen = acts.details_committed - len(acts.documents)
    if unseen:
        said.append(
            f"Details: {unseen} of {acts.details_committed} records commit to details that were not disclosed to the "
            "auditor: their places, seals, reasons and procedures are not known here."
        )
    if passages.total > passages.disclosed:
        said.append(
            f"Places: of {passages.total - passages.disclosed} of {passages.total} passages the place is not disclosed; "
            "they are not on the map."
        )
    said += [
        "Truth of what was stated: that goods were where a record says, and were what a manifest says, no chain shows. "
        "It shows who said so and when; the time at which something was observed is the signer's claim.",
        "Manifests: their content stays with the administrations; only what was disclosed is looked at.",
        "Contract storage and the administration's database: the command cargo-ledger audit compare holds them against the blocks.",
    ]
    return tuple(said)


def utc_day(seconds: int) -> str:
    """A day as people read it: 24 Nov 2026."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%d %b %Y").lstrip("0")
