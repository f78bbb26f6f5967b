"""Identifiers of the field: each parses or refuses, and names its source.

What is odd but can be committed to is a finding of `ledger.checking`, not a refusal here: these functions are for
places where only the exact form will do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ledger.errors import InvalidIdentifier

_ADMINISTRATION = re.compile(r"[A-Z0-9]{2,8}")
_ORGANISATION = re.compile(r"[A-Z0-9]{0,8}")


@dataclass(frozen=True, slots=True, order=True)
class Party:
    """An administration and an organisation that it enrols.

    Without an organisation it is the customs administration itself. Text `SG` or `SG:ACME01`; 16 bytes on chain:
    administration, then organisation, 8 bytes each, zero-padded on the right.

    Attributes:
        administration: `[A-Z0-9]{2,8}`.
        organisation: `[A-Z0-9]{0,8}`, "" for customs.

    Raises:
        InvalidIdentifier: A part is not of its form.
    """

    administration: str
    organisation: str = ""

    def __post_init__(self) -> None:
        if not _ADMINISTRATION.fullmatch(self.administration):
            raise InvalidIdentifier(
                "administration", self.administration, "2 to 8 of A-Z and 0-9 are expected"
            )
        if not _ORGANISATION.fullmatch(self.organisation):
            raise InvalidIdentifier(
                "organisation", self.organisation, "at most 8 of A-Z and 0-9 are expected"
            )

    @classmethod
    def parse(cls, text: str) -> Party:
        """Parse `SG` or `SG:ACME01`; a colon without an organisation is refused."""
        administration, colon, organisation = text.partition(":")
        if colon and not organisation:
            raise InvalidIdentifier("party", text, "an organisation is expected after the colon")
        return cls(administration, organisation)

    @classmethod
    def from_bytes(cls, data: bytes) -> Party:
        """Decode the 16 bytes; padding inside a part, or other characters, are refused."""
        if len(data) != 16:
            raise InvalidIdentifier("party", "0x" + data.hex(), "16 bytes are expected")
        try:
            administration = data[:8].rstrip(b"\0").decode("ascii")
            organisation = data[8:].rstrip(b"\0").decode("ascii")
        except UnicodeDecodeError:
            raise InvalidIdentifier("party", "0x" + data.hex(), "only A-Z and 0-9 are expected") from None
        return cls(administration, organisation)

    def to_bytes(self) -> bytes:
        """Encode as the 16 bytes that records and contracts hold."""
        return self.administration_bytes + self.organisation.encode("ascii").ljust(8, b"\0")

    @property
    def administration_bytes(self) -> bytes:
        """The administration alone, 8 bytes."""
        return self.administration.encode("ascii").ljust(8, b"\0")

    @property
    def is_customs(self) -> bool:
        """Whether this is the customs administration itself (organisation zero)."""
        return not self.organisation

    def __str__(self) -> str:
        return f"{self.administration}:{self.organisation}" if self.organisation else self.administration
