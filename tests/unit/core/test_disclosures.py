"""Disclosures: some leaves lead to the root of the whole, and nothing else does."""

import copy
import dataclasses
import json
from hashlib import sha256
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import documents
from ledger.core.disclosures import Disclosure, Field
from ledger.errors import InvalidDisclosure, InvalidSecret, LedgerError

EXAMPLE = json.loads((Path(__file__).parents[2] / "vectors" / "formats-example.json").read_text())
SECRET = bytes.fromhex(EXAMPLE["secret"][2:])
ROOT = bytes.fromhex(EXAMPLE["manifest_root"][2:])
DOCUMENT = documents.parse(json.dumps(EXAMPLE["document"]).encode())
SHOWN = EXAMPLE["disclosure of /references and /goods/0/hs"]


def _disclose(*pointers: str) -> Disclosure:
    return documents.disclose(DOCUMENT, SECRET, pointers)


def _changed(**changes) -> dict:
    return copy.deepcopy(SHOWN) | changes


def _with_field(number: int, **changes) -> dict:
    source = copy.deepcopy(SHOWN)
    source["fields"][number] |= changes
    return source


def _refused(source: object) -> str:
    with pytest.raises(InvalidDisclosure) as refused:
        Disclosure.from_json(source)
    with pytest.raises(InvalidDisclosure):
        documents.disclosure_root(source)
    return refused.value.rule


def _made(leaves: int, *fields: tuple) -> Disclosure:
    """A disclosure with these (index, pointer, value) and salts of zeros."""
    return Disclosure(leaves, tuple(Field(*field, bytes(16)) for field in fields), ())


# --- success -----------------------------------------------------------------------------------------------------


def test_the_example_discloses_its_fields_and_leads_to_the_root():
    disclosure = _disclose("/references", "/goods/0/hs")
    assert disclosure.to_json() == SHOWN
    assert documents.disclosure_root(disclosure) == ROOT


@pytest.mark.parametrize(
    "spell", [lambda value: value, json.dumps, lambda value: json.dumps(value, indent=2).encode()]
)
def test_a_disclosure_may_come_as_an_object_or_as_text(spell):
    assert Disclosure.from_json(spell(SHOWN)) == _disclose("/goods/0/hs", "/references")
    assert documents.disclosure_root(spell(SHOWN)) == ROOT


def test_a_disclosure_may_come_as_a_bytearray():
    assert documents.disclosure_root(bytearray(json.dumps(SHOWN).encode())) == ROOT


names = st.sampled_from(["a", "a!", "a/b", "b", "~", "", "é"])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("xy", max_size=3) | st.just({}) | st.just([]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=25,
)
roots = st.dictionaries(names, values, max_size=5)


@given(roots, st.data(), st.binary(min_size=32, max_size=32))
def test_any_choice_of_leaves_leads_to_the_root_and_survives_json(value, data, secret):
    document = documents.parse(orjson.dumps(value))
    pointers = data.draw(st.lists(st.sampled_from(document.pointers), min_size=1))
    disclosure = documents.disclose(document, secret, pointers)
    assert [field.pointer for field in disclosure.fields] == sorted(set(pointers), key=str.encode)
    assert documents.disclosure_root(disclosure) == documents.commit(document, secret).root
    assert Disclosure.from_json(orjson.dumps(disclosure.to_json())) == disclosure
    assert Disclosure.from_json(disclosure.to_json()) == disclosure


@given(st.data())
def test_no_change_of_a_disclosure_leads_to_the_root(data):
    disclosure = _disclose("/references", "/goods/0/hs", "/dangerous")
    source = disclosure.to_json()
    kind = data.draw(
        st.sampled_from(["leaves", "index", "value", "salt", "pointer", "sibling", "drop", "twice"])
    )
    field = data.draw(st.sampled_from(source["fields"]))
    if kind == "leaves":
        source["leaves"] = data.draw(st.integers(-1, 40).filter(lambda number: number != 13))
    elif kind == "index":
        field["index"] = data.draw(st.integers(-1, 14).filter(lambda number: number != field["index"]))
    elif kind == "value":
        field["value"] = data.draw(
            values.filter(lambda value: orjson.dumps(value) != orjson.dumps(field["value"]))
        )
    elif kind == "salt":
        field["salt"] = "0x" + data.draw(st.binary(min_size=16, max_size=16)).hex()
    elif kind == "pointer":
        field["pointer"] += data.draw(st.sampled_from(["/", "x", "/x", "~0", "!"]))
    elif kind == "sibling":
        at = data.draw(st.integers(0, len(source["siblings"]) - 1))
        source["siblings"][at] = "0x" + data.draw(st.binary(min_size=32, max_size=32)).hex()
    elif kind == "drop":
        part = data.draw(st.sampled_from(["fields", "siblings"]))
        del source[part][data.draw(st.integers(0, len(source[part]) - 1))]
    else:
        part = data.draw(st.sampled_from(["fields", "siblings"]))
        source[part].insert(0, source[part][data.draw(st.integers(0, len(source[part]) - 1))])
    if source == disclosure.to_json():
        return  # the draw came out as what stood there
    try:
        assert documents.disclosure_root(source) != ROOT
    except InvalidDisclosure:
        pass


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just("0x" + "00" * 16),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["leaves", "fields", "siblings", "index", "pointer", "value", "salt"]), inner
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_any_json_is_a_disclosure_or_refused_as_one(value):
    for source in (value, json.dumps(value)):
        try:
            documents.disclosure_root(source)
        except LedgerError as refused:
            assert isinstance(refused, InvalidDisclosure)


