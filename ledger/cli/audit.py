"""`cargo-ledger audit`: the chain of custody rebuilt from blocks and judged again, with nothing trusted but the seals."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger.cli import audit_fsck, files, joint, options, outcome
from ledger.cli.extra import require_extra
from ledger.cli.options import (
    JsonOption,
    ProcessesOption,
    ProfileOption,
    TrustOption,
    bytes32,
    examples,
    file_to_read,
    profile_option,
)
from ledger.cli.output import Output, Page
from ledger.cli.words import counted
from ledger.core.identifiers import Party

if TYPE_CHECKING:
    from ledger.audit.blocks import Source
    from ledger.audit.result import Replayed


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Rebuild the chain of custody from blocks alone, judge every rule again, and compare.",
    epilog=examples(
        "cargo-ledger audit replay --trust sg.trust.json",
        "cargo-ledger audit export chain.audit",
        "cargo-ledger audit replay chain.audit --trust sg.trust.json",
        "cargo-ledger audit ask disputed chain.audit --trust sg.trust.json",
        "cargo-ledger audit fsck --trust sg.trust.json",
    ),
)

ExportArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[EXPORT]",
        parser=file_to_read,
        help="File that `audit export` wrote; without one the profile's node is read.",
    ),
]
NodeOption = Annotated[
    Path | None, profile_option("Chain profile of the node to read, when there is no EXPORT.")
]
DocumentsOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--documents",
        metavar="PATH",
        exists=True,
        help="Documents you hold, a file or a folder of them, repeated at will: evidence and accompanying files, disclosures, "
        "proofs, or a document with its secret. Each is checked before it is used; what none of them shows is said to be not "
        "disclosed.",
    ),
]
FolderOption = Annotated[
    Path | None,
    typer.Option(
        "--folder",
        metavar="FOLDER",
        file_okay=False,
        help="Keep what was rebuilt here, and go on with it if it is interrupted.",
    ),
]
ToOption = Annotated[
    int | None,
    typer.Option("--to", metavar="BLOCK", min=1, help="The last block; by default the newest final one."),
]
SignaturesOption = Annotated[
    bool,
    typer.Option(
        "--signatures/--without-signatures",
        help="Recover every signature. Without it the replay is six times as quick and never VALID.",
    ),
]


@app.command(
    epilog=examples(
        "cargo-ledger audit replay --trust sg.trust.json",
        "cargo-ledger audit replay chain.audit --trust sg.trust.json --json",
        "cargo-ledger audit replay --trust sg.trust.json --folder var/replay --to 120000",
    )
)
def replay(
    export: ExportArgument = None,
    *,
    trust: TrustOption,
    profile: NodeOption = None,
    folder: FolderOption = None,
    last: ToOption = None,
    processes: ProcessesOption = None,
    signatures: SignaturesOption = True,
    as_json: JsonOption = False,
) -> None:
    """Rebuild everything from the deployment on and judge it: blocks, signatures, authority, every rule, the seals.

    Ends with a verdict and a digest of the final state, which every auditor of the same chain to the same block must get.
    Exit code 0 VALID, 1 INVALID, 3 INDETERMINATE, 4 when the node gives no usable answer; with --folder it goes on later.
    """
    from ledger.cli import audit_event

    out = Output(as_json)
    with replaying(out, export, trust, profile, folder, last, processes, signatures=signatures) as replayed:
        broken = replayed.broken
        see = (
            None
            if broken is None or broken.log is None
            else audit_event.command(export, profile, broken.block, broken.log)
        )
        out.answer(replayed.to_json() | {"see": see}, lambda page: show_replay(page, replayed, see))
        verdict = replayed.verdict
    outcome.end(outcome.of_verdict(verdict))


@app.command(
    epilog=examples(
        "cargo-ledger audit export chain.audit",
        "cargo-ledger audit export chain.audit --to 120000 --without-tables --json",
    )
)
def export(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", dir_okay=False, help="Where to write it; a new file.")
    ],
    *,
    profile: ProfileOption,
    last: ToOption = None,
    tables: Annotated[
        bool,
        typer.Option(
            "--tables/--without-tables",
            help="Write the decoded events as Parquet beside it, for DuckDB or Polars.",
        ),
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Write the chain's blocks into one file, from which it is replayed where there is no network.

    Headers, every receipt of blocks with events, the transactions that show proofs and consents, and a proof of the
    contracts' code. Each block is checked on the way; the seals and the signatures are for the replay.
    """
    out = Output(as_json)
    require_extra()
    from ledger.audit import export_file, tables_file
    from ledger.audit.node import NodeSource
    from ledger.audit.replay import moving
    from ledger.chain import Chain
    from ledger.config import ChainProfile

    beside = tables_file.beside(file) if tables else ()
    for each in (file, *beside):
        files.require_new(each)
    with ExitStack() as open_ones:
        source = open_ones.enter_context(closing(NodeSource(Chain(ChainProfile.load(profile)), last)))
        advance = open_ones.enter_context(
            out.progress("exporting blocks", source.last - source.network.first_block + 1)
        )
        see = open_ones.enter_context(tables_file.Tables(file)).see if tables else None
        size = export_file.write(source, file, see=see, progress=moving(advance))
        facts: dict[str, Any] = {
            "file": str(file),
            "bytes": size,
            "first_block": source.network.first_block,
            "last_block": source.last,
            "tables": [str(each) for each in beside],
        }

    def show(page: Page) -> None:
        page.line(f"Wrote blocks {facts['first_block']} to {facts['last_block']}.")
        page.facts({name: value for name, value in facts.items() if name != "tables"})
        for each in beside:
            page.facts({"table": each})

    out.answer(facts, show)


