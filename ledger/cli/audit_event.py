"""`cargo-ledger audit event`: one event as a person reads it, and the commands that say the rest."""

from __future__ import annotations

import dataclasses
import shlex
from contextlib import closing
from pathlib import Path

from ledger.audit.event import ShownEvent
from ledger.cli.output import Page


def with_its_transaction(found: ShownEvent, profile: Path | None) -> ShownEvent:
    """The event with the hash of its transaction, which a node knows."""
    from ledger.chain import Chain
    from ledger.config import ChainProfile

    assert profile is not None  # noqa: S101  the event came from its node
    with closing(Chain(ChainProfile.load(profile))) as chain:
        block = chain.block(found.hangs_on.number)
        if block is None or block.hash != found.hangs_on.hash:
            return found
        hashes = {event.log_index: event.transaction_hash for event in chain.events(block)}
    return dataclasses.replace(found, transaction_hash=hashes.get(found.log))


def command(export: Path | None, profile: Path | None, block: int, log: int) -> str:
    """The command that shows an event."""
    return f"cargo-ledger audit event {_source(export, profile)} --block {block} --log {log}"


def _source(export: Path | None, profile: Path | None) -> str:
    return f"--profile {shlex.quote(str(profile))}" if export is None else shlex.quote(str(export))


def see(found: ShownEvent, export: Path | None, profile: Path | None) -> dict[str, str]:
    """The commands that say what this one does not, by what they say."""
    source = _source(export, profile)
    commands = {
        "that the block is on the sealed chain and every rule was kept": f"cargo-ledger audit replay {source} --trust FILE"
    }
    if "record" in found.values:
        record = found.values["record"]
        commands["that the signer might do this then, as known then and as known now"] = (
            f"cargo-ledger audit ask allowed {source} --record {record} --trust FILE"
        )
    return commands


def show(page: Page, found: ShownEvent, commands: dict[str, str]) -> None:
    """Tell a person."""
    page.line(f"{found.name}, event {found.sequence} of {found.contract}", style="bold")
    page.facts(found.values)
    signed, block = found.signed, found.hangs_on
    if signed is None:
        page.line(found.unsigned)
    else:
        page.line(signed.sentence, style="bold green" if signed.verifies else "bold red")
        page.facts(
            {
                "signed by": signed.account,
                "public key": None if signed.public_key is None else "0x" + signed.public_key.hex(),
                "signature": "0x" + signed.signature.hex(),
                "over": "0x" + signed.digest.hex(),
            }
        )
    page.line(
        f"It stands in block {block.number} of {block.at}, transaction {found.transaction}, log {found.log}: the block's "
        f"receipts ({block.receipts}), this event among them, hash to the root in its header. {block.sentence}"
    )
    page.facts(
        {
            "transaction": None if found.transaction_hash is None else "0x" + found.transaction_hash.hex(),
            "block hash": "0x" + block.hash.hex(),
            "its parent": "0x" + block.parent_hash.hex(),
            "receipts root": "0x" + block.receipts_root.hex(),
            "state root": "0x" + block.state_root.hex(),
            "sealed by": "\n".join(block.sealed_by) or None,
        }
    )
    for what, command in commands.items():
        page.line(f"Not said here, {what}: {command}")
