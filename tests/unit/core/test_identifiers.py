import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import codes, identifiers
from ledger.core.identifiers import ContainerNumber, HsCode, Mrn, Party, TradeReference, check_digit
from ledger.errors import InvalidIdentifier, LedgerError

CAPITALS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=0, max_size=8)
PARSERS = [
    Party.parse,
    TradeReference.parse,
    Mrn,
    ContainerNumber,
    lambda text: HsCode(text, "2022"),
    lambda text: HsCode("090111", text),
    identifiers.ucr,
    identifiers.ducr,
    identifiers.un_locode,
    identifiers.customs_office,
    identifiers.imo_number,
    identifiers.country,
    identifiers.currency,
    identifiers.package_type,
    identifiers.unit,
    identifiers.incoterm,
]


@given(administration=CAPITALS.filter(lambda text: len(text) >= 2), organisation=CAPITALS)
def test_a_party_is_the_same_in_text_and_in_bytes(administration: str, organisation: str) -> None:
    party = Party(administration, organisation)
    assert Party.parse(str(party)) == party
    assert Party.from_bytes(party.to_bytes()) == party
    assert len(party.to_bytes()) == 16
    assert party.is_customs == (organisation == "")


@pytest.mark.parametrize(
    "text", ["", "S", "sg", "SG:", "SG:acme", "SG:ACME01234", "SG:A:B", "SG ", "ADMINISTR"]
)
def test_a_text_that_is_no_party_is_refused(text: str) -> None:
    with pytest.raises(InvalidIdentifier):
        Party.parse(text)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"SG",
        bytes(16),
        b"S\0G".ljust(16, b"\0"),
        b"\xff\xfe".ljust(16, b"\0"),
        b"SG".ljust(9, b"\0") + b"ACME\0\0\0",
    ],
)
def test_bytes_that_are_no_party_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidIdentifier):
        Party.from_bytes(data)


@pytest.mark.parametrize("parser", PARSERS)
@given(text=st.text(max_size=40))
def test_whatever_text_comes_only_our_own_error_is_raised(parser, text: str) -> None:
    try:
        parser(text)
    except LedgerError:
        pass


@given(data=st.binary(max_size=20))
def test_whatever_bytes_come_a_party_raises_only_our_own_error(data: bytes) -> None:
    try:
        assert Party.from_bytes(data).to_bytes() == data
    except LedgerError:
        pass


@pytest.mark.parametrize(
    ("text", "scheme", "value", "part"),
    [
        ("ucr:6SG201912345A-7", "ucr", "6SG201912345A-7", ""),
        ("mucr:A:85659360832", "mucr", "A:85659360832", ""),
        ("ducr:5GB395784431192-STBYCM8#2", "ducr", "5GB395784431192-STBYCM8", "2"),
    ],
)
def test_a_trade_reference_parses_and_prints_the_same(text: str, scheme: str, value: str, part: str) -> None:
    reference = TradeReference.parse(text)
    assert (reference.scheme, reference.value, reference.part) == (scheme, value, part)
    assert str(reference) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ucr",
        "ucr:",
        ":A",
        "UCR:A",
        "ucr:a",
        "ucr:A B",
        "ucr:A#",
        "ucr:A#b",
        "ucr:A#1#2",
        "u r:A",
        "ucr:Å",
        "ucr:A\n",
    ],
)
def test_a_trade_reference_with_spaces_small_letters_or_a_stray_hash_is_refused(text: str) -> None:
    with pytest.raises(InvalidIdentifier):
        TradeReference.parse(text)


def test_a_trade_reference_is_made_from_what_a_document_states() -> None:
    assert str(TradeReference.of("UCR", " 6sg 2019 ")) == "ucr:6SG2019"


def test_the_check_digit_is_the_one_of_the_standards_example() -> None:
    assert check_digit("CSQU305438") == 3


def test_the_container_cases_get_their_verdict(conformance: Path) -> None:
    with (conformance / "2-codes/iso6346/containers.csv").open(encoding="utf-8") as stream:
        cases = [(row["number"], row["valid"] == "1") for row in csv.DictReader(stream)]
    assert len(cases) >= 14
    for number, is_valid in cases:
        if is_valid:
            assert ContainerNumber(number).owner == number[:3]
        else:
            with pytest.raises(InvalidIdentifier):
                ContainerNumber(number)