@app.command(
    epilog=examples(
        "cargo-ledger audit compare --trust sg.trust.json --database sqlite:////var/lib/cargo-ledger/sg.sqlite3",
        "cargo-ledger audit compare --trust sg.trust.json --json",
    )
)
def compare(
    *,
    trust: TrustOption,
    profile: ProfileOption,
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL", envvar="LEDGER_DATABASE_URL", help="The administration's database; only read."
        ),
    ] = None,
    folder: FolderOption = None,
    last: ToOption = None,
    processes: ProcessesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold the replay, contract storage and the database side by side, and list every difference.

    Storage is proven from the replayed block's state root. The database of a running service is read as one snapshot, up to
    the block that both have. Exit code 0 if all agree, 1 if anything differs or the replay is INVALID.
    """
    from ledger.audit import compare as comparing
    from ledger.chain import Chain
    from ledger.cli.audit_compare import Differences, show
    from ledger.config import ChainProfile
    from ledger.store import Store

    out = Output(as_json)
    with ExitStack() as open_ones:
        found = open_ones.enter_context(closing(Differences()))
        store = None if database is None else open_ones.enter_context(closing(Store(database)))
        replayed = open_ones.enter_context(replaying(out, None, trust, profile, folder, last, processes))
        compared: list[str] = []  # nothing is held against a replay that did not come to its end
        if replayed.digest is not None:
            compared += "blocks", "contract storage"
            with closing(Chain(ChainProfile.load(profile))) as chain, out.progress("comparing with storage"):
                found.add(comparing.storage(replayed, chain))
            if store is not None:
                compared.append("database")
                with out.progress("comparing with the database"):
                    found.add(comparing.database(replayed, store))
        verdict = replayed.verdict
        data = {
            "verdict": verdict,
            "block": replayed.block,
            "compared": compared,
            "checks": replayed.to_json()["checks"],
        }
        out.answer_with_rows(data, "differences", found.rows(), lambda page: show(page, found, data))
    if found.count:
        outcome.end(outcome.Exit.REFUSED)
    outcome.end(outcome.of_verdict(verdict))


@app.command(
    epilog=examples(
        "cargo-ledger audit report chain.audit --trust sg.trust.json --out audit.html",
        "cargo-ledger audit report --trust sg.trust.json --documents evidence/ --out audit.html --pdf",
        "cargo-ledger audit report chain.audit --trust sg.trust.json --consignment 0x5f1d… --json",
    )
)
def report(
    export: ExportArgument = None,
    *,
    trust: TrustOption,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", dir_okay=False, help="Where to write it; a new file.")
    ] = Path("audit-report.html"),
    pdf: Annotated[
        bool,
        typer.Option(
            "--pdf", help="Print it too, beside it with the ending .pdf; Chromium must be installed."
        ),
    ] = False,
    documents: DocumentsOption = None,
    consignment: Annotated[
        list[bytes] | None,
        typer.Option(
            "--consignment", metavar="ID", parser=bytes32, help="Draw this one whatever it is; repeat it."
        ),
    ] = None,
    profile: NodeOption = None,
    folder: FolderOption = None,
    last: ToOption = None,
    processes: ProcessesOption = None,
    signatures: SignaturesOption = True,
    as_json: JsonOption = False,
) -> None:
    """Replay the chain and write what was found into one HTML file that needs nothing else.

    The verdict in words, the findings by gravity with where each stands on the chain, the custody of consignments over
    time, a map of the passages, volumes, lateness, what was checked and what was not, and how to run it again.
    Exit code and verdict are those of `audit replay`; the report is written whatever they are.
    """
    require_extra()
    from ledger.audit import papers
    from ledger.audit.report import content, disclosed, page
    from ledger.cli import audit_report, paper
    from ledger.config import write_atomically

    printed = out.with_suffix(".pdf")
    chromium = paper.browser() if pdf else None
    for each in (out, printed) if pdf else (out,):
        files.require_new(each)
    if pdf and chromium is None:
        raise typer.BadParameter(
            "--pdf needs Chromium, which is not installed here; print the HTML elsewhere"
        )
    output = Output(as_json)
    with output.progress("reading documents") as advance:
        held = disclosed.disclosed(papers.read_all(documents or (), advance))
    with replaying(
        output, export, trust, profile, folder, last, processes, signatures=signatures
    ) as replayed:
        how = audit_report.how(
            replayed,
            export,
            trust,
            profile,
            signatures=signatures,
            documents=documents or (),
            consignments=consignment or (),
        )
        with output.progress("writing the report", 100) as advance:
            made = content.gather(replayed, held, how, consignment or (), audit_report.Stages(advance))
        write_atomically(out, page.render(made, replayed.block_time), mode=0o644)
        verdict = replayed.verdict
    if chromium is not None:
        with output.progress("printing"):
            paper.print_page(out, printed, chromium)
    names = [str(out), str(printed)] if pdf else [str(out)]
    data = {**page.to_json(made), "files": names}
    output.answer(data, lambda shown: audit_report.show(shown, made, names))
    outcome.end(outcome.of_verdict(verdict))


@app.command(
    epilog=examples(
        "cargo-ledger audit event chain.audit --block 120 --log 3",
        "cargo-ledger audit event --profile chain.profile.json --block 120 --log 3 --json",
    )
)
def event(
    export: ExportArgument = None,
    *,
    block: Annotated[int, typer.Option("--block", metavar="NUMBER", min=0, help="The block.")],
    log: Annotated[
        int, typer.Option("--log", metavar="NUMBER", min=0, help="The log's place in the block, from 0.")
    ],
    profile: NodeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one event where it stands: what a finding of a report names by block and log.

    The block is checked by itself: its receipts against its header, so that the event stands in it; who signed it, with
    which key, is recovered from the signature. That the block is on the sealed chain is for `audit replay` to say: the
    commands that say so are shown. Exit code 1 if the signature is not by whom the event says.
    """
    from ledger.audit import event as events
    from ledger.cli import audit_event

    output = Output(as_json)
    with closing(open_source(export, profile, None if export is not None else block)) as source:
        found = events.show(source, block, log)
    if found.transaction_hash is None and export is None:
        found = audit_event.with_its_transaction(found, profile)
    see = audit_event.see(found, export, profile)
    output.answer(found.to_json() | {"see": see}, lambda page: audit_event.show(page, found, see))
    if found.signed is not None and not found.signed.verifies:
        outcome.end(outcome.Exit.REFUSED)


