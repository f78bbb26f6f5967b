"""The form of the database's tables, in steps: each file in `versions` makes one version of the one before.

A step is all or nothing, on both kinds of database: it runs inside the caller's transaction.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from ledger.tables import METADATA

VERSION = "0002"  #: what this program reads and writes: the newest step
FOLDER = Path(__file__).parent


def version(connection: Connection) -> str | None:
    """The version of the tables in a database, or None where there are none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def is_older(found: str) -> bool:
    """Whether a version is one that `upgrade` begins from."""
    return any(FOLDER.glob(f"versions/{found}_*.py")) and found != VERSION


def has_tables(connection: Connection) -> bool:
    """Whether a database has a table by a name of ours."""
    return not METADATA.tables.keys().isdisjoint(inspect(connection).get_table_names())


def upgrade(connection: Connection) -> None:
    """Make this program's version of whatever version there is, in the connection's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, VERSION)
