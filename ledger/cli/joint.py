"""`cargo-ledger audit joint | split | promise | verify-split`: two administrations read one chain, and prove it if they don't."""

from __future__ import annotations

import dataclasses
import re
import time as clock
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import orjson
import typer

from ledger.cli import files, outcome
from ledger.cli.files import UnusableFile
from ledger.cli.options import (
    JsonOption,
    OutOption,
    ProfileOption,
    TrustOption,
    examples,
    file_to_read,
    service_address,
)
from ledger.cli.output import Output, Page

if TYPE_CHECKING:
    from ledger.audit.joint import Result
    from ledger.core.split import Signed, Stands
    from ledger.core.verdict import Report
    from ledger.messages import InclusionProofView

_HEX32 = re.compile("0x[0-9a-f]{64}")

app = typer.Typer()

ResultArgument = Annotated[
    Path,
    typer.Argument(metavar="RESULT", parser=file_to_read, help="What `audit replay --json` printed."),
]


@app.command(
    epilog=examples(
        "cargo-ledger audit joint sg.replay.json nl.replay.json",
        "cargo-ledger audit joint sg.replay.json nl.replay.json --json",
    )
)
def joint(one: ResultArgument, other: ResultArgument, *, as_json: JsonOption = False) -> None:
    """Compare two auditors' replays of one chain: do they agree on the digest, and if not, where do they differ.

    A result is its auditor's word and proves nothing to a third; `audit split` and `audit promise` make what does. Exit
    code 0 they agree and both are VALID, 1 they do not, 3 that can't be told.
    """
    from ledger.audit.joint import agree

    if one.samefile(other):
        raise UnusableFile(
            str(other), "it is the other result: two replays are compared, each by its own auditor"
        )
    results = [_result(path) for path in (one, other)]
    if results[0].name == results[1].name:
        results = [
            dataclasses.replace(each, name=str(path))
            for each, path in zip(results, (one, other), strict=True)
        ]
    verdict, sentence = agree(*results)
    told = [
        {
            "name": each.name,
            "verdict": each.verdict,
            "digest": None if each.digest is None else "0x" + each.digest.hex(),
            "block": each.block[0],
            "hash": "0x" + each.block[1].hex(),
        }
        for each in results
    ]

    def show(page: Page) -> None:
        names = ("name", "verdict", "block", "digest")
        page.table("", names, [tuple(each[name] for name in names) for each in told])
        page.line(sentence, style="bold green" if verdict == "VALID" else "bold red")

    Output(as_json).answer({"verdict": verdict, "sentence": sentence, "results": told}, show)
    outcome.end(outcome.of_verdict(verdict))


def _result(path: Path) -> Result:
    from ledger.audit.joint import Result

    try:
        content = orjson.loads(files.read(path, files.MAX_FILE_BYTES))
        chain, as_of, digest = content["chain"], content["as_of"], content["digest"]
        if content["verdict"] not in ("VALID", "INVALID", "INDETERMINATE"):
            raise ValueError("verdict")
        return Result(
            path.name,
            content["verdict"],
            None if digest is None else _bytes32(digest),
            (_count(chain["id"]), _bytes32(chain["genesis_hash"])),
            (_count(as_of["block"]), b"" if as_of["hash"] == "0x" else _bytes32(as_of["hash"])),
        )
    except (KeyError, TypeError, ValueError):
        raise UnusableFile(str(path), "it is not what `cargo-ledger audit replay --json` printed") from None


def _bytes32(text: Any) -> bytes:
    if not isinstance(text, str) or not _HEX32.fullmatch(text):
        raise ValueError("32 bytes of hex are expected")
    return bytes.fromhex(text[2:])


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("a number from 0 is expected")
    return value


