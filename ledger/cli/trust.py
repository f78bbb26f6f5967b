"""`cargo-ledger trust`: what a verdict takes for granted, written from a chain and told in words."""

from __future__ import annotations

import time as clock
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from ledger.cli import files
from ledger.cli.options import JsonOption, ProfileOption, administration, examples, file_to_read
from ledger.cli.output import Output, Page
from ledger.core.identifiers import Party

_DAY = 86_400

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Write and read trust files: which chain, contracts and validators a verdict rests on, and for how long.",
    epilog=examples(
        "cargo-ledger trust init --administration NL --out nl.trust.json",
        "cargo-ledger trust show nl.trust.json",
    ),
)


@app.command(
    epilog=examples(
        "cargo-ledger trust init --administration NL --out nl.trust.json",
        "cargo-ledger trust init --administration NL --old-hours 6 --valid-days 30 --profile chain.json --out nl.trust.json",
    )
)
def init(
    *,
    ours: Annotated[
        Party,
        typer.Option(
            "--administration",
            metavar="CODE",
            parser=administration,
            help="Yours: whose releases and holds decide whether cargo may go.",
        ),
    ],
    out_file: Annotated[
        Path, typer.Option("--out", metavar="FILE", dir_okay=False, help="Where to write it.")
    ],
    profile: ProfileOption,
    old_hours: Annotated[
        int, typer.Option(min=1, max=8_760, help="From this age on a verdict is INDETERMINATE.")
    ] = 24,
    valid_days: Annotated[
        int, typer.Option(min=1, max=3_650, help="How long the trust file is good for.")
    ] = 90,
    as_json: JsonOption = False,
) -> None:
    """Write a trust file from a chain: its id, genesis, contracts with their code, and its validators now.

    The validators are those of the profile; a node that names others is refused. Compare the file's SHA-256 with those
    that other administrations make, and hand it out by another way than evidence travels.
    """
    from ledger.chain import Chain
    from ledger.config import ChainProfile, write_atomically
    from ledger.exporting import trust_of

    out = Output(as_json)
    files.require_new(out_file)
    expires_at = (
        int(clock.time()) // _DAY * _DAY + (valid_days + 1) * _DAY
    )  # whole days, so that two files agree
    with out.progress("asking the chain"), closing(Chain(ChainProfile.load(profile))) as chain:
        trust = trust_of(chain, ours.administration, old_seconds=old_hours * 3_600, expires_at=expires_at)
    write_atomically(out_file, trust.encode().decode())
    facts = {"file": str(out_file), "sha256": "0x" + trust.sha256.hex(), "validators": len(trust.validators)}

    def show(page: Page) -> None:
        page.line(f"Wrote what {ours.administration} trusts.")
        page.facts(facts)

    out.answer(facts, show)


@app.command(
    epilog=examples("cargo-ledger trust show nl.trust.json", "cargo-ledger trust show nl.trust.json --json")
)
def show(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", parser=file_to_read, help="Trust file; - reads it from standard input."
        ),
    ],
    *,
    as_json: JsonOption = False,
) -> None:
    """Say in words what one trusts with a trust file."""
    from ledger.core.findings import time_text
    from ledger.core.signatures import checksummed

    trust = files.read_trust(file)
    asked = {
        "development": "Nobody's seals are asked for: the chain is an unsealed development chain, and anybody can forge it.",
        "clique": f"Blocks must be confirmed by {len(trust.validators)} signers' quorum (Clique), which is never final.",
        "qbft": f"Blocks must be sealed by a quorum of {len(trust.validators)} validators (QBFT).",
    }[trust.consensus]
    contracts = {name: checksummed(address) for name, address in trust.addresses.items()}
    data = {
        "administration": trust.administration,
        "chain_id": trust.chain_id,
        "genesis_hash": "0x" + trust.genesis_hash.hex(),
        "contracts": contracts,
        "code_hashes": {name: "0x" + code_hash.hex() for name, code_hash in trust.code_hashes.items()},
        "consensus": trust.consensus,
        "validators": list(trust.validators),
        "from_block": trust.from_block,
        "old_seconds": trust.old_seconds,
        "expires_at": time_text(trust.expires_at),
        "sha256": "0x" + trust.sha256.hex(),
    }

    def page(page: Page) -> None:
        page.line(f"{trust.administration}'s releases and holds decide whether cargo may go.")
        page.line(
            f"Believed is chain {trust.chain_id} (genesis 0x{trust.genesis_hash.hex()[:16]}…) with three contracts, each "
            "known by its address and the hash of its code."
        )
        page.line(asked)
        page.line(
            f"A verdict older than {trust.old_seconds // 3600} hours is INDETERMINATE; nothing is VALID from "
            f"{time_text(trust.expires_at)} on."
        )
        page.facts(
            {
                **contracts,
                "validators": "\n".join(trust.validators) or None,
                "from block": trust.from_block if trust.validators else None,
                "SHA-256": data["sha256"],
            }
        )

    Output(as_json).answer(data, page)
