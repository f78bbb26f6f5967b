"""The questions that an auditor asks: each answered in words, with the events it rests on and what was not checked.

`ask` is pure: it reads a `Chronicle` (a replay, or a service's index) and nothing else, so that both give one answer.
An answer stops when it has enough rows, or has looked at enough, and says where to go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ledger.audit.questions import authority, containers, custody, lateness, manifests
from ledger.audit.questions.form import MOST_ROWS, Answer, Asked, Chronicle, Row, Unit
from ledger.core.findings import time_text
from ledger.errors import InvalidQuestion, UnknownQuestion

__all__ = ["QUESTIONS", "Answer", "Asked", "Chronicle", "Question", "ask"]


def _nothing(chronicle: Chronicle, asked: Asked) -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Question:
    """A question.

    Attributes:
        asks: In words.
        needs: What must be given, all of them.
        one_of: Of these exactly one must be given.
        may: What may be given.
        facts: Names of a row's facts, for programs.
        columns: Which of them a table for people shows.
        examine: What there is to say, one thing examined after the other.
        say: The answer in words, from what is asked, the rows, and whether that is all.
        lacks: What it can't see of what is asked about, in words.
    """

    asks: str
    needs: tuple[str, ...]
    one_of: tuple[str, ...]
    may: tuple[str, ...]
    facts: tuple[str, ...]
    columns: tuple[str, ...]
    examine: Callable[[Chronicle, Asked], Iterator[Unit]]
    say: Callable[[Asked, list[Row], bool], str]
    lacks: Callable[[Chronicle, Asked], Sequence[str]] = _nothing

    def takes(self) -> tuple[str, ...]:
        """Everything that may be given."""
        return (*self.needs, *self.one_of, *self.may)


QUESTIONS = {
    "holder": Question(
        "Who was in charge of this consignment at a time?",
        ("consignment", "at"),
        (),
        (),
        custody.HOLDER,
        ("holder", "since", "until", "held_by", "inside", "place"),
        custody.holder,
        custody.say_holder,
    ),
    "allowed": Question(
        "Who was allowed to do this then, as was known then and as is known now?",
        (),
        ("account", "party", "record"),
        ("at",),
        authority.ALLOWED,
        ("account", "party", "roles", "then", "now", "why"),
        authority.allowed,
        authority.say_allowed,
    ),
    "signed-since": Question(
        "What did this account sign since it was compromised, and what hangs on it?",
        ("account",),
        (),
        ("since",),
        authority.SIGNED,
        ("relation", "kind", "consignment", "time", "record", "because"),
        authority.signed_since,
        authority.say_signed_since,
        authority.unseen_heads,
    ),
    "amended": Question(
        "What was amended, and which fields changed?",
        (),
        (),
        ("consignment",),
        manifests.AMENDED,
        ("closed_at", "kind", "reason", "party", "former", "successor", "changes"),
        manifests.amended,
        manifests.say_amended,
    ),
    "released-before": Question(
        "Was there any release of this consignment before a time?",
        ("consignment", "at"),
        (),
        (),
        custody.RELEASED,
        ("party", "released_at", "procedure", "stood", "manifest"),
        custody.released_before,
        custody.say_released_before,
    ),
    "shared-containers": Question(
        "Which consignments share a container in overlapping times?",
        (),
        (),
        ("container", "consignment"),
        containers.SHARED,
        ("container", "consignments", "since", "until"),
        containers.shared,
        containers.say_shared,
    ),
    "moved-while-held": Question(
        "Which passages and hand-overs happened while cargo was held?",
        (),
        (),
        ("consignment",),
        custody.MOVED,
        ("time", "kind", "consignment", "held_by", "place"),
        custody.moved_while_held,
        custody.say_moved_while_held,
    ),
    "disputed": Question(
        "Which acts are disputed, since a later revocation dates back before them?",
        (),
        (),
        ("account",),
        authority.DISPUTED,
        ("time", "kind", "consignment", "account", "revoked_from", "revoked_at"),
        authority.disputed,
        authority.say_disputed,
        authority.unseen_heads,
    ),
    "late-manifests": Question(
        "Which manifests were lodged after the cargo had left?",
        (),
        (),
        ("consignment",),
        manifests.LATE,
        ("consignment", "manifest", "departed_at", "lodged", "anchored_at", "amended_at"),
        manifests.late,
        manifests.say_late,
    ),
    "late-records": Question(
        "Which records came late, observed against anchored time?",
        (),
        (),
        ("consignment", "party", "account", "over_seconds"),
        lateness.LATE,
        ("observed_at", "time", "delay_seconds", "kind", "consignment", "party"),
        lateness.late_records,
        lateness.say_late_records,
    ),
}


def ask(chronicle: Chronicle, question: str, asked: Asked) -> Answer:
    """Answer a question.

    Args:
        chronicle: What happened.
        question: A name of `QUESTIONS`.
        asked: What is asked about.

    Raises:
        UnknownQuestion: There is no such question; the error names those there are.
        InvalidQuestion: Something is missing that the question needs, or given that it does not take.
        NotFound: What is asked about is not there.
        TooMuchConnected: More hangs together with the consignment asked about than a service reads.
    """
    known = require(question, asked)
    if asked.at is not None and asked.at > chronicle.block_time:
        rule = f"at is later than the last block that is known, of {time_text(chronicle.block_time)}: nobody can say yet"
        raise InvalidQuestion(question, rule)
    rows: list[Row] = []
    unknown: dict[str, None] = {}
    place: str | None = asked.after
    more = False
    units = known.examine(chronicle, asked)
    while True:
        if place != asked.after and chronicle.is_spent:
            more = True
            break
        unit = next(units, None)
        if unit is None:
            break
        if rows and len(rows) + len(unit.rows) > asked.limit:
            more = True
            break
        rows += unit.rows[:MOST_ROWS]
        unknown |= dict.fromkeys(unit.unknown)
        if len(unit.rows) > MOST_ROWS:
            unknown[f"Of {len(unit.rows)} things to say in one place, {MOST_ROWS} are shown."] = None
        place = unit.place
    sentence = known.say(asked, rows, not more)
    if more:
        sentence += " This is not all: ask on."
    proven = chronicle.proven({each for row in rows for each in row.cites})
    return Answer(
        question,
        asked,
        sentence,
        tuple(Row(row.sentence, row.facts, tuple(proven[each] for each in row.cites)) for row in rows),
        tuple(chronicle.checked),
        (*chronicle.not_checked, *known.lacks(chronicle, asked), *unknown),
        chronicle.block,
        chronicle.block_hash,
        chronicle.block_time,
        place if more else None,
    )


def require(question: str, asked: Asked) -> Question:
    """The question of a name, if what is asked about is what it takes.

    Raises:
        UnknownQuestion, InvalidQuestion: As `ask`.
    """
    known = QUESTIONS.get(question)
    if known is None:
        raise UnknownQuestion(question, tuple(QUESTIONS))
    names = ("consignment", "at", "account", "party", "record", "since", "container", "over_seconds")
    given = [name for name in names if getattr(asked, name) is not None]
    missing = [name for name in known.needs if name not in given]
    if missing:
        raise InvalidQuestion(question, f"{' and '.join(missing)} must be given")
    if known.one_of and len([name for name in given if name in known.one_of]) != 1:
        raise InvalidQuestion(question, f"exactly one of {', '.join(known.one_of)} must be given")
    extra = [name for name in given if name not in known.takes()]
    if extra:
        takes = ", ".join(known.takes())
        raise InvalidQuestion(question, f"it does not take {' or '.join(extra)}; it takes {takes}")
    if question == "allowed" and (asked.record is None) != (asked.at is not None):
        raise InvalidQuestion(
            question, "with account or party the time (at) must be given; a record has its own"
        )
    if question == "shared-containers" and asked.container is not None and asked.consignment is not None:
        raise InvalidQuestion(question, "give a container or a consignment, not both")
    if asked.container is not None and not asked.container.strip():
        raise InvalidQuestion(question, "the container's number is empty")
    if not 1 <= asked.limit <= MOST_ROWS:
        raise InvalidQuestion(question, f"limit is from 1 to {MOST_ROWS}")
    return known
