"""What an auditor installs beside the rest: exports, tables and reports need it."""

from __future__ import annotations

from ledger.cli import outcome


class _ExtraMissing(outcome.CommandError):
    """Exports need packages that only an auditor installs."""

    code = outcome.Exit.USAGE


def require_extra() -> None:
    """Refuse before any work if the packages of an auditor are not installed."""
    try:
        import jinja2  # noqa: F401
        import pyarrow  # noqa: F401  only whether it is there
        import zstandard  # noqa: F401
    except ImportError as error:
        raise _ExtraMissing(f"{error.name} is missing: install cargo-ledger[audit].") from None
