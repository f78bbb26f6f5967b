"""What a database belongs to and of which version it is."""

from __future__ import annotations

import time
from collections.abc import Mapping

from sqlalchemy import delete, func, insert, select

from ledger import migrations
from ledger import tables as t
from ledger.errors import StoreError
from ledger.rows.statements import Statements


class IdentityRows(Statements):
    """What the database belongs to and of which version it is."""

    def version(self) -> str | None:
        """The version of the tables, or None where there are none."""
        return migrations.version(self._connection)

    def create_tables(self) -> None:
        """Make the tables, if another process has not.

        Raises:
            StoreError: There are tables by our names that this program did not make.
        """
        if self.version() is not None:
            return
        if migrations.has_tables(self._connection):
            raise StoreError(
                "This database has tables by our names and no version: this program did not make them. Name an empty one."
            )
        migrations.upgrade(self._connection)

    def identity(self) -> dict[str, str]:
        """What this database belongs to."""
        return {row.name: row.value for row in self._all(select(t.identity))}

    def clock(self) -> float:
        """The time by the database's clock, Unix seconds: the same for every host that uses it."""
        if self._connection.dialect.name == "sqlite":
            return time.time()
        return float(
            self._connection.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one()
        )

    def set_identity(self, values: Mapping[str, str]) -> None:
        """Write identity values, replacing those of the same name."""
        self._connection.execute(delete(t.identity).where(t.identity.c.name.in_(list(values))))
        self._connection.execute(insert(t.identity), [{"name": k, "value": v} for k, v in values.items()])

    def remove_identity(self, name: str) -> None:
        """Take an identity value away."""
        self._connection.execute(delete(t.identity).where(t.identity.c.name == name))

    def violation(self) -> str | None:
        """What rule of every honest chain was broken, in a sentence; None if none is."""
        return self.identity().get("chain_violation")

    def set_violation(self, sentence: str | None) -> None:
        """Note that the chain broke a rule, or that it no longer does."""
        self.remove_identity("chain_violation")
        if sentence is not None:
            self._connection.execute(insert(t.identity).values(name="chain_violation", value=sentence))

    def own_administration(self) -> bytes | None:
        """The 8 bytes of the administration whose database this is; None before it is anybody's."""
        code = self.identity().get("administration")
        return None if code is None else code.encode().ljust(8, b"\0")
