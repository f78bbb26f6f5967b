"""What came of a replay, and the questions it answers: the model that `audit ask` and `audit report` are built on.

How to get it:

    from ledger.audit.node import NodeSource                    # or ledger.audit.export_file.ExportSource(path)
    from ledger.audit.replay import Settings, replay

    source = NodeSource(Chain(profile))
    with replay(source, Settings(trust)) as replayed:           # Settings(trust, folder) keeps the journal, to go on with
        replayed.verdict, replayed.checks, replayed.counts, replayed.digest
        replayed.findings()                                     # iterator, in the order in which they were found
        replayed.consignments()                                 # ids of all that were opened, iterator
        history = replayed.history(consignment)                 # one consignment whole: acts, periods, findings
        replayed.accounts[address], replayed.administrations[code]      # with every change and its time
        replayed.acts_of(address)                               # what one account signed, oldest first, iterator
        replayed.acts()                                         # every custody record, in order, iterator
        replayed.heads(), replayed.closures(), replayed.motions()
        replayed.refusals()                                     # what the chain refused, iterator

Memory stays flat: states that were not touched lately, and all histories, are read from files when they are asked for. `history` reads
the acts of the consignment and of everything ever connected with it, so its periods count what it was inside of. Ids and
addresses are bytes, times Unix seconds. A replay that ended early (`digest` is None) answers up to `block`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Any

from ledger.audit.blocks import Network
from ledger.audit.checking import LINKS, custody_record
from ledger.audit.folding import Fold
from ledger.audit.journal import Journal
from ledger.audit.log import Closure, Head
from ledger.audit.registry import AccountHistory, AdministrationHistory, Motion
from ledger.core.custody import ConsignmentState, Custody, Standing
from ledger.core.findings import Documents, Finding, time_text
from ledger.core.records import ZERO16, ZERO32, CustodyKind, CustodyRecord
from ledger.core.trust import Trust
from ledger.core.verdict import Check, Verdict
from ledger.errors import NotFound, Refusal

NAMES = (
    "chain",
    "receipts",
    "sequences",
    "signatures",
    "authority",
    "custody",
    "heads",
    "closures",
    "contracts",
    "seals",
)
"""The checks of a replay, in the order in which they are told."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there was: `records` are custody records taken, `refused` those refused, `receipts` all of the blocks'."""

    blocks: int
    events: int
    records: int
    refused: int
    consignments: int
    accounts: int
    heads: int
    closures: int
    signatures: int
    receipts: int
    findings: int


@dataclass(frozen=True, slots=True)
class Act:
    """A custody record as the chain took it.

    Attributes:
        sequence: Number of its event, from 1.
        block: Number of its block.
        transaction: Place of its transaction in the block, from 0; None from the service's index, which does not keep it.
        place: Place of its event among the block's logs, from 0.
        accepted_at: Time of the block, Unix seconds.
        record: The record.
        digest: 32 bytes.
        signer: 20 bytes.
        other: The second consignment whose trail it extended, 32 bytes, or None.
    """

    sequence: int
    block: int
    transaction: int | None
    place: int
    accepted_at: int
    record: CustodyRecord
    digest: bytes
    signer: bytes
    other: bytes | None


@dataclass(frozen=True, slots=True)
class RefusedRecord:
    """A record that the chain refused; anyone can cause one for another's digest by a false signature.

    Attributes:
        sequence: Number of its event.
        block: Number of its block.
        at: Time of the block, Unix seconds.
        digest: 32 bytes.
        signer: What the signature recovered, 20 bytes; zero if nothing.
        refusal: Why.
    """

    sequence: int
    block: int
    at: int
    digest: bytes
    signer: bytes
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Period:
    """Something that was so for a time.

    Attributes:
        value: What: a party (16 bytes) for `holders` and `offers`; a consignment (32 bytes) for `insides`.
        since: The second from which on, Unix seconds.
        until: The second in which it ended; None if it has not.
        began_by: Digest of the record that began it, 32 bytes; of another consignment's, perhaps.
        ended_by: Digest of the record that ended it, or None.
    """

    value: bytes
    since: int
    until: int | None
    began_by: bytes
    ended_by: bytes | None

    def covers(self, time: int) -> bool:
        """Whether it was so at the end of that second."""
        return self.since <= time and (self.until is None or time < self.until)


