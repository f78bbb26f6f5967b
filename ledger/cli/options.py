"""Options that several commands share, and how their texts are read: a wrong one is a usage error that says the form.

`using` gives a command a bundle of options: what the bundle's function makes of them comes as the command's first
argument. So each option is written once, and every command that signs takes the same ones.
"""

from __future__ import annotations

import functools
import inspect
import os
import re
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from ledger.core.identifiers import Party, TradeReference
from ledger.errors import InvalidIdentifier

DEFAULT_KEY_FOLDER = Path("~/.cargo-ledger/keys")


def examples(*lines: str) -> str:
    """The end of a command's help: lines one can copy."""
    return "\b\nExamples:\n" + "\n".join(f"  $ {line}" if line else "" for line in lines)


def using(*bundles: Callable[..., Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of each bundle; what the bundles return are its first arguments, in this order.

    What a bundle returns is closed when the command ends, if it can be.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[len(bundles) :]
        taken = [list(inspect.signature(bundle, eval_str=True).parameters.values()) for bundle in bundles]

        @functools.wraps(command)
        def run(**values: Any) -> None:
            with ExitStack() as opened:
                made = []
                for bundle, parameters in zip(bundles, taken, strict=True):
                    one = bundle(**{parameter.name: values.pop(parameter.name) for parameter in parameters})
                    if hasattr(one, "close"):
                        opened.callback(one.close)
                    made.append(one)
                command(*made, **values)

        shared = [parameter for parameters in taken for parameter in parameters]
        keyword = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*own, *shared)]
        run.__signature__ = inspect.Signature(keyword)  # type: ignore[attr-defined]
        run.__annotations__ = {}  # the signature holds them, resolved
        return run

    return decorate


def bytes32(text: str) -> bytes:
    """Read 32 bytes as hex, with or without 0x."""
    digits = text.removeprefix("0x")
    if not re.fullmatch(r"[0-9a-fA-F]{64}", digits):
        raise typer.BadParameter(
            f"64 hex digits are expected (32 bytes), with or without 0x, not {_cut(text)}"
        )
    return bytes.fromhex(digits)


def address(text: str) -> str:
    """Read an account's address, and give it checksummed; a wrong checksum is refused."""
    from ledger.core.signatures import checksummed

    digits = text.removeprefix("0x")
    if not re.fullmatch(r"[0-9a-fA-F]{40}", digits):
        raise typer.BadParameter(f"an address is expected (0x and 40 hex digits), not {_cut(text)}")
    right = checksummed(bytes.fromhex(digits))
    if digits not in (digits.lower(), digits.upper()) and "0x" + digits != right:
        raise typer.BadParameter(f"{_cut(text)} has a wrong checksum: a digit is mistyped")
    return right


def party(text: str) -> Party:
    """Read a party, `SG` or `SG:ACME01`."""
    try:
        return Party.parse(text)
    except InvalidIdentifier as error:
        raise typer.BadParameter(
            f"a party is expected, as SG or SG:ACME01, not {_cut(text)} ({error.rule})"
        ) from None


def administration(text: str) -> Party:
    """Read an administration, as `SG`."""
    read = party(text)
    if not read.is_customs:
        raise typer.BadParameter(
            f"an administration alone is expected, as {read.administration}, not {_cut(text)}"
        )
    return read


def reference(text: str) -> TradeReference:
    """Read a trade reference, `scheme:VALUE`."""
    try:
        return TradeReference.parse(text)
    except InvalidIdentifier as error:
        raise typer.BadParameter(f"a trade reference is expected, not {_cut(text)} ({error.rule})") from None


def time(text: str) -> datetime:
    """Read a time with its zone, RFC 3339."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"a time is expected, as 2026-03-01T14:30:00Z, not {_cut(text)}") from None
    if read.tzinfo is None:
        raise typer.BadParameter(
            f"{_cut(text)} has no zone; end it with Z for UTC, or with an offset as +08:00"
        )
    if read.timestamp() < 0:
        raise typer.BadParameter(f"{_cut(text)} is before 1970")
    return read.astimezone(UTC)


def roles(text: str) -> int:
    """Read roles, separated by commas, into the bits of an enrolment."""
    from ledger.core.records import Role

    names = [name.strip().upper() for name in text.split(",")]
    unknown = [name for name in names if name not in Role.__members__]
    if unknown or not names:
        known = ", ".join(role.name.lower() for role in Role)
        raise typer.BadParameter(f"roles are {known}, separated by commas, not {_cut(text)}")
    bits = 0
    for name in names:
        bits |= Role[name]
    return bits


def pointer(text: str) -> str:
    """Read a JSON Pointer; that it selects something is the document's to say."""
    if text and not text.startswith("/"):
        raise typer.BadParameter(f"a JSON Pointer begins with /, as /goods/0/hs/code, not {_cut(text)}")
    if re.search(r"~(?![01])", text):
        raise typer.BadParameter(
            f"in a JSON Pointer ~ is followed by 0 or 1 (~0 is ~, ~1 is /), not as in {_cut(text)}"
        )
    return text


