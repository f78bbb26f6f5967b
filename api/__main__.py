"""`python -m api`: the API and its worker, or one of them alone (`--role api`, `--role worker`).

`--upgrade` brings the database to this version, `--new-wrapping-key`, `--rewrap` and `--scrub` keep what is sealed in
order (`api.upkeep`), and that is all they do. Settings come from the environment, see `api.settings`. Ends with 0 when asked to (SIGTERM, SIGINT), with 2 when it
cannot start, after one sentence that says why. What is heavy to import is imported once it is needed: the worker needs
no web framework.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from api.worker_process import UNTIL_PARENT_ENDS, end_with_parent

FLAWED = 1
CANNOT_START = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the service; the result is the process's exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m api", description="The service of one customs administration."
    )
    parser.add_argument("--role", choices=("all", "api", "worker"), default="all", help="what to run (all)")
    parser.add_argument("--create", action="store_true", help="make the database if it is not there")
    parser.add_argument(
        "--upgrade", action="store_true", help="bring the database to this version, say so, and end"
    )
    parser.add_argument(
        "--new-wrapping-key",
        action="store_true",
        help="put a new key before the other wrapping keys, and end",
    )
    parser.add_argument(
        "--rewrap", action="store_true", help="wrap all that is sealed by the newest wrapping key, and end"
    )
    parser.add_argument(
        "--scrub",
        action="store_true",
        help="look through all that is sealed for damage, say what is found, and end",
    )
    parser.add_argument(UNTIL_PARENT_ENDS, action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.until_parent_ends:
        end_with_parent()
    from api.logs import log_as_json

    log_as_json()

    from ledger.errors import LedgerError

    try:
        if options.upgrade:
            _upgrade()
        elif options.new_wrapping_key or options.rewrap or options.scrub:
            from api import upkeep

            if options.new_wrapping_key:
                upkeep.new_wrapping_key()
            intact = upkeep.rewrap() if options.rewrap else True
            intact &= upkeep.scrub() if options.scrub else True
            return 0 if intact else FLAWED
        else:
            _run(options.role, create=options.create)
    except LedgerError as error:
        print(error, file=sys.stderr)
        return CANNOT_START
    return 0


def _run(role: str, *, create: bool) -> None:
    from api.settings import read_settings
    from ledger.ledger import Ledger

    settings = read_settings()
    ledger = Ledger.open(settings.config, create=create)
    if role == "worker":
        from api.working import work

        work(ledger)
    else:
        ledger.close()  # it can be opened; the application opens its own
        from api.serving import serve

        serve(settings, with_worker=role == "all")


def _upgrade() -> None:
    from api.settings import read_settings
    from ledger.store import upgrade

    before, after = upgrade(read_settings().database_url)
    print(f"The database is of version {after}." if before == after else f"From version {before} to {after}.")


if __name__ == "__main__":
    sys.exit(main())
