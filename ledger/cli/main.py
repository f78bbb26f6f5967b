"""The entry point of `cargo-ledger`: the groups of commands, and how a command line is run."""

from __future__ import annotations

import importlib
import inspect
import io
import sys
from collections.abc import Sequence
from typing import Any

import typer
import typer.main
from typer.core import TyperGroup

from ledger.cli import outcome

_EPILOG = """\b
Exit codes: 0 done or VALID, 1 INVALID or refused, 2 wrong usage, 3 INDETERMINATE,
4 chain or service not reachable, 130 stopped on request.

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


GROUPS = {
    "manifest": "ledger.cli.manifest",
    "consignment": "ledger.cli.consignment",
    "evidence": "ledger.cli.evidence",
    "trust": "ledger.cli.trust",
    "audit": "ledger.cli.audit",
    "import": "ledger.cli.importing",
    "webhook": "ledger.cli.webhook",
    "key": "ledger.cli.key",
    "account": "ledger.cli.account",
    "administration": "ledger.cli.administration",
    "chain": "ledger.cli.chain",
}


def flowing(text: str) -> str:
    """A docstring as help: its paragraphs without the line breaks of the source, so that they wrap at any width."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


class Commands(TyperGroup):
    """The root group: it imports a group when it is called for, and every command ends through `outcome`."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = dict.fromkeys(GROUPS)  # type: ignore[assignment]  # loaded one by one, in `get_command`

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The group of a name; building all fifty commands would cost each call half a second."""
        if cmd_name in GROUPS and self.commands[cmd_name] is None:
            group: Any = typer.main.get_command(importlib.import_module(GROUPS[cmd_name]).app)
            group.name = cmd_name
            for command in (group, *group.commands.values()):
                command.help = flowing(command.help or "")
            self.commands[cmd_name] = group
        return self.commands.get(cmd_name)

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


@app.callback()
def _root() -> None:
    pass


def main() -> None:
    """Run the command line of this process and end it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="backslashreplace"
            )  # a terminal without these characters is no reason to fail
    app(prog_name="cargo-ledger")


if __name__ == "__main__":
    main()
