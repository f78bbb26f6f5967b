"""The HTML around a report's content: one file without scripts, which asks for nothing.

Every text is escaped (autoescaping), and made printable before it: texts of documents and chains are hostile. The policy
in the page's head lets its one style through and nothing else.
"""

from __future__ import annotations

import base64
import re
from dataclasses import asdict
from datetime import UTC, datetime
from hashlib import sha256
from importlib.resources import files
from itertools import groupby
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from ledger.audit.report import pictures
from ledger.audit.report.content import Place, Report, ToldAct
from ledger.core.findings import time_text
from ledger.core.printing import printable

_FILES = files("ledger.audit.report")
_MOST_UNPLACED = 100
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
_TIMES = frozenset(("accepted_at", "observed_at", "since", "until", "made_at", "starts"))
_RFC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")  # as the sentences of findings write a time
_ON_TIME_SECONDS = 3_600  # what was observed that shortly before is not told apart


def render(report: Report, block_time: int) -> str:
    """Write a report as a page.

    Args:
        report: What it says.
        block_time: Of the last block, Unix seconds.
    """
    style = Markup((_FILES / "page.css").read_text(encoding="utf-8"))  # noqa: S704  our own file
    allowed = base64.b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'"
    placed = pictures.drawn_places(report.passages)
    unplaced = [place for place in report.passages.places if place not in placed]
    environment = Environment(
        autoescape=True, finalize=_finalize, undefined=StrictUndefined, trim_blocks=True
    )
    filters: dict[str, Any] = {
        "moment": _moment,
        "rfc": time_text,
        "number": lambda number: f"{number:,}".replace(",", "\u202f"),
        "lateness": _lateness,
        "passed": _passed,
        "moments": _with_moments,
    }
    environment.filters |= filters
    return environment.from_string((_FILES / "page.html").read_text(encoding="utf-8")).render(
        report=report,
        replay=report.replay,
        policy=policy,
        style=style,
        block_time=block_time,
        age=_age(report.how.made_at - block_time),
        in_short=_in_short(report),
        reservation=_reservation(report),
        is_cut_off=_is_cut_off(report),
        is_any_block_good=report.replay["as_of"]["block"] >= report.replay["chain"]["first_block"],
        figures=_figures(report),
        chosen=_chosen(report),
        drawn={each.id for each in report.consignments},
        groups=[(kind, list(each)) for kind, each in groupby(report.findings, lambda each: each.kind)],
        kinds_listed={each.kind for each in report.findings},
        rows={
            (told.id, act.evidence.record): f"r{number}-{place}"
            for number, told in enumerate(report.consignments, 1)
            for place, act in enumerate(told.acts, 1)
        },
        highest=max((count for _, counts in report.volumes.rows for count in counts), default=0),
        timelines=[
            "" if each.undrawn else pictures.timeline(number, each)
            for number, each in enumerate(report.consignments, 1)
        ],
        map=pictures.world(report.passages),
        placed=placed,
        unplaced=unplaced[:_MOST_UNPLACED],
        unplaced_left_out=max(len(unplaced) - _MOST_UNPLACED, 0),
        volumes=pictures.volumes(report.volumes),
        volume_rows=_volume_rows(report),
        lateness=pictures.lateness(report.lateness),
    )


def to_json(report: Report) -> dict[str, Any]:
    """The same content for programs: times as RFC 3339."""
    return {name: _with_times(name, value) for name, value in asdict(report).items()}


