"""What `audit report` says beside the page: how far it is, how to run it again, and the sentences for a terminal."""

from __future__ import annotations

import hashlib
import importlib.metadata
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ledger.audit.report.content import Again, How
from ledger.cli.output import Page

if TYPE_CHECKING:
    from ledger.audit.report.content import Report
    from ledger.audit.result import Replayed


class Stages:
    """Moves one bar of a hundred through the stages of gathering, each of which is told by its own steps."""

    def __init__(self, advance: Any) -> None:
        self._advance = advance
        self._stage = ""
        self._done = 0.0
        self._begun = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Move the bar to where a stage is."""
        if stage != self._stage:
            self._stage, self._begun = stage, self._done
        part = (100 - self._begun) / 3 * done / max(total, 1)
        self._advance(self._begun + part - self._done)
        self._done = self._begun + part


def how(
    replayed: Replayed,
    export: Path | None,
    trust: Path,
    profile: Path | None,
    *,
    signatures: bool,
    documents: Sequence[Path] = (),
    consignments: Sequence[bytes] = (),
) -> How:
    """The commands by which somebody else comes to the same, and what they must see.

    Files are named without their folders, which are the maker's own.
    """
    source = _named(export) if export else f"--profile {_named(profile or Path())}"
    last = (
        replayed.block if replayed.broken is None else replayed.broken.block
    )  # which the same must break again
    until = "" if export else f" --to {last}"
    quick = "" if signatures else " --without-signatures"
    trusted = f"--trust {_named(trust)}"
    digest = None if replayed.digest is None else "0x" + replayed.digest.hex()
    same = f"cargo-ledger audit replay {source} {trusted}{until}{quick}"
    again = [
        Again(
            "In the folder of the files that are named here: replay the same blocks. It must say "
            f" {replayed.verdict}"
            + (f", with the digest {digest}" if digest else "")
            + "; two auditors of the same chain to the same block get the same digest, each from a node or file of their own.",
            same,
        )
    ]
    words = [f"--documents {_named(each)}" for each in documents]
    words += [f"--consignment 0x{each.hex()}" for each in consignments]
    again.append(
        Again(
            "Write this report again"
            + (
                " from the same documents; who has none gets it without places, seals and reasons."
                if words
                else "."
            ),
            " ".join(
                [f"cargo-ledger audit report {source} {trusted}{until}{quick}", *words, "--out again.html"]
            ),
        )
    )
    if export is None:
        again.append(
            Again(
                "Take the blocks along and replay them where there is no network.",
                f"cargo-ledger audit export chain.audit {source} --to {replayed.block}",
            )
        )
        again.append(
            Again(
                "Hold contract storage and the administration's database against the blocks.",
                f"cargo-ledger audit compare {source} {trusted} --to {replayed.block} --database URL",
            )
        )
    again.append(
        Again(
            "Show an event of this report, by the block and log that stand beside it.",
            f"cargo-ledger audit event {source} --block BLOCK --log LOG",
        )
    )
    return How(
        int(time.time()),
        importlib.metadata.version("cargo-ledger"),
        trust.name,
        same,
        f"cargo-ledger audit event {source}",
        None if export is None else _sha256(export),
        tuple(again),
    )


def _named(path: Path) -> str:
    """A file's name as a word of a command, never an option of it."""
    return shlex.quote(f"./{path.name}" if path.name.startswith("-") else path.name)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return "0x" + hashlib.file_digest(file, "sha256").hexdigest()


def show(page: Page, made: Report, names: list[str]) -> None:
    """Tell a person what was written."""
    page.table(
        "Findings",
        ("gravity", "kind", "how many"),
        [(gravity, title, count) for gravity, _, title, count in made.findings_by_kind],
        empty="No findings.",
    )
    for name in names:
        page.line(f"Wrote {name}.")
    page.line(
        f"{made.verdict} as of block {made.replay['as_of']['block']}. {made.heading} {made.grounds}",
        style="bold green" if made.verdict == "VALID" else "bold red",
    )
