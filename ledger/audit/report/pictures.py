"""The report's pictures as SVG: custody timeline, map of the passages, volumes, lateness.

Charts are drawn in per cent of the width and in pixels of the height, so that their texts keep their size on a phone; the
map scales as one. Every picture has a title and a description for who can't see it, and a table or list beside it. Colours
are classes of the page's style, and never the only sign. No text enters a picture unescaped.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from markupsafe import Markup

from ledger.audit.report import places
from ledger.audit.report.content import MOST_PLACES, Lateness, Passages, Place, Span, ToldConsignment, Volumes
from ledger.core.findings import time_text
from ledger.core.printing import printable

_LANES = (
    ("charge", "in the charge of"),
    ("inside", "inside"),
    ("hold", "held by"),
    ("release", "released by"),
)
_LANE, _BAR, _HEAD = 26, 18, 17  # pixels: a lane, its bar, a lane's name
_NARROWEST, _LETTER, _PADDING = 320, 7.2, 14  # pixels: the picture on a phone, a letter, beside a name
_MARKS = {"ARRIVAL": "▼", "DEPARTURE": "▲"}
_INSET = 1.25  # percent at both ends of a timeline, so that a sign there is whole
_LEAST_COLUMNS = 14  # of the picture of volumes: a bar is a bar, however few the days
_MAP_WIDTH, _MAP_HEIGHT, _LEAST_SPAN = 720.0, 380.0, 12.0  # units, and degrees of longitude


def _text(x: str, y: float, text: object, classes: str = "", anchor: str = "start") -> Markup:
    return Markup('<text x="{}" y="{}" class="{}" text-anchor="{}">{}</text>').format(
        x, f"{y:g}", classes, anchor, printable(text)
    )


def _picture(name: str, title: str, description: str, height: float, parts: list[Markup]) -> Markup:
    return Markup(
        '<svg class="chart" width="100%" height="{height:g}" role="img" aria-labelledby="{name}-t {name}-d">'
        '<title id="{name}-t">{title}</title><desc id="{name}-d">{description}</desc>{body}</svg>'
    ).format(
        height=height,
        name=name,
        title=printable(title),
        description=printable(description),
        body=Markup("").join(parts),
    )


def _moment(seconds: int, span: int) -> str:
    """A time at an axis, as fine as the axis is long."""
    time = datetime.fromtimestamp(seconds, UTC)
    if span > 400 * 86_400:
        return time.strftime("%b %Y")
    if span > 3 * 86_400:
        return time.strftime("%-d %b %Y")
    if span > 3_600:
        return time.strftime("%-d %b %H:%M")
    return time.strftime("%-d %b %H:%M:%S")


# ---------------------------------------------------------------------------------------------------------- timeline


def timeline(number: int, told: ToldConsignment) -> Markup:
    """Who was in charge of a consignment, what it was inside of, who held and released it, and its passages."""
    since, until = told.since, max(told.until, told.since + 1)
    span = until - since

    def at(time: int) -> float:
        return _INSET + (100 - 2 * _INSET) * min(max(time - since, 0), span) / span

    parts: list[Markup] = []
    y = 0.0
    for lane, name in _LANES:
        spans = [each for each in told.spans if each.lane == lane]
        if not spans:
            continue
        parts.append(_text("0", y + 12, name, "lane"))
        y += _HEAD
        ends: list[float] = []  # of each line: what lies over another of its lane goes a line below it
        for each in spans:
            bar = _Bar(each, at(each.since), at(until if each.until is None else each.until))
            line = next((n for n, end in enumerate(ends) if end <= bar.taken[0]), len(ends))
            ends[line : line + 1] = [bar.taken[1]]
            parts.append(bar.drawn(y + line * _LANE))
        y += len(ends) * _LANE
    parts.append(_text("0", y + 12, "passages and other records", "lane"))
    y += _HEAD
    parts.append(Markup('<line x1="0" x2="100%" y1="{0:g}" y2="{0:g}" class="axis"/>').format(y + 9))
    for act in told.acts:
        words = f"{time_text(act.accepted_at)} {act.what} {act.where}".strip()
        parts.append(_mark(at(act.accepted_at), y + 9, act.kind, act.is_finding, words))
    y += 22
    parts.append(_text("0", y + 12, _moment(since, span), "tick"))
    parts.append(_text("50%", y + 12, _moment(since + span // 2, span), "tick midway", "middle"))
    parts.append(_text("100%", y + 12, _moment(until, span), "tick", "end"))
    counted = {lane: sum(each.lane == lane for each in told.spans) for lane, _ in _LANES}
    description = (
        f"From {time_text(since)} to {time_text(until)}: periods of charge {counted['charge']}, holds {counted['hold']}, "
        f"releases {counted['release']}, passages {sum(act.kind in _MARKS for act in told.acts)}. The list below has each "
        "with its time."
        + (f" {told.spans_left_out} earlier periods are left out." if told.spans_left_out else "")
    )
    title = f"Custody of consignment {told.reference or told.id}"
    return _picture(f"timeline-{number}", title, description, y + 18, parts)


class _Bar:
    """A period; its name stands in the bar, or beside one that is too short for it."""

    def __init__(self, span: Span, left: float, right: float) -> None:
        self._span, self._left, self._right = span, left, right
        self._name = printable(span.value) + ("" if span.until is not None else " →")
        need = 100 * (_PADDING + _LETTER * len(self._name)) / _NARROWEST
        if right - left >= need or (right + need > 100 and left - need < 0):
            self._anchor, self.taken = "", (left, right)
        elif right + need <= 100:
            self._anchor, self.taken = "start", (left, right + need)
        else:
            self._anchor, self.taken = "end", (left - need, right)

    def drawn(self, y: float) -> Markup:
        """The bar, its name and its beginning, from `y` down."""
        span = self._span
        name = Markup('<text x="8" y="13" class="on {}">{}</text>').format(span.lane, self._name)
        inside, beside = (Markup(""), name) if self._anchor else (name, Markup(""))
        if beside:
            before = self._anchor == "end"
            beside = Markup(
                '<svg x="{:.2f}%" y="{:g}" height="{}" overflow="visible">'
                '<text x="{}" y="13" class="beside {}" text-anchor="{}">{}</text></svg>'
            ).format(
                self._left if before else self._right,
                y,
                _BAR,
                -6 if before else 6,
                span.lane,
                self._anchor,
                self._name,
            )
        return Markup(
            '<g><title>{title}</title><svg x="{x:.2f}%" y="{y:g}" width="{width:.2f}%" height="{height}">'
            '<rect width="100%" height="100%" rx="3" class="bar {lane}"/>{inside}</svg>'
            '<line x1="{x:.2f}%" x2="{x:.2f}%" y1="{y:g}" y2="{below:g}" class="edge {lane}"/>{beside}</g>'
        ).format(
            title=printable(f"{span.words}, {time_text(span.since)} to {_end(span.until)}"),
            x=self._left,
            y=y,
            width=self._right - self._left,
            height=_BAR,
            below=y + _BAR,
            lane=span.lane,
            inside=inside,
            beside=beside,
        )


def _end(until: int | None) -> str:
    return "now" if until is None else time_text(until)


def _mark(x: float, y: float, kind: str, is_finding: bool, words: str) -> Markup:
    sign = _MARKS.get(kind, "•")
    ring = (
        Markup('<circle cx="{:.2f}%" cy="{:g}" r="8" class="odd"/>').format(x, y)
        if is_finding
        else Markup("")
    )
    return Markup(
        '<g><title>{}</title>{}<text x="{:.2f}%" y="{:g}" class="mark" text-anchor="middle">{}</text></g>'
    ).format(printable(words), ring, x, y + 4, sign)


# ---------------------------------------------------------------------------------------------------------- volumes


def volumes(told: Volumes) -> Markup:
    """Custody records by administration and day: a row an administration, a bar a column, one scale for all."""
    most = max((count for _, counts in told.rows for count in counts), default=0) or 1
    columns = max(len(told.starts), _LEAST_COLUMNS)
    parts: list[Markup] = []
    y = 0.0
    for name, counts in told.rows:
        parts.append(_text("0", y + 12, f"{name}: {sum(counts)}", "lane"))
        y += _HEAD
        for column, count in enumerate(counts):
            if not count:
                continue
            height = max(1.5, 44 * count / most)
            left, width = 100 * column / columns, 100 / columns
            words = f"{name}, {_column(told, column)}: {count}"
            parts.append(
                Markup(
                    '<rect x="{:.3f}%" y="{:.1f}" width="{:.3f}%" height="{:.1f}" class="volume"><title>{}</title></rect>'
                ).format(left, y + 46 - height, width * 0.82, height, printable(words))
            )
        parts.append(Markup('<line x1="0" x2="100%" y1="{0:g}" y2="{0:g}" class="axis"/>').format(y + 46))
        y += 56
    span = max(len(told.starts) * told.days_a_column, 4) * 86_400
    if told.starts:
        parts.append(_text("0", y + 8, _moment(told.starts[0], span), "tick"))
    if len(told.starts) == columns:
        parts.append(_text("100%", y + 8, _moment(told.starts[-1], span), "tick", "end"))
    unit = "day" if told.days_a_column == 1 else f"{told.days_a_column} days"
    return _picture(
        "volumes",
        "Custody records by administration and day",
        f"One bar for each {unit}; the highest stands for {most}. "
        + " ".join(f"{name}: {sum(counts)} in all." for name, counts in told.rows),
        y + 14,
        parts,
    )


def _column(told: Volumes, column: int) -> str:
    first = told.starts[column]
    if told.days_a_column == 1:
        return time_text(first)[:10]
    return f"{time_text(first)[:10]} and {told.days_a_column - 1} days more"


# --------------------------------------------------------------------------------------------------------- lateness


def lateness(told: Lateness) -> Markup:
    """How long after it was observed each record was taken, by span."""
    most = max((count for _, count in told.spans), default=0) or 1
    total = sum(count for _, count in told.spans) or 1
    parts: list[Markup] = []
    y = 0.0
    for place, (name, count) in enumerate(told.spans):
        is_late = place >= len(told.spans) - 2
        share = f"{100 * count / total:.1f} %" if count else "none"
        parts.append(_text("0", y + 12, f"{name}: {count} ({share})" if count else f"{name}: none", "lane"))
        if count:
            parts.append(
                Markup('<rect x="0" y="{:g}" width="{:.2f}%" height="12" rx="2" class="{}"/>').format(
                    y + 16, max(0.4, 100 * count / most), "volume late" if is_late else "volume"
                )
            )
        else:
            parts.append(Markup('<line x1="0" x2="6" y1="{0:g}" y2="{0:g}" class="axis"/>').format(y + 22))
        y += 36
    return _picture(
        "lateness",
        "Time from observation to the chain",
        "; ".join(f"{name}: {count}" for name, count in told.spans) + ".",
        y,
        parts,
    )


# -------------------------------------------------------------------------------------------------------------- map


class _View:
    """The part of the world that the places need, and where a position is drawn; east goes on beyond the date line."""

    def __init__(self, positions: Sequence[tuple[float, float]]) -> None:
        longitudes = sorted({longitude % 360 for _, longitude in positions})
        gaps = [
            ((later - earlier) % 360 or 360.0, later)
            for earlier, later in zip([*longitudes[-1:], *longitudes[:-1]], longitudes, strict=True)
        ]
        gap, self._west = max(gaps)
        east = self._west + 360 - gap
        south, north = (pick(latitude for latitude, _ in positions) for pick in (min, max))
        width = max((east - self._west) * 1.16 + 2, _LEAST_SPAN)
        stretch = 1 / max(0.2, math.cos(math.radians((south + north) / 2)))
        height = max((north - south) * 1.3 + 2, 2.0)
        ratio = _MAP_WIDTH / _MAP_HEIGHT
        if width / (height * stretch) < ratio:
            width = min(height * stretch * ratio, 360.0)
        self._middle = (self._west + east) / 2, (south + north) / 2
        self._scale = _MAP_WIDTH / width
        self._stretch = stretch
        self.west, self.east = self._middle[0] - width / 2, self._middle[0] + width / 2

    def at(self, latitude: float, longitude: float) -> tuple[float, float]:
        """Where a position is drawn."""
        east_of_west = (longitude % 360 - self._west) % 360 + self._west
        return self.plain(latitude, east_of_west)

    def plain(self, latitude: float, longitude: float) -> tuple[float, float]:
        """Where a position is drawn whose longitude is one of the view's."""
        return (
            _MAP_WIDTH / 2 + (longitude - self._middle[0]) * self._scale,
            _MAP_HEIGHT / 2 - (latitude - self._middle[1]) * self._scale * self._stretch,
        )


