"""The entry point of `cargo-ledger`: the groups of commands, and how a command line is run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from ledger.cli import account, administration, chain, consignment, importing, key, manifest, outcome

_EPILOG = """\b
Exit codes: 0 done or VALID, 1 INVALID or refused, 2 wrong usage, 3 INDETERMINATE,
4 chain or service not reachable.

\b
Every command takes --json. An error is then one JSON object on standard error:
  {"error": {"kind": …, "message": …, "exit_code": …}}

\b
Environment:
  CARGO_LEDGER_SERVICE         address of your administration's service (--service)
  CARGO_LEDGER_PROFILE         chain profile (--profile)
  CARGO_LEDGER_KEYS            folder of your keys (--key-folder)
  CARGO_LEDGER_KEY             name of the key that signs (--key)
  CARGO_LEDGER_PASSWORD_FILE   file with its password (--password-file)

\b
Example, from a declaration to an answer at the border:
  $ cargo-ledger manifest check invoice.json
  $ cargo-ledger manifest lodge invoice.json --reference ducr:9GB123456789000-INV1
  $ cargo-ledger consignment open invoice.lodged.json
  $ cargo-ledger consignment show ducr:9GB123456789000-INV1
"""


class Commands(TyperGroup):
    """The root group: every command ends through `outcome`, whoever calls it."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run one command line; the exit code is `outcome`'s."""
        arguments = list(sys.argv[1:] if args is None else args)

        def command() -> object:
            return super(Commands, self).main(
                arguments, prog_name, complete_var, standalone_mode=False, **extra
            )

        code = outcome.run(command, as_json="--json" in arguments)
        if standalone_mode:
            sys.exit(code)
        return code


app = typer.Typer(
    name="cargo-ledger",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    epilog=_EPILOG,
    help="The cargo ledger: lodge manifests, follow consignments, hold and release them, and prove what was recorded.",
)
for name, group in (
    ("manifest", manifest.app),
    ("consignment", consignment.app),
    ("import", importing.app),
    ("key", key.app),
    ("account", account.app),
    ("administration", administration.app),
    ("chain", chain.app),
):
    app.add_typer(group, name=name)


def main() -> None:
    """Run the command line of this process and end it."""
    app(prog_name="cargo-ledger")


if __name__ == "__main__":
    main()
