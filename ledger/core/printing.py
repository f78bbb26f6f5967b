"""Texts of others as they are shown: no text in a document can move a cursor, turn a line around or flood a page.

Nor can it hold what nobody sees, or show a number that is not the one it looks like. What a document says is hostile until proven dull. Markup is escaped where markup is written, not here.
"""

from __future__ import annotations

import re
import unicodedata

NOT_LATIN = "[has letters that are not Latin]"
"""What stands behind a number that an officer compares by eye and that looks like another one."""

_JOINERS = "\u200c\u200d"  # Persian and the scripts of India need these between their letters
_LINE_ENDS = "\u2028\u2029"
_FILLERS = "\u034f\u115f\u1160\u3164\uffa0"  # letters and marks by their category, and nothing to be seen
_LOOK_ALIKE_SCRIPTS = ("CYRILLIC ", "GREEK ", "ARMENIAN ", "CHEROKEE ", "COPTIC ", "LISU ")
_WORD = re.compile(r"\w+")
_FEWEST_IN_NUMBER, _FEWEST_DIGITS = 5, 3
_PLAIN_WORD = re.compile(r"[A-Za-z0-9-]+")


def printable(text: object) -> str:
    """Write a text so that it prints as what it is.

    Control and direction characters and those that cannot be seen become escapes, lines stay. Behind a word in capitals
    that reads as a number (a container's, a seal's, a reference) and has letters or digits that only look like Latin
    ones, `NOT_LATIN` says so, once however often a text comes here. Words of one script without digits, as names and
    places are, have no such note.
    """
    said = str(text)
    if said.isascii() and said.isprintable():
        return said
    shown = "".join(
        f"\\u{ord(c):04x}" if _is_unseen(c, said[at - 1 : at]) else c for at, c in enumerate(said)
    )
    return shown if shown.isascii() else _WORD.sub(_with_note, shown)


def _is_unseen(character: str, before: str) -> bool:
    if character in _JOINERS:
        return before.isascii()  # at the beginning too
    return character != "\n" and (
        unicodedata.category(character) in ("Cc", "Cf", "Cs")
        or character in _LINE_ENDS
        or character in _FILLERS
    )


def _with_note(found: re.Match[str]) -> str:
    word = found[0]
    if not _is_posing(word) or found.string.startswith(f" {NOT_LATIN}", found.end()):
        return word
    return f"{word} {NOT_LATIN}"


def _is_posing(word: str) -> bool:
    """Whether a word reads as a number in Latin capitals and has letters or digits that are none.

    It has five characters or more, a Latin letter or three digits among them, no small Latin letter, and one character
    of a script whose letters look like Latin ones (Cyrillic, Greek ...), or a wide, mathematical or Roman form of one.
    """
    latin = [c for c in word if c.isascii() and c != "_"]
    if len(word) < _FEWEST_IN_NUMBER or any(c.islower() for c in latin):
        return False
    if not any(c.isalpha() for c in latin) and len(latin) < _FEWEST_DIGITS:
        return False
    return any(not c.isascii() and _is_look_alike(c) for c in word)


def _is_look_alike(character: str) -> bool:
    if unicodedata.category(character) == "No":  # m² is no number of a box
        return False
    plain = unicodedata.normalize("NFKC", character)
    return plain.isascii() or unicodedata.name(character, "").startswith(_LOOK_ALIKE_SCRIPTS)


def shortened(text: str, most: int) -> str:
    """A text of at most so many characters as it is; a longer one cut, with how long it was."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)"


def quoted(text: str, most: int) -> str:
    """A text of others as it stands in a sentence of ours: on one line, cut, and quoted where it is more than a word.

    So no reason of a hold reads as a release. What would end the quotation, or cannot be seen, is left out.

    Args:
        text: Any text.
        most: How many of its characters are shown.

    Returns:
        "" where nothing is left to be shown.
    """
    line = " ".join(text.split())
    said = "".join(character for character in line if character.isprintable() and character not in "“”")
    if not said:
        return ""
    is_word = _PLAIN_WORD.fullmatch(said) and len(said) <= most
    return said if is_word else f"“{said[:most]}”"
