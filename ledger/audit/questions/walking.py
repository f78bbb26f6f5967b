"""What several questions do alike: words, places in a list to go on after, and a component walked act by act."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Generic, TypeVar

from ledger.audit.questions.form import Asked, Chronicle, Held
from ledger.audit.result import Act, standing_of
from ledger.core.custody import Custody
from ledger.core.findings import time_text
from ledger.core.records import ZERO32, CustodyKind
from ledger.errors import InvalidQuestion

NOT_DISCLOSED = "place not disclosed"
_PLACE = re.compile(r"([a-z])([0-9]{1,18})")
_Found = TypeVar("_Found")


def hexed(value: bytes | None) -> str | None:
    """Bytes as text, or None."""
    return None if value is None else "0x" + value.hex()


def short(value: bytes) -> str:
    """An id as sentences name it."""
    return f"0x{value.hex()[:8]}…"


def number_after(question: str, asked: Asked, letter: str) -> int | None:
    """The number of a list to go on after; 0 from the beginning, None if the list is done already.

    Lists are gone through in the order of their letters.

    Raises:
        InvalidQuestion: `after` is nothing that an answer to this question said.
    """
    if asked.after is None:
        return 0
    found = _PLACE.fullmatch(asked.after)
    if found is None:
        raise InvalidQuestion(question, "after is not what an answer to this question gave as more")
    if found[1] == letter:
        return int(found[2])
    return 0 if found[1] < letter else None


def require_beginning(question: str, asked: Asked) -> None:
    """Refuse `after` where an answer is always whole.

    Raises:
        InvalidQuestion: It is given.
    """
    if asked.after is not None:
        raise InvalidQuestion(question, "it is answered in one go; after is not taken here")


def details(chronicle: Chronicle, act: Act) -> Held | None:
    """What is held of a record's details; OPEN's are the manifest."""
    if act.record.details == ZERO32 or act.record.kind == CustodyKind.OPEN:
        return None
    return chronicle.held(act.record.details, record=act.digest)


def place_of(chronicle: Chronicle, act: Act) -> str:
    """Where a record says it was: UN/LOCODE, else customs location, else office; or that it is not disclosed."""
    held = details(chronicle, act)
    return (None if held is None else held.text("/place", "/location", "/office")) or NOT_DISCLOSED


def walk(chronicle: Chronicle, acts: Sequence[Act]) -> Iterator[tuple[Act, Custody]]:
    """Acts in order, each with the custody model as it was before it."""
    custody = Custody()
    for act in acts:
        yield act, custody
        standing = standing_of(chronicle.accounts[act.signer])
        custody.apply(act.record, act.digest, act.signer, standing, act.accepted_at)


def upwards(custody: Custody, consignment: bytes) -> Iterator[bytes]:
    """A consignment, what it is in, and so on to the outermost."""
    at: bytes | None = consignment
    while at is not None:
        yield at
        at = custody.parent(at)


def downwards(custody: Custody, consignment: bytes) -> Iterator[bytes]:
    """A consignment and all that is in it."""
    below = [consignment]
    while below:
        at = below.pop()
        yield at
        below += custody.contents(at)


class Components(Generic[_Found]):
    """What was found of everything connected with a consignment, kept for the next ones of the same component."""

    def __init__(
        self, chronicle: Chronicle, find: Callable[[Sequence[Act], Collection[bytes]], _Found]
    ) -> None:
        self._chronicle = chronicle
        self._find = find
        self._last: tuple[Collection[bytes], _Found] | None = None

    def of(self, consignment: bytes) -> _Found:
        """What was found of the component of a consignment. Raises NotFound."""
        if self._last is None or consignment not in self._last[0]:
            acts, connected = self._chronicle.connected(consignment)
            self._last = frozenset(connected), self._find(acts, connected)
        return self._last[1]


def when(seconds: int) -> str:
    """A time, for sentences and facts."""
    return time_text(seconds)
