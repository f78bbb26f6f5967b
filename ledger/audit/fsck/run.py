"""`audit fsck` as a whole: what the chain says, one snapshot of the database, every check on it, and perhaps a repair."""

from __future__ import annotations

import shlex
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DatabaseError

from ledger.audit import compare
from ledger.audit.blocks import Network, Source
from ledger.audit.export_file import ExportSource
from ledger.audit.fsck import chain as of_chain
from ledger.audit.fsck import files, log, objects, sending, told
from ledger.audit.fsck.anew import Anew, Watched
from ledger.audit.fsck.chain import Difference
from ledger.audit.fsck.found import Checked, Corruption
from ledger.audit.fsck.offline import WORD, AnewOffline
from ledger.audit.fsck.repair import REPAIRED, repair
from ledger.audit.node import NodeSource
from ledger.audit.replay import Settings, moving, replay
from ledger.audit.result import Replayed
from ledger.chain import Chain
from ledger.config import ChainProfile
from ledger.core.records import Domain
from ledger.core.trust import Trust
from ledger.core.verdict import Verdict
from ledger.errors import ChainUnavailable, LedgerError, StoreError
from ledger.membership import Membership
from ledger.store import Session, Store
from ledger.vault import Vault, WrappingKeys

#: Opens a progress bar: the step's name and how many steps it has, if that is known.
Stage = Callable[[str, int | None], AbstractContextManager[Any]]
_TRIES = 5  # a snapshot is taken of the database while the blocks that it has were read from the node
#: What is in a database and derives from nothing, so that nothing can say what it should be.
NOT_DERIVED = (
    "Sessions, spent challenges and who loaded an accompanying file are the service's own word.",
    "Of webhooks only what is sealed (address and secrets) is opened; states, pauses and counts are the service's own word.",
    "Which transaction an event is of is the word of who shows the blocks: no receipt says it.",
)
_IDENTITY = ("administration", "chain_id", "genesis_hash", "registry", "manifest_log", "consignment_ledger")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked at, and with what.

    Attributes:
        profile: The chain, through a node; None where there is none.
        trust: What is taken for granted of it, and of evidence files.
        wrapping_keys: The file that opens what is sealed; None where it is not here.
        evidence: Evidence files.
        processes: That check blocks beside this one.
        repairs: Whether what derives from the chain is put right; not from an export, which does not say all of it.
        export: An export of the chain, which is read in the place of a node; `profile` is of no use then.
    """

    profile: ChainProfile | None
    trust: Trust | None
    wrapping_keys: Path | None = None
    evidence: Sequence[Path] = ()
    processes: int = 0
    repairs: bool = False
    export: Path | None = None


@dataclass(slots=True)
class Outcome:
    """What came of it.

    Attributes:
        verdict: VALID if all was checked and nothing found; INVALID if anything was found, or the replay is; else
            INDETERMINATE.
        found: Every corruption.
        unchecked: What could not be checked, a sentence each.
        notes: What else is to be told.
        counts: Rows of each table that were looked at.
        block: The last block that was derived again; None without a node.
        replay: The replay's verdict, or None.
        repaired: What was found and put right; None if no repair was asked for. `found` is then what is left.
    """

    verdict: Verdict = "INDETERMINATE"
    found: list[Corruption] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    block: int | None = None
    replay: Verdict | None = None
    repaired: list[Corruption] | None = None

    def to_json(self) -> dict[str, Any]:
        """The outcome as programs read it."""
        return {
            "verdict": self.verdict,
            "block": self.block,
            "replay": self.replay,
            "found": [asdict(each) for each in self.found],
            "unchecked": self.unchecked,
            "notes": self.notes,
            "not_derived": list(NOT_DERIVED),
            "counts": self.counts,
            "repaired": None if self.repaired is None else [asdict(each) for each in self.repaired],
        }


def fsck(store: Store, wanted: Wanted, stage: Stage) -> Outcome:
    """Derive again everything that a service keeps, and name every difference.

    Args:
        store: The administration's database; it is read in one snapshot, on which nothing can be written.
        wanted: What is looked at.
        stage: Opens a progress bar.

    Raises:
        StoreError: It is no ledger's database, of another chain, or is to be repaired while a worker is at work or from
            an export.
        ChainMismatch: The node or the export, the profile and the trust file are not of one chain.
        InvalidExport: The export is cut off, altered, or none.
        InvalidProfile: The wrapping keys cannot be used.
    """
    if wanted.repairs and wanted.export is not None:
        raise StoreError(
            "Nothing was repaired: an export does not say which transactions custody records are of. Name a node "
            "(--profile) to repair."
        )
    require_identity(store, _network(wanted))
    with judging(wanted, stage, store) as judged:
        return look(store, wanted, judged, stage)


def _network(wanted: Wanted) -> Network | None:
    """The chain that is looked at, as far as it is named."""
    if wanted.export is not None:
        with closing(ExportSource(wanted.export)) as source:
            return source.network
    return None if wanted.profile is None else Network.of_profile(wanted.profile)


def require_identity(store: Store, network: Network | None) -> None:
    """Refuse a database that does not say whose it is, or is of another chain.

    Raises:
        StoreError: It is so.
    """
    with store.read() as session:
        there = session.identity()
    missing = [name for name in _IDENTITY if not there.get(name)]
    if missing:
        raise StoreError(
            f"The database at {store.place} does not say whose it is ({', '.join(missing)} missing): it is no ledger's, or "
            "damaged there. Restore it from a backup."
        )
    if network is not None:
        compare.require_same_chain(there, network)


# ------------------------------------------------------------------------------------------------------------ the chain


@dataclass(slots=True)
class Judged:
    """What is known of the chain.

    Attributes:
        node: To be asked more; None where it was of no use.
        anew: The chain's tables made anew; None where the chain was not judged, or does not hold.
        replay: The replay's verdict, or None.
        found: What is wrong with the chain.
        unchecked: What of it could not be checked.
    """

    node: Chain | None = None
    anew: Anew | None = None
    replay: Verdict | None = None
    found: list[Corruption] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)


@contextmanager
def judging(wanted: Wanted, stage: Stage, store: Store | None = None) -> Iterator[Judged]:
    """Judge the chain, and make its tables anew on the way.

    Args:
        wanted: What is looked at.
        stage: Opens a progress bar.
        store: The database that is looked at: needed where an export is read, for what that does not say.

    Raises:
        ChainMismatch: The node or the export, the profile and the trust file are not of one chain.
        InvalidExport: The export is cut off, altered, or none.
    """
    judged = Judged()
    if wanted.trust is None or (wanted.profile is None and wanted.export is None):
        what = "trust file" if wanted.trust is None else "chain profile and no export"
        judged.unchecked.append(f"No {what} was named. {_ITSELF}")
        yield judged
        return
    with ExitStack() as open_ones:
        try:
            given: Source
            if wanted.export is not None:
                given = open_ones.enter_context(closing(ExportSource(wanted.export)))
                assert store is not None  # noqa: S101  see above
                anew: Anew = open_ones.enter_context(AnewOffline(given.network, store))
            else:
                assert wanted.profile is not None  # noqa: S101  just looked at
                judged.node = open_ones.enter_context(closing(Chain(wanted.profile)))
                anew = open_ones.enter_context(Anew(judged.node))
                given = open_ones.enter_context(closing(NodeSource(Chain(wanted.profile))))
            source = Watched(given, anew)
            total = source.last - source.network.first_block + 1
            settings = Settings(wanted.trust, None, wanted.processes)
            with stage("replaying blocks", total) as advance:
                replayed = open_ones.enter_context(replay(source, settings, moving(advance)))
        except ChainUnavailable as error:
            judged.node = None
            judged.unchecked.append(f"The node was of no use: {error} {_ITSELF}")
        else:
            _conclude(judged, replayed, anew)
            if judged.node is None:
                judged.unchecked += (WORD, _NO_STORAGE)
            elif replayed.digest is not None:
                with stage("reading contract storage", None):
                    _storage(judged, replayed)
        yield judged


_NO_STORAGE = "Contract storage was not read: an export holds of it but the contracts' code and event counts."
_ITSELF = "The chain's tables were held against nothing but themselves."


def _conclude(judged: Judged, replayed: Replayed, anew: Anew) -> None:
    judged.replay = replayed.verdict
    for each in replayed.checks:
        if each.status == "INVALID":
            command = f"cargo-ledger audit replay --to {replayed.block}"
            judged.found.append(
                Corruption("changed", "chain", each.name, each.message, replayed.block, command)
            )
        elif each.status != "VALID" and replayed.verdict == "INDETERMINATE":
            judged.unchecked.append(f"The replay did not check {each.name}: {each.message}")
    if replayed.digest is None or anew.fault is not None:
        why = anew.fault or f"it does not hold behind block {replayed.block}."
        judged.unchecked.append(f"The chain can't be made anew: {why} {_ITSELF}")
    else:
        judged.anew = anew


def _storage(judged: Judged, replayed: Replayed) -> None:
    """What the contracts keep, against the replay."""
    assert judged.node is not None  # noqa: S101  there was a replay
    try:
        judged.found += [
            Corruption(each.kind, each.where, "", each.what, each.block, each.command)
            for each in compare.storage(replayed, judged.node)
        ]
    except LedgerError as error:
        judged.unchecked.append(f"Contract storage was not read: {error}")


# --------------------------------------------------------------------------------------------------------- the database


def look(store: Store, wanted: Wanted, judged: Judged, stage: Stage) -> Outcome:
    """Look through a database and evidence files, with what is known of the chain; as `fsck`."""
    require_identity(store, _network(wanted))
    return Look(store, wanted, judged, stage).run()


class Look:
    """One look through a database."""

    def __init__(self, store: Store, wanted: Wanted, judged: Judged, stage: Stage) -> None:
        self._store = store
        self._wanted = wanted
        self._judged = judged
        self._stage = stage
        self._outcome = Outcome(found=list(judged.found), replay=judged.replay)

    def run(self) -> Outcome:
        """Look, repair if that is asked for and look again, and judge evidence files."""
        outcome, evidence = self._outcome, self._wanted.evidence
        found, differences = self.database()
        if self._wanted.repairs:
            outcome.repaired = self._repair(found, differences)
            found, _ = self.database()
        outcome.found += found
        if evidence:
            with self._stage("judging evidence files", None):
                outcome.found += files.check(
                    evidence, self._wanted.trust, self._judged.node, outcome.unchecked
                )
        if outcome.found or outcome.replay == "INVALID":
            outcome.verdict = "INVALID"
        elif not outcome.unchecked:
            outcome.verdict = "VALID"
        return outcome

    def database(self) -> tuple[list[Corruption], list[Difference]]:
        """Everything in one snapshot; what differs, and which of the chain's rows."""
        self._outcome.unchecked, self._outcome.notes = list(self._judged.unchecked), []
        vault = self._vault()
        anew = self._judged.anew
        if anew is None:
            with self._store.snapshot(vault) as session:
                return self._look(session, session, vault)
        tries = _TRIES
        while True:  # the service goes on meanwhile
            anew.follow(self._cursor())
            tries -= 1
            with self._store.snapshot(vault) as session:
                cursor = session.cursor()
                is_ahead = cursor is not None and cursor.number > anew.last
                if is_ahead and tries and self._wanted.export is None:
                    continue
                if is_ahead:
                    anew.borrow(session)
                with anew.store.read() as chain:
                    return self._look(session, chain, vault)

    def _cursor(self) -> int:
        with self._store.read() as session:
            cursor = session.cursor()
        if cursor is None:
            raise StoreError("The database has read nothing of the chain yet: there is nothing to check.")
        return int(cursor.number)

    def _vault(self) -> Vault | None:
        if self._wanted.wrapping_keys is None:
            return None
        with self._store.read() as session:
            administration = session.identity()["administration"]
        return Vault(administration, WrappingKeys(self._wanted.wrapping_keys))

    def _look(
        self, session: Session, chain: Session, vault: Vault | None
    ) -> tuple[list[Corruption], list[Difference]]:
        outcome = self._outcome
        checked = self._checked(session, chain, vault)
        if checked.is_anew:
            outcome.block = checked.through
        if checked.through < checked.cursor:
            place = "on the node's chain (yet)" if self._wanted.export is None else "in the export"
            checked.unchecked.append(
                f"Blocks {checked.through + 1} to {checked.cursor} were read by the service and are not {place}: what "
                "derives from them was not compared."
            )
        found: list[Corruption] = []
        with self._stage("asking the database about its file", None):
            command = f"sqlite3 -readonly {shlex.quote(checked.place)} 'PRAGMA integrity_check'"
            found += [Corruption("changed", "file", "", each, None, command) for each in session.damage()]
        differences: list[Difference] = []
        if checked.is_anew:
            with self._stage("checking the chain's tables", None):
                differences += of_chain.differences(checked)
                found += of_chain.told(checked, differences)
        parts = {
            "manifests, promises and the tree": ("manifests", log.check),
            "custody records and transactions": (
                "transactions",
                lambda each: sending.check(each, self._judged.node),
            ),
            "the feed": ("feed", told.check),
        }
        for name, (table, part) in parts.items():
            with self._stage(f"checking {name}", None):
                found += _readable(checked, table, part(checked))
        with self._stage("opening what is sealed", sum(session.sealed_by_key().values())) as advance:
            found += _readable(checked, "sealed_objects", objects.check(checked, moving(advance)))
        outcome.counts = session.sizes()
        outcome.unchecked += [each for each in checked.unchecked if each not in outcome.unchecked]
        outcome.notes += checked.notes
        return found, differences

    def _checked(self, session: Session, chain: Session, vault: Vault | None) -> Checked:
        there, cursor, last = session.identity(), session.cursor(), chain.cursor()
        if cursor is None or last is None:
            raise StoreError("The database has read nothing of the chain yet: there is nothing to check.")
        chain_id = int(there["chain_id"])
        return Checked(
            session=session,
            chain=chain,
            is_anew=session is not chain,
            through=min(cursor.number, last.number),
            cursor=cursor.number,
            administration=session.own_administration() or b"",
            log_domain=Domain(chain_id, bytes.fromhex(there["manifest_log"][2:])),
            custody_domain=Domain(chain_id, bytes.fromhex(there["consignment_ledger"][2:])),
            membership=Membership().after(chain.events_of("AdministrationRegistry", 0)),
            vault=vault,
            place=self._store.place,
            is_file=self._store.path is not None,
        )

    def _repair(self, found: list[Corruption], differences: list[Difference]) -> list[Corruption]:
        """Put right what derives from the chain; what that was."""
        if self._judged.anew is None or self._outcome.replay != "VALID":
            raise StoreError(
                "Nothing was repaired: what derives from the chain is put right from a replay that is VALID alone, and "
                f"this one is {self._outcome.replay or 'not there: name a trust file and a profile'}."
            )
        with self._stage("putting right what derives from the chain", None):
            repair(self._store, differences)
        return [each for each in found if each.where in REPAIRED]


def _readable(checked: Checked, table: str, part: Iterator[Corruption]) -> Iterator[Corruption]:
    """What a check finds; if rows can't even be read as what they should be, that is found, and what is behind is not."""
    try:
        yield from part
    except _UNREADABLE as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        what = (
            f"What stands there can't be read as what it should be ({type(error).__name__} in {frame.name})."
        )
        yield checked.of("changed", table, {}, what)
        checked.unchecked.append(f"What is behind the rows of {table} that can't be read was not checked.")


_UNREADABLE = (LedgerError, TypeError, ValueError, LookupError, AttributeError, OverflowError, DatabaseError)
