"""Whether a service can do its job now: what database, worker and node say when they are asked.

Any trouble is told within 10 seconds, and taken back by itself. What does not answer keeps nobody waiting: it is asked
once, in a thread of its own, until it does, and meanwhile that is the trouble. What takes time to see (a chain that makes
no blocks, an indexer that reads none) the worker notes with its beat, so that every process tells the same, however seldom
it is asked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ledger import sequencing
from ledger.chain import Block, Chain
from ledger.config import ChainProfile
from ledger.errors import ChainError, ChainUnavailable, LedgerError, StoreError
from ledger.host_clock import NO_BEAT_SECONDS, seconds_ahead, wrong_clock
from ledger.messages import Readiness
from ledger.store import Session, Store

LOOK_SECONDS = 5.0  # what has not answered for so long is in trouble
BEAT_SECONDS = 2.0  # the worker says so often that it works
MISSED_BLOCKS = (
    3  # a chain that misses so many is silent; one validator of four may be down, and it misses fewer
)
UNREAD_SECONDS = 8.0  # newer blocks than those read, and none read for so long
LAG_BLOCKS = 3  # further behind than this, the service is not ready

_Seen = TypeVar("_Seen")


@dataclass(frozen=True, slots=True)
class Seen:
    """What the database says.

    Attributes:
        indexed: The newest block read; 0 before the first.
        indexed_at: Its time, Unix seconds; 0 before the first.
        manifests: Manifests that wait for a head.
        records: Custody records that wait for being sent.
        unsent_since: When the oldest of what waits was accepted, Unix seconds.
        has_worker: Whether a worker was active lately.
        reasons: What is wrong.
    """

    indexed: int
    indexed_at: int
    manifests: int
    records: int
    unsent_since: int | None
    has_worker: bool
    reasons: tuple[str, ...]


class Pulse:
    """What a worker has seen of its chain, as it notes with each beat: for how long nothing has moved."""

    def __init__(self) -> None:
        self._newest = (-1, 0.0)  # the node's newest block, and when it was first seen
        self._is_new = False  # whether that was when it was made
        self._read = (-1, 0.0)  # the newest block that was read while there were newer ones, and since when

    def note(self, head: Block, indexed: int) -> dict[str, str]:
        """What the beat says of the chain.

        Args:
            head: The node's newest block.
            indexed: The newest block read.
        """
        now = time.monotonic()
        if self._newest[0] != head.number:
            self._is_new = self._newest[0] >= 0
            self._newest = head.number, now
        if self._read[0] != indexed or head.number <= indexed:
            self._read = indexed, now
        return {
            "head_block": str(head.number),
            "head_time": str(head.timestamp),
            "head_is_new": "1" if self._is_new else "0",
            "head_unchanged": f"{now - self._newest[1]:.1f}",
            "unread": f"{now - self._read[1]:.1f}",
        }


class Watch:
    """Looks at what one process of the service needs. Thread-safe.

    Args:
        profile: The chain's.
        chain: Its node.
        store: The database.
        administration: Whose log, 8 bytes.
    """

    def __init__(self, profile: ChainProfile, chain: Chain, store: Store, administration: bytes) -> None:
        self._profile = profile
        self._store = store
        self._administration = administration
        self._database = _Look(
            self._see,
            lambda seconds: StoreError(
                f"The database at {store.place} has not answered for {seconds:.0f} seconds."
            ),
        )
        self._node = _Look(
            chain.head,
            lambda seconds: ChainUnavailable(chain.shown, f"it has not answered for {seconds:.0f} seconds"),
        )

    def readiness(self) -> Readiness:
        """What holds now; it takes 5 seconds at most, whatever does not answer."""
        self._database.begin()
        self._node.begin()
        reasons: list[str] = []
        seen = Seen(0, 0, 0, 0, None, False, ())
        has_database = has_chain = False
        try:
            seen = self._database.result()
            has_database = True
            reasons += seen.reasons
        except LedgerError as error:
            reasons.append(str(error))
        head = lag_seconds = 0
        try:
            newest = self._node.result()
            has_chain = True
            head = newest.number
            if seen.indexed_at and head > seen.indexed:
                lag_seconds = max(0, newest.timestamp - seen.indexed_at)
        except ChainError as error:
            reasons.append(str(error))
        lag = max(0, head - seen.indexed)
        if has_chain and has_database and lag > LAG_BLOCKS:
            reasons.append(f"{lag} blocks behind the chain")
        return Readiness(
            ready=not reasons,
            database=has_database,
            chain=has_chain,
            worker=seen.has_worker,
            indexed_block=seen.indexed,
            head_block=max(head, seen.indexed),
            lag_blocks=lag,
            lag_seconds=lag_seconds,
            waiting_manifests=seen.manifests,
            waiting_records=seen.records,
            outbox_seconds=0 if seen.unsent_since is None else max(0, int(time.time()) - seen.unsent_since),
            reasons=reasons,
        )

    def _see(self) -> Seen:
        """Look at the database, and where that does not tell whether it can be written, write.

        Raises:
            StoreError: It can't be used.
        """
        with self._store.read() as session:
            seen = self._read(session)
        if not seen.has_worker or self._store.was_unwritable:
            self._store.try_writing()
        self._store.require_room()
        return seen

    def _read(self, session: Session) -> Seen:
        cursor, noted = session.cursor(), session.identity()
        extent = sequencing.extent(session, self._administration, self._profile.confirmations)
        clock = session.clock()
        has_worker = clock - float(noted.get("worker_beat", "0")) < NO_BEAT_SECONDS
        reasons = []
        if (violation := session.violation()) is not None:
            reasons.append(f"chain-violation: {violation}")
        if unknown := len(session.unknown_events()):
            reasons.append(f"{unknown} events of the chain are of a version that this service does not know")
        if extent.is_foreign:
            reasons.append("the log has heads on chain that are not of this database: restart it")
        if not has_worker:
            reasons.append(f"no worker was active in the last {NO_BEAT_SECONDS:.0f} seconds")
        else:
            reasons += self._troubles(noted)
        if self._profile.block_seconds:
            wrong = wrong_clock(seconds_ahead(noted, clock, time.time()))
            reasons += [] if wrong is None else [wrong]
        return Seen(
            indexed=0 if cursor is None else cursor.number,
            indexed_at=0 if cursor is None else cursor.timestamp,
            manifests=session.waiting_manifests(),
            records=session.waiting_custody(),
            unsent_since=session.oldest_unsent(session.log().epoch, extent.anchored),
            has_worker=has_worker,
            reasons=tuple(reasons),
        )

    def _troubles(self, noted: dict[str, str]) -> list[str]:
        """What the worker's last beat says is wrong."""
        found = []
        if trouble := noted.get("worker_trouble"):
            found.append(f"the worker cannot go on: {trouble}")
        silent, unread = float(noted.get("head_unchanged", "0")), float(noted.get("unread", "0"))
        pace = self._profile.block_seconds
        if pace and silent > silent_seconds(pace):
            found.append(f"chain-stalled: the chain has made no block for {silent:.0f} seconds")
        if said := noted.get("worker_clock"):
            found.append(f"of the worker: {said}")
        if unread > UNREAD_SECONDS:
            found.append(f"no block was read for {unread:.0f} seconds, though there are newer ones")
        return found


