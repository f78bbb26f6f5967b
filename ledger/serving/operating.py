"""What the operator looks at and does: chain, readiness, metrics, keys, scrub."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from ledger import upkeep
from ledger.messages import ChainView, Readiness, to_hex
from ledger.serving.wired import TO_FORGET, Wired
from ledger.store import Session


class Operating(Wired):
    """What the operator looks at and does: chain, readiness, metrics, keys, scrub."""

    def chain(self) -> ChainView:
        """The chain that is followed, and how far."""
        with self._store.read() as session:
            cursor = session.cursor()
            seen = int(session.identity().get("head_block", "0"))
        indexed = 0 if cursor is None else cursor.number
        return ChainView(
            kind=self.profile.kind,
            chain_id=self.profile.chain_id,
            genesis_hash=to_hex(self.profile.genesis_hash),
            administration_registry=self.profile.registry,
            manifest_log=self.profile.manifest_log,
            consignment_ledger=self.profile.consignment_ledger,
            confirmations=self.profile.confirmations,
            administration=self.config.administration,
            indexed_block=indexed,
            head_block=max(indexed, seen),
        )

    def readiness(self) -> Readiness:
        """Whether the service can do its job now; the chain's node is asked, for 5 seconds at most."""
        return self._watch.readiness()

    def refusals(self) -> dict[str, int]:
        """How many custody records and closings accepted here the chain refused, by the refusal's or error's name."""
        with self._store.read() as session:
            found = session.refusals()
        counted: dict[str, int] = {}
        for problem, count in found:
            stated = orjson.loads(problem)
            reason = stated.get("refusal") or stated["title"]
            counted[reason] = counted.get(reason, 0) + count
        return counted

    def metrics(self) -> dict[str, float]:
        """Figures for a monitoring system, by name; read from the database alone."""
        with self._store.read() as session:
            cursor = session.cursor()
            identity = session.identity()
            log = session.log()
            anchored = self._extent(session).anchored
            states = session.transaction_states()
            indexed = 0 if cursor is None else cursor.number
            head = int(identity.get("head_block", "0"))
            head_time = int(identity.get("head_time", "0"))
            return {
                "indexed_block": indexed,
                "indexed_block_age_seconds": 0
                if cursor is None
                else max(0, self._clock.now() - cursor.timestamp),
                "head_block": head,
                "lag_blocks": max(0, head - indexed),
                "lag_seconds": max(0, head_time - cursor.timestamp) if cursor and head > indexed else 0,
                "outbox_age_seconds": self._age(session.oldest_unsent(log.epoch, anchored)),
                "events": session.last_told(),
                "events_forgotten": session.feed_rows.forgotten().event,
                "reorganisations": float(identity.get("rewinds", "0")),
                "chain_violation": float(session.violation() is not None),
                "unknown_events": len(session.unknown_events()),
                "transactions_failed": states.get("failed", 0),
                "transactions_replaced": states.get("replaced", 0),
                "clock_ahead_seconds": round(self._clock.ahead, 1),
                "worker_beat_seconds": float(identity.get("worker_beat", "0")),
                "log_accepted_leaves": log.next_index,
                "log_sequenced_leaves": log.sequenced,
                "log_anchored_leaves": anchored,
                "custody_waiting_records": session.waiting_custody(),
                "transactions_in_flight": len(session.transactions_in("sent", "mined")),
                **self._webhook_figures(session),
            }

    def _webhook_figures(self, session: Session) -> dict[str, float]:
        figures = session.webhooks.figures(self._served_webhooks(session))
        oldest = int(figures.pop("webhook_oldest_made_at"))
        return figures | {"webhook_oldest_message_seconds": self._age(oldest or None)}

    def rewrap(self, progress: upkeep.Progress = lambda done, total: None) -> upkeep.Rewrapped:
        """Wrap everything sealed by the newest wrapping key, while the service runs; what was killed goes on.

        Args:
            progress: Told how many objects are done, and of how many.
        """
        result = upkeep.rewrap(self._store, self._vault, progress)
        with self._store.write() as session:
            session.set_identity({TO_FORGET: "1"})  # data keys as they were wrapped before
        self._forget()
        return result

    def scrub(self, progress: upkeep.Progress = lambda done, total: None) -> Iterator[upkeep.Flaw]:
        """Open everything sealed, and yield what is damaged, missing, or there though it was erased.

        Args:
            progress: Told how many objects are done, and of how many.
        """
        return upkeep.scrub(self._store, progress)

    def _age(self, accepted_at: int | None) -> int:
        return 0 if accepted_at is None else max(0, self._clock.now() - accepted_at)
