"""An evidence file in numbered parts comes back byte for byte from any order, or says what is missing or wrong."""

import random
import zlib

import base45
import pytest
from evidence_maker import World, history
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import evidence, parts
from ledger.errors import InvalidParts, PartsMissing

ALPHANUMERIC = set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")


@pytest.fixture(scope="module")
def data():
    world, manifest = history(World(others=5))
    return world.evidence(manifest).encode()


def framed(flat, name, packed=None):
    return f"CE1/{name}/1/1/" + base45.b45encode(zlib.compress(flat) if packed is None else packed).decode()


def test_the_parts_give_back_the_file_in_any_order_and_read_twice(data):
    texts = parts.split(data)
    assert len(texts) > 2
    assert all(len(text) <= parts.PART_CHARACTERS and set(text) <= ALPHANUMERIC for text in texts)
    mixed = [*texts, texts[1], "https://example.org/another-code"]
    random.Random(7).shuffle(mixed)
    assert parts.join(mixed) == data


def test_a_part_is_smaller_than_the_file_that_gzip_makes(data):
    packed = sum(len(text) - text.rindex("/") for text in parts.split(data)) * 2 / 3
    assert packed < len(zlib.compress(data, 9))


def test_missing_parts_are_named(data):
    texts = parts.split(data)
    with pytest.raises(PartsMissing, match="number 2; photograph") as caught:
        parts.join([text for text in texts if "/2/" not in text[:24]])
    assert caught.value.numbers == [2] and caught.value.count == len(texts)
    with pytest.raises(PartsMissing, match="are missing, number 2, 3"):
        parts.join(texts[:1])


@given(
    st.binary(max_size=600)
    | st.lists(
        st.sampled_from(
            [b'"0x12"', b'"0x1"', b'"0x"', b'"0xabc"', b'\\"0xff"', b'"0x0"', b"0x9", b'"', b"g", b"0"]
        )
    ).map(b"".join)
)
def test_any_bytes_come_back_whatever_looks_like_hex_in_them(data):
    assert parts.join(parts.split(data)) == data


def test_parts_of_two_files_are_not_mixed(data):
    with pytest.raises(InvalidParts, match="two files"):
        parts.join([parts.split(data)[0], parts.split(data + b" ")[1]])


def test_a_part_that_was_read_in_two_ways_is_refused(data):
    first, *rest = parts.split(data)
    other = first[:-1] + ("0" if first[-1] != "0" else "1")
    with pytest.raises(InvalidParts, match="number 1 was read twice"):
        parts.join([first, other, *rest])


def test_a_number_beyond_the_count_is_refused():
    with pytest.raises(InvalidParts, match="number 3 of 2"):
        parts.join(["CE1/9F86D081884C7D65/3/2/00"])


@pytest.mark.parametrize("texts", [[], ["hello"], ["CE1/9F86/1/1/00"], ["CE2/9F86D081884C7D65/1/1/00"]])
def test_what_is_no_part_is_passed_over_and_nothing_else_is_an_error(texts):
    with pytest.raises(InvalidParts, match="none of what was read"):
        parts.join(texts)


def test_every_change_of_a_character_is_noticed(data):
    texts = parts.split(data)
    rest, last = texts[:-1], texts[-1]
    for at in range(24, len(last), 7):
        changed = last[:at] + ("A" if last[at] != "A" else "B") + last[at + 1 :]
        with pytest.raises(InvalidParts):
            parts.join([*rest, changed])


def test_what_is_larger_than_evidence_is_refused_before_it_is_unpacked():
    with pytest.raises(InvalidParts, match="larger than evidence"):
        parts.join([framed(bytes(evidence.MAX_BYTES + 5), "0" * 16)])
    with pytest.raises(InvalidParts, match="ends too early"):
        parts.join([framed(b"", "0" * 16, zlib.compress(bytes(100))[:-6])])
    with pytest.raises(InvalidParts, match="cannot be unpacked"):
        parts.join(["CE1/9F86D081884C7D65/1/1/::::"])
    with pytest.raises(InvalidParts, match="not what was split"):
        parts.join([framed(bytes(4) + b"rest", "0" * 16)])


def test_what_is_too_much_for_paper_is_refused_with_its_number_of_codes():
    with pytest.raises(InvalidParts, match=r"would take \d+ codes"):
        parts.split(random.Random(1).randbytes(100_000))
    with pytest.raises(InvalidParts, match="over 4194304 bytes"):
        parts.split(bytes(evidence.MAX_BYTES + 1))
