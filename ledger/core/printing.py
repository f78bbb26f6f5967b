"""Texts of others as they are shown: no text in a document can move a cursor, turn a line around or flood a page.

What a document says is hostile until proven dull. Markup is escaped where markup is written, not here.
"""

from __future__ import annotations

import unicodedata

_TURNS_TEXT = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029"
)


def printable(text: object) -> str:
    """Write a text so that it prints as what it is: control and direction characters become escapes, lines stay."""
    return "".join(
        c
        if c == "\n" or (unicodedata.category(c) not in ("Cc", "Cs") and c not in _TURNS_TEXT)
        else f"\\u{ord(c):04x}"
        for c in str(text)
    )


def shortened(text: str, most: int) -> str:
    """A text of at most so many characters as it is; a longer one cut, with how long it was."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)"
