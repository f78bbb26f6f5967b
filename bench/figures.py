"""What a benchmark returns: figures, each with what it has to reach."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        what: What was measured, in words.
        figure: What came out, with its unit.
        to_reach: What it has to be, in the same unit; "" where nothing is asked.
        met: Whether it is; None where nothing is asked.
        how: What a reader must know to believe it.
    """

    what: str
    figure: str
    to_reach: str = ""
    met: bool | None = None
    how: str = ""