@app.command(
    epilog=examples(
        "cargo-ledger audit split --other http://127.0.0.1:8546 --trust sg.trust.json --out split.json",
        "cargo-ledger audit split --other http://127.0.0.1:8546 --trust sg.trust.json --profile sg.json --json",
    )
)
def split(
    *,
    other: Annotated[
        str,
        typer.Option(
            "--other",
            metavar="URL",
            parser=service_address,
            help="JSON-RPC address of the node that the profile's is compared with.",
        ),
    ],
    trust: TrustOption,
    profile: ProfileOption,
    out_file: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the histories that two nodes show, block by block hash; find where they part, and prove it.

    Where a quorum of validators sealed both (QBFT), --out gets a file that convinces whoever trusts them. Two Clique
    blocks at one height are normal and no proof. Exit code 0 one history, 1 two and proven, 3 two and not proven.
    """
    from ledger.audit.joint import prove_parted, where_parted
    from ledger.chain import Chain
    from ledger.config import ChainProfile

    out = Output(as_json)
    if out_file is not None:
        files.require_new(out_file)
    pinned = files.read_trust(trust)
    ours = ChainProfile.load(profile)
    with ExitStack() as opened:
        one = opened.enter_context(closing(Chain(ours)))
        second = opened.enter_context(closing(Chain(dataclasses.replace(ours, rpc_url=other))))
        with out.progress("comparing headers"):
            last, parted = where_parted(one, second)
        facts: dict[str, Any] = {
            "compared_to": last,
            "parted_at": None,
            "hashes": None,
            "file": None,
            "report": None,
        }
        report, code = None, outcome.Exit.DONE
        if parted is None:
            facts["sentence"] = (
                f"One history: both nodes show the same block {last}, and so every block before it."
            )
        else:
            hashes = ["0x" + each.hex() for each in parted.hashes]
            sentence = f"Two histories from block {parted.number} on: {hashes[0]} and {hashes[1]}. "
            code = outcome.Exit.INDETERMINATE
            if pinned.consensus == "qbft":
                with out.progress("making the proof"):
                    made, report = prove_parted(one, second, parted, pinned)
                if report.verdict == "VALID":
                    facts["file"], code = _written(out_file, made.encode()), outcome.Exit.REFUSED
                sentence += report.state
            else:
                sentence += "Without finality that is normal near the newest block and proves nothing: compare again later."
            facts |= {
                "parted_at": parted.number,
                "hashes": hashes,
                "report": None if report is None else report.to_json(),
                "sentence": sentence,
            }
    _told(out, facts, report, code)


@app.command(
    epilog=examples(
        "cargo-ledger audit promise invoice.lodged.json --trust sg.trust.json --out broken.json",
        "cargo-ledger audit promise invoice.lodged.json --trust sg.trust.json --proof other.proof.json --out broken.json",
    )
)
def promise(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="LODGED", parser=file_to_read, help="What `manifest lodge` kept: it holds the promise."
        ),
    ],
    *,
    trust: TrustOption,
    profile: ProfileOption,
    proof: Annotated[
        Path | None,
        typer.Option(
            "--proof",
            metavar="FILE",
            parser=file_to_read,
            help="Proof of what stands at the promised index (`manifest prove`), where the log reaches it.",
        ),
    ] = None,
    last: Annotated[
        int | None,
        typer.Option(
            "--to", metavar="BLOCK", min=1, help="As of this block; by default the newest final one."
        ),
    ] = None,
    out_file: OutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold a service's signed promise against what is anchored; if it was broken, prove it.

    Broken is a promise whose index the log does not reach after its time, or where another leaf stands; --out then gets a
    file that convinces whoever trusts the validators. Exit code 0 kept, 1 broken, 3 that can't be told yet.
    """
    from ledger.audit.joint import prove_broken
    from ledger.chain import Chain
    from ledger.config import ChainProfile
    from ledger.exporting import block_for

    out = Output(as_json)
    if out_file is not None:
        files.require_new(out_file)
    pinned, given = files.read_trust(trust), _promise(file)
    leaf = None if proof is None else _leaf(proof, given)
    with closing(Chain(ChainProfile.load(profile))) as chain, out.progress("asking the chain"):
        chain.require_identity()
        block = last or block_for(chain, chain.head().number)
        made, report = prove_broken(chain, given, leaf, pinned, block)
    facts: dict[str, Any] = {"block": block, "file": None, "report": report.to_json()}
    if report.verdict == "VALID":
        facts |= {"sentence": report.state, "file": _written(out_file, made.encode())}
        _told(out, facts, report, outcome.Exit.REFUSED)
    conflict = report.check("conflict")
    is_kept = (
        leaf is not None
        and leaf.leaf_hash == given.promise.leaf_hash
        and conflict.status == "INVALID"
        and all(each.status == "VALID" for each in report.checks if each.name not in ("conflict", "seals"))
        and report.check("seals").status == ("SKIPPED" if pinned.consensus == "development" else "VALID")
    )
    sentence = conflict.message
    if leaf is None and conflict.status == "INVALID":
        sentence += (
            " Give --proof FILE to hold what stands at the index against the promise, or look again later."
        )
    _told(
        out,
        facts | {"sentence": sentence},
        None if is_kept else report,
        outcome.Exit.DONE if is_kept else outcome.Exit.INDETERMINATE,
    )


@app.command(
    "verify-split",
    epilog=examples(
        "cargo-ledger audit verify-split split.json --trust nl.trust.json",
        "cargo-ledger audit verify-split broken.json --trust nl.trust.json --json",
    ),
)
def verify_split(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", parser=file_to_read, help="What `audit split` or `audit promise` wrote."
        ),
    ],
    *,
    trust: TrustOption,
    as_json: JsonOption = False,
) -> None:
    """Judge a file that says that two histories were shown, or a promise broken; nothing is asked of any network.

    Exit code 0 VALID: it is proven; 1 INVALID: the file does not hold, or shows none; 3 INDETERMINATE.
    """
    from ledger.core import split as core

    report = core.verify(files.read(file, core.MAX_BYTES), files.read_trust(trust), int(clock.time()))
    data = report.to_json()
    Output(as_json).answer(data, lambda page: _show(page, report.state, report))
    outcome.end(outcome.of_verdict(report.verdict))