def test_a_container_number_with_a_wrong_digit_is_refused_with_the_right_one() -> None:
    assert ContainerNumber("CSQU3054383").text == "CSQU3054383"
    with pytest.raises(InvalidIdentifier, match="check digit should be 3"):
        ContainerNumber("CSQU3054384")


@given(st.integers(0, 9), st.integers(0, 9))
def test_any_other_check_digit_of_a_container_is_refused(place: int, digit: int) -> None:
    number = f"CSQU305438{digit}"
    if digit == 3:
        assert ContainerNumber(number)
    else:
        with pytest.raises(InvalidIdentifier):
            ContainerNumber(number)


@pytest.mark.parametrize("text", ["24GB0YUZI38FK68A00", "21GB7X8M7S6NG8N6R0", "26GB2IRTFM9TKG8AR2"])
def test_an_mrn_that_customs_gave_is_accepted(text: str) -> None:
    mrn = Mrn(text)
    assert mrn.year == 2000 + int(text[:2])
    assert mrn.country == "GB"


@pytest.mark.parametrize("text", ["24GB34F7Y1O2CX8PT4", "23GBCDS123456789R1", "24GB0YUZI38FK68A01"])
def test_a_placeholder_mrn_is_refused_by_its_check_digit(text: str) -> None:
    with pytest.raises(InvalidIdentifier, match="last character should be"):
        Mrn(text)


@pytest.mark.parametrize(
    "text", ["", "24gb0yuzi38fk68a00", "24GB0YUZI38FK68A0", "2XGB0YUZI38FK68A00", "24GB0YUZI38FK68A0X"]
)
def test_what_has_not_the_form_of_an_mrn_is_refused(text: str) -> None:
    with pytest.raises(InvalidIdentifier, match="18 characters"):
        Mrn(text)


def test_an_hs_code_counts_in_its_own_edition_only() -> None:
    assert HsCode("970200", "2017").code == "970200"
    with pytest.raises(InvalidIdentifier, match="of 2022 does not have it; it is of the edition of 2017"):
        HsCode("970200", "2022")
    assert HsCode("970210", "2022").edition == "2022"
    with pytest.raises(InvalidIdentifier, match="of 2017 does not have it; it is of the edition of 2022"):
        HsCode("970210", "2017")


def test_an_hs_code_of_no_edition_is_refused() -> None:
    with pytest.raises(InvalidIdentifier, match="no edition known here"):
        HsCode("440710", "2022")
    with pytest.raises(InvalidIdentifier, match="2022 or 2017 is expected"):
        HsCode("090111", "2012")
    with pytest.raises(InvalidIdentifier, match="six digits"):
        HsCode("09011", "2022")


@pytest.mark.parametrize(
    ("parse", "good", "bad"),
    [
        (identifiers.ucr, "6SG201912345A-7", "6XX201912345A-7"),
        (identifiers.ucr, "6CN123456789012-00000001", "6CN" + "1" * 33),
        (identifiers.ducr, "5GB395784431192-STBYCM8", "RSD5GB553202734852-20221114"),
        (identifiers.ducr, "5GB395784431192-A", "5GB123456789012345-ABCDEFGHIJKLMNOPQ"),
        (identifiers.un_locode, "SGSIN", "SGSI"),
        (identifiers.un_locode, "GBLGW", "GBXQX"),
        (identifiers.customs_office, "GB000085", "GB85"),
        (identifiers.imo_number, "IMO9811000", "IMO9811001"),
        (identifiers.imo_number, "9811000", "12345"),
        (identifiers.country, "SG", "ZU"),
        (identifiers.currency, "GBP", "GPB"),
        (identifiers.package_type, "BX", "Q0"),
        (identifiers.unit, "KGM#G", "KGM#Q"),
        (identifiers.incoterm, "CIF", "CIX"),
    ],
)
def test_a_code_is_returned_as_it_is_and_its_odd_twin_refused(parse, good: str, bad: str) -> None:
    assert parse(good) == good
    with pytest.raises(InvalidIdentifier) as refusal:
        parse(bad)
    assert bad[:80] in str(refusal.value)


def test_the_lists_have_the_number_of_codes_that_their_sources_have() -> None:
    sizes = {"hs2022": 5613, "hs2017": 5387, "iso3166": 249, "packages": 378, "offices": 143}
    assert {name: len(codes.listed(name)) for name in sizes} == sizes
    assert len(codes.locations()) > 115_000
    assert {location[:2] for location in codes.locations()} - codes.listed("iso3166") == {"XZ"}
