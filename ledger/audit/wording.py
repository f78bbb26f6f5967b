"""How the audit's sentences count."""

from __future__ import annotations

from collections.abc import Sized


def counted(things: Sized | int, one: str, many: str) -> str:
    """So many of something, in words: `1 event stands`, `2 events stand`."""
    count = things if isinstance(things, int) else len(things)
    return f"{count} {one if count == 1 else many}"
