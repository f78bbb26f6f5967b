"""Upkeep of what is sealed, while the service runs: wrapped anew by the newest key, and looked through for damage.

Both go through all objects in order, some at a time, and may be killed at any moment: what is done is done, and the
next run does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from ledger import terms, views
from ledger.core.disclosures import Disclosure
from ledger.errors import ObjectDamaged, StoreError, WrappingKeyMissing
from ledger.messages import AccompanyingFile
from ledger.rows.sealed import ACCOMPANYING, DOCUMENT
from ledger.store import Session, Store
from ledger.vault import Vault

_AT_A_TIME = 200  # objects in one transaction: tens of milliseconds, in which nobody else writes

Progress = Callable[[int, int], None]  # how many are done, of how many


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with a sealed object.

    Attributes:
        kind: What it is, in words.
        object_id: What it is found by: digest of a record, id of a consignment or manifest.
        sentence: What is wrong, and what to do.
    """

    kind: str
    object_id: bytes
    sentence: str


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """What a rotation came to.

    Attributes:
        newest: Name of the key that wraps what is new.
        moved: Objects that it wraps now and did not before.
        by_key: How many objects each key wraps; a key that is not in here is needed no more.
        flaws: Objects that could not be moved.
    """

    newest: str
    moved: int
    by_key: dict[str, int]
    flaws: tuple[Flaw, ...]


def rewrap(store: Store, vault: Vault, progress: Progress) -> Rewrapped:
    """Wrap every object by the newest wrapping key. Documents are neither read nor written.

    It goes on until a whole round finds nothing to do, since other processes may have been at an object of their own
    while the key was put into the file.
    """
    moved = 0
    flaws: dict[int, Flaw] = {}
    while True:
        newest, position, moved_before = vault.keys.newest, 0, moved
        with store.read() as session:
            waiting = sum(count for name, count in session.sealed_by_key().items() if name != newest)
        while True:
            with store.write() as session:
                rows = session.sealed_after(position, _AT_A_TIME, not_wrapped_by=newest)
                for row in rows:
                    try:
                        session.rewrap(row)
                        moved += 1
                    except (ObjectDamaged, WrappingKeyMissing) as error:
                        flaws[row.position] = Flaw(row.kind, row.object_id, str(error))
            if not rows:
                break
            position = rows[-1].position
            progress(moved - moved_before, waiting)
        if moved == moved_before:
            with store.read() as session:
                return Rewrapped(newest, moved, session.sealed_by_key(), tuple(flaws.values()))


def scrub(store: Store, progress: Progress) -> Iterator[Flaw]:
    """Open every sealed object, and yield those with a flaw: a flipped bit, a missing part, what should be erased.

    A document must also be found by every container and seal number in it. Whether a document leads to its root is
    **not** computed again: the root is part of what is authenticated.
    """
    position = done = 0
    with store.read() as session:
        total = sum(session.sealed_by_key().values())
    while True:
        with store.read() as session:
            rows = session.sealed_after(position, _AT_A_TIME)
            versions = session.accompanying_versions(
                [row.object_id for row in rows if row.kind == ACCOMPANYING]
            )
            flaws = [flaw for row in rows for flaw in _flaws_of(session, row, versions)]
        yield from flaws
        if not rows:
            break
        position = rows[-1].position
        done += len(rows)
        progress(done, max(done, total))
    with store.read() as session:
        missing, undead = session.without_sealed(), session.erased_and_there()
    for kind, object_id in missing:
        yield Flaw(
            kind,
            object_id,
            f"The {kind} 0x{object_id.hex()} should be here and is gone: restore it from a backup.",
        )
    for digest in undead:
        yield Flaw(
            DOCUMENT,
            digest,
            f"The document 0x{digest.hex()} was erased and is there: an older database was put back. Erase it again.",
        )


def wanted_terms(session: Session, kind: str, content: bytes) -> set[bytes] | None:
    """By which terms, as they are kept, an object's content is to be found; None if it is none that is looked for."""
    if kind == DOCUMENT:
        return session.terms(terms.search_terms(orjson.loads(content[32:])))
    if kind == ACCOMPANYING:
        file = AccompanyingFile.model_validate_json(content)
        return session.terms(views.disclosed_terms(Disclosure.from_json(file.manifest.disclosure)))
    return None


def _flaws_of(session: Session, row: Any, versions: dict[bytes, int]) -> Iterator[Flaw]:
    version = versions.get(row.object_id, -1) if row.kind == ACCOMPANYING else 0
    try:
        if version < 0:
            raise ObjectDamaged(row.kind, row.object_id)
        content = session.open_sealed(row, version)
        wanted = wanted_terms(session, row.kind, content) if row.kind == DOCUMENT else None
        if wanted is not None and wanted != session.search_terms_of(row.object_id):
            yield Flaw(
                row.kind,
                row.object_id,
                f"The document 0x{row.object_id.hex()} is not found by the container and seal numbers in it, or by others: "
                "restore the table of search terms from a backup.",
            )
    except StoreError as error:
        yield Flaw(row.kind, row.object_id or b"", str(error))
