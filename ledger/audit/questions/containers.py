"""Which consignments name one container for overlapping times, as far as documents are held.

A container counts as in use from the second in which the chain took what names it (the record that opened, the closing
that put an amended manifest in place, a custody record) until an amended manifest that is wholly held no longer names it,
or the consignment is closed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ledger.audit.questions.form import Asked, Chronicle, Cited, Held, Row, Unit, cite
from ledger.audit.questions.walking import details, hexed, short, when
from ledger.audit.result import Act, history_of
from ledger.audit.wording import counted
from ledger.core.records import CustodyKind, manifest_id
from ledger.errors import InvalidQuestion, NotFound, TooMuchConnected

SHARED = ("container", "since", "until", "consignments", "uses")
_MOST_USES = 100  # of one container in one row
_NUMBER = re.compile(r"/containers/[0-9]+(/number)?")
_PLACE = re.compile(r"(?:[0-9a-f]{2}){1,4096}")


@dataclass(frozen=True, slots=True)
class Use:
    """A container that a consignment names, for a time.

    Attributes:
        container: Its number.
        consignment: 32 bytes.
        since: Unix seconds.
        until: The second in which it ended; None if it has not.
        cited: What names it.
    """

    container: str
    consignment: bytes
    since: int
    until: int | None
    cited: Cited

    def overlaps(self, other: Use) -> bool:
        """Whether there is a second in which both are in use."""
        return (self.until is None or other.since < self.until) and (
            other.until is None or self.since < other.until
        )


def shared(chronicle: Chronicle, asked: Asked) -> Iterator[Unit]:
    """Containers that are in use by more than one consignment in overlapping times."""
    if asked.after is not None and not _PLACE.fullmatch(asked.after):
        raise InvalidQuestion("shared-containers", "after is not what an answer gave as more")
    if asked.consignment is not None:
        chronicle.connected(asked.consignment)  # it must be there
    for group in chronicle.sharing(asked.container, asked.consignment, asked.after or ""):
        uses: list[Use] = []
        unknown = (
            []
            if group.is_whole
            else [f"Of one container {len(group.consignments)} consignments are looked at."]
        )
        for each in dict.fromkeys(group.consignments):
            try:
                uses += [use for use in uses_of(chronicle, each) if group.is_meant(use.container)]
            except TooMuchConnected as error:
                unknown.append(str(error))
        rows = [row for row in _rows(uses) if asked.consignment is None or _names(row, asked.consignment)]
        yield Unit(group.place, rows, unknown)


def number_of(text: str) -> str:
    """A container's number as it is compared: as it is spelled, in capitals."""
    return text.upper()


def named(held: Held | None) -> set[str]:
    """The containers that a document names, as far as it is shown."""
    if held is None:
        return set()
    return {
        number_of(value)
        for pointer, value in held.fields.items()
        if isinstance(value, str) and value and _NUMBER.fullmatch(pointer)
    }


def uses_of(chronicle: Chronicle, consignment: bytes) -> list[Use]:
    """The containers of one consignment; none if it was never opened."""
    try:
        acts, connected = chronicle.connected(consignment)
    except NotFound:
        return []
    history = history_of(consignment, acts, connected, chronicle.accounts)
    found: dict[tuple[str, int], Use] = {}

    def begin(numbers: set[str], since: int, cited: Cited) -> None:
        for number in sorted(numbers):
            if not any(use.container == number and use.until is None for use in found.values()):
                found[number, since] = Use(number, consignment, since, None, cited)

    def end(numbers: set[str], until: int) -> None:
        for key, use in found.items():
            if use.until is None and use.container in numbers:
                found[key] = Use(use.container, consignment, use.since, until, use.cited)

    by_manifest: set[str] = set()
    for time, cited, held, is_manifest in _namings(chronicle, consignment, history.acts):
        numbers = named(held)
        if is_manifest:
            if held is not None and held.is_whole:
                end(by_manifest - numbers, time)
                by_manifest = set()
            by_manifest |= numbers
        begin(numbers, time, cited)
    return [
        Use(use.container, consignment, since, until, use.cited)
        for use in found.values()
        for since, until in _open_times(use, history.closed)
    ]


