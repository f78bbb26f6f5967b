"""Write the database's first version anew from `ledger/tables.py`, or say with --check that it is not fresh.

Only until the first release: a version that somebody's database has is never changed again, and this file goes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from ledger.tables import METADATA, Bytes, Unsigned64

ROOT = Path(__file__).resolve().parents[1]
FIRST = ROOT / "ledger" / "migrations" / "versions" / "0001_first.py"
_HEAD = '''"""The tables of the first version. Written by `scripts/first_migration.py` from `ledger/tables.py`."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    '''


def main() -> int:
    """Write or check; the result is the process's exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where it is not fresh")
    options = parser.parse_args()
    with create_engine("sqlite://").connect() as connection:
        context = MigrationContext.configure(connection)
        made = produce_migrations(context, METADATA)
    if made.upgrade_ops is None:
        raise AssertionError("Alembic found nothing to do")
    steps = render_python_code(made.upgrade_ops, render_item=_rendered, migration_context=context)
    lines = [line for line in steps.splitlines() if not line.strip().startswith("#")]
    text = _formatted(_HEAD + "\n".join(lines).strip() + "\n")
    if options.check:
        if FIRST.exists() and FIRST.read_text() == text:
            return 0
        print(f"{FIRST.relative_to(ROOT)} is not what ledger/tables.py says: run scripts/first_migration.py")
        return 1
    FIRST.write_text(text)
    return 0


def _rendered(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """What stands in the file for a type of our own: the database's."""
    if kind == "type" and isinstance(item, Unsigned64):
        return "sa.BigInteger()"
    if kind == "type" and isinstance(item, Bytes):
        return "sa.LargeBinary()" if item.length is None else f"sa.LargeBinary(length={item.length})"
    return False


def _formatted(text: str) -> str:
    command = [str(ROOT / ".venv" / "bin" / "ruff"), "format", "--stdin-filename", str(FIRST), "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