def drawn_places(told: Passages) -> list[Place]:
    """The places that are on the map, in the order of their numbers there."""
    return [place for place in told.places if place.latitude is not None][:MOST_PLACES]


def world(told: Passages) -> Markup | None:
    """The map of the disclosed passages; None if no place has a position."""
    drawn = drawn_places(told)
    positions = {each.code: (each.latitude or 0.0, each.longitude or 0.0) for each in drawn}
    if not positions:
        return None
    view = _View(list(positions.values()))
    parts = [
        Markup('<rect width="{:g}" height="{:g}" class="sea"/>').format(_MAP_WIDTH, _MAP_HEIGHT),
        Markup('<path class="land" d="{}"/>').format(" ".join(_land(view))),
    ]
    points = {code: view.at(*position) for code, position in positions.items()}
    most = max((leg.times for leg in told.legs), default=1)
    for leg in told.legs:
        if leg.origin in points and leg.destination in points:
            parts.append(_leg(points[leg.origin], points[leg.destination], leg.times, most))
    taken: list[tuple[float, float]] = []
    for number, place in enumerate(drawn, 1):
        parts.append(_place(number, place, points[place.code], taken))
    names = ", ".join(f"{n} {each.code}" for n, each in enumerate(drawn, 1))
    description = (
        f"{len(drawn)} places with disclosed passages: {names}. Lines join passages of one consignment that follow each "
        "other; they are not the routes that were travelled. The list beside the map has the numbers."
    )
    return Markup(
        '<svg class="map" viewBox="0 0 {:g} {:g}" role="img" aria-labelledby="map-t map-d"><title id="map-t">Map of the '
        'passages</title><desc id="map-d">{}</desc>{}</svg>'
    ).format(_MAP_WIDTH, _MAP_HEIGHT, printable(description), Markup("").join(parts))


