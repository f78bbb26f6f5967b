"""`cargo-ledger manifest prove` and `verify-inclusion`: that a manifest record stands in a log, to be shown to anyone."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger.cli import files, outcome
from ledger.cli.files import UnusableFile
from ledger.cli.options import JsonOption, OutOption, ProofArgument, examples, using
from ledger.cli.output import Output, Page
from ledger.cli.service import ServiceReader, service_reader

if TYPE_CHECKING:
    from ledger.cli.inclusion import Network
    from ledger.config import ChainProfile
    from ledger.messages import InclusionProofView

SCHEMA = "cargo-inclusion/1"

app = typer.Typer()


@app.command(
    epilog=examples(
        "cargo-ledger manifest prove 0xa8970539ebd8acd65afea1597b70e39ea49444629c80436baec9d2bd36fcc800 --out proof.json",
        "cargo-ledger manifest prove ducr:9GB123456789000-INV1 --out proof.json --json",
    )
)
@using(service_reader)
def prove(
    session: ServiceReader,
    manifest: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="Manifest id, record digest, or a trade reference with one manifest."
        ),
    ],
    *,
    out: OutOption = None,
) -> None:
    """Fetch the proof that a manifest record is in its administration's log.

    There is one as soon as the record is anchored, a block or two after it was lodged. The proof never changes; keep it.
    """
    if out is not None:
        files.require_new(out)
    with session.out.progress("fetching the proof"):
        found = session.client.manifest_proof(session.manifest_id(manifest))
        chain = session.client.chain()
    content = {
        "schema": SCHEMA,
        "chain_id": chain.chain_id,
        "genesis_hash": chain.genesis_hash,
        "manifest_log": chain.manifest_log,
        **found.model_dump(mode="json"),
    }
    if out is not None:
        files.write_new(out, content)

    def show(page: Page) -> None:
        page.line(
            f"The record is leaf {found.index} of {found.administration}'s log (epoch {found.epoch}); the head of size "
            f"{found.size} that covers it was anchored in block {found.block}."
        )
        page.facts({"file": out, "root": found.root})
        if out:
            page.line(f"Anyone can check it: `cargo-ledger manifest verify-inclusion {out}`.")
        else:
            page.line("Give --out FILE, or --json, to have the proof itself.")

    session.out.answer(content, show)


@app.command(
    "verify-inclusion",
    epilog=examples(
        "cargo-ledger manifest verify-inclusion proof.json",
        "cargo-ledger manifest verify-inclusion proof.json --profile chain-profile.json --json",
    ),
)
def verify_inclusion(
    file: ProofArgument,
    *,
    profile: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="Ask this network's chain too; without it nothing is asked.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a proof: the record and its signature are the leaf, the leaf's path leads to the root, who signed.

    This is pure. With --profile the chain is asked as well whether it keeps that root as a head, and whether the signer
    may act for the party. Exit code 0 VALID, 1 INVALID, 3 INDETERMINATE, 4 chain not reachable.
    """
    from ledger.cli.inclusion import EXIT_CODES, Check, check_on_chain, check_purely, verdict
    from ledger.config import ChainProfile

    out = Output(as_json)
    proof, network = read_proof(file)
    pinned = None if profile is None else ChainProfile.load(profile)
    checks: list[Check] = []
    if pinned is not None:
        network, named = _of_profile(pinned, network)
        checks.append(named)
    pure, signer = check_purely(proof, network)
    checks += pure
    if pinned is None:
        checks.append(
            Check(
                "head",
                "SKIPPED",
                "Whether the chain keeps this root was not asked; add --profile FILE.",
                needed=False,
            )
        )
    elif verdict(checks) == "VALID":
        from ledger.chain import Chain

        with out.progress("asking the chain"), closing(Chain(pinned)) as chain:
            chain.require_identity()
            checks += check_on_chain(proof, signer, chain)
    result = verdict(checks)

    def show(page: Page) -> None:
        page.table(
            "", ("check", "status", "what"), [(each.name, each.status, each.message) for each in checks]
        )
        page.line(
            _sentence(result, proof, pinned is not None),
            style="bold green" if result == "VALID" else "bold red",
        )
        page.facts({"manifest": proof.id, "manifest root": proof.record.manifest_root, "signer": signer})

    out.answer(
        {
            "verdict": result,
            "id": proof.id,
            "manifest_root": proof.record.manifest_root,
            "signer": signer,
            "administration": proof.administration,
            "root": proof.root,
            "checks": [
                {"name": each.name, "status": each.status, "message": each.message} for each in checks
            ],
        },
        show,
    )
    outcome.end(EXIT_CODES[result])


def _sentence(result: str, proof: InclusionProofView, asked_chain: bool) -> str:
    if result == "INVALID":
        return "INVALID: the proof does not hold."
    if result == "INDETERMINATE":
        return "INDETERMINATE: what was shown does not suffice."
    if asked_chain:
        return f"VALID: the record stands in {proof.administration}'s log, and the chain keeps that head."
    return f"VALID: the record stands under this root; that {proof.administration} anchored it was not asked."


def read_proof(file: Path) -> tuple[InclusionProofView, Network | None]:
    """Read a proof, and the network that it names, if it names one."""
    from pydantic import ValidationError

    from ledger.cli.inclusion import Network
    from ledger.messages import InclusionProofView

    content = files.read_object(file, "a proof that `cargo-ledger manifest prove` made")
    named = {name: content.pop(name, None) for name in ("schema", "chain_id", "genesis_hash", "manifest_log")}
    if named["schema"] not in (None, SCHEMA):
        raise UnusableFile(
            str(file), f"its schema is not {SCHEMA}; `cargo-ledger manifest prove` makes such a file"
        )
    try:
        proof = InclusionProofView.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = "/" + "/".join(str(part) for part in first["loc"])
        raise UnusableFile(
            str(file), f"it is no inclusion proof: at {place}, {first['msg'][0].lower()}{first['msg'][1:]}"
        ) from None
    if named["chain_id"] is None or named["manifest_log"] is None:
        return proof, None
    return proof, Network(_chain_id(file, named["chain_id"]), _address(file, named["manifest_log"]))


def _chain_id(file: Path, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 1 << 53:
        raise UnusableFile(str(file), "its chain_id is no chain id")
    return value


def _address(file: Path, value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch("0x[0-9a-fA-F]{40}", value):
        raise UnusableFile(str(file), "its manifest_log is no address")
    return value


def _of_profile(profile: ChainProfile, network: Network | None) -> tuple[Network, Any]:
    from ledger.cli.inclusion import Check, Network

    pinned = Network(profile.chain_id, profile.manifest_log)
    if network is None or (network.chain_id, network.manifest_log.lower()) == (
        pinned.chain_id,
        pinned.manifest_log.lower(),
    ):
        return pinned, Check(
            "network", "VALID", f"Chain {pinned.chain_id}, ManifestLog {pinned.manifest_log}."
        )
    return pinned, Check("network", "INVALID", "The proof was made for another network than the profile's.")
