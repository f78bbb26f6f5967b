"""The clock of the host that a process runs on, held against its chain's.

What the chain will judge by is its own time, and several hosts serve one database. So a host whose clock is wrong must not
refuse what is right, nor promise by a time that is not: where the clock is further from the chain's than `SKEW_SECONDS`, the
chain's is taken, and it is said. How old the chain's newest block is the worker notes with its beat, by the seconds that
have passed and not by any host's time of day; it is known once a block has come while the worker looked.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from ledger.store import Session

SKEW_SECONDS = (
    60  # that clocks of hosts may differ from the chain's, so hosts from each other by twice as much
)
NO_BEAT_SECONDS = 8.0  # without a beat for so long there is no worker
_LOOK_SECONDS = 2.0
_logger = logging.getLogger(__name__)


def seconds_ahead(noted: Mapping[str, str], database_time: float, host_time: float) -> float | None:
    """By how much a host's clock is ahead of the chain's, seconds; negative if it is behind; None if that can't be told.

    Args:
        noted: What the worker noted with its beat.
        database_time: The database's clock, by which the beat's time was noted too.
        host_time: The host's clock.
    """
    since_beat = database_time - float(noted.get("worker_beat", "0"))
    if noted.get("head_is_new") != "1" or not 0 <= since_beat < NO_BEAT_SECONDS:
        return None
    return host_time - (int(noted["head_time"]) + float(noted["head_unchanged"]) + since_beat)


def wrong_clock(ahead: float | None) -> str | None:
    """What is to be said of a clock that is so far ahead; None if it is right."""
    if ahead is None or abs(ahead) <= SKEW_SECONDS:
        return None
    where = "ahead of" if ahead > 0 else "behind"
    return f"the clock of this host is {abs(ahead):.0f} seconds {where} the chain's newest block: let it be set (NTP)"


class HostClock:
    """The time by which a process judges. Thread-safe: what it keeps is one number.

    Args:
        block_seconds: How often the chain makes a block; of one that makes them when asked to (0) nothing is believed.
    """

    def __init__(self, block_seconds: int) -> None:
        self._is_paced = block_seconds > 0
        self._look_at = 0.0
        self._said: str | None = None
        self.ahead = 0.0

    def compare(self, session: Session) -> None:
        """Hold the clock against the chain's, every two seconds."""
        now = time.monotonic()
        if not self._is_paced or now < self._look_at:
            return
        self._look_at = now + _LOOK_SECONDS
        ahead = seconds_ahead(session.identity(), session.clock(), time.time())
        if ahead is None:
            return  # what was known of it holds until more is
        self.ahead = ahead
        wrong = wrong_clock(ahead)
        if wrong is not None and self._said is None:
            _logger.warning("%s", wrong)
        self._said = wrong

    def now(self) -> int:
        """Unix seconds: the host's, or the chain's where the host's are wrong."""
        host_time = time.time()
        return int(host_time if abs(self.ahead) <= SKEW_SECONDS else host_time - self.ahead)
