"""Evidence files: everything in them judged again, as of their own block, and that block looked for on the chain.

How old a file is, is **not** judged: on the shelf it ages, and that is no damage.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from ledger.audit.fsck.found import Corruption
from ledger.chain import Chain
from ledger.core import headers, sealing
from ledger.core.evidence import MAX_BYTES, Evidence
from ledger.core.trust import Trust
from ledger.core.verdict import Report
from ledger.core.verify import verify
from ledger.errors import LedgerError

_NOT_JUDGED = "freshness"


def check(
    files: Sequence[Path], trust: Trust | None, node: Chain | None, unchecked: list[str]
) -> Iterator[Corruption]:
    """What is wrong with evidence files.

    Args:
        files: The files.
        trust: What is taken for granted; without it nothing of them can be judged.
        node: Asked for the block that a file speaks of.
        unchecked: Gets a sentence for each thing that can't be told.
    """
    if files and trust is None:
        unchecked.append("The evidence files were not judged: name a trust file.")
        return
    for path in files:
        assert trust is not None  # noqa: S101  just looked at
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        report = verify(data, trust, 0)
        if report.as_of is not None:
            report = verify(data, trust, report.as_of.time)
        yield from _judged(path, report, trust, unchecked)
        yield from _placed(path, data, report, trust, node, unchecked)


def _judged(path: Path, report: Report, trust: Trust, unchecked: list[str]) -> Iterator[Corruption]:
    is_sealed = trust.consensus != "development"
    for each in report.checks:
        if each.name == _NOT_JUDGED:
            continue
        if each.status in ("INVALID", "ERROR"):
            yield _wrong(path, each.name, each.message, report)
        elif each.status == "SKIPPED" and (is_sealed or each.name != "seals"):
            unchecked.append(f"{path}: {each.name}: {each.message}")


def _placed(
    path: Path, data: bytes, report: Report, trust: Trust, node: Chain | None, unchecked: list[str]
) -> Iterator[Corruption]:
    """That the block whose state it shows is on the chain that the node has."""
    if report.as_of is None:
        return
    if node is None:
        unchecked.append(f"{path}: no node was asked whether its block {report.as_of.block} is on the chain.")
        return
    try:
        shown = [headers.decode(each) for each in Evidence.decode(data).chain.headers]
        header = sealing.state_header(shown, trust)
    except LedgerError as error:
        yield _wrong(path, "seals", str(error), report)
        return
    found = headers.block_hash(header, "qbft" if trust.consensus == "qbft" else None)
    there = node.block(header.number)
    if there is None:
        unchecked.append(f"{path}: the node has no block {header.number}.")
    elif there.hash != found:
        what = f"Its block {header.number} is 0x{found.hex()}; the chain has 0x{there.hash.hex()}."
        yield _wrong(path, "block", what, report)


def _wrong(path: Path, where: str, what: str, report: Report) -> Corruption:
    block = None if report.as_of is None else report.as_of.block
    command = f"cargo-ledger evidence verify {shlex.quote(str(path))} --trust FILE"
    return Corruption("changed", str(path), where, what, block, command)