def _with_times(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_times(key, each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_with_times(name, each) for each in value]
    return time_text(value) if name in _TIMES and isinstance(value, int) else value


def _finalize(value: Any) -> Any:
    return value if isinstance(value, Markup) else printable(value)


def _moment(seconds: int) -> str:
    """A time as people read it, UTC."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%-d %b %Y %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return time_text(seconds)


def _with_moments(sentence: str) -> Markup:
    """A sentence with its times as people read them."""
    return Markup(_RFC.sub(_readable, escape(printable(sentence))))  # noqa: S704  escaped just here


def _readable(written: re.Match[str]) -> str:
    try:
        moment = _moment(int(datetime.fromisoformat(written[0]).timestamp()))
        return f'<time datetime="{written[0]}">{moment}</time>'
    except ValueError:  # a seal may be called so
        return written[0]


def span_text(seconds: int) -> str:
    """A span in its two largest units."""
    said = []
    for size, name in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            said.append(f"{count} {name}" + ("" if count == 1 else "s"))
    return " ".join(said[:2]) or "0 seconds"


def _age(seconds: int) -> str:
    if seconds < 0:
        return f"{span_text(-seconds)} ahead of the clock of the machine that made this report"
    return f"{span_text(seconds)} before this report was made"


def _lateness(act: ToldAct) -> str:
    late = act.accepted_at - act.observed_at
    if late > _ON_TIME_SECONDS:
        return f"observed {span_text(late)} before"
    return f"observed {span_text(-late)} ahead" if late < -1 else ""


def _passed(place: Place) -> str:
    said = []
    for count, name in ((place.arrivals, "arrival"), (place.departures, "departure")):
        if count:
            said.append(f"{count} {name}" + ("" if count == 1 else "s"))
    return ", ".join(said)


def _counted(count: int, name: str) -> str:
    return f"{count:,} {name}".replace(",", "\u202f") + ("" if count == 1 else "s")


def _by_gravity(report: Report) -> dict[str, int]:
    by_gravity = dict.fromkeys(("grave", "serious", "slight"), 0)
    for gravity, _, _, count in report.findings_by_kind:
        by_gravity[gravity] += count
    return by_gravity


def _reservation(report: Report) -> str:
    """What belongs beside a good verdict, so that nobody takes a whole record for good cargo."""
    grave = {
        gravity: count for gravity, count in _by_gravity(report).items() if count and gravity != "slight"
    }
    if report.verdict != "VALID" or not grave:
        return ""
    counts = " and ".join(f"{count} {gravity}" for gravity, count in grave.items())
    stand = "finding stands" if sum(grave.values()) == 1 else "findings stand"
    return f"{counts} {stand} in it: the verdict is about the record, not about the cargo."


def _in_short(report: Report) -> str:
    """The gist, for who reads no further."""
    by_gravity = _by_gravity(report)
    told = [f"{count} {gravity}" for gravity, count in by_gravity.items() if count]
    found = (
        f"{_counted(report.findings_total, 'finding')} ({', '.join(told)}) in "
        f"{_counted(report.consignments_with_findings, 'consignment')} "
        + ("asks" if report.findings_total == 1 else "ask")
        + " for a closer look."
        if told
        else "Nothing odd was found in any consignment."
        if not _is_cut_off(report)
        else "Nothing odd was found in what was read before that."
    )
    holds = (
        "No hold is open."
        if not report.open_holds
        else f"{_counted(report.open_holds, 'hold')} {'is' if report.open_holds == 1 else 'are'} open."
    )
    cut_off = "What comes after that was not judged, and what is told here was read before it. "
    return f"{cut_off if _is_cut_off(report) else ''}{found} {holds}"


def _is_cut_off(report: Report) -> bool:
    """Whether the replay ended before the last block, because something did not hold."""
    return report.replay["digest"] is None


def _figures(report: Report) -> list[tuple[str, int]]:
    counts = report.replay["counts"]
    return [
        ("consignments", counts["consignments"]),
        ("custody records", counts["records"]),
        ("records refused by the chain", counts["refused"]),
        ("tree heads", counts["heads"]),
        ("manifests amended or withdrawn", counts["closures"]),
        ("accounts", counts["accounts"]),
        ("blocks", counts["blocks"]),
    ]


def _chosen(report: Report) -> str:
    drawn, total = len(report.consignments), report.consignments_total
    named = (
        ""
        if all(each.reference for each in report.consignments)
        else " A consignment whose trade reference no document shows goes by its id."
    )
    if drawn >= total:
        return (f"All {total:,} are shown." if total > 1 else "") + named
    left = total - drawn
    return (
        f"{drawn} of {_counted(total, 'consignment')} are shown: those that were asked for, then those with the gravest "
        f"findings, then the newest. {_counted(left, 'consignment')} {'is' if left == 1 else 'are'} left out; each is shown "
        f"by --consignment and its id.{named}"
    )


def _volume_rows(report: Report) -> list[tuple[str, int, int, str, int]]:
    """An administration a row: records, days with records, the busiest day and how many on it."""
    days: dict[str, list[tuple[int, str]]] = {}
    for day, counts in report.volumes.by_day:
        for name, count in counts.items():
            days.setdefault(name, []).append((count, day))
    rows = []
    for name, counted in days.items():
        most, day = max(counted, key=lambda each: each[0])
        rows.append((name, sum(count for count, _ in counted), len(counted), day, most))
    return sorted(rows, key=lambda row: (-row[1], row[0]))