def _told(out: Output, data: dict[str, Any], report: Report | None, code: outcome.Exit) -> NoReturn:
    """Give the answer of a comparison, and end."""

    def show(page: Page) -> None:
        _show(page, data["sentence"], report)
        if data["file"] is not None:
            page.facts({"proof": data["file"]})

    out.answer(data, show)
    outcome.end(code)


def _show(page: Page, sentence: str, report: Report | None) -> None:
    if report is not None:
        page.table(
            "",
            ("check", "status", "what"),
            [(each.name, each.status, each.message) for each in report.checks],
        )
    page.line(sentence, style="bold")
    if report is not None:
        page.line(f"{report.verdict}; by the trust file 0x{report.trust.hex()}.")


def _written(path: Path | None, data: bytes) -> str | None:
    from ledger.config import write_atomically

    if path is None:
        return None
    write_atomically(path, data.decode())
    return str(path)


def _promise(path: Path) -> Signed:
    from pydantic import ValidationError

    from ledger.core.identifiers import Party
    from ledger.core.records import Promise
    from ledger.core.split import Signed
    from ledger.errors import InvalidInput
    from ledger.messages import PromiseView

    content = files.read_object(path, "what `cargo-ledger manifest lodge` kept")
    try:
        view = PromiseView.model_validate(content.get("promise"))
        made = Promise(
            Party(view.administration).administration_bytes,
            view.epoch,
            view.index,
            bytes.fromhex(view.leaf_hash[2:]),
            view.seen,
            view.anchor_by,
        )
    except (ValidationError, InvalidInput):
        raise UnusableFile(
            str(path), "it holds no promise; `cargo-ledger manifest lodge` keeps one in NAME.lodged.json"
        ) from None
    return Signed(made, bytes.fromhex(view.signature[2:]))


def _leaf(path: Path, given: Signed) -> Stands:
    from ledger.cli.manifest_proof import read_proof
    from ledger.core.identifiers import Party
    from ledger.core.split import Stands

    proof: InclusionProofView = read_proof(path)[0]
    promise = given.promise
    place = (Party(proof.administration).administration_bytes, proof.epoch, proof.index)
    if place != (promise.administration, promise.epoch, promise.index):
        raise UnusableFile(
            str(path),
            f"it is of index {proof.index} of {proof.administration}'s log, epoch {proof.epoch}; the promise is of index "
            f"{promise.index}, epoch {promise.epoch}",
        )
    return Stands(
        bytes.fromhex(proof.leaf_hash[2:]),
        tuple(bytes.fromhex(each[2:]) for each in proof.path),
        proof.size,
        bytes.fromhex(proof.root[2:]),
        int(proof.anchored_at.timestamp()),
    )
