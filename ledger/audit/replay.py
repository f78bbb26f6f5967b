"""The replay: every block from the deployment to the last, to a verdict and a digest that two auditors can compare.

1. Each chunk of blocks is checked by itself (`checking`), by several processes at once.
2. Its outcome is folded in order (`folding`), and written to the journal.
3. At the end the seals are judged, the contracts' code and event counts shown from the state root, acts that a
   revocation dates back to are found, and the digest of the final state is taken.

The first thing that does not hold ends it: nothing after it would mean anything. A node that can't be reached is no
verdict: the error is raised, and the same folder goes on later; so it is with a process that was killed.
"""

from __future__ import annotations

import gc
import tempfile
import time as clock
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

from ledger.audit import checking
from ledger.audit.blocks import Chunk, Network, Source, Tail
from ledger.audit.checking import ROW, Checked, Checker, Happening
from ledger.audit.folding import Fold
from ledger.audit.journal import Journal
from ledger.audit.processes import Processes
from ledger.audit.result import NAMES, Broken, Counts, Replayed
from ledger.audit.sealed import Seals
from ledger.audit.wording import counted
from ledger.config import CONTRACTS
from ledger.core import slots, state_proof
from ledger.core.records import keccak
from ledger.core.trust import Trust
from ledger.core.verdict import Check, Status, conclude
from ledger.errors import (
    InvalidEncoding,
    InvalidSignature,
    JournalUnusable,
    RuleBroken,
    SealError,
    SequenceGap,
    StateProofError,
)

_NOTE_SECONDS = 5.0  # how often the journal's position is noted
_COLLECTED_AFTER = 200_000  # objects: Python looks for circles after 700, which costs a tenth of all judging
Progress = Callable[[int, int], None]
"""Told how many blocks are done, of how many."""


def moving(advance: Callable[[int, int], None]) -> Progress:
    """What moves a bar by what was done since it was last told; the bar takes how many more are done, and of how many."""
    told = 0

    def progress(done: int, total: int) -> None:
        nonlocal told
        advance(done - told, total)
        told = done

    return progress


@dataclass(frozen=True, slots=True)
class Settings:
    """How a replay is run.

    Attributes:
        trust: Whose seals count, and which chain and contracts.
        folder: Where the journal is kept, and gone on with if it is there; None for one that goes with the result.
        processes: How many check blocks beside the one that folds; 0 checks in this one.
        recovers: Whether every signature is recovered; without it the verdict is never VALID.
    """

    trust: Trust
    folder: Path | None = None
    processes: int = 0
    recovers: bool = True


def replay(source: Source, settings: Settings, progress: Progress | None = None) -> Replayed:
    """Replay a chain, or go on with one that was interrupted.

    Args:
        source: Who gives the blocks; it stays open.
        settings: How.
        progress: Told how far it is.

    Returns:
        What came of it; close it when you are done with its journal.

    Raises:
        ChainMismatch: The source is of another network than the trust file.
        ChainUnavailable: The node gave no usable answer; the journal can be gone on with.
        JournalInUse: Another replay is at work in the folder.
        JournalUnusable: The folder is of another replay, or altered.
        CheckingInterrupted: A process that checks blocks was killed; the journal can be gone on with.
        InvalidExport: The file is cut off, altered, or no export.
    """
    source.network.require_trusted(settings.trust)
    with _rarely_collected():
        return _Replay(source, settings, progress or (lambda done, total: None)).run()


