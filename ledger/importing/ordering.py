"""Put the messages about one declaration in order, and drop those told twice.

Source: CUSTOMS.md, "Importing a folder".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ledger.importing.notifications import Movement, Notification

Message = Notification | Movement
ARRIVALS = frozenset({"EAL", "RET", "GAN", "GPR", "GPN"})

# At equal times the order of the table; movements stand after the message that opens, and before a release or exit.
_RANK = {
    "02": 0,
    "01": 1,
    "EAA": 2,
    "EAC": 2,
    "CST": 3,
    "EAL": 4,
    "RET": 4,
    "GAN": 4,
    "GPR": 4,
    "GPN": 4,
    "03": 5,
    "13": 6,
    "05": 7,
    "06": 7,
    "11": 7,
    "50": 7,
    "07": 8,
    "14": 8,
    "08": 9,
    "09": 10,
    "EDL": 11,
    "16": 12,
    "10": 12,
    "CC060C": 7,
    "CC051C": 8,
    "CC029C": 9,
    "CC043C": 10,
    "CC044C": 11,
    "CC025C": 12,
    "CC045C": 13,
}


def ordered(messages: Iterable[Message]) -> list[Message]:
    """Put messages in order: by time, at equal times by the table's order, then by file name.

    An arrival without a time of its own stands right after the acceptance (or last receipt) that it led to; a
    consolidation stands before the first movement.
    """
    kept = list(messages)
    notices = [each for each in kept if isinstance(each, Notification)]
    opening = [each.issued for each in notices if each.function == "01"] or [
        each.issued for each in notices if each.function == "02"
    ]
    fallback = max(opening, default=max((each.issued for each in notices), default=None))

    first = min(
        (each.at for each in kept if isinstance(each, Movement) and each.at is not None), default=fallback
    )

    def key(message: Message) -> tuple[float, int, str, str]:
        if isinstance(message, Notification):
            return (
                message.issued.timestamp(),
                _RANK.get(message.function, 6),
                message.file,
                message.reference,
            )
        at = message.at or (fallback if message.code in ARRIVALS else fallback or first)
        return (
            at.timestamp() if at else float("inf"),
            _RANK.get(message.code, 6),
            message.file,
            message.reference,
        )

    return sorted(kept, key=key)


def without_repeats(messages: Sequence[Message]) -> tuple[list[Message], int]:
    """Drop messages whose own reference was seen before; return the rest and how many were dropped."""
    seen: set[tuple[str, str]] = set()
    kept: list[Message] = []
    for each in messages:
        kind = "notification" if isinstance(each, Notification) else "movement"
        if each.reference and (kind, each.reference) in seen:
            continue
        seen.add((kind, each.reference))
        kept.append(each)
    return kept, len(messages) - len(kept)