@app.command(
    epilog=examples(
        "cargo-ledger audit ask holder --consignment 0xc98c… --at 2026-03-01T14:30:00Z --trust sg.trust.json",
        "cargo-ledger audit ask amended chain.audit --documents papers/ --trust sg.trust.json",
        "cargo-ledger audit ask late-records chain.audit --over-hours 48 --trust sg.trust.json --json",
    )
)
def ask(
    question: Annotated[
        str,
        typer.Argument(
            metavar="QUESTION",
            help="holder, allowed, signed-since, amended, released-before, shared-containers, moved-while-held, "
            "disputed, late-manifests or late-records.",
        ),
    ],
    export: ExportArgument = None,
    *,
    trust: TrustOption,
    profile: NodeOption = None,
    documents: DocumentsOption = None,
    consignment: Annotated[
        bytes | None, typer.Option(metavar="ID", parser=options.bytes32, help="A consignment's id.")
    ] = None,
    at: Annotated[
        datetime | None, typer.Option(metavar="TIME", parser=options.time, help="As of which second.")
    ] = None,
    account: Annotated[
        str | None, typer.Option(metavar="ADDRESS", parser=options.address, help="An account.")
    ] = None,
    party: Annotated[
        Party | None, typer.Option(metavar="PARTY", parser=options.party, help="A party.")
    ] = None,
    record: Annotated[
        bytes | None,
        typer.Option(metavar="DIGEST", parser=options.bytes32, help="A custody record, by its digest."),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            metavar="TIME",
            parser=options.time,
            help="From which second on; by default what its revocation says.",
        ),
    ] = None,
    container: Annotated[str | None, typer.Option(metavar="NUMBER", help="A container's number.")] = None,
    over_hours: Annotated[
        float | None, typer.Option(min=0, max=87_600, help="Later than this is late; by default 24.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many lines are enough.")] = 1_000,
    after: Annotated[
        str | None, typer.Option(metavar="PLACE", help="Where to go on: what an answer gave as more.")
    ] = None,
    folder: FolderOption = None,
    last: ToOption = None,
    processes: ProcessesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask what an auditor asks, of a node or of an export; each answer names the events it rests on.

    holder: who was in charge of a consignment at a time (--consignment --at).

    allowed: who might act then, as known then and as known now (--account --at, --party --at, or --record).

    signed-since: what an account signed since it was compromised, and what hangs on it (--account [--since]).

    amended: which manifests, and which fields changed ([--consignment]).

    released-before: any release of a consignment before a time (--consignment --at).

    shared-containers: consignments with one container in overlapping times ([--container | --consignment]).

    moved-while-held: passages and hand-overs of held cargo ([--consignment]).

    disputed: acts before which a revocation dates back ([--account]).

    late-manifests: lodged after the cargo had left ([--consignment]).

    late-records: observed long before the chain took them ([--consignment] [--party] [--account] [--over-hours]).

    The chain is replayed first: the exit code is that of `audit replay`, 2 if the question can't be answered so.
    """
    from ledger.audit import papers, questions
    from ledger.cli import audit_ask

    asked = questions.Asked(
        consignment=consignment,
        at=None if at is None else int(at.timestamp()),
        account=None if account is None else bytes.fromhex(account[2:]),
        party=None if party is None else party.to_bytes(),
        record=record,
        since=None if since is None else int(since.timestamp()),
        container=container,
        over_seconds=None if over_hours is None else int(over_hours * 3_600),
        limit=limit,
        after=after,
    )
    questions.require(question, asked)
    out = Output(as_json)
    with out.progress("reading documents") as advance:
        held = papers.read_all(documents or (), advance)
    with ExitStack() as open_ones:
        replayed = open_ones.enter_context(replaying(out, export, trust, profile, folder, last, processes))
        citing = open_ones.enter_context(audit_ask.citing(export, profile))
        chronicle = audit_ask.ReplayedChronicle(replayed, held, citing)
        with out.progress("looking for the answer"):
            answer = questions.ask(chronicle, question, asked)
        verdict = replayed.verdict
        out.answer(
            answer.to_json() | {"verdict": verdict},
            lambda page: audit_ask.show(
                page,
                answer,
                f"The replay is {verdict}, as of block {answer.block}.",
                f"cargo-ledger audit event {shlex.quote(str(export)) if export else '--profile ' + shlex.quote(str(profile))}",
            ),
        )
    outcome.end(outcome.of_verdict(verdict))


@contextmanager
def replaying(
    out: Output,
    export: Path | None,
    trust: Path,
    profile: Path | None,
    folder: Path | None,
    last: int | None,
    processes: int | None,
    *,
    signatures: bool = True,
) -> Iterator[Replayed]:
    """Replay what a command's options name, with a progress bar; what came of it, open."""
    from ledger.audit.node import NodeSource
    from ledger.audit.replay import Settings, moving, replay

    pinned = files.read_trust(trust)
    with ExitStack() as open_ones:
        source = open_ones.enter_context(closing(open_source(export, profile, last)))
        if isinstance(source, NodeSource) and last is None:
            source.require_fresh(int(time.time()), pinned.old_seconds)
        total = source.last - source.network.first_block + 1
        if processes is None:
            processes = (os.cpu_count() or 1) if total >= _WORTH_PROCESSES else 0
        settings = Settings(pinned, folder, processes, signatures)
        with out.progress("replaying blocks", total) as advance:
            replayed = replay(source, settings, moving(advance))
        yield open_ones.enter_context(replayed)


