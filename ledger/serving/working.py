"""The worker: indexes, sequences, anchors, sends, and tells webhooks beside it."""

from __future__ import annotations

import logging
import threading
import time as clock
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ledger import sequencing
from ledger.anchoring import Sender
from ledger.delivering import Delivering
from ledger.errors import LedgerError, StoreError
from ledger.host_clock import wrong_clock
from ledger.indexing import BATCH_BLOCKS
from ledger.readiness import BEAT_SECONDS
from ledger.serving.wired import Wired

_logger = logging.getLogger(__name__)
_ANOTHER_WORKS = "another worker is at work on this database: waiting for it to end"
IDLE_SECONDS = 0.2  # how long the worker rests when there was nothing to do
SEQUENCE_SECONDS = 1.0  # leaves are taken into the tree this often


class _Beside:
    """Runs something in a thread of its own while it is wanted, again where it was stopped."""

    def __init__(self, run: Callable[[threading.Event], None]) -> None:
        self._run = run
        self._thread: threading.Thread | None = None
        self._quit = threading.Event()

    def start(self) -> None:
        """Let it run; nothing if it does."""
        if self._thread is None or not self._thread.is_alive():
            self._quit = threading.Event()
            self._thread = threading.Thread(
                target=self._run, args=(self._quit,), name="webhooks", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        self._quit.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None


class Working(Wired):
    """The worker: indexes, sequences, anchors, sends, and tells webhooks beside it."""

    def work_once(self) -> bool:
        """One turn of the worker: index, sequence, anchor, send, forget old events; nothing while another worker holds the lock.

        Returns:
            Whether anything moved.

        Raises:
            ChainError: The node is gone or not to be believed; what was durable stays so.
        """
        if not self.take_worker_lock():
            return False
        taken = self._indexer.advance()
        moved = taken > 0
        if clock.monotonic() - self._sequenced_at >= SEQUENCE_SECONDS:
            self._sequenced_at = clock.monotonic()
            moved |= sequencing.extend(self._store) > 0
        if taken < BATCH_BLOCKS:  # far behind, it does not know what became of what was sent
            moved |= self._sending().turn()
        self._retention.turn()
        self._store.tidy()
        self._beat()
        return moved

    def _sending(self) -> Sender:
        if self._sender is None:
            config = self.config
            if config.sequencer_key is None or not (config.relayer_keys or config.read_relayer_keys):
                raise StoreError(
                    "The worker needs a sequencer key and a relayer key; the settings name none."
                )
            self._sender = Sender(
                self._chain,
                self._store,
                config.administration,
                config.sequencer_key,
                config.relayer_keys,
                config.read_relayer_keys,
            )
        return self._sender

    def _beat(self) -> None:
        """Note now and then that the worker works, and how it finds its chain."""
        if clock.monotonic() - self._worker_seen < BEAT_SECONDS:
            return
        self._worker_seen = clock.monotonic()
        self._forget()
        head = self._chain.head()
        with self._store.read() as session:
            cursor = session.cursor()
        noted = self._pulse.note(head, 0 if cursor is None else cursor.number)
        with self._store.write() as session:
            self._clock.compare(session)
            wrong = wrong_clock(self._clock.ahead) or ""
            beat = {"worker_beat": str(session.clock()), "worker_trouble": "", "worker_clock": wrong}
            session.set_identity(noted | beat)

    def _beat_in_trouble(self, trouble: str) -> None:
        """Note that the worker is there and cannot go on; nothing where even that can't be written."""
        with suppress(StoreError), self._store.write() as session:
            session.set_identity({"worker_beat": str(session.clock()), "worker_trouble": trouble})
        self._worker_seen = 0.0  # so that it is said at once that it goes on

    def delivering(self, **options: Any) -> Delivering:
        """What sends the webhooks' messages; `options` are those of `Delivering`."""
        return Delivering(
            self._store,
            self.sessions.reader_by_account,
            self._rights,
            self._listed_for,
            **({"now": self._clock.now} | options),
        )

    def take_worker_lock(self) -> bool:
        """Become the one worker of this database, until `close`, the end of the process, or of the database's server."""
        if self._working is not None and not self._working.is_held():
            _logger.warning(
                "the worker's lock was lost with its connection: another worker may be at work now"
            )
            self._working.close()
            self._working = None
        if self._working is None:
            self._working = self._store.worker_lock()
            if self._working is not None:
                _logger.info("this is the worker of %s", self.administration)
        return self._working is not None

    def run_worker(self, stop: threading.Event) -> None:
        """Work until told to stop; wait while another worker does, and through a node's absence.

        Webhooks are sent beside it, by whoever has the worker's lock, whether or not the node is there.
        """
        delivery = _Beside(lambda quit: self.delivering().run(quit))
        try:
            self._run_worker(stop, delivery)
        finally:
            delivery.stop()

    def _run_worker(self, stop: threading.Event, delivery: _Beside) -> None:
        verified = False
        complaint = ""
        while not stop.is_set():
            try:
                if self.take_worker_lock():
                    delivery.start()
                else:
                    delivery.stop()
                    if complaint != _ANOTHER_WORKS:
                        complaint = _ANOTHER_WORKS
                        _logger.info("%s", complaint)
                    stop.wait(0.5)
                    continue
                if not verified:
                    self._chain.require_identity()
                    verified = True
                if not self.work_once():
                    stop.wait(IDLE_SECONDS)
                complaint = ""
            except LedgerError as error:
                verified = False  # who knows what answers next at the node's address
                self._beat_in_trouble(str(error))
                if str(error) != complaint:
                    complaint = str(error)
                    _logger.error("%s", complaint)
                stop.wait(1.0)