def silent_seconds(block_seconds: int) -> float:
    """How long after a chain's last block it is said to be silent, seconds.

    Three beats may pass until that is told: when the block is seen, when it is too old, when somebody asks. With them it is
    told within 10 seconds of when the chain has missed `MISSED_BLOCKS`.
    """
    return (1 + MISSED_BLOCKS) * block_seconds + 10 - 3 * BEAT_SECONDS


class _Look(Generic[_Seen]):
    """Something that is looked at in a thread of its own: one at a time, however many ask and however long it takes.

    Args:
        look: What is seen; it may raise a `LedgerError`.
        overdue: The error when that takes too long, by the seconds it has taken.
    """

    def __init__(self, look: Callable[[], _Seen], overdue: Callable[[float], LedgerError]) -> None:
        self._look = look
        self._overdue = overdue
        self._lock = threading.Lock()
        self._under_way: _Answer[_Seen] | None = None

    def begin(self) -> None:
        """Look, unless a look is under way."""
        with self._lock:
            if self._under_way is None or self._under_way.done.is_set():
                self._under_way = _Answer()
                # a daemon, and none of a pool: the process must be able to end while it waits for ever
                threading.Thread(target=self._run, args=(self._under_way,), name="look", daemon=True).start()

    def result(self) -> _Seen:
        """What was seen by the look that was begun last.

        Raises:
            LedgerError: Nothing can be seen, or it takes too long.
        """
        answer = self._under_way
        assert answer is not None  # noqa: S101  `begin` comes first
        taken = time.monotonic() - answer.began
        if not answer.done.wait(max(0.0, LOOK_SECONDS - taken)):
            raise self._overdue(time.monotonic() - answer.began)
        if answer.error is not None:
            raise answer.error
        return answer.seen[0]

    def _run(self, answer: _Answer[_Seen]) -> None:
        try:
            answer.seen.append(self._look())
        except BaseException as error:
            answer.error = error
        finally:
            answer.done.set()


class _Answer(Generic[_Seen]):
    def __init__(self) -> None:
        self.began = time.monotonic()
        self.done = threading.Event()
        self.seen: list[_Seen] = []
        self.error: BaseException | None = None
