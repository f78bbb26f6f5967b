"""Texts of others as they are shown."""

import pytest
import shown_texts

from ledger.core.printing import printable, shortened


@pytest.mark.parametrize("text", [*shown_texts.SHOWN, "a\ud800b", 12])
def test_what_is_hidden_or_poses_as_a_number_is_said_and_all_else_is_shown_as_it_stands(text):
    assert printable(text) == (shown_texts.SHOWN | {"a\ud800b": "a\\ud800b", 12: "12"})[text]


def test_what_was_made_printable_stays_as_it_is():
    for shown in shown_texts.SHOWN.values():
        assert printable(shown) == shown


def test_a_text_that_is_too_long_is_cut_and_says_how_long_it_was():
    assert shortened("x" * 10, 10) == "x" * 10
    assert shortened("x" * 11, 10) == "x" * 10 + "… (11 characters)"
