"""How a command ends: its exit code, and an error as one sentence, never a trace.

With `--json` an error is one JSON object on standard error, `{"error": {"kind", "message", "exit_code", …facts}}`;
standard output then holds nothing, or the answer that the exit code judges (findings, checks).
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from enum import IntEnum
from typing import Any, NoReturn

import typer
from typer.exceptions import TyperException

from ledger import errors
from ledger.core.printing import printable


class Exit(IntEnum):
    """What a program reads from the exit code."""

    DONE = 0  # done, or VALID
    REFUSED = 1  # INVALID, or refused: by a rule, a contract, the service or the input itself
    USAGE = 2  # the command was given wrongly: an option, a file that is not there, a key, a profile
    INDETERMINATE = 3  # what was shown does not suffice for a verdict
    UNREACHABLE = 4  # the chain or the service does not answer; trying again may help


_LONGEST_USAGE = 400  # characters: `*.json` for a command that takes one file would name hundreds
STOPPED = 130  # what shells give for an interruption (128 + SIGINT)
_SIGN_IN_NEEDED = 401  # HTTP
_USAGE_ERRORS = (
    errors.BlockNotFinal,
    errors.InvalidKey,
    errors.InvalidProfile,
    errors.InvalidQuestion,
    errors.UnknownQuestion,
)
_UNREACHABLE = (errors.ChainUnavailable, errors.ServiceUnavailable)


class CommandError(Exception):
    """What only the command line knows of: a file, a name, a question; the library's own tree has no place for it.

    Attributes:
        code: The exit code it ends with.
    """

    code = Exit.REFUSED


class NoTerminal(CommandError):
    """Something has to be asked, and there is nobody to ask."""

    code = Exit.USAGE


def of_verdict(verdict: str) -> Exit:
    """The exit code of a verdict: whatever is neither VALID nor INVALID settles nothing."""
    return {"VALID": Exit.DONE, "INVALID": Exit.REFUSED}.get(verdict, Exit.INDETERMINATE)


def end(code: Exit) -> NoReturn:
    """End the command with a code; what there is to say has been said."""
    raise typer.Exit(int(code))


def run(command: Callable[[], object], *, as_json: bool) -> int:
    """Run a parsed command line to its exit code, and say its error.

    Args:
        command: Returns None, or the code of a `typer.Exit`.
        as_json: Say an error as a JSON object.
    """
    try:
        code = command()
        sys.stdout.flush()
    except (typer.Abort, KeyboardInterrupt):
        return _say_stopped(as_json)
    except BrokenPipeError:
        # whoever read our output has gone (`| head`); nothing is to be said, and Python must not try at exit
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(Exit.DONE)
    except (errors.LedgerError, CommandError) as error:
        return _say(type(error).__name__, _sentence(error), _code_of(error), _facts(error), as_json)
    except TyperException as error:
        return _say_usage(error, as_json)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _say("OSError", f"{place}{error.strerror or error}.", Exit.REFUSED, {}, as_json)
    except Exception as error:
        if os.environ.get("CARGO_LEDGER_TRACE"):
            raise
        frame = traceback.extract_tb(error.__traceback__)[-1]
        # the error's own text is left out: it may hold what was in a document
        sentence = (
            f"A defect of cargo-ledger: {type(error).__name__} in {os.path.basename(frame.filename)}, line "
            f"{frame.lineno}. Nothing is known to be wrong with your input; please report this with the command you ran "
            "(CARGO_LEDGER_TRACE=1 shows the trace)."
        )
        return _say("Defect", sentence, Exit.REFUSED, {}, as_json)
    if code == STOPPED:  # Typer has caught the interruption
        return _say_stopped(as_json)
    return code if isinstance(code, int) else int(Exit.DONE)


def _sentence(error: errors.LedgerError | CommandError) -> str:
    """The error's own, but where the service's speaks to programs."""
    if isinstance(error, errors.ServiceError) and error.status == _SIGN_IN_NEEDED:
        return (
            "The service lets nobody read who has not signed in; name your key with --key or CARGO_LEDGER_KEY "
            "(`key list` shows what there is)."
        )
    return str(error)


def _code_of(error: errors.LedgerError | CommandError) -> int:
    if isinstance(error, CommandError):
        return error.code
    if isinstance(error, _USAGE_ERRORS):
        return Exit.USAGE
    return Exit.UNREACHABLE if isinstance(error, _UNREACHABLE) else Exit.REFUSED


def _facts(error: errors.LedgerError | CommandError) -> dict[str, Any]:
    """The error's own facts; of a service's problem that whole, which repeats its sentence and title."""
    if isinstance(error, errors.ServiceError) and error.problem:
        return {"problem": error.problem}
    plain = (str, int, float, bool, type(None))
    return {
        name: "0x" + value.hex() if isinstance(value, bytes) else value
        for name, value in vars(error).items()
        if isinstance(value, (*plain, bytes))
        or (isinstance(value, list) and all(isinstance(each, plain) for each in value))
    }


def _say_stopped(as_json: bool) -> int:
    return _say("Stopped", "Stopped on request; what was sent before stays sent.", STOPPED, {}, as_json)


def _say_usage(error: Any, as_json: bool) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return int(Exit.USAGE)
    message = error.format_message().strip().rstrip(".")
    message = (message if len(message) <= _LONGEST_USAGE else message[:_LONGEST_USAGE] + "…") + "."
    context = getattr(error, "ctx", None)
    if context is not None and not as_json:
        message += f" See `{context.command_path} --help`."
    return _say("Usage", message, Exit.USAGE, {}, as_json)


def _say(kind: str, message: str, code: int, facts: dict[str, Any], as_json: bool) -> int:
    sentence = printable(message)
    if as_json:
        problem = {"kind": kind, "message": sentence, "exit_code": int(code)}
        # the message's own words win over a fact of the same name
        typer.echo(json.dumps({"error": {**facts, **problem}}, ensure_ascii=False), err=True)
    else:
        typer.echo(typer.style("Error: ", fg="red", bold=True) + sentence, err=True)
    return int(code)