def _land(view: _View) -> Iterator[str]:
    """The outlines that reach into the view, as a path's commands; as often as the world repeats in it."""
    for ring in places.outlines():
        longitudes = [longitude for longitude, _ in ring]
        for shift in (-360, 0, 360):
            if max(longitudes) + shift < view.west or min(longitudes) + shift > view.east:
                continue
            points = [view.plain(latitude, longitude + shift) for longitude, latitude in ring]
            if max(y for _, y in points) < 0 or min(y for _, y in points) > _MAP_HEIGHT:
                continue
            yield "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z"


def _leg(origin: tuple[float, float], destination: tuple[float, float], times: int, most: int) -> Markup:
    """A line that bends to its left, so that there and back are two."""
    (ax, ay), (bx, by) = origin, destination
    dx, dy = bx - ax, by - ay
    return Markup(
        '<path class="leg" stroke-width="{:.1f}" d="M{:.1f} {:.1f}Q{:.1f} {:.1f} {:.1f} {:.1f}"/>'
    ).format(1.2 + 3 * times / most, ax, ay, (ax + bx) / 2 + dy * 0.16, (ay + by) / 2 - dx * 0.16, bx, by)


def _place(number: int, place: Place, point: tuple[float, float], taken: list[tuple[float, float]]) -> Markup:
    """A dot where the place is, and its number beside it where no other number is."""
    x, y = point
    around = [
        (14, -10),
        (14, 14),
        (-14, -10),
        (-14, 14),
        (0, -20),
        (0, 24),
        (26, 2),
        (-26, 2),
        (30, -22),
        (-30, 26),
    ]
    spot = next(
        (
            (x + dx, y + dy)
            for dx, dy in around
            if 12 < x + dx < _MAP_WIDTH - 12
            and 12 < y + dy < _MAP_HEIGHT - 12
            and all(abs(x + dx - tx) > 22 or abs(y + dy - ty) > 18 for tx, ty in taken)
        ),
        (x + 14, y - 10),
    )
    taken.append(spot)
    words = f"{number}: {place.code} {place.name}".strip()
    return Markup(
        '<g><title>{}</title><line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" class="lead"/>'
        '<circle cx="{:.1f}" cy="{:.1f}" r="4" class="place"/><text x="{:.1f}" y="{:.1f}" class="number" '
        'text-anchor="middle">{}</text></g>'
    ).format(printable(words), x, y, *spot, x, y, spot[0], spot[1] + 5, number)