@dataclass(frozen=True, slots=True)
class HoldPeriod:
    """A hold on the consignment itself: who placed it, the record, and when and by which record it was lifted."""

    party: bytes
    record: bytes
    placed_at: int
    lifted_at: int | None
    lifted_by: bytes | None

    def covers(self, time: int) -> bool:
        """Whether it stood at the end of that second."""
        return self.placed_at <= time and (self.lifted_at is None or time < self.lifted_at)


@dataclass(frozen=True, slots=True)
class ReleasePeriod:
    """A release: who, for which manifest, by which record (a CLEARANCE may count as one), and when and by what it ended.

    It ends when its administration holds the consignment or what it is in, or when it leaves something held.
    """

    party: bytes
    manifest: bytes
    record: bytes
    released_at: int
    voided_at: int | None
    voided_by: bytes | None


@dataclass(frozen=True, slots=True)
class ConsignmentHistory:
    """One consignment from its opening on.

    Attributes:
        consignment: Its id, 32 bytes.
        opener: Who opened it, 16 bytes.
        opened_at: Unix seconds.
        acts: What extended its trail, in order; acts of other consignments whose second it is, included.
        connected_acts: The acts of all that it was ever connected with, in order; `acts` are among them.
        state: As of the last block.
        holders: Who was in charge, period by period (of what is inside another, the outermost's custodian); a gap is a time
            in which nobody was: it was closed.
        offers: To whom it was offered, period by period.
        insides: What it was directly inside of, period by period.
        holds: Holds on the consignment itself, in order.
        releases: Releases, in order.
        closed: When it was closed and the second in which it was opened again, or None; in order.
        findings: What is odd, disputed acts included, in order of time.
        connected: Every consignment that was ever connected with it, itself included.
    """

    consignment: bytes
    opener: bytes
    opened_at: int
    acts: tuple[Act, ...]
    connected_acts: tuple[Act, ...]
    state: ConsignmentState
    holders: tuple[Period, ...]
    offers: tuple[Period, ...]
    insides: tuple[Period, ...]
    holds: tuple[HoldPeriod, ...]
    releases: tuple[ReleasePeriod, ...]
    closed: tuple[tuple[int, int | None], ...]
    findings: tuple[Finding, ...]
    connected: frozenset[bytes]

    def holder(self, time: int) -> bytes | None:
        """The party in charge at the end of a second, 16 bytes; None if it was not opened, or closed."""
        return next((period.value for period in self.holders if period.covers(time)), None)

    def held_by(self, time: int) -> tuple[bytes, ...]:
        """The parties that held the consignment itself at the end of a second, 16 bytes each, in order of placing."""
        return tuple(hold.party for hold in self.holds if hold.covers(time))

    def released_by(self, time: int) -> tuple[ReleasePeriod, ...]:
        """The releases that stood at the end of a second."""
        return tuple(
            each
            for each in self.releases
            if each.released_at <= time and (each.voided_at is None or time < each.voided_at)
        )


@dataclass(frozen=True, slots=True)
class Broken:
    """Where the first thing stands that does not hold.

    Attributes:
        check: The name of the check that it fails.
        block: Number of the block by which it shows: of the last one, where all of it together does not hold.
        log: Place of the event in that block, from 0; None where it is no one event.
    """

    check: str
    block: int
    log: int | None


