"""What is sealed: documents, keys, accompanying files, where webhooks go."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, func, select, update

from ledger import tables as t
from ledger.errors import ObjectDamaged
from ledger.rows.statements import Statements
from ledger.vault import Place, Sealed

#: Kinds of sealed objects, as their errors name them.
DOCUMENT, CONSIGNMENT, ACCOMPANYING, INDEX_KEY = "document", "consignment", "accompanying file", "index key"
WEBHOOK_URL, WEBHOOK_SECRET = "webhook URL", "webhook secret"
ERASED = "erased"
REFERENCE = "reference"  # the kind of term that a trade reference is; the others are container and seal


class SealedRows(Statements):
    """Objects that only the vault opens."""

    def unlock(self) -> None:
        """Open the key under which terms are looked up; the first time, make it."""
        vault, place = self._require_vault(), Place(INDEX_KEY, b"")
        if self._sealed_row(place) is None:
            self._add_sealed(place, secrets.token_bytes(32))
        index_key = self._open(place)
        assert index_key is not None  # noqa: S101  it is there, or was added
        vault.index_key = index_key

    def take_index_key(self) -> bool:
        """Open the key under which terms are looked up, as `unlock`, but make none; whether it is there.

        Raises:
            ObjectDamaged, WrappingKeyMissing: It does not open.
        """
        key = self._open(Place(INDEX_KEY, b""))
        self._require_vault().index_key = key or b""
        return key is not None

    def _add_sealed(self, place: Place, content: bytes) -> None:
        """Seal an object and keep it, once."""
        sealed = self._require_vault().seal(place, content)
        values = {
            "kind": place.kind,
            "object_id": place.id,
            "root": place.root,
            "version": place.version,
            "wrapping_key": sealed.wrapping_key,
            "data_key": sealed.data_key,
            "body": sealed.body,
        }
        self._gather(t.sealed_objects, [values], once=True)

    def _sealed_row(self, place: Place) -> Row[Any] | None:
        return self._one(
            select(t.sealed_objects).where(
                t.sealed_objects.c.kind == place.kind, t.sealed_objects.c.object_id == place.id
            )
        )

    def _open(self, place: Place) -> bytes | None:
        """The content of an object; its row says the root. None if there is none."""
        row = self._sealed_row(place)
        return None if row is None else self.open_sealed(row, place.version)

    def open_sealed(self, row: Row[Any], version: int) -> bytes:
        """The content of a sealed object's row, of the version that it must have.

        Raises:
            ObjectDamaged: A bit of it was changed, or it is another place's or version.
            WrappingKeyMissing: The key that wraps it is not in the file.
        """
        place = Place(row.kind, row.object_id, row.root, version)
        return self._require_vault().open(place, _sealed(row))

    def _erase_sealed(self, kind: str, object_id: bytes) -> None:
        """Overwrite an object, its data key above all. The row stays, empty.

        Why it is not deleted: SQLite would fill the gap with rows beside it, and leave their bytes behind where they
        were; when one of those is erased later, its data key would still stand there (1 of 400, in a trial).
        """
        self._connection.execute(
            update(t.sealed_objects)
            .where(t.sealed_objects.c.kind == kind, t.sealed_objects.c.object_id == object_id)
            .values(kind=ERASED, object_id=None, root=b"", version=0, wrapping_key="", data_key=b"", body=b"")
        )

    def sealed_after(
        self, position: int, limit: int, not_wrapped_by: str | None = None
    ) -> Sequence[Row[Any]]:
        """Sealed objects behind a position, in order; all, or those that another key than one wraps."""
        query = select(t.sealed_objects).where(
            t.sealed_objects.c.position > position, t.sealed_objects.c.kind != ERASED
        )
        if not_wrapped_by is not None:
            query = query.where(t.sealed_objects.c.wrapping_key != not_wrapped_by)
        return self._all(query.order_by(t.sealed_objects.c.position).limit(limit))

    def sealed_by_key(self) -> dict[str, int]:
        """How many objects each wrapping key wraps."""
        name = t.sealed_objects.c.wrapping_key
        query = select(name, func.count().label("objects")).where(t.sealed_objects.c.kind != ERASED)
        return {row.wrapping_key: row.objects for row in self._all(query.group_by(name).order_by(name))}

    def rewrap(self, row: Row[Any]) -> None:
        """Wrap a sealed object's data key by the newest wrapping key."""
        place = Place(row.kind, row.object_id, row.root, row.version)
        sealed = self._require_vault().rewrap(place, _sealed(row))
        self._connection.execute(
            update(t.sealed_objects)
            .where(t.sealed_objects.c.position == row.position, t.sealed_objects.c.data_key == row.data_key)
            .values(wrapping_key=sealed.wrapping_key, data_key=sealed.data_key)
        )

    def seal_webhook(self, kind: str, object_id: bytes, content: bytes) -> None:
        """Keep a webhook's URL, or one of its secrets, sealed under its id."""
        self._add_sealed(Place(kind, object_id), content)

    def unseal_webhook(self, kind: str, object_id: bytes) -> bytes:
        """What was sealed so.

        Raises:
            ObjectDamaged: It is not there, or not as it was.
        """
        content = self._open(Place(kind, object_id))
        if content is None:
            raise ObjectDamaged(kind, object_id)
        return content

    def erase_webhook(self, kind: str, object_id: bytes) -> None:
        """Erase what was sealed so."""
        self._erase_sealed(kind, object_id)


def _sealed(row: Row[Any]) -> Sealed:
    return Sealed(row.wrapping_key, row.data_key, row.body)
