"""The form of evidence files: one encoding, every member needed, everything else refused with its place."""

import json

import orjson
import pytest
from evidence_maker import World, document, history, schema
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import canonical, evidence
from ledger.core.evidence import Evidence, Whole
from ledger.core.records import CustodyKind
from ledger.errors import InvalidEvidence, UnknownEvidenceVersion


@pytest.fixture(scope="module")
def files():
    """A file with a disclosure, one with closures and a whole document."""
    world, manifest = history(World(others=3))
    world.record(CustodyKind.HOLD, "officer", stated={"reason": "papers"})
    second = world.lodge(world.manifest(content=document(note="2"), former=manifest))
    world.close(manifest, second)
    return world.evidence(manifest).encode(), world.evidence(second, show=[""], seen=None).encode()


def test_what_is_decoded_is_encoded_to_the_same_bytes_and_fits_the_schema(files):
    for data in files:
        assert Evidence.decode(data).encode() == data
        schema("cargo-evidence-1").validate(json.loads(data))
    assert isinstance(Evidence.decode(files[1]).manifest.shown, Whole)
    assert "/note" in Evidence.decode(files[1]).manifest.shown.fields


def spelled(data):
    value = orjson.loads(data)
    yield "spaces", json.dumps(value, sort_keys=True).encode()
    yield "a line end", data + b"\n"
    yield "another order", orjson.dumps(dict(reversed(value.items())))
    yield "a name twice", data.replace(b'"schema":', b'"schema":"cargo-evidence/1","schema":', 1)
    yield "a longer escape", data.replace(b"cargo-evidence", b"cargo\\u002devidence", 1)
    yield "an exponent", data.replace(b'"epoch":1', b'"epoch":1e0', 1)
    yield "a mark", b"\xef\xbb\xbf" + data
    yield "half", data[: len(data) // 2]


def test_no_other_spelling_is_read(files):
    for name, other in spelled(files[0]):
        with pytest.raises(InvalidEvidence):
            Evidence.decode(other)
            raise AssertionError(name)


def test_a_disclosure_is_an_object_and_no_text_of_one(files):
    value = orjson.loads(files[0])
    shown = value["manifest"]["shown"]
    for indent in (None, 2):
        spelled_again = value | {
            "manifest": value["manifest"]
            | {"shown": {"disclosure": json.dumps(shown["disclosure"], indent=indent)}}
        }
        with pytest.raises(InvalidEvidence, match="/manifest/shown/disclosure, an object is expected"):
            Evidence.decode(canonical.encode(spelled_again))


def _places(value, place=()):
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*place, key)
            yield from _places(each, (*place, key))


def _at(value, place):
    for key in place:
        value = value[key]
    return value


def test_no_member_can_be_left_out_or_added(files):
    for data in files:
        for place in _places(orjson.loads(data)):
            value = orjson.loads(data)
            above = _at(value, place[:-1])
            if not isinstance(above, dict) or "document" in place[:-1]:
                continue
            kept = above.pop(place[-1])
            with pytest.raises(InvalidEvidence):
                Evidence.decode(canonical.encode(value))
            above[place[-1]] = kept
            above["more"] = 1
            with pytest.raises(InvalidEvidence):
                Evidence.decode(canonical.encode(value))


WRONG = [None, True, 1.5, -1, 2**53, 2**63, "", "0x", "0xAB", "zz", [], {}, [1], {"a": 1}, "x" * 300]


def test_no_value_of_another_type_or_range_is_read(files):
    for data in files:
        for place in _places(orjson.loads(data)):
            if "document" in place[:-1] or place[-1] in ("value", "pointer") or "fields" in place[-2:]:
                continue  # what a document may hold is tested with documents, disclosures with theirs
            for wrong in WRONG:
                value = orjson.loads(data)
                above = _at(value, place[:-1])
                if above[place[-1]] == wrong and type(above[place[-1]]) is type(wrong):
                    continue
                above[place[-1]] = wrong
                try:
                    read = Evidence.decode(canonical.encode(value))
                except InvalidEvidence as error:
                    assert error.place.startswith("/") or len(place) == 1 or error.place == ""
                else:
                    assert (
                        canonical.encode(value) == read.encode()
                    )  # a form that is possible there, as null details


@pytest.mark.parametrize(
    "place, wrong",
    [
        (("manifest", "record", "supersedes"), "0x" + "11" * 32),
        (("manifest", "record", "kind"), 3),
        (("manifest", "promise", "seen"), 1),
        (("custody", 0, "details"), {"document": {}, "secret": "0x" + "11" * 32}),
        (("custody", 0, "record", "kind"), 18),
        (("closures", 0, "successor"), "0x" + "00" * 32),
        (("manifest", "shown", "disclosure", "leaves"), 0),
    ],
)
def test_forms_that_no_record_has_are_refused(files, place, wrong):
    value = orjson.loads(files[0])
    _at(value, place[:-1])[place[-1]] = wrong
    with pytest.raises(InvalidEvidence) as refused:
        Evidence.decode(canonical.encode(value))
    assert refused.value.place.startswith("/" + place[0])


@pytest.mark.parametrize("version", ["cargo-evidence/2", 7, None])
def test_another_version_is_not_guessed_at(files, version):
    value = orjson.loads(files[0]) | {"schema": version}
    with pytest.raises(UnknownEvidenceVersion, match="newer verifier"):
        Evidence.decode(canonical.encode(value))


def test_size_and_number_are_bounded_before_anything_is_read():
    for hostile in (
        b" " * (evidence.MAX_BYTES + 1),
        b"[" * evidence.MAX_BYTES,
        b"[" * 100_000,
        b"[" * 500 + b"]" * 500,
        b"[" + b"1," * (evidence.MAX_VALUES + 1) + b"1]",
    ):
        with pytest.raises(InvalidEvidence):
            Evidence.decode(hostile)
    with pytest.raises(InvalidEvidence, match="bytes are expected"):
        Evidence.decode("text")


@given(st.binary(max_size=60) | st.from_regex(rb'\A\{"[a-z]+":[0-9\[\]{}",:a-z]*\}\Z'))
def test_any_bytes_raise_only_our_error(data):
    with pytest.raises(InvalidEvidence):
        Evidence.decode(data)
