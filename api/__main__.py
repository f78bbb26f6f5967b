"""`python -m api`: the API and its worker, or one of them alone (`--role api`, `--role worker`).

`--processes N` serves by several processes behind one port. `--upgrade` brings the database to this version,
`--new-wrapping-key`, `--rewrap` and `--scrub` keep what is sealed in order (`api.upkeep`), and that is all they do.

Settings come from the environment, see `api.settings`. Ends with 0 when asked to (SIGTERM, SIGINT), with 2 when it
cannot start, after one sentence that says why. What is heavy to import is imported once it is needed: the worker needs
no web framework.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from api.kept_process import UNTIL_PARENT_ENDS, end_with_parent

FLAWED = 1
CANNOT_START = 2
MOST_PROCESSES = 64


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the service; the result is the process's exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m api", description="The service of one customs administration."
    )
    parser.add_argument("--role", choices=("all", "api", "worker"), default="all", help="what to run (all)")
    parser.add_argument(
        "--processes", type=int, default=1, metavar="N", help="how many processes of the API answer (1)"
    )
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
    parser.add_argument("--listening", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--ready", type=int, help=argparse.SUPPRESS)
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
            _run(options)
    except LedgerError as error:
        print(error, file=sys.stderr)
        return CANNOT_START
    return 0


def _run(options: argparse.Namespace) -> None:
    from api.production import require_fit_for_production
    from api.settings import read_settings

    settings = read_settings()
    require_fit_for_production(settings)
    _require_processes(options.processes, settings.database_url)
    if options.listening is not None:
        from api.serving import serve_among_many

        serve_among_many(settings, options.listening, options.ready)
        return
    from ledger.ledger import Ledger

    ledger = Ledger.open(settings.config, create=options.create)
    if options.role == "worker":
        from api.working import work

        work(ledger)
        return
    ledger.close()  # it can be opened; each process of the API opens its own
    if options.processes > 1:
        from api.many_processes import keep_serving

        keep_serving(settings, options.processes, with_worker=options.role == "all")
    else:
        from api.serving import serve

        serve(settings, with_worker=options.role == "all")


def _require_processes(processes: int, database_url: str) -> None:
    """Refuse a number that makes no sense.

    Raises:
        InvalidProfile: It does not.
    """
    from ledger.database import SQLITE
    from ledger.errors import InvalidProfile

    if not 1 <= processes <= MOST_PROCESSES:
        raise InvalidProfile("--processes", f"a number from 1 to {MOST_PROCESSES} is expected")
    if processes > 1 and database_url.startswith(SQLITE):
        raise InvalidProfile(
            "--processes", "several processes of the API need PostgreSQL; on SQLite one is as fast as many"
        )


def _upgrade() -> None:
    from api.settings import read_settings
    from ledger.store import upgrade

    before, after = upgrade(read_settings().database_url)
    print(f"The database is of version {after}." if before == after else f"From version {before} to {after}.")


if __name__ == "__main__":
    sys.exit(main())
