"""Identifiers of the field: each parses or refuses, and names its source.

What is odd but can be committed to is a finding of `ledger.checking`, not a refusal here: these functions are for
places where only the exact form will do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ledger.core import codes
from ledger.errors import InvalidIdentifier

HS_EDITIONS = ("2022", "2017")

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


_SCHEME = re.compile(r"[a-z0-9-]{1,16}")
_REFERENCE_VALUE = re.compile(r"[!\"$-`{-~]{1,128}")  # printable ASCII without small letters and #
_PART = re.compile(r"[!\"$-`{-~]{1,32}")
_UCR = re.compile(r"[0-9][A-Z]{2}[A-Z0-9()/:.-]{1,32}")
_DUCR = re.compile(r"[0-9][A-Z]{2}[A-Z0-9]{1,15}-[A-Z0-9()/:-]{1,19}")
_MRN = re.compile(r"[0-9]{2}[A-Z]{2}[A-Z0-9]{13}[0-9]")
_CONTAINER = re.compile(r"[A-Z]{3}[UJZ][0-9]{7}")
_LOCATION = re.compile(r"[A-Z]{2}[A-Z2-9]{3}")
_OFFICE = re.compile(r"[A-Z]{2}[A-Z0-9]{6}")
_HS = re.compile(r"[0-9]{6}")
_IMO = re.compile(r"[0-9]{7}")


def check_digit(text: str) -> int:
    """Compute the check digit of ISO 6346 over digits and capital letters.

    Each character's value (digits as they are, A = 10, then upwards leaving out multiples of 11) is multiplied by two
    to the power of its position from 0; the digit is the sum's remainder by 11, and of that by 10.

    Args:
        text: Digits and A to Z; other characters are **not** checked.

    Source: ISO 6346; for the MRN, DG XXI/0879/99 Rev. 1, which takes the same algorithm.
    """
    total = 0
    for position, character in enumerate(text):
        value = int(character) if character.isdecimal() else ord(character) - 55 + (ord(character) - 56) // 10
        total += value << position
    return total % 11 % 10


@dataclass(frozen=True, slots=True)
class TradeReference:
    """What a consignment is known by in trade: text `scheme:value`, with `#part` when it was split.

    Attributes:
        scheme: Lower case, as `ucr`, `ducr`, `mrn`, `bl`; the best that is known.
        value: Upper case, printable ASCII without spaces or `#`; may hold `:`. Its own form is **not** checked here.
        part: Which part of the whole, "" for the whole; as `value`.

    Raises:
        InvalidIdentifier: A piece is not of its form.
    """

    scheme: str
    value: str
    part: str = ""

    def __post_init__(self) -> None:
        if not _SCHEME.fullmatch(self.scheme):
            raise InvalidIdentifier(
                "scheme of a trade reference",
                self.scheme,
                "1 to 16 of a-z, 0-9 and - are expected, as ucr or bl",
            )
        if not _REFERENCE_VALUE.fullmatch(self.value):
            raise InvalidIdentifier(
                "trade reference",
                self.value,
                "1 to 128 characters are expected after the scheme, in capitals, without spaces or #",
            )
        if self.part and not _PART.fullmatch(self.part):
            raise InvalidIdentifier(
                "part of a trade reference",
                self.part,
                "1 to 32 characters are expected after the #, in capitals, without spaces or #",
            )

    @classmethod
    def parse(cls, text: str) -> TradeReference:
        """Parse `ucr:6SG201912345A-7` or `ducr:…#2`; the scheme ends at the first colon."""
        scheme, colon, rest = text.partition(":")
        if not colon:
            raise InvalidIdentifier("trade reference", text, "a scheme and a colon are expected, as ucr:6SG…")
        value, hash_sign, part = rest.partition("#")
        if hash_sign and not part:
            raise InvalidIdentifier("trade reference", text, "a part is expected after the #")
        return cls(scheme, value, part)

    @classmethod
    def of(cls, scheme: str, value: str) -> TradeReference:
        """Make one from what a document states: spaces dropped, the scheme in small letters, the value in capitals."""
        kind, number = "".join(scheme.split()), "".join(value.split())
        if not (kind + number).isascii():  # other letters' capitals look alike: `ı` gives `I`
            raise InvalidIdentifier(
                "trade reference", f"{scheme}:{value}", "only ASCII letters and digits are expected"
            )
        return cls(kind.lower(), number.upper())

    def __str__(self) -> str:
        return f"{self.scheme}:{self.value}" + (f"#{self.part}" if self.part else "")


@dataclass(frozen=True, slots=True)
class Mrn:
    """Movement reference number of a declaration, 18 characters.

    Attributes:
        text: The number.

    Raises:
        InvalidIdentifier: Not of its form, or the check character is wrong (placeholders in samples mostly are).

    Source: UCC data requirements (Regulation (EU) 2015/2447, annex B), check character DG XXI/0879/99 Rev. 1.
    """

    text: str

    def __post_init__(self) -> None:
        if not _MRN.fullmatch(self.text):
            raise InvalidIdentifier(
                "MRN",
                self.text,
                "18 characters are expected: year (2 digits), country (2 letters), 13 characters, a check digit",
            )
        wanted = check_digit(self.text[:17])
        if int(self.text[17]) != wanted:
            raise InvalidIdentifier(
                "MRN", self.text, f"its last character should be {wanted}, so it is mistyped or a placeholder"
            )

    @property
    def year(self) -> int:
        """Year of acceptance, as 2024."""
        return 2000 + int(self.text[:2])

    @property
    def country(self) -> str:
        """Country that gave it, two letters."""
        return self.text[2:4]


@dataclass(frozen=True, slots=True)
class ContainerNumber:
    """Identification of a freight container: owner code, category U, J or Z, serial number, check digit.

    Attributes:
        text: The number, 11 characters.

    Raises:
        InvalidIdentifier: Not of its form, or the check digit is wrong.

    Source: ISO 6346. That the owner code is registered with the BIC is **not** checked.
    """

    text: str

    def __post_init__(self) -> None:
        if not _CONTAINER.fullmatch(self.text):
            raise InvalidIdentifier(
                "container number",
                self.text,
                "ISO 6346 expects 4 letters (the last U, J or Z) and 7 digits; other equipment has none",
            )
        wanted = check_digit(self.text[:10])
        if int(self.text[10]) != wanted:
            raise InvalidIdentifier("container number", self.text, f"its check digit should be {wanted}")

    @property
    def owner(self) -> str:
        """Owner code, three letters."""
        return self.text[:3]


@dataclass(frozen=True, slots=True)
class HsCode:
    """Subheading of the Harmonized System, six digits, in the edition that it was declared in.

    Attributes:
        code: Six digits.
        edition: `2022` or `2017`.

    Raises:
        InvalidIdentifier: Not six digits, an edition that is not known here, or a code that the edition does not have.

    Source: WCO Harmonized System 2022 and 2017 (lists: see codes/SOURCES.md).
    """

    code: str
    edition: str

    def __post_init__(self) -> None:
        if self.edition not in HS_EDITIONS:
            raise InvalidIdentifier("HS edition", self.edition, f"{' or '.join(HS_EDITIONS)} is expected")
        if not _HS.fullmatch(self.code):
            raise InvalidIdentifier("HS code", self.code, "six digits are expected")
        if self.code in codes.listed(f"hs{self.edition}"):
            return
        others = [each for each in HS_EDITIONS if self.code in codes.listed(f"hs{each}")]
        hint = f"it is of the edition of {others[0]}" if others else "no edition known here has it"
        raise InvalidIdentifier(
            "HS code", self.code, f"the edition of {self.edition} does not have it; {hint}"
        )


def ucr(text: str) -> str:
    """Return a unique consignment reference as it is, at most 35 characters: year digit, country, reference.

    Raises:
        InvalidIdentifier: Not of that form. That its maker gave it once only is **not** checked.

    Source: WCO Guidelines on the Unique Consignment Reference (ISO 15459).
    """
    if not _UCR.fullmatch(text) or text[1:3] not in codes.listed("iso3166"):
        raise InvalidIdentifier(
            "UCR", text, "at most 35 characters are expected: a year digit, a country, the trader's reference"
        )
    return text


def ducr(text: str) -> str:
    """Return a declaration UCR as it is, at most 35 characters: year digit, EORI, a hyphen, up to 19 characters.

    Raises:
        InvalidIdentifier: Not of that form. That the EORI exists is **not** checked.

    Source: HMRC, Declaration Unique Consignment Reference; WCO Guidelines on the UCR.
    """
    if not _DUCR.fullmatch(text) or len(text) > 35:
        raise InvalidIdentifier(
            "DUCR",
            text,
            "at most 35 characters are expected: a year digit, the trader's EORI, a hyphen, 1 to 19 characters",
        )
    return text


def un_locode(text: str) -> str:
    """Return a UN/LOCODE as it is.

    Raises:
        InvalidIdentifier: Not five characters, or not in the release shipped here.

    Source: UN/ECE Recommendation 16, release 2023-2.
    """
    if not _LOCATION.fullmatch(text):
        raise InvalidIdentifier("UN/LOCODE", text, "two letters and three of A-Z and 2-9 are expected")
    if text not in codes.locations():
        raise InvalidIdentifier("UN/LOCODE", text, "release 2023-2 does not list it")
    return text


def customs_office(text: str) -> str:
    """Return a customs office reference as it is: country and six characters.

    Raises:
        InvalidIdentifier: Not of that form. That the office exists is **not** checked: each administration has its
            own list.

    Source: COL, the EU's customs office list; HMRC's supervising offices have the same form.
    """
    if not _OFFICE.fullmatch(text):
        raise InvalidIdentifier("customs office", text, "two letters and six of A-Z and 0-9 are expected")
    return text


def imo_number(text: str) -> str:
    """Return a ship's IMO number as it is, with or without `IMO` before it.

    Raises:
        InvalidIdentifier: Not seven digits, or the check digit is wrong. That the ship exists is **not** checked.

    Source: IMO Resolution A.1117(30).
    """
    digits = text.removeprefix("IMO").strip()
    if not _IMO.fullmatch(digits):
        raise InvalidIdentifier(
            "IMO number", text, "seven digits are expected, with or without IMO before them"
        )
    wanted = sum(int(digit) * weight for digit, weight in zip(digits[:6], range(7, 1, -1), strict=True)) % 10
    if int(digits[6]) != wanted:
        raise InvalidIdentifier("IMO number", text, f"its last digit should be {wanted}")
    return text


def country(text: str) -> str:
    """Return an ISO 3166-1 alpha-2 country code as it is, or refuse what is not assigned."""
    return _listed("country code", text, "iso3166", "ISO 3166-1 has no such code")


def currency(text: str) -> str:
    """Return an ISO 4217 currency code as it is, or refuse what is and was none."""
    return _listed("currency code", text, "iso4217", "ISO 4217 has no such code")


def package_type(text: str) -> str:
    """Return a package type of UN/ECE Recommendation 21 as it is, or refuse what is not listed."""
    return _listed("package type", text, "packages", "UN/ECE Recommendation 21 has no such code")


def unit(text: str) -> str:
    """Return a TARIC measurement unit, with or without its qualifier (`KGM`, `KGM#G`), or refuse what is not listed."""
    return _listed("measurement unit", text, "units", "TARIC has no such unit")


def incoterm(text: str) -> str:
    """Return an Incoterm as it is, or refuse what is none."""
    return _listed("Incoterm", text, "incoterms", "neither Incoterms 2020 nor earlier ones have it")


def _listed(what: str, text: str, name: str, rule: str) -> str:
    if text not in codes.listed(name):
        raise InvalidIdentifier(what, text, rule)
    return text