_WORTH_PROCESSES = 2_000  # blocks; to start a process costs as much as checking some hundred


def open_source(export: Path | None, profile: Path | None, last: int | None) -> Source:
    """Open the export or the node that a command's options name."""
    if export is not None:
        require_extra()
        from ledger.audit.export_file import ExportSource

        if last is not None:
            raise typer.BadParameter("--to is for a node; an export is replayed to its end")
        return ExportSource(export)
    if profile is None:
        raise typer.BadParameter("give an EXPORT, or --profile (CARGO_LEDGER_PROFILE) of a node to read")
    from ledger.audit.node import NodeSource
    from ledger.chain import Chain
    from ledger.config import ChainProfile

    return NodeSource(Chain(ChainProfile.load(profile)), last)


def show_replay(page: Page, replayed: Replayed, see: str | None) -> None:
    """Tell a person what came of a replay; `see` is the command that shows the event by which it broke."""
    counts = replayed.counts
    page.line(
        f"{counted(counts.records, 'custody record')} of {counted(counts.consignments, 'consignment')}, "
        f"{counted(counts.heads, 'tree head')} and {counted(counts.closures, 'closed manifest')} in "
        f"{counted(counts.blocks, 'block')}, from {replayed.source}.",
        style="bold",
    )
    page.table(
        "", ("check", "status", "what"), [(each.name, each.status, each.message) for each in replayed.checks]
    )
    by_kind: dict[str, int] = {}
    for finding in replayed.findings():
        by_kind[finding.kind.value] = by_kind.get(finding.kind.value, 0) + 1
    page.table("Findings", ("kind", "how many"), sorted(by_kind.items()))
    page.facts(
        {
            "digest": None if replayed.digest is None else "0x" + replayed.digest.hex(),
            "block": f"{replayed.block}, 0x{replayed.block_hash.hex()}",
            "events a second": round(counts.events / max(replayed.seconds, 0.001)),
            "trust file": "0x" + replayed.trust.sha256.hex(),
        }
    )
    if see is not None:
        page.line(f"The event that does not hold: {see}")
    page.line(
        f"{replayed.verdict} as of block {replayed.block}.",
        style="bold green" if replayed.verdict == "VALID" else "bold red",
    )


app.add_typer(joint.app)
app.add_typer(audit_fsck.app)