@dataclass(frozen=True)
class Replayed:
    """What came of a replay. Close it, or use it as a context: the journal's files are open.

    Attributes:
        source: Where the blocks came from, in words.
        network: The chain.
        trust: The trust file.
        verdict: VALID, INVALID or INDETERMINATE.
        checks: All of `NAMES`, in order.
        broken: Where the first thing stands that does not hold; None if the verdict is not INVALID.
        first_block: The first block read.
        block: The last good block.
        block_hash: Its hash, 32 bytes; empty if no block was good.
        block_time: Its time, Unix seconds.
        state_root: Its state root, 32 bytes: what state proofs are shown against.
        counts: How much there was.
        digest: Of the final state, 32 bytes; None if something did not hold.
        seconds: How long it took.
        fold: The state of the three contracts.
        journal: The events.
    """

    source: str
    network: Network
    trust: Trust
    verdict: Verdict
    checks: tuple[Check, ...]
    broken: Broken | None
    first_block: int
    block: int
    block_hash: bytes
    block_time: int
    state_root: bytes
    counts: Counts
    digest: bytes | None
    seconds: float
    fold: Fold
    journal: Journal
    own_folder: tempfile.TemporaryDirectory[str] | None = field(repr=False)

    def __enter__(self) -> Replayed:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the journal; one without a folder of its own goes."""
        self.journal.close()
        self.fold.close()
        if self.own_folder is not None:
            self.own_folder.cleanup()

    def check(self, name: str) -> Check:
        """The check of a name."""
        return next(check for check in self.checks if check.name == name)

    # ------------------------------------------------------------------------------------------------------ reading

    @property
    def accounts(self) -> Mapping[bytes, AccountHistory]:
        """Every account ever enrolled, by address (20 bytes)."""
        return self.fold.registry.accounts

    @property
    def administrations(self) -> Mapping[bytes, AdministrationHistory]:
        """Every administration ever admitted, by code (8 bytes)."""
        return self.fold.registry.administrations

    def motions(self) -> Sequence[Motion]:
        """Every motion; of one that was proposed anew after it died, the last."""
        return list(self.fold.registry.motions.values())

    def heads(self) -> list[Head]:
        """Every tree head, in order."""
        return self.fold.heads()

    def closures(self) -> list[Closure]:
        """Every manifest closed, in order."""
        return self.fold.closures()

    def findings(self) -> Iterator[Finding]:
        """What is odd about all consignments; seals and places stand in documents, which a replay does not see."""
        return self.journal.read_findings()

    def consignments(self) -> Iterator[bytes]:
        """Ids of all consignments, in the order of their opening."""
        rows = self.journal.rows(0, self.journal.acts)
        return (row[116:148] for row in rows if row[148] == CustodyKind.OPEN)

    def acts(self) -> Iterator[Act]:
        """Every custody record, in order."""
        return (_act(row) for row in self.journal.rows(0, self.journal.acts))

    def acts_of(self, signer: bytes) -> Iterator[Act]:
        """What an account (20 bytes) signed, oldest first."""
        places = []
        place = self.fold.last_act_of(signer)
        while place:
            places.append(place)
            place = _link(self.journal.row(place - 1), 2)
        return (_act(self.journal.row(place - 1)) for place in reversed(places))

    def refusals(self) -> Iterator[RefusedRecord]:
        """What the chain refused, in order."""
        for event in self.journal.events():
            if event.name == "RecordRefused":
                values = event.values
                yield RefusedRecord(
                    event.sequence,
                    event.block,
                    event.time,
                    values["digest"],
                    values["signer"],
                    Refusal(values["refusal"]),
                )

    def history(self, consignment: bytes, documents: Documents | None = None) -> ConsignmentHistory:
        """One consignment, whole.

        Args:
            consignment: Its id, 32 bytes.
            documents: Disclosed details by record digest, for findings on seals and places; **not** checked here.

        Raises:
            NotFound: It was never opened, up to the last block.
        """
        acts, connected = self.connected(consignment)
        return history_of(consignment, acts, connected, self.accounts, documents)

    def history_within(
        self, most: int, consignment: bytes, documents: Documents | None = None
    ) -> ConsignmentHistory | None:
        """The same; None if there are more acts than `most` of all that it was ever connected with."""
        self.require_opened(consignment)
        found = self._connected(consignment, most)
        return None if found is None else history_of(consignment, *found, self.accounts, documents)

    def is_opened(self, consignment: bytes) -> bool:
        """Whether a consignment was ever opened."""
        return consignment in self.fold.custody

    def require_opened(self, consignment: bytes) -> None:
        """Refuse a consignment that was never opened.

        Raises:
            NotFound: It was not, up to the last block.
        """
        if not self.is_opened(consignment):
            raise NotFound("consignment", "0x" + consignment.hex())

    def open_holds(self) -> int:
        """How many holds are open, on all consignments."""
        return sum(len(here.holds) for _, here in self.fold.consignments())

    def disputed_closures(self) -> dict[bytes, Closure]:
        """Closures that a revocation dates back to, by the digest of their record (32 bytes)."""
        if not any(account.revocations for account in self.accounts.values()):
            return {}
        return {
            closure.digest: closure
            for closure in self.closures()
            if closure.signer in self.accounts
            and self.accounts[closure.signer].is_disputed(closure.closed_at)
        }

    def connected(self, consignment: bytes) -> tuple[list[Act], set[bytes]]:
        """The acts of everything connected with a consignment, each once and in order, and what is connected.

        Raises:
            NotFound: It was never opened, up to the last block.
        """
        self.require_opened(consignment)
        found = self._connected(consignment, None)
        assert found is not None  # noqa: S101  nothing is too much
        return found

    def _connected(self, consignment: bytes, most: int | None) -> tuple[list[Act], set[bytes]] | None:
        """The acts of everything connected, each once and in order, and what is connected; None if they are over `most`."""
        known: set[bytes] = set()
        new = {consignment}
        found: dict[int, Act] = {}
        while new:
            at = new.pop()
            known.add(at)
            place = self.fold.last_act_of(at)
            while place:
                if most is not None and len(found) > most:
                    return None
                row = self.journal.row(place - 1)
                act = found.setdefault(place, _act(row))
                new |= {each for each in (act.record.consignment, act.other) if each and each not in known}
                place = _link(row, 0 if act.record.consignment == at else 1)
        return [act for _, act in sorted(found.items())], known

    def to_json(self) -> dict[str, Any]:
        """The outcome as programs read it."""
        return {
            "verdict": self.verdict,
            "digest": None if self.digest is None else "0x" + self.digest.hex(),
            "as_of": {
                "block": self.block,
                "hash": "0x" + self.block_hash.hex(),
                "time": time_text(self.block_time),
            },
            "source": self.source,
            "chain": {
                "id": self.network.chain_id,
                "genesis_hash": "0x" + self.network.genesis_hash.hex(),
                "first_block": self.first_block,
            },
            "checks": [
                {"name": check.name, "status": check.status, "message": check.message}
                for check in self.checks
            ],
            "broken": None if self.broken is None else asdict(self.broken),
            "counts": {name: getattr(self.counts, name) for name in Counts.__slots__},
            "seconds": round(self.seconds, 3),
            "trust": "0x" + self.trust.sha256.hex(),
        }


def _act(row: bytes) -> Act:
    other = row[84:116]
    return Act(
        int.from_bytes(row[:8], "big"),
        int.from_bytes(row[8:16], "big"),
        int.from_bytes(row[28:32], "big"),
        int.from_bytes(row[24:28], "big"),
        int.from_bytes(row[16:24], "big"),
        custody_record(row),
        row[32:64],
        row[64:84],
        None if other == ZERO32 else other,
    )


def _link(row: bytes, which: int) -> int:
    at = LINKS + 8 * which
    return int.from_bytes(row[at : at + 8], "big")


class _Periods:
    """Follows one value through the steps of a history."""

    def __init__(self) -> None:
        self.ended: list[Period] = []
        self._value: bytes | None = None
        self._since = 0
        self._began_by = b""

    def see(self, value: bytes | None, act: Act) -> None:
        if value == self._value:
            return
        self.end(act.accepted_at, act.digest)
        self._value, self._since, self._began_by = value, act.accepted_at, act.digest

    def end(self, time: int | None, by: bytes | None) -> None:
        if self._value is not None:
            self.ended.append(Period(self._value, self._since, time, self._began_by, by))


def history_of(
    consignment: bytes,
    acts: Sequence[Act],
    connected: Collection[bytes],
    accounts: Mapping[bytes, AccountHistory],
    documents: Documents | None = None,
) -> ConsignmentHistory:
    """One consignment, whole, from the acts of everything connected with it.

    Args:
        consignment: Its id, 32 bytes; one of the acts opens it.
        acts: All acts of all that is connected, in order.
        connected: What is connected, itself included.
        accounts: The signers' accounts.
        documents: As for `Replayed.history`.
    """
    custody = Custody()
    holders, offers, insides = _Periods(), _Periods(), _Periods()
    holds: dict[bytes, HoldPeriod] = {}
    releases: dict[bytes, ReleasePeriod] = {}
    closed: list[tuple[int, int | None]] = []
    for act in acts:
        custody.apply(act.record, act.digest, act.signer, standing_of(accounts[act.signer]), act.accepted_at)
        if consignment not in custody:
            continue
        holders.see(_party(custody.custodian(consignment)), act)
        offers.see(_party(custody.offered_to(consignment)), act)
        insides.see(custody.parent(consignment), act)
        _see_holds(holds, custody, consignment, act)
        _see_releases(releases, custody, consignment, act)
        if custody.is_closed(consignment) != bool(closed and closed[-1][1] is None):
            if closed and closed[-1][1] is None:
                closed[-1] = (closed[-1][0], act.accepted_at)
            else:
                closed.append((act.accepted_at, None))
    for each in (holders, offers, insides):
        each.end(None, None)
    own = tuple(act for act in acts if consignment in (act.record.consignment, act.other))
    opening = next(
        act for act in own if act.record.kind == CustodyKind.OPEN and act.record.consignment == consignment
    )
    state = custody.state(consignment, documents)
    return ConsignmentHistory(
        consignment,
        opening.record.party,
        opening.accepted_at,
        own,
        tuple(acts),
        state,
        tuple(holders.ended),
        tuple(offers.ended),
        tuple(insides.ended),
        tuple(holds.values()),
        tuple(releases.values()),
        tuple(closed),
        state.findings,
        frozenset(connected),
    )


def _see_holds(holds: dict[bytes, HoldPeriod], custody: Custody, consignment: bytes, act: Act) -> None:
    still = {hold.record: hold for hold in custody.holds(consignment)}
    for record, hold in still.items():
        holds.setdefault(record, HoldPeriod(hold.party, record, hold.at, None, None))
    for record, known in holds.items():
        if known.lifted_at is None and record not in still:
            holds[record] = HoldPeriod(known.party, record, known.placed_at, act.accepted_at, act.digest)


def _see_releases(
    releases: dict[bytes, ReleasePeriod], custody: Custody, consignment: bytes, act: Act
) -> None:
    still = {release.record: release for release in custody.releases(consignment)}
    for record, release in still.items():
        releases.setdefault(
            record, ReleasePeriod(release.party, release.manifest, record, release.at, None, None)
        )
    for record, known in releases.items():
        if known.voided_at is None and record not in still:
            releases[record] = ReleasePeriod(
                known.party, known.manifest, record, known.released_at, act.accepted_at, act.digest
            )


def _party(party: bytes) -> bytes | None:
    return None if party == ZERO16 else party


def standing_of(account: AccountHistory) -> Standing:
    """An account's standing as `Custody.apply` takes it: what is known of it now; its administration counts as active."""
    return Standing(
        account.party, account.roles, account.valid_until, account.revoked_from, account.revoked_at, True
    )