@given(st.binary(max_size=100) | st.text(max_size=40))
def test_any_text_is_a_disclosure_or_refused_as_one(source):
    with pytest.raises(InvalidDisclosure):
        documents.disclosure_root(source)


# --- what a pointer selects --------------------------------------------------------------------------------------


def test_a_pointer_selects_its_leaf_or_all_leaves_below_it():
    assert [field.pointer for field in _disclose("/goods/0/hs/code").fields] == ["/goods/0/hs/code"]
    assert [field.index for field in _disclose("/goods").fields] == [2, 3, 4, 5, 6, 7, 8]
    assert [field.index for field in _disclose("/goods/0/hs", "/goods").fields] == [2, 3, 4, 5, 6, 7, 8]
    everything = _disclose("")
    assert len(everything.fields) == 13
    assert everything.siblings == ()
    assert documents.disclosure_root(everything) == ROOT


def test_a_pointer_does_not_select_what_only_begins_like_it():
    document = documents.parse(b'{"a":{"b":1},"a!":2,"a0":3,"aa":4,"a/b":5}')
    shown = documents.disclose(document, SECRET, ["/a"])
    assert [field.pointer for field in shown.fields] == ["/a/b"]


def test_an_empty_container_and_an_empty_document_can_be_shown():
    assert _disclose("/seals").fields[0].value == []
    empty = documents.parse(b"{}")
    shown = documents.disclose(empty, SECRET, [""])
    assert shown.fields[0].value == {}
    assert documents.disclosure_root(shown) == documents.commit(empty, SECRET).root


@pytest.mark.parametrize(
    "pointer", ["/nothing", "/goods/1", "/goods/0/h", "/goods/00", "/", "/schema/", "/dangerous/x"]
)
def test_a_pointer_that_selects_nothing_is_an_error_even_beside_one_that_does(pointer):
    for pointers in ([pointer], ["/schema", pointer]):
        with pytest.raises(InvalidDisclosure, match="selects nothing"):
            _disclose(*pointers)


@pytest.mark.parametrize(
    "pointer", ["goods", "#/goods", "/a~", "/a~2", "/\ud800", "/" + "x" * 1024, 5, None, b"/schema"]
)
def test_what_is_no_pointer_is_an_error(pointer):
    with pytest.raises(InvalidDisclosure, match="no JSON Pointer"):
        _disclose("/schema", pointer)


@pytest.mark.parametrize("pointers", ["/schema", b"/schema", None, 5, {"/schema"}])
def test_pointers_are_given_as_a_list(pointers):
    with pytest.raises(InvalidDisclosure, match="list"):
        documents.disclose(DOCUMENT, SECRET, pointers)


def test_at_least_one_pointer_is_given():
    with pytest.raises(InvalidDisclosure, match="at least one"):
        _disclose()


def test_a_disclosure_needs_the_secret():
    with pytest.raises(InvalidSecret):
        documents.disclose(DOCUMENT, SECRET[:31], ["/schema"])


# --- the rules of the form, each beside what it allows -----------------------------------------------------------


def test_indexes_ascend_strictly_and_stay_below_the_number_of_leaves():
    _made(3, (0, "/a", 1), (2, "/b", 1))
    for first, second in ((0, 0), (1, 0), (2, 3), (-1, 0), (0, 3)):
        with pytest.raises(InvalidDisclosure, match="index of field"):
            _made(3, (first, "/a", 1), (second, "/b", 1))


