"""What `audit ask` reads and shows: who cites the events, and the answer on a page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ledger.audit.citing import Citing, ExportCiting, NodeCiting
from ledger.audit.questions import QUESTIONS, Answer
from ledger.audit.replayed import ReplayedChronicle
from ledger.chain import Chain
from ledger.cli.output import Page
from ledger.config import ChainProfile

__all__ = ["ReplayedChronicle", "citing", "show"]

_CELL = 66  # characters of a cell; a digest has them
_EVENTS = 200  # that a page lists; --json has all


@contextmanager
def citing(export: Path | None, profile: Path | None) -> Iterator[Citing]:
    """Who tells transactions and signatures: the file or the node that was replayed."""
    if export is not None or profile is None:
        yield ExportCiting(export or Path())
        return
    with closing(Chain(ChainProfile.load(profile))) as chain:
        yield NodeCiting(chain)


def show(page: Page, answer: Answer, as_of: str, event_command: str) -> None:
    """The answer for people: in words, as a table, with the events it rests on and what was not checked."""
    page.line(answer.sentence, style="bold")
    columns = QUESTIONS[answer.question].columns
    page.table(
        "",
        [name.replace("_", " ") for name in columns],
        [[_cell(row.facts[name]) for name in columns] for row in answer.rows],
    )
    for row in answer.rows:
        if row.sentence != answer.sentence:
            page.line(row.sentence)
    events = answer.to_json()["events"]
    page.table(
        "Rests on",
        ("block", "log", "event", "number", "of", "time", "record"),
        [
            (
                each["block"],
                each["log"],
                each["name"],
                each["sequence"],
                each["contract"],
                each["time"],
                _short(each["digest"]),
            )
            for each in events[:_EVENTS]
        ],
    )
    if events:
        page.line(
            f"{event_command} --block BLOCK --log LOG shows one of these whole; --json here has their signatures."
        )
    if len(events) > _EVENTS:
        page.line(f"{len(events) - _EVENTS} more events; --json has all.")
    for title, lines in (("Checked:", answer.checked), ("Not checked:", answer.not_checked)):
        if lines:
            page.line(title)
            for line in lines:
                page.line(f"  {line}")
    if answer.more is not None:
        page.line(f"Go on with --after {answer.more}.")
    page.line(as_of, style="bold")


def _short(digest: str | None) -> str:
    """The beginning of a digest, to know it again by; `audit event` and --json have it whole."""
    return "" if digest is None else f"{digest[:18]}…"


def _cell(value: object) -> object:
    """A fact in a cell."""
    if isinstance(value, list):
        return "\n".join(str(_cell(each)) for each in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        said = [str(value.get("pointer", "")), str(value.get("change", ""))]
        said += [f"{name}: {value[name]}" for name in ("former", "successor") if name in value]
        return " ".join(each for each in said if each)
    text = "" if value is None else str(value)
    return text if len(text) <= _CELL else text[: _CELL - 1] + "…"