def _namings(
    chronicle: Chronicle, consignment: bytes, acts: Sequence[Act]
) -> list[tuple[int, Cited, Held | None, bool]]:
    """What may name containers, in order of time."""
    found: list[tuple[int, Cited, Held | None, bool]] = []
    current: bytes | None = None
    for act in acts:
        record = act.record
        if record.consignment != consignment:
            continue
        if record.kind == CustodyKind.OPEN:
            current = manifest_id(record.party, consignment, record.details)
            held = chronicle.held(record.details, manifest=current)
            found.append((act.accepted_at, cite(act), held, True))
        else:
            found.append((act.accepted_at, cite(act), details(chronicle, act), False))
    for closure in chronicle.closures_of(consignment):
        if closure.former != current:
            continue
        current = closure.successor
        if closure.root is not None and current is not None:
            held = chronicle.held(closure.root, manifest=current)
            found.append((closure.closed_at, cite(closure), held, True))
        else:
            found.append((closure.closed_at, cite(closure), Held({}, 0), True))
    return sorted(found, key=lambda each: each[0])


def _open_times(use: Use, closed: Sequence[tuple[int, int | None]]) -> Iterator[tuple[int, int | None]]:
    """The times of a use in which its consignment was not closed."""
    since: int | None = use.since
    for begin, end in closed:
        if since is None or (use.until is not None and begin >= use.until):
            break
        if begin > since:
            yield since, begin
        if end is None:
            since = None
        else:
            since = max(since, end)
    if since is not None and (use.until is None or since < use.until):
        yield since, use.until


def _rows(uses: Sequence[Use]) -> Iterator[Row]:
    """One row a container and stretch of time in which uses overlap."""
    for container in sorted({use.container for use in uses}):
        chain: list[Use] = []
        reach: int | None = 0
        for use in sorted(
            (each for each in uses if each.container == container),
            key=lambda each: (each.since, each.consignment),
        ):
            if chain and reach is not None and use.since >= reach:
                yield from _row(chain)
                chain = []
            reach = use.until if not chain else _later(reach, use.until)
            chain.append(use)
        yield from _row(chain)


def _later(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)


def _row(chain: Sequence[Use]) -> Iterator[Row]:
    consignments = sorted({use.consignment for use in chain})
    if len(consignments) < 2:
        return
    shown = chain[:_MOST_USES]
    seconds = sorted(use.since for use in chain)
    ends = [use.until for use in chain]
    facts = {
        "container": chain[0].container,
        "since": when(seconds[0]),
        "until": None if None in ends else when(max(each for each in ends if each is not None)),
        "consignments": [hexed(each) for each in consignments],
        "uses": [
            {
                "consignment": hexed(use.consignment),
                "since": when(use.since),
                "until": None if use.until is None else when(use.until),
                "overlaps": sorted(
                    {
                        "0x" + other.consignment.hex()
                        for other in shown
                        if other.consignment != use.consignment and use.overlaps(other)
                    }
                ),
            }
            for use in shown
        ],
    }
    until = "still" if facts["until"] is None else f"until {facts['until']}"
    said = (
        f"Container {chain[0].container} was in use by {counted(len(consignments), 'consignment', 'consignments')} "
        f"({', '.join(short(each) for each in consignments[:5])}{' …' if len(consignments) > 5 else ''}) in overlapping "
        f"times from {facts['since']} on, {until}."
    )
    yield Row(said, facts, tuple(use.cited for use in shown))


def _names(row: Row, consignment: bytes) -> bool:
    return hexed(consignment) in row.facts["consignments"]


def say_shared(asked: Asked, rows: list[Row], is_all: bool) -> str:
    """The answer in words."""
    if not rows:
        return "No consignments share a container in overlapping times, as far as documents are held."
    return (
        f"{counted(rows, 'container was', 'containers were')} in use by more than one consignment at a time, as far as "
        "documents are held."
    )
