"""Sends webhooks' messages: at least once each, the messages about one consignment in the order of their events.

The worker runs this in a thread of its own. It follows the feed for every webhook (`ledger.webhooks`), keeps a row for
each message before it is sent, and notes what became of it after: killed at any moment, it sends again what it does not
know the outcome of, under the same id. Receivers are asked side by side; none waits for another (`ledger.posting`), and
the messages of one of them go as `ledger.delivery_queue` says. What a receiver does not take is sent again on the
schedule of `ledger.retrying`, then it is a dead letter. Where nothing was taken since its first attempt, the webhook is
disabled; at 410 at once. Nothing is lost by that: it is enabled from where it stood.

Who is told of an event is also told if it is taken back, though it could not read of it any more.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import secrets
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson

from ledger import views
from ledger.core.signatures import checksummed
from ledger.delivery_queue import DeliveryQueue, Waiting
from ledger.errors import DeliveryFailed, InvalidIdentifier, LedgerError, ObjectDamaged
from ledger.posting import Answer, Names, Resolve, post
from ledger.reading import Reader, Rights
from ledger.receivers import Network, read_receiver
from ledger.retrying import PAUSES_SECONDS, pause_after, wait_asked_for
from ledger.rows.sealed import WEBHOOK_SECRET, WEBHOOK_URL
from ledger.rows.webhooks import ACTIVE, FAILING, GONE
from ledger.store import Session, Store
from ledger.webhook_messages import headers_of, message_id

_logger = logging.getLogger(__name__)
_IDLE_SECONDS = 0.2
_GATHER_SECONDS = 0.005  # outcomes of so long are noted in one transaction
_STOP_SECONDS = 3.0  # for what is under way when it is asked to end
_FOLLOW_AT_A_TIME = 200  # ids of the feed, for one webhook in one turn
_FOLLOW_SECONDS = 0.2  # of a turn: to judge who may read what takes time, and others wait to be sent
_MOST_UNTRIED = 500  # messages of one webhook that wait for their first attempt; the feed keeps the rest
_MOST_WAITING = 20_000  # of one webhook
_PRUNE_SECONDS = 60.0
TAKEN_KEPT_SECONDS = 86_400  # a message that was taken is remembered for its reversal
DEAD_KEPT_SECONDS = 30 * 86_400
_CHANCE = secrets.SystemRandom()  # `random` belongs to whoever seeds it


@dataclass(slots=True)
class _Webhook:
    """What is known of a webhook that is served.

    Attributes:
        id: Its id.
        revision: Of the row that this was read from.
        url: Where to.
        secrets: Each with the time when it ends, Unix seconds.
        queue: Its messages.
    """

    id: bytes
    revision: int
    url: str
    secrets: list[tuple[bytes, float]]
    queue: DeliveryQueue


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One message on its way, for the first, second … time (`number`)."""

    webhook: bytes
    event: int
    number: int
    url: str
    content: bytes
    headers: dict[str, str]
    listed: Sequence[Network]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of an attempt: an answer, or a reason why there is none."""

    webhook: bytes
    event: int
    number: int
    answer: Answer | None
    reason: str

    @property
    def is_taken(self) -> bool:
        """Whether the receiver took it."""
        return self.answer is not None and self.answer.status in range(200, 300)


class Delivering:
    """Sends the messages of one administration's webhooks; one at a time of a database, as the worker is.

    Args:
        store: The database.
        reader_of: Who reads by an account (checksummed), as the registry has it; None if it may read nothing.
        rights_of: What a reader may see, in a session.
        listed_for: The networks that are not public and may be reached all the same, for a reader's webhooks.
        pauses: The schedule, seconds.
        resolve: Gives the addresses of a name; by default the machine's own means.
        tls: Verifies receivers; by default by the machine's authorities.
        now: The time, Unix seconds.
    """

    def __init__(
        self,
        store: Store,
        reader_of: Callable[[Session, str], Reader | None],
        rights_of: Callable[[Session, Reader], Rights],
        listed_for: Callable[[Reader], Sequence[Network]],
        *,
        pauses: Sequence[float] = PAUSES_SECONDS,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._reader_of = reader_of
        self._rights_of = rights_of
        self._listed_for = listed_for
        self._pauses = pauses
        self._resolve = resolve or Names()
        self._tls = tls or ssl.create_default_context()
        self._now = now
        self._webhooks: dict[bytes, _Webhook] = {}
        self._under_way: set[tuple[bytes, int]] = set()
        self._outcomes: list[_Outcome] = []
        self._tasks: dict[asyncio.Task[None], tuple[bytes, int]] = {}
        self._unreadable: list[
            tuple[bytes, int]
        ] = []  # not told after all; their rows go with the next pruning
        self._pruned = -math.inf
        self._complaint = ""

    def run(self, stop: threading.Event) -> None:
        """Send until told to stop; what is under way then has three seconds."""
        asyncio.run(self._run(stop))

    async def _run(self, stop: threading.Event) -> None:
        self._done = asyncio.Event()
        while not stop.is_set():
            self._done.clear()
            rest = await self._turn(is_last=False)
            if rest:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._done.wait(), rest)
                await asyncio.sleep(_GATHER_SECONDS)
        if self._tasks:
            await asyncio.wait([*self._tasks], timeout=_STOP_SECONDS)
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._turn(is_last=True)

    async def _turn(self, *, is_last: bool) -> float:
        """Note what became of messages, and send what may go; how long there is nothing to do if nothing comes."""
        outcomes, self._outcomes = self._outcomes, []
        try:
            await asyncio.to_thread(self._note, outcomes)
            outcomes = []
            if is_last:
                return 0.0
            rest, attempts = await asyncio.to_thread(self._next)
        except Exception as error:  # whatever it is, what is noted stays so and the rest is tried again
            self._outcomes = outcomes + self._outcomes
            # what was taken from a queue and is not on its way waits again
            self._under_way = {*self._tasks.values(), *((one.webhook, one.event) for one in self._outcomes)}
            self._webhooks.clear()
            told = str(error) if isinstance(error, LedgerError) else type(error).__name__
            if told != self._complaint:
                _logger.error("webhooks wait: %s", told, exc_info=not isinstance(error, LedgerError))
            self._complaint = told
            return 1.0
        self._complaint = ""
        for attempt in attempts:
            task = asyncio.create_task(self._send(attempt))
            self._tasks[task] = attempt.webhook, attempt.event
            task.add_done_callback(self._tasks.pop)
        return rest

    async def _send(self, attempt: _Attempt) -> None:
        """Make one attempt; its outcome is noted in the next turn."""
        answer, reason = None, ""
        try:
            receiver = read_receiver(attempt.url, attempt.listed)
            answer = await post(
                receiver,
                attempt.content,
                attempt.headers,
                listed=attempt.listed,
                resolve=self._resolve,
                tls=self._tls,
            )
        except DeliveryFailed as error:
            reason = error.reason
        except InvalidIdentifier as error:  # its network is not listed any more
            reason = f"nothing is sent there: {error.rule}"
        except Exception as error:
            _logger.error("a webhook's message could not be sent: %s", type(error).__name__, exc_info=error)
            reason = "the service made a mistake"
        self._outcomes.append(_Outcome(attempt.webhook, attempt.event, attempt.number, answer, reason))
        self._done.set()

    # --- in a thread, one call at a time

    def _note(self, outcomes: Sequence[_Outcome]) -> None:
        """Write down what became of messages, then forget that they were under way."""
        if not outcomes:
            return
        now = self._now()
        now_ms = int(1_000 * now)
        retries: list[int | None] = []
        with self._store.write() as session:
            for one in outcomes:
                answer = one.answer
                if one.is_taken:
                    session.webhooks.take(one.webhook, one.event, int(now))
                    retries.append(None)
                    continue
                pause = pause_after(one.number, _CHANCE.random(), self._pauses)
                wait = 0.0 if answer is None else wait_asked_for(answer.retry_after, now)
                retry_at = None if pause is None else now_ms + math.ceil(1_000 * max(pause, wait))
                reason = one.reason if answer is None else f"it answered with status {answer.status}"
                if wait:
                    session.webhooks.pause(one.webhook, now_ms + math.ceil(1_000 * wait))
                if answer is not None and answer.status == 410:
                    retry_at = retry_at or now_ms  # it is no dead letter: it waits for being wanted again
                    session.webhooks.disable(one.webhook, GONE)
                taken_nothing = session.webhooks.fail(one.webhook, one.event, reason, now_ms, retry_at)
                if taken_nothing:
                    session.webhooks.disable(one.webhook, FAILING)
                retries.append(retry_at)
        for one, retry_at in zip(outcomes, retries, strict=True):
            self._under_way.discard((one.webhook, one.event))
            webhook = self._webhooks.get(one.webhook)
            if webhook is None:
                continue
            if one.is_taken:
                webhook.queue.succeeded(one.event)
            else:
                webhook.queue.failed(one.event, retry_at)

    def _next(self) -> tuple[float, list[_Attempt]]:
        """Follow the feed, and take from the queues what may be sent; and when to look again, in seconds."""
        now = self._now()
        self._prune(now)
        with self._store.read() as session:
            rows = session.webhooks.in_state(ACTIVE)
            readers = {row.webhook: self._reader_of(session, checksummed(row.account)) for row in rows}
            rows = [row for row in rows if readers[row.webhook] is not None]
            for gone in self._webhooks.keys() - {row.webhook for row in rows}:
                del self._webhooks[gone]
            for row in rows:
                self._open(session, row)
            found = self._followed(session, rows, readers)
        if found:
            self._keep(found, now)
        attempts: list[_Attempt] = []
        rest = 0.0 if found else _IDLE_SECONDS
        if not rows:
            return rest, attempts
        with self._store.read() as session:
            for row in rows:
                if row.webhook in self._webhooks and row.paused_ms <= 1_000 * now:
                    reader = readers[row.webhook]
                    assert reader is not None  # noqa: S101  left out above
                    webhook = self._webhooks[row.webhook]
                    attempts += self._taken(session, webhook, reader, now)
                    if webhook.queue.due_ms is not None:
                        rest = min(rest, max(webhook.queue.due_ms / 1_000 - now, 0.0))
        return rest, attempts

    def _open(self, session: Session, row: Any) -> None:
        """Read a webhook's URL, secrets and queue, if they are not as they were."""
        webhook = self._webhooks.get(row.webhook)
        if webhook is not None and webhook.revision == row.revision:
            return
        webhook_id: bytes = row.webhook
        try:
            url = session.unseal_webhook(WEBHOOK_URL, webhook_id).decode()
            secrets = [
                (
                    session.unseal_webhook(WEBHOOK_SECRET, each.secret),
                    math.inf if each.ends_at is None else float(each.ends_at),
                )
                for each in session.webhooks.secrets_of(webhook_id)
            ]
        except ObjectDamaged as error:  # nothing can be sent for it, and all others are served
            if str(error) != self._complaint:
                _logger.error("%s", error)
            self._webhooks.pop(webhook_id, None)
            return
        under_way = (event for of, event in self._under_way if of == webhook_id)
        queue = DeliveryQueue(under_way) if webhook is None else webhook.queue
        queue.refill(
            Waiting(each.event, _lines(each.consignment, each.second), each.due_ms, each.attempts)
            for each in session.webhooks.waiting(webhook_id)
        )
        self._webhooks[webhook_id] = _Webhook(webhook_id, row.revision, url, secrets, queue)

    def _followed(
        self, session: Session, rows: Sequence[Any], readers: dict[bytes, Reader | None]
    ) -> list[tuple[bytes, int, int, list[Any]]]:
        """What each webhook is to be told next: its id, from where to where of the feed, and the events in between."""
        found = []
        last = session.last_told()
        until = time.monotonic() + _FOLLOW_SECONDS
        for row in rows:
            webhook, reader = self._webhooks.get(row.webhook), readers[row.webhook]
            if webhook is None or reader is None or row.followed >= last:
                continue
            if webhook.queue.untried >= _MOST_UNTRIED or len(webhook.queue) >= _MOST_WAITING:
                continue
            rights = self._rights_of(session, reader)
            up_to = min(last, row.followed + _FOLLOW_AT_A_TIME)
            wanted: list[Any] = []
            for event in session.feed(
                row.followed,
                up_to,
                kinds=json.loads(row.kinds),
                consignment=row.consignment,
                administration=row.administration,
            ):
                if time.monotonic() > until and wanted:
                    up_to = event.id - 1
                    break
                if rights.event(event) or self._was_told(session, row.webhook, event):
                    wanted.append(event)
            found.append((row.webhook, row.followed, up_to, wanted))
        return found

    @staticmethod
    def _was_told(session: Session, webhook: bytes, event: Any) -> bool:
        """Whether an event takes back what the webhook was told."""
        return event.reverts is not None and session.webhooks.has_message(webhook, event.reverts)

    def _keep(self, found: Sequence[tuple[bytes, int, int, list[Any]]], now: float) -> None:
        """Keep a row for each message, in the transaction that notes how far the feed was followed."""
        now_ms = int(1_000 * now)
        kept = []
        with self._store.write() as session:
            for webhook, after, up_to, events in found:
                if session.webhooks.follow(webhook, after, up_to):  # else it was removed meanwhile
                    session.webhooks.add_messages(webhook, [event.id for event in events], now_ms)
                    kept.append((webhook, events))
        for webhook, events in kept:
            self._webhooks[webhook].queue.add(
                Waiting(event.id, _lines(event.consignment, event.second), now_ms) for event in events
            )

    def _taken(self, session: Session, webhook: _Webhook, reader: Reader, now: float) -> list[_Attempt]:
        """Take from a queue what may be sent, and make it ready."""
        taken = webhook.queue.take(int(1_000 * now))
        if not taken:
            return []
        told = session.told([one.event for one in taken])
        rights = self._rights_of(session, reader)
        secrets = [secret for secret, ends_at in webhook.secrets if now < ends_at]
        attempts = []
        for one in taken:
            event = told[one.event]
            if not (rights.event(event) or self._was_told(session, webhook.id, event)):
                self._unreadable.append((webhook.id, one.event))
                webhook.queue.dropped(one.event)
                continue
            content = body_of(event)
            name = message_id(webhook.id, event.id, event.kind, event.subject, event.at)
            attempts.append(
                _Attempt(
                    webhook.id,
                    one.event,
                    one.attempts + 1,
                    webhook.url,
                    content,
                    headers_of(name, int(now), content, secrets),
                    self._listed_for(reader),
                )
            )
            self._under_way.add((webhook.id, one.event))
        return attempts

    def _prune(self, now: float) -> None:
        """Now and then, forget what was taken or given up long ago, and secrets whose time is over."""
        if not self._unreadable and time.monotonic() - self._pruned < _PRUNE_SECONDS:
            return
        unreadable, self._unreadable = self._unreadable, []
        with self._store.write() as session:
            for webhook, event in unreadable:
                session.webhooks.drop(webhook, event)
            count = session.webhooks.prune(int(now) - TAKEN_KEPT_SECONDS, int(now) - DEAD_KEPT_SECONDS)
            for secret in session.webhooks.ended_secrets(int(now)):
                session.erase_webhook(WEBHOOK_SECRET, secret)
                session.webhooks.remove_secret(secret)
        if not count:  # there may be more
            self._pruned = time.monotonic()


def body_of(event: Any) -> bytes:
    """The body of a message about an event of the feed: Standard Webhooks' `type`, `timestamp` and `data`."""
    view = views.event(event).model_dump(mode="json")
    return orjson.dumps({"type": view["kind"], "timestamp": view["time"], "data": view})


def _lines(consignment: bytes | None, second: bytes | None) -> tuple[bytes, ...]:
    return tuple(each for each in (consignment, second) if each is not None)