def file_to_read(text: str) -> Path:
    """Read the name of a file that is there, or `-` for standard input."""
    path = Path(text)
    if text == "-":
        return path
    if path.is_dir():
        raise typer.BadParameter(f"{_cut(text)} is a folder, a file is expected")
    if not os.path.exists(path):
        raise typer.BadParameter(f"there is no file {_cut(text)}")
    if not os.access(path, os.R_OK):
        raise typer.BadParameter(f"the file {_cut(text)} cannot be read: you may not")
    return path


def service_address(text: str) -> str:
    """Read the address of a service."""
    if not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", text):
        raise typer.BadParameter(
            f"the address of a service is expected, as http://127.0.0.1:8001, not {_cut(text)}"
        )
    return text.rstrip("/")


def _cut(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "…")


WHO_AND_WHERE = (
    "Keys and addresses"  # the panel of a command's help that has the options of every command like it
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object, for programs.")]
DocumentArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", parser=file_to_read, help="JSON document; - reads it from standard input."
    ),
]
DocumentsArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE", parser=file_to_read, help="JSON documents; - reads one from standard input."
    ),
]
ProofArgument = Annotated[
    Path,
    typer.Argument(metavar="FILE", parser=file_to_read, help="JSON file; - reads it from standard input."),
]
SecretOption = Annotated[
    bytes | None,
    typer.Option("--secret", metavar="HEX", parser=bytes32, help="The 32 secret bytes of the commitment."),
]
ServiceOption = Annotated[
    str,
    typer.Option(
        "--service",
        metavar="URL",
        parser=service_address,
        envvar="CARGO_LEDGER_SERVICE",
        rich_help_panel=WHO_AND_WHERE,
        help="Your administration's service.",
    ),
]


def profile_option(what: str) -> Any:
    """The option `--profile`, with what it is for."""
    return typer.Option(
        "--profile",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        envvar="CARGO_LEDGER_PROFILE",
        rich_help_panel=WHO_AND_WHERE,
        help=what,
    )


def trust_option() -> Any:
    """The option `--trust`."""
    return typer.Option(
        "--trust", metavar="FILE", parser=file_to_read, help="Trust file; `trust init` writes one."
    )


ProfileOption = Annotated[Path, profile_option("Chain profile; `chain up` writes one.")]
TrustOption = Annotated[Path, trust_option()]
ProcessesOption = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=64,
        help="Processes that check blocks beside the one that judges; by default the machine's cores.",
    ),
]
KeyOption = Annotated[
    str,
    typer.Option(
        "--key",
        metavar="NAME",
        envvar="CARGO_LEDGER_KEY",
        rich_help_panel=WHO_AND_WHERE,
        help="Key that signs; `key list` shows what there is.",
    ),
]
ReadingKeyOption = Annotated[
    str | None,
    typer.Option(
        "--key",
        metavar="NAME",
        envvar="CARGO_LEDGER_KEY",
        rich_help_panel=WHO_AND_WHERE,
        help="Key that signs in, where the service asks for it; `key list` shows what there is.",
    ),
]
KeyFolderOption = Annotated[
    Path,
    typer.Option(
        "--key-folder",
        metavar="FOLDER",
        file_okay=False,
        envvar="CARGO_LEDGER_KEYS",
        rich_help_panel=WHO_AND_WHERE,
        help="Folder of your key files.",
    ),
]
PasswordFileOption = Annotated[
    Path | None,
    typer.Option(
        "--password-file",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        envvar="CARGO_LEDGER_PASSWORD_FILE",
        rich_help_panel=WHO_AND_WHERE,
        help="File with the key's password; without one it is asked for.",
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", dir_okay=False, help="Write the result to this new file."),
]
