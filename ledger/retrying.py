"""When a message that a receiver did not take is sent again. Pure; the schedule stands in the README.

    at once, then after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h: ten attempts in a little over three days

Each pause is up to a tenth longer or shorter, so that what failed together does not come back together.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime

PAUSES_SECONDS: tuple[float, ...] = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
JITTER = 0.1
LONGEST_WAIT_SECONDS = 86_400  # that a receiver can ask for by Retry-After


def pause_after(attempts: int, chance: float, pauses: Sequence[float] = PAUSES_SECONDS) -> float | None:
    """How many seconds pass until the next attempt; None if there is none.

    Args:
        attempts: How many have failed, from 1.
        chance: Any number from 0 to 1, drawn evenly.
        pauses: The schedule.
    """
    if attempts > len(pauses):
        return None
    return pauses[attempts - 1] * (1 - JITTER + 2 * JITTER * chance)


def wait_asked_for(retry_after: str, now: float) -> float:
    """The seconds that a Retry-After header asks for, 0 to a day; 0 where it cannot be read.

    Args:
        retry_after: The header: seconds, or a date.
        now: Unix seconds.
    """
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text[:12]), LONGEST_WAIT_SECONDS))
    try:
        when = parsedate_to_datetime(text)
        seconds = when.replace(tzinfo=when.tzinfo or UTC).timestamp() - now
    except (ValueError, OverflowError, IndexError, TypeError):
        return 0.0
    return min(max(seconds, 0.0), float(LONGEST_WAIT_SECONDS))