@contextmanager
def _rarely_collected() -> Iterator[None]:
    """States by the hundred thousand come and go, none in a circle: they are not looked through again and again."""
    before = gc.get_threshold()
    gc.set_threshold(_COLLECTED_AFTER, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


class _Ended(Exception):
    """Something does not hold: which check, why, and where."""

    def __init__(self, check: str, sentence: str, block: int, log: int | None = None) -> None:
        self.sentence = sentence
        self.broken = Broken(check, block, log)

    @classmethod
    def by(cls, rule: RuleBroken, log: int | None) -> _Ended:
        """What breaks a rule: an event, and its place in its block if that is known."""
        return cls(_check_of(rule), str(rule), rule.block, log)


class _Replay:
    def __init__(self, source: Source, settings: Settings, progress: Progress) -> None:
        self._source = source
        self._settings = settings
        self._progress = progress
        self._network = source.network
        self._own = tempfile.TemporaryDirectory(prefix="cargo-audit-") if settings.folder is None else None
        folder = settings.folder if self._own is None else Path(self._own.name)
        assert folder is not None  # noqa: S101  one of the two is
        self._journal = Journal(folder, _identity(self._network, settings))
        self._fold = Fold(self._network, self._journal)
        self._seals = Seals(settings.trust)
        self._first = _first_block(self._network, settings.trust)
        self._block = self._first - 1
        self._done = -1  # the journal had everything up to this block already
        self._hash = b""
        self._time = 0
        self._state_root = b""
        self._is_whole = True  # the journal ends with the end of a block
        self._signatures = 0
        self._receipts = 0
        self._noted = clock.monotonic()
        self._begun = clock.monotonic()

    def run(self) -> Replayed:
        try:
            ended: _Ended | None = None
            try:
                self._go_on()
                self._read()
            except _Ended as error:
                ended = error
            return self._conclude(ended)
        except BaseException:
            # A node that went away or a key pressed loses nothing; a kill loses what came since the last note.
            self._note()
            self._journal.flush()
            self._journal.close()
            self._fold.close()
            if self._own is not None:
                self._own.cleanup()
            raise

    # ------------------------------------------------------------------------------------------------------ reading

    def _go_on(self) -> None:
        """Fold what the journal has."""
        position = self._journal.position
        if position is None:
            return
        if position.block > self._source.last:
            raise JournalUnusable(
                str(self._journal.folder),
                f"it reaches block {position.block}, {self._source.name} only block {self._source.last}",
            )
        for each in self._journal.replayed():
            try:
                if isinstance(each, Happening):
                    self._fold.take(each)
                else:
                    self._fold.take_rows(each, 0, len(each) // ROW, is_new=False)
            except RuleBroken as error:
                log = each.place if isinstance(each, Happening) else _log_of(error, each, ())
                raise _Ended.by(error, log) from None
        try:
            for header in self._journal.headers():
                self._seals.take(header)
        except (SealError, InvalidEncoding, InvalidSignature) as error:
            raise _Ended("seals", str(error), position.block) from None
        self._signatures, self._receipts = position.signatures, position.receipts
        self._done = position.block

    def _read(self) -> None:
        total = self._source.last - self._first + 1
        resumed = self._journal.position
        # The last block is read again: it must still be the same, and its state root is needed.
        start = self._first if resumed is None else resumed.block
        self._block = start - 1
        for outcome in self._checked(self._source.chunks(start)):
            self._take(outcome)
            self._progress(self._block - self._first + 1, total)
        if self._block != self._source.last:
            sentence = f"The blocks end with {self._block}; {self._source.last} was announced."
            raise _Ended("chain", sentence, self._block)

    def _checked(self, chunks: Iterable[Chunk]) -> Iterator[Checked]:
        settings = self._settings
        checker = Checker(self._network, recovers=settings.recovers)
        if settings.processes == 0:
            yield from (checker.check(chunk) for chunk in chunks)
            return
        with Processes(
            settings.processes, partial(checking.begin, self._network, settings.recovers)
        ) as processes:
            waiting: deque[Future[Checked]] = deque()
            for chunk in chunks:
                if not processes.have_begun:
                    yield checker.check(chunk)  # rather than wait until the others have started
                    continue
                waiting.append(processes.submit(chunk))
                if len(waiting) > settings.processes + 1:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _take(self, outcome: Checked) -> None:
        """Take the outcome of one chunk; what the journal had already is passed over."""
        # An export's chunks begin where they were packed: the first one's beginning the journal may have already.
        is_due = outcome.first == self._block + 1 or (not self._hash and outcome.first <= self._block)
        if not is_due:
            sentence = f"Block {outcome.first} came where block {self._block + 1} was due."
            raise _Ended("chain", sentence, self._block + 1)
        if self._hash and outcome.hashes and outcome.parent != self._hash:
            raise _Ended(
                "chain",
                f"Block {outcome.first} has another parent than block {self._block}, which was read before.",
                outcome.first,
            )
        self._require_as_before(outcome)
        self._is_whole = False
        rows = outcome.rows if isinstance(outcome.rows, bytearray) else bytearray(outcome.rows)
        try:
            at = first_new = self._first_new(rows)
            for event in outcome.happenings:
                if event.block > self._done:
                    self._fold.take_rows(rows, at, event.rows_before)
                    at = event.rows_before
                    self._fold.take(event)
                    self._journal.add_event(event)
            self._fold.take_rows(rows, at, len(rows) // ROW)
        except RuleBroken as error:
            raise _Ended.by(error, _log_of(error, rows, outcome.happenings)) from None
        try:
            for number, header in enumerate(outcome.headers, outcome.first):
                if number > self._done:
                    self._seals.take(header)
                    self._journal.add_header(header)
        except (SealError, InvalidEncoding, InvalidSignature) as error:
            raise _Ended("seals", str(error), number) from None
        if self._settings.recovers:
            self._signatures += len(rows) // ROW - first_new
        self._receipts += sum(outcome.receipts[max(0, self._done + 1 - outcome.first) :])
        if outcome.hashes:
            self._block, self._hash = outcome.last, outcome.hashes[-1]
            self._time, self._state_root = outcome.last_time, outcome.state_root
        self._is_whole = True
        if outcome.fault is not None:
            fault = outcome.fault
            raise _Ended(fault.check, fault.sentence, fault.block, fault.log)
        if clock.monotonic() - self._noted > _NOTE_SECONDS:
            self._note()

    def _require_as_before(self, outcome: Checked) -> None:
        resumed = self._journal.position
        if self._done < 0 or resumed is None or not outcome.first <= self._done <= outcome.last:
            return
        if outcome.hashes[self._done - outcome.first] != resumed.block_hash:
            sentence = f"Block {self._done} is another than when the replay was interrupted."
            raise _Ended("chain", sentence, self._done)

    def _first_new(self, rows: bytearray) -> int:
        """The first row of a chunk that the journal did not have."""
        for at in range(0, len(rows), ROW):
            if int.from_bytes(rows[at + 8 : at + 16], "big") > self._done:
                return at // ROW
        return len(rows) // ROW

    def _note(self) -> None:
        """Note how far it is; not within a block, nor before it has come to where the journal had got."""
        if not self._is_whole or not self._hash or self._block < self._done:
            return
        self._journal.note(self._block, self._hash, self._time, self._signatures, self._receipts)
        self._noted = clock.monotonic()

    # --------------------------------------------------------------------------------------------------- concluding

    def _conclude(self, ended: _Ended | None) -> Replayed:
        self._note()
        if ended is None:
            checks = self._checks(self._source.tail())
            self._fold.find_disputed()
            broken = next(
                (Broken(each.name, self._block, None) for each in checks if each.status == "INVALID"), None
            )
        else:
            broken = ended.broken
            checks = tuple(
                Check(name, "INVALID", ended.sentence)
                if name == broken.check
                else Check(name, "SKIPPED", f"Not judged: the replay ended at block {self._block}.")
                for name in NAMES
            )
        self._journal.flush()
        return Replayed(
            source=self._source.name,
            network=self._network,
            trust=self._settings.trust,
            verdict=conclude(checks, needs_seals=self._settings.trust.consensus != "development"),
            checks=checks,
            broken=broken,
            first_block=self._first,
            block=self._block,
            block_hash=self._hash,
            block_time=self._time,
            state_root=self._state_root,
            counts=self._counts(),
            digest=self._fold.digest(self._block, self._hash) if ended is None else None,
            seconds=clock.monotonic() - self._begun,
            fold=self._fold,
            journal=self._journal,
            own_folder=self._own,
        )

    def _counts(self) -> Counts:
        fold = self._fold
        return Counts(
            blocks=self._block - self._first + 1,
            events=sum(fold.sequences.values()),
            records=sum(fold.records.values()),
            refused=sum(fold.refused.values()),
            consignments=len(fold.custody),
            accounts=len(fold.registry.accounts),
            heads=fold.log.heads,
            closures=len(fold.log.closed),
            signatures=self._signatures,
            receipts=self._receipts,
            findings=self._journal.findings,
        )

    def _checks(self, tail: Tail) -> tuple[Check, ...]:
        fold, log = self._fold, self._fold.log
        recovers = self._settings.recovers
        signatures: Status = "VALID" if recovers else "SKIPPED"
        counts = self._counts()
        return (
            Check(
                "chain",
                "VALID",
                counted(counts.blocks, "block follows the one before it", "blocks follow each other")
                + f" by hash, to block {self._block}.",
            ),
            Check(
                "receipts",
                "VALID",
                counted(
                    self._receipts,
                    "receipt is all that its header names, unchanged.",
                    "receipts are all that their headers name, unchanged.",
                ),
            ),
            Check(
                "sequences",
                "VALID",
                counted(counts.events, "event stands", "events stand")
                + " without a gap from the first to the last.",
            ),
            Check(
                "signatures",
                signatures,
                counted(
                    self._signatures + len(log.closed),
                    "signature is by whom the event says.",
                    "signatures are by whom the events say.",
                )
                if recovers
                else "Signatures were not recovered, as asked for: who signed what rests on the contracts alone.",
            ),
            Check(
                "authority",
                "VALID",
                f"{counted(counts.accounts, 'account', 'accounts')} and "
                f"{counted(fold.registry.administrations, 'administration', 'administrations')} by the registry's rules; "
                "every signer might sign when it did. "
                + counted(
                    fold.registry.consents,
                    "enrolment shows the account's own signature.",
                    "enrolments show the account's own signature.",
                ),
            ),
            Check(
                "custody",
                "VALID",
                f"{counted(counts.records, 'record', 'records')} of "
                f"{counted(counts.consignments, 'consignment', 'consignments')} "
                f"{'obeys' if counts.records == 1 else 'obey'} every rule.",
            ),
            Check(
                "heads",
                "SKIPPED" if log.without_proof else "VALID",
                f"{log.proofs} of "
                + counted(
                    log.proofs + log.without_proof,
                    "head that follows another is shown to extend it; ",
                    "heads that follow another are shown to extend it; ",
                )
                + f"{counted(log.heads, 'head', 'heads')} in all.",
            ),
            Check(
                "closures",
                "VALID",
                counted(
                    log.closed,
                    "manifest was closed, once and by one who may; ",
                    "manifests were closed once each, by those who may; ",
                )
                + f"the former one is shown in {log.formers}.",
            ),
            self._contracts(tail),
            self._seals.judge(tail.successors),
        )

    def _contracts(self, tail: Tail) -> Check:
        """Show from the last block's state root which code the contracts have, and how many events they counted."""
        if not tail.state:
            return Check(
                "contracts",
                "SKIPPED",
                "Nobody showed the contracts' code and event counts at the last block.",
            )
        nodes = state_proof.SharedNodes(tail.state)
        try:
            for name in CONTRACTS:
                value = nodes.value(self._state_root, keccak(self._network.addresses[name]))
                account = None if value is None else state_proof.decode_account(value)
                if account is None or account.code_hash != self._network.code_hashes[name]:
                    return Check(
                        "contracts", "INVALID", f"The code at {name}'s address is not what is trusted."
                    )
                slot = keccak(slots.SEQUENCES[name].to_bytes(32, "big"))
                word = nodes.value(account.storage_root, slot)
                count = 0 if word is None else state_proof.decode_slot(word) & (1 << 64) - 1
                if count != self._fold.sequences[name]:
                    return Check(
                        "contracts",
                        "INVALID",
                        f"{name} counted {counted(count, 'event', 'events')} at block {self._block}; read were "
                        f"{self._fold.sequences[name]}.",
                    )
        except (StateProofError, InvalidEncoding) as error:
            return Check("contracts", "INVALID", f"The state of the last block is not shown: {error}")
        return Check(
            "contracts",
            "VALID",
            "Code and event counts of all three contracts at the last block are as expected.",
        )


def _check_of(error: RuleBroken) -> str:
    """The check that a broken rule fails."""
    if isinstance(error, SequenceGap):
        return "sequences"
    if error.contract == "ManifestLog":
        return "closures" if "ManifestClosed" in str(error) else "heads"
    return "authority" if error.contract == "AdministrationRegistry" else "custody"


def _log_of(rule: RuleBroken, rows: bytearray, events: Iterable[Happening]) -> int | None:
    """The place in its block of the event that breaks a rule; None if it is not among what was read just now."""
    if rule.contract == "ConsignmentLedger":
        named = rule.sequence.to_bytes(8, "big") + rule.block.to_bytes(8, "big")
        for at in range(0, len(rows), ROW):
            if rows.startswith(named, at):
                return int.from_bytes(rows[at + 24 : at + 28], "big")
    for event in events:
        if (event.contract, event.sequence, event.block) == (rule.contract, rule.sequence, rule.block):
            return event.place
    return None


def _identity(network: Network, settings: Settings) -> str:
    """What a journal must be of, to be gone on with."""
    parts = [network.chain_id.to_bytes(32, "big"), network.genesis_hash]
    parts += [network.addresses[name] for name in CONTRACTS]
    parts += [bytes((settings.recovers,)), settings.trust.from_block.to_bytes(8, "big")]
    return sha256(b"".join(parts)).hexdigest()


def _first_block(network: Network, trust: Trust) -> int:
    """Clique's signers are followed from where they are trusted, which may be before the deployment."""
    if trust.consensus == "clique":
        return min(network.first_block, trust.from_block + 1)
    return network.first_block