def test_pointers_ascend_strictly_by_their_bytes():
    _made(4, (0, "/B", 1), (1, "/a", 1), (2, "/\ufb33", 1), (3, "/😂", 1))
    for first, second in (("/a", "/a"), ("/b", "/a"), ("/😂", "/\ufb33"), ("/a/1", "/a!")):
        with pytest.raises(InvalidDisclosure, match="pointer of field 1 must sort"):
            _made(4, (0, first, 1), (1, second, 1))


def test_no_pointer_is_above_another_even_with_one_between_them():
    _made(4, (0, "/a!", 1), (1, "/a/b", 1), (2, "/ab", 1))
    for above in ((0, "/a", 1), (0, "/a", {})):
        with pytest.raises(InvalidDisclosure, match="/a is above another field"):
            _made(4, above, (1, "/a!", 1), (2, "/a/b", 1))
        with pytest.raises(InvalidDisclosure, match="/a is above another field"):
            _made(4, above, (1, "/a/b/c/d", 1))


def test_no_container_is_both_an_array_and_an_object():
    _made(4, (0, "/a/0", 1), (1, "/a/1", 1))
    _made(4, (0, "/a/00", 1), (1, "/a/x", 1))
    for first, second in (("/a/0", "/a/x"), ("/a/0/x", "/a/x/0"), ("/a/1", "/a/10x"), ("/b/a/0", "/b/a/x")):
        with pytest.raises(InvalidDisclosure, match="both an array and an object"):
            _made(4, (0, first, 1), (1, second, 1))


def test_the_document_itself_is_an_object():
    _made(2, (0, "/00", 1))
    with pytest.raises(InvalidDisclosure, match="the document would be both"):
        _made(2, (0, "/0", 1))


def test_the_whole_document_is_a_field_only_when_it_is_empty():
    _made(1, (0, "", {}))
    for leaves, fields in (
        (1, [(0, "", [])]),
        (1, [(0, "", 1)]),
        (2, [(0, "", {})]),
        (2, [(0, "", {}), (1, "/a", 1)]),
    ):
        with pytest.raises(InvalidDisclosure, match="whole document"):
            _made(leaves, *fields)


def test_a_field_is_not_deeper_than_a_document():
    deepest = "/a" * 32
    _made(1, (0, deepest, 1))
    _made(1, (0, deepest[2:], {}))
    for pointer, value in ((deepest, {}), (deepest, []), (deepest + "/a", 1)):
        with pytest.raises(InvalidDisclosure, match="deeper than 32"):
            _made(1, (0, pointer, value))


@pytest.mark.parametrize("value", ["", "é😂\x00", 0, -1, 2**53 - 1, -(2**53) + 1, True, False, None, {}, []])
def test_a_value_is_what_a_leaf_can_be(value):
    assert Disclosure.from_json(_with_field(0, value=value)).fields[0].value == value


@pytest.mark.parametrize(
    "value", [1.0, 0.5, float("nan"), 2**53, -(2**53), "\ud800", {"a": 1}, [1], [[]], b"x", (), object()]
)
def test_other_values_are_refused(value):
    assert "value of field 0" in _refused(_with_field(0, value=value))


@pytest.mark.parametrize(
    "text", ["1.0", "1e2", "-0", "9007199254740992", '"\\ud800"', "NaN", '{"a":1,"a":1}', "01"]
)
def test_a_disclosures_text_is_held_to_the_rules_of_documents(text):
    spelled = json.dumps(SHOWN).replace('"850440"', text)
    assert "/fields/0/value" in _refused(spelled)
    assert Disclosure.from_json(json.dumps(SHOWN).replace('"850440"', "850440")).fields[0].value == 850440


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"leaves":1,"leaves":1}',
        "\ufeff{}",
        "{} {}",
        "[" * 100,
        '{"fields":[{"value":[[[]]]}]}',
        "\ud800",
    ],
)
def test_a_disclosures_text_is_strict_json(text):
    _refused(text)


def test_a_disclosures_text_is_bounded_before_memory_is_spent():
    assert "are allowed" in _refused(b" " * (16 * 2**20 + 1))
    assert "more than 50001 values" in _refused('{"fields":[' + "1," * 60_000 + "1]}")


@pytest.mark.parametrize("leaves", [0, -1, 10_001, True, 1.0, "13", None])
def test_the_number_of_leaves_is_one_to_10000(leaves):
    assert "from 1 to 10000" in _refused(_changed(leaves=leaves))


@pytest.mark.parametrize("index", [True, 4.0, "4", None, [4]])
def test_an_index_is_an_integer(index):
    assert "index of field 0 must be an integer" in _refused(_with_field(0, index=index))


