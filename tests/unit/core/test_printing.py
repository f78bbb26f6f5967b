"""Texts of others as they are shown."""

import pytest

from ledger.core.printing import printable, shortened


@pytest.mark.parametrize(
    "text, shown",
    [
        ("Singapore\nNL", "Singapore\nNL"),
        ("a\u202eb", "a\\u202eb"),
        ("a\x1b[2Jb\x00", "a\\u001b[2Jb\\u0000"),
        ("a\ud800b", "a\\ud800b"),
        ("<b>", "<b>"),
        (12, "12"),
    ],
)
def test_what_moves_a_cursor_or_turns_a_line_is_escaped_and_nothing_else(text, shown):
    assert printable(text) == shown


def test_a_text_that_is_too_long_is_cut_and_says_how_long_it_was():
    assert shortened("x" * 10, 10) == "x" * 10
    assert shortened("x" * 11, 10) == "x" * 10 + "… (11 characters)"