@pytest.mark.parametrize(
    "pointer", ["goods", "/a~", "/a~2", "/~~0", 5, None, "/\ud800", "/" + "é" * 512, " /a"]
)
def test_a_pointer_is_one_of_rfc_6901(pointer):
    assert "pointer of field 0" in _refused(_with_field(0, pointer=pointer))


@pytest.mark.parametrize("salt", ["", "0x", "00" * 16, "0x" + "00" * 15, "0x" + "00" * 17, "0x" + "AB" * 16, "0X" + "00" * 16, 5, None, "0x" + "0g" * 16, "0x" + "00" * 16 + "\n"])  # fmt: skip
def test_a_salt_is_16_bytes_in_lower_case_hex(salt):
    assert "salt" in _refused(_with_field(0, salt=salt))


@pytest.mark.parametrize(
    "sibling", ["", "0x" + "00" * 31, "0x" + "00" * 33, "0x" + "AB" * 32, "00" * 32, 5, None]
)
def test_a_sibling_is_32_bytes_in_lower_case_hex(sibling):
    assert "sibling" in _refused(_changed(siblings=[*SHOWN["siblings"][:-1], sibling]))


@pytest.mark.parametrize("siblings", [b"\0" * 31, b"\0" * 33, b"", "0" * 32, None])
def test_a_made_disclosure_is_held_to_the_same_form(siblings):
    good = Disclosure.from_json(SHOWN)
    with pytest.raises(InvalidDisclosure):
        dataclasses.replace(good, siblings=[siblings])
    with pytest.raises(InvalidDisclosure):
        dataclasses.replace(good, siblings=siblings)
    with pytest.raises(InvalidDisclosure, match="fields must be a list of Field"):
        dataclasses.replace(good, fields=SHOWN["fields"])
    with pytest.raises(InvalidDisclosure, match="salt of field 0"):
        dataclasses.replace(good, fields=[dataclasses.replace(good.fields[0], salt=bytes(15))])
    assert dataclasses.replace(good, fields=list(good.fields), siblings=list(good.siblings)) == good


def test_siblings_are_neither_too_few_nor_too_many():
    assert documents.disclosure_root(SHOWN) == ROOT
    for siblings in (SHOWN["siblings"][:-1], SHOWN["siblings"][1:], []):
        with pytest.raises(InvalidDisclosure, match="fewer siblings"):
            documents.disclosure_root(_changed(siblings=siblings))
    with pytest.raises(InvalidDisclosure, match="more siblings"):
        documents.disclosure_root(_changed(siblings=[*SHOWN["siblings"], SHOWN["siblings"][0]]))


def test_there_are_no_more_fields_and_no_more_siblings_than_leaves():
    assert "more siblings than leaves" in _refused(_changed(siblings=SHOWN["siblings"] * 3))
    assert "more fields than leaves" in _refused(_changed(leaves=3))


def test_at_least_one_field_is_shown():
    assert "at least one field" in _refused(_changed(fields=[]))


@pytest.mark.parametrize("name", ["leaves", "fields", "siblings"])
def test_a_disclosure_has_exactly_its_members(name):
    _refused({key: value for key, value in SHOWN.items() if key != name})
    _refused(_changed(extra=1))
    if name != "leaves":
        for wrong in (None, {}, "x", 5):
            assert f"{name} must be an array" in _refused(_changed(**{name: wrong}))


@pytest.mark.parametrize("name", ["index", "pointer", "value", "salt"])
def test_a_field_has_exactly_its_members(name):
    source = copy.deepcopy(SHOWN)
    del source["fields"][1][name]
    assert "exactly the members" in _refused(source)
    _refused(_with_field(1, extra=1))
    _refused(_changed(fields=[None]))


def test_a_field_hash_of_the_example_is_the_designs():
    """SHA-256(0x00 ‖ salt ‖ uint16 pointer length ‖ pointer ‖ value), here for a disclosure of one leaf alone."""
    document = documents.parse(b'{"n":-5}')
    shown = documents.disclose(document, SECRET, ["/n"])
    leaf = sha256(b"\0" + shown.fields[0].salt + b"\0\2/n-5").digest()
    assert documents.disclosure_root(shown) == sha256(b"\2cargo-ledger/document/1\0\0\0\1" + leaf).digest()


def test_a_hostile_disclosure_of_deep_pointers_is_judged_in_seconds():
    pointers = ["/" + "/".join([f"{number:05d}x"] * 32) for number in range(10_000)]
    fields = tuple(Field(number, pointer, 1, bytes(16)) for number, pointer in enumerate(pointers))
    assert len(documents.disclosure_root(Disclosure(10_000, fields, ()))) == 32
