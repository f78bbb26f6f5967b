"""Documents: what is one, what its leaves are, and that every rule refuses its counterpart.

`strict_commit` below is DESIGN 5 read once more, with the standard library's JSON and PyPI's rfc8785.
"""

import json
import tracemalloc
from hashlib import sha256, shake_256
from pathlib import Path

import orjson
import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.core import documents, leaves, strict_json
from ledger.errors import InvalidDocument, InvalidSecret, LedgerError

VECTORS = Path(__file__).parents[2] / "vectors"
EXAMPLE = json.loads((VECTORS / "formats-example.json").read_text())
SECRET = bytes.fromhex(EXAMPLE["secret"][2:])
DOCUMENT = json.dumps(EXAMPLE["document"]).encode()


def _hex(name: str) -> bytes:
    return bytes.fromhex(EXAMPLE[name].removeprefix("0x"))


def _refused(text: str | bytes) -> InvalidDocument:
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(InvalidDocument) as refused:
        documents.parse(data)
    return refused.value


def _values(text: str | bytes) -> dict[str, bytes]:
    document = documents.parse(text.encode() if isinstance(text, str) else text)
    return dict(zip(document.pointers, document.texts, strict=True))


# --- an independent reading of the design ------------------------------------------------------------------------


def strict_leaves(value: object, pointer: bytes = b"") -> dict[bytes, bytes]:
    if isinstance(value, dict) and value:
        found = {}
        for name, member in value.items():
            found |= strict_leaves(
                member, pointer + b"/" + name.encode().replace(b"~", b"~0").replace(b"/", b"~1")
            )
        return found
    if isinstance(value, list) and value:
        found = {}
        for position, item in enumerate(value):
            found |= strict_leaves(item, pointer + b"/" + str(position).encode())
        return found
    return {pointer: rfc8785.dumps(value)}


def strict_commit(value: dict, secret: bytes) -> bytes:
    found = sorted(strict_leaves(value).items())
    content = b"\5"
    for pointer, text in found:
        content += len(pointer).to_bytes(2, "big") + pointer + len(text).to_bytes(4, "big") + text
    seed = b"cargo-ledger/salts/1" + secret + sha256(content).digest()
    salts = shake_256(seed).digest(16 * len(found))
    hashes = [
        sha256(b"\0" + salts[16 * i : 16 * i + 16] + len(p).to_bytes(2, "big") + p + text).digest()
        for i, (p, text) in enumerate(found)
    ]

    def tree(part: list[bytes]) -> bytes:
        if len(part) == 1:
            return part[0]
        split = 1
        while split * 2 < len(part):
            split *= 2
        return sha256(b"\1" + tree(part[:split]) + tree(part[split:])).digest()

    return sha256(b"\2cargo-ledger/document/1" + len(found).to_bytes(4, "big") + tree(hashes)).digest()


# --- strategies --------------------------------------------------------------------------------------------------

characters = st.characters(exclude_categories=["Cs"])
names = st.text(characters, max_size=8).filter(lambda name: not leaves.is_index(name))
names |= st.sampled_from(
    ["a", "a!", "a/b", "a~b", "~1", "", "01", "-1", "é", "\n", '"', "1 ", "٣", "a0", "😂"]
)
integers = st.integers(-(2**53) + 1, 2**53 - 1)
scalars = st.none() | st.booleans() | integers | st.text(characters, max_size=12)
values = st.recursive(
    scalars | st.just({}) | st.just([]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=20,
)
roots = st.dictionaries(names, values, max_size=5)

# Text that is nearly JSON: pieces that the rules are about, in any order.
pieces = st.sampled_from(
    [
        *'{}[],: \t\n"ab\\0123456789-.eE',
        *(
            '{"a":',
            '"b":1',
            '{"a":1}',
            '"a":{}',
            '"0":',
            "true",
            "false",
            "null",
            "NaN",
            "Infinity",
            "-0",
            "1e5",
            "1.5",
        ),
        *(
            "9007199254740991",
            "9007199254740992",
            "\\u0041",
            "\\ud83d",
            "\\ude02",
            "\\/",
            "\ufeff",
            "é",
            "\x7f",
        ),
        *("\x00", "[]", "{}"),
    ]
)
nearly_json = st.lists(pieces, max_size=24).map("".join) | roots.map(
    lambda value: json.dumps(value, indent=1)
)


def spellings(value: object):
    return st.sampled_from(
        [
            orjson.dumps(value),
            json.dumps(value).encode(),
            json.dumps(value, ensure_ascii=False).encode(),
            json.dumps(value, ensure_ascii=False, indent=3).encode(),
            orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2) + b"\n",
        ]
    )


# --- the example -------------------------------------------------------------------------------------------------


def test_the_example_has_its_leaves_salts_and_root():
    document = documents.parse(DOCUMENT)
    assert list(document.pointers) == EXAMPLE["leaves"]
    assert document.value == EXAMPLE["document"]
    assert documents.content_digest(document) == _hex("content digest")
    salts = documents.salts(document, SECRET)
    assert len(salts) == 16 * 13
    assert salts[:16] == _hex("salt of leaf 0")
    first = leaves.field_hashes(salts[:16], document.heads[:1], document.texts[:1])
    assert first == [_hex("field hash of leaf 0")]
    commitment = documents.commit(document, SECRET)
    assert commitment.root == _hex("manifest_root")
    assert commitment.leaves == 13


def test_the_example_is_committed_as_the_design_is_read_once_more():
    assert strict_commit(EXAMPLE["document"], SECRET) == _hex("manifest_root")


# --- properties --------------------------------------------------------------------------------------------------


@given(roots, st.data(), st.binary(min_size=32, max_size=32))
def test_any_spelling_of_a_document_has_the_root_of_the_design_read_once_more(value, data, secret):
    text = data.draw(spellings(value))
    document = documents.parse(text)
    assert document.value == value
    assert documents.commit(document, secret).root == strict_commit(value, secret)
    assert documents.commit(document, secret).leaves == len(strict_leaves(value))


@given(roots, roots)
def test_two_documents_share_a_content_digest_only_if_they_are_one(one, other):
    digests = {documents.content_digest(documents.parse(orjson.dumps(value))) for value in (one, other)}
    assert (len(digests) == 1) == (json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True))


@given(nearly_json)
@example('{"a":1,"a":2}')
@example('{"a":1, "\\u0061":1}')
@example('{"a":-0}')
@example(' {"a" : 1.0}')
@example('{"a":12345678901234567890}')
@example('{"a":1e400}')
@example("[" * 40)
@example('{"a":[{}]} x')
def test_the_quick_reader_takes_nothing_that_the_strict_one_refuses_and_reads_it_alike(text):
    """The quick one may pass; what it takes, and `_shape` keeps, the strict one reads to the same outline and values."""
    data = text.encode("utf-8", "surrogatepass")
    quick = strict_json.read_plain(data, documents._LIMITS)
    try:
        strict = strict_json._read_strictly(data, documents._LIMITS, InvalidDocument)
    except InvalidDocument:
        strict = None
    if isinstance(quick, dict):
        try:
            shape = documents._shape(quick)
        except InvalidDocument:
            return
        assert isinstance(strict, dict)
        assert documents._outline(strict) == documents._outline(quick)
        assert documents._shape(strict) == shape


@given(nearly_json)
@example('{"a":[[[]]]}')
@example('{"a":[[[[]]]]}')
@example('{"a":[[[1]],9007199254740992]}')
@example('{"a":[[[-9007199254740991]],9007199254740991,true]}')
@example('{"a":[1.0]}')
@example("[" + "1," * 49 + "1]")
@example("[" + "1," * 50 + "1]")
@example(" " * 121 + "{}")
def test_reading_quickly_where_that_can_be_told_changes_nothing(text):
    """Within tight limits, so that each of them is met often."""
    data = text.encode("utf-8", "surrogatepass")
    limits = strict_json.Limits(bytes=120, depth=4, leaves=50)
    answers = []
    for reader in (strict_json.read, strict_json._read_strictly):
        try:
            answers.append(repr(reader(data, limits, InvalidDocument)))
        except InvalidDocument as refused:
            answers.append(refused)
    assert repr(answers[0]) == repr(answers[1])


@given(nearly_json)
def test_the_strict_reader_takes_what_the_standard_library_takes_but_for_the_rules(text):
    """Without floats, constants, duplicates, large integers, half surrogates and -0, both say the same."""

    def integer(digits: str) -> int:
        if digits == "-0" or abs(int(digits)) >= 2**53:
            raise ValueError
        return int(digits)

    def refuse(_: str) -> None:
        raise ValueError

    def pairs(members: list[tuple[str, object]]) -> dict[str, object]:
        if len(dict(members)) != len(members):
            raise ValueError
        return dict(members)

    try:
        data = text.encode()
        expected = json.loads(
            data.decode(),
            parse_int=integer,
            parse_float=refuse,
            parse_constant=refuse,
            object_pairs_hook=pairs,
        )
        json.dumps(expected, ensure_ascii=False).encode()
    except ValueError:
        with pytest.raises(InvalidDocument):
            strict_json._read_strictly(
                text.encode("utf-8", "surrogatepass"), documents._LIMITS, InvalidDocument
            )
    else:
        read = strict_json._read_strictly(data, documents._LIMITS, InvalidDocument)
        assert json.dumps(read) == json.dumps(expected)


@given(st.binary(max_size=200) | nearly_json.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_a_document_or_refused_as_one(data):
    try:
        document = documents.parse(data)
    except LedgerError as refused:
        assert isinstance(refused, InvalidDocument)
    else:
        assert documents.commit(document, SECRET).leaves == len(document.pointers)


@given(st.text(characters) | scalars)
def test_values_are_written_as_rfc_8785_writes_them(value):
    assert leaves.texts([value, value]) == [rfc8785.dumps(value)] * 2


@given(st.text(characters, max_size=6))
def test_a_pointer_finds_its_leaf(name):
    if not leaves.is_index(name):
        (pointer,) = documents.parse(orjson.dumps({name: 1})).pointers
        assert pointer[1:].replace("~1", "/").replace("~0", "~") == name


# --- leaves ------------------------------------------------------------------------------------------------------


def test_scalars_and_empty_containers_are_the_leaves():
    assert _values('{"s":"x","t":true,"f":false,"n":null,"i":-5,"o":{},"a":[],"d":{"e":[[],{}]}}') == {
        "/s": b'"x"',
        "/t": b"true",
        "/f": b"false",
        "/n": b"null",
        "/i": b"-5",
        "/o": b"{}",
        "/a": b"[]",
        "/d/e/0": b"[]",
        "/d/e/1": b"{}",
    }


def test_an_empty_document_is_one_leaf_without_a_pointer():
    assert _values("{}") == {"": b"{}"}
    assert documents.commit(documents.parse(b" {\n} "), SECRET).root == strict_commit({}, SECRET)


def test_pointers_are_escaped_and_sorted_by_their_bytes():
    text = '{"a":{"b":1},"a!":2,"a/b":3,"a~b":4,"":5,"é":6,"😂":7,"\ufb33":8,"B":[1,2,3,4,5,6,7,8,9,10,11]}'
    pointers = documents.parse(text.encode()).pointers
    assert pointers == (
        "/", "/B/0", "/B/1", "/B/10", "/B/2", "/B/3", "/B/4", "/B/5", "/B/6", "/B/7", "/B/8", "/B/9",
        "/a!", "/a/b", "/a~0b", "/a~1b", "/é", "/\ufb33", "/😂",
    )  # fmt: skip
    assert list(pointers) == sorted(pointers, key=str.encode)


def test_names_that_are_nearly_a_position_are_names():
    assert set(_values('{"01":1,"-1":1,"1.":1," 1":1,"1a":1,"٣":1,"+1":1,"00":1,"":1,"1e1":1}')) == {
        "/01", "/-1", "/1.", "/ 1", "/1a", "/٣", "/+1", "/00", "/", "/1e1",
    }  # fmt: skip


def test_the_document_itself_can_not_be_changed_through_its_value():
    document = documents.parse(DOCUMENT)
    document.value["goods"].clear()
    assert document.value == EXAMPLE["document"]


def test_a_document_may_be_given_as_a_bytearray_and_is_kept_as_it_was():
    data = bytearray(DOCUMENT)
    document = documents.parse(data)
    data[:] = b"x"
    assert document.data == DOCUMENT


# --- the rules, each beside what it allows -----------------------------------------------------------------------


@pytest.mark.parametrize("space", ["", " ", "\n "])
@pytest.mark.parametrize(
    "number", ["1.0", "0.5", "1e5", "1E5", "-1.5e-3", "1.", "1e", "1e+", "1.e1", "-0.0", "1e400"]
)
def test_floats_and_exponents_are_refused_and_their_text_is_not(number, space):
    assert _values(f'{{"a":[{space}"{number}"]}}') == {"/a/0": f'"{number}"'.encode()}
    refused = _refused(f'{{"a":[{space}{number}]}}')
    assert refused.pointer == "/a/0"
    assert "strings" in refused.rule


@pytest.mark.parametrize("space", ["", " "])
@pytest.mark.parametrize("number", ["9007199254740991", "-9007199254740991", "0", "-1", "7"])
def test_integers_within_2_to_the_53_are_values(number, space):
    assert _values(f'{{"a":{space}{number}}}') == {"/a": number.encode()}


@pytest.mark.parametrize("space", ["", " "])
@pytest.mark.parametrize(
    "number",
    [
        "9007199254740992", "-9007199254740992", "9999999999999999", "10000000000000000", "-12345678901234567",
        "18446744073709551616", "1" * 400, "-0", "00", "01", "-01", "0000000000000001", "-", "+1", "\u0661",
    ],
)  # fmt: skip
def test_other_integers_and_other_spellings_are_refused_by_either_reader(number, space):
    assert _refused(f'{{"a":{space}{number}}}').pointer == "/a"
    assert _refused(f'{{"\\u0061":{space}{number}}}').pointer == "/a"


def test_an_integers_text_is_cut_off_before_it_is_computed():
    refused = _refused('{"a": ' + "9" * 1_000_000 + "}")
    assert refused.rule.startswith("an integer has 1000000 digits")


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "nul", "True", "undefined", "'a'", ""])
def test_words_that_are_no_value_are_refused(word):
    assert _refused(f'{{"a":[1,{word}]}}').pointer == "/a/1"


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        ('{"a":1,"a":2}', "/a"),
        ('{"a":1,"a":1}', "/a"),
        ('{"a":1,"\\u0061":1}', "/a"),
        ('{"b":[{"x":{},"y":1,"x":{}}]}', "/b/0/x"),
        ('{"é":1,"\\u00e9":1}', "/é"),
        ('{"😂":1,"\\ud83d\\ude02":1}', "/😂"),
        ('{"":1,"":1}', "/"),
        ('{"a/b":1,"a\\/b":1}', "/a~1b"),
        ('{"a": 1.5, "a": 1}', "/a"),
    ],
)
def test_a_name_that_stands_twice_is_refused_after_unescaping(text, pointer):
    assert _refused(text).pointer == pointer


def test_names_that_only_look_alike_are_two():
    assert set(_values('{"a":1,"A":1,"e\\u0301":1,"\\u00e9":1,"b":{"a":1}}')) == {
        "/a",
        "/A",
        "/e\u0301",
        "/\u00e9",
        "/b/a",
    }


@pytest.mark.parametrize("space", ["", " "])
@pytest.mark.parametrize("name", ["0", "1", "10", "42", "9" * 70, "\\u0030", "1\\u0030"])
def test_a_name_that_reads_as_a_position_is_refused(name, space):
    refused = _refused(f'{{"a":[{{"{name}":{space}1}}]}}')
    assert refused.pointer == "/a/0/" + json.loads(f'"{name}"')
    assert "position" in refused.rule


def test_an_object_of_positions_would_have_shared_its_leaves_with_an_array():
    assert set(_values('{"a":["x"]}')) == {"/a/0"}
    assert _refused('{"a":{"0":"x"}}').pointer == "/a/0"


@pytest.mark.parametrize(
    "string",
    ["\\ud800", "\\udc00", "\\ud83d\\ud83d", "\\ude02\\ud83d", "a\\ud83d", "\\ud83dx\\ude02", "\\uD83D\\n"],
)
def test_half_a_surrogate_pair_is_refused_in_values_and_names(string):
    assert _refused(f'{{"a":["{string}"]}}').pointer == "/a/0"
    assert "surrogate" in _refused(f'{{"{string}":1}}').rule


def test_a_whole_surrogate_pair_is_a_character():
    assert _values('{"\\ud83d\\ude02":"\\uD83D\\uDE02"}') == {"/😂": '"😂"'.encode()}


@pytest.mark.parametrize("depth", [31, 32])
@pytest.mark.parametrize("inner", ["1", "{}", "[]"])
@pytest.mark.parametrize("space", ["", " "])
def test_a_document_may_be_32_deep_and_scalars_do_not_count(depth, inner, space):
    depth -= inner != "1"
    assert len(_values('{"a":' + "[" * (depth - 1) + space + inner + "]" * (depth - 1) + "}")) == 1


@pytest.mark.parametrize("inner", ["1", "{}", "[]", '{"a":1}'])
@pytest.mark.parametrize("depth", [33, 200, 300, 2000])
@pytest.mark.parametrize("space", ["", " "])
def test_a_document_deeper_than_32_is_refused(inner, depth, space):
    depth -= inner != "1"
    refused = _refused('{"a":' + "[" * (depth - 1) + space + inner + "]" * (depth - 1) + "}")
    assert refused.pointer == "/a" + "/0" * 31
    assert "deeper than 32" in refused.rule


@pytest.mark.parametrize(
    "name", ["n" * 1023, "é" * 511 + "n", "~" * 511 + "n", "/" * 511 + "n", "😂" * 255 + "nnn"]
)
def test_a_pointer_may_have_1024_bytes_and_no_more(name):
    (pointer,) = _values(orjson.dumps({name: 1}))
    assert len(pointer.encode()) == 1024
    for longer in (
        {name + "n": 1},
        {"n": {name: 1}},
        {name: {"": 1}},
        {name: [1]},
        {name + "n": {}},
        {name * 900: {}},
    ):
        refused = _refused(orjson.dumps(longer))
        assert "longer than 1024 bytes" in refused.rule
        assert len(refused.pointer) <= 200


@pytest.mark.parametrize("space", ["", " "])
@pytest.mark.parametrize("leaf", ["1", "[]", "{}", '"a,b"'])
def test_a_document_may_have_10000_leaves_and_no_more(leaf, space):
    items = f",{space}".join([leaf] * 9_999)
    assert len(_values(f'{{"a":[{items}],"b":1}}')) == 10_000
    for wrong in (f'{{"a":[{items}],"b":1,"c":1}}', f'{{"a":[{items},1,1]}}'):
        assert "10000" in _refused(wrong).rule


def test_commas_in_strings_do_not_count_as_leaves():
    assert len(_values('{"a":"' + "," * 50_000 + '"}')) == 1


def test_a_document_may_have_1_mib_and_no_more():
    text = '{"a":"' + "x" * (2**20 - 8) + '"}'
    assert len(text) == 2**20
    assert len(_values(text)) == 1
    for longer in (text + " ", " " + text, "[" * 2_000_000):
        assert "1048576 are allowed" in _refused(longer).rule


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":"\xff"}',
        b'{"a":"\xc0\xaf"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xf4\x90\x80\x80"}',
        b'{"\xe9":1}',
        b"\xff\xfe{\0}\0",
    ],
)
def test_what_is_not_utf_8_is_refused_with_the_byte(data):
    assert "is not UTF-8" in _refused(data).rule


def test_a_byte_order_mark_is_refused():
    assert "byte order mark" in _refused(b"\xef\xbb\xbf{}").rule
    assert _values('{"\ufeff":"\ufeff"}') == {"/\ufeff": '"\ufeff"'.encode()}


@pytest.mark.parametrize(
    "text", ['{"a":1}x', '{"a":1}{"a":1}', '{"a":1}\x00', '{"a":1} ,', "{}[]", '{"a":1}\x0c', '{"a":1} //']
)
def test_text_after_the_object_is_refused_and_spaces_are_not(text):
    assert "more text after" in _refused(text).rule
    assert _values('\r\n\t {"a":1}\r\n\t ') == {"/a": b"1"}


@pytest.mark.parametrize("text", ["[]", "[1]", '"a"', "1", "true", "null", " [{}]"])
def test_what_is_no_object_is_refused(text):
    assert _refused(text).rule == "it must be a JSON object"


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        ("", ""),
        (" ", ""),
        ("{", ""),
        ('{"a', ""),
        ('{"a"', "/a"),
        ('{"a" 1}', "/a"),
        ('{"a":', "/a"),
        ('{"a":1', ""),
        ('{"a":1,}', ""),
        ('{"a":1 "b":1}', ""),
        ("{a:1}", ""),
        ("{'a':1}", ""),
        ("{1:1}", ""),
        ('{,"a":1}', ""),
        ('{"a":[1,]}', "/a/1"),
        ('{"a":[,1]}', "/a/0"),
        ('{"a":[1 2]}', "/a"),
        ('{"a":[1}', "/a"),
        ('{"a":{]}', "/a"),
        ('{"a":{"b":[{"c":}]}}', "/a/b/0/c"),
        ('{"a":"\n"}', "/a"),
        ('{"a":"\x1f"}', "/a"),
        ('{"a":"\\x41"}', "/a"),
        ('{"a":"\\u12"}', "/a"),
        ('{"a":"\\u00g0"}', "/a"),
        ('{"a":"\\"}', "/a"),
        ('{"a":"\\u\uff100041"}', "/a"),
        ('{"a":\u00a01}', "/a"),
        ('{"a":0x1}', ""),
        ("// x\n{}", ""),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(text, pointer):
    assert _refused(text).pointer == pointer


def test_every_escape_is_read():
    assert _values('{"a":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u000b\\u007F\\u00E9"}') == {
        "/a": '"\\"\\\\/\\b\\f\\n\\r\\tA\\u000b\x7fé"'.encode()
    }


@pytest.mark.parametrize("given_", [None, "{}", {}, 5, [b"{}"]])
def test_what_is_not_bytes_is_refused(given_):
    with pytest.raises(InvalidDocument, match="as bytes"):
        documents.parse(given_)


@pytest.mark.parametrize("secret", [b"", bytes(31), bytes(33), "0x" + "00" * 32, None, 5])
def test_a_secret_is_32_bytes_and_is_not_shown(secret):
    document = documents.parse(DOCUMENT)
    with pytest.raises(InvalidSecret) as refused:
        documents.commit(document, secret)
    assert not secret or str(secret) not in str(refused.value)


# --- memory ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "[" * 2**20,
        '{"a":[' + "[]," * 349_000 + "[]]}",
        '{"a":[' + "{}, " * 260_000 + "{}]}",
        '{"a":"' + "\\n" * 524_000 + '"}' + " ",
        '{"' + "n" * 500_000 + '":[' + "1," * 9_000 + "1]}",
        '{"' + "n" * 500_000 + '": [' + "1," * 9_000 + "1]}",
        '{"a":' + "9" * 1_000_000 + "}",
    ],
    ids=["brackets", "lists", "objects", "escapes", "long name over many", "long name, spaced", "digits"],
)
def test_a_hostile_text_of_one_mib_takes_no_more_than_some_times_its_size(text):
    data = text.encode()
    tracemalloc.start()
    try:
        documents.parse(data)
    except InvalidDocument:
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 2**20, f"{peak / 2**20:.1f} MiB for {len(data) / 2**20:.1f}"


def test_what_is_remembered_from_one_document_to_the_next_stays_small_and_changes_nothing():
    value = {f"name{number}": number for number in range(500)}
    root = strict_commit(value, SECRET)
    for number in range(700):
        documents.parse(orjson.dumps({f"shape{number}": {f"{number}x{i}": i for i in range(12)}}))
        assert len(documents._shapes) <= 256
    documents._shapes.clear()
    documents.parse(orjson.dumps({"n" * 900 + str(number): [1] for number in range(40)}))
    documents.parse(orjson.dumps({f"many{number}": 1 for number in range(600)}))
    assert not documents._shapes
    for order in (
        1,
        1,
        -1,
    ):  # the second time from what is remembered; the third is another shape with the same root
        turned = dict(list(value.items())[::order])
        assert documents.commit(documents.parse(orjson.dumps(turned)), SECRET).root == root
    assert len(documents._shapes) == 2


@given(st.lists(roots, min_size=2, max_size=4))
def test_documents_of_one_outline_have_their_own_values(several):
    """What is remembered is right for the next of the kind: each is committed to as it is when nothing is."""
    documents._shapes.clear()
    for value in [*several, *several]:
        remembered = documents.commit(documents.parse(orjson.dumps(value)), SECRET)
        assert remembered.root == strict_commit(value, SECRET)


@pytest.mark.parametrize(
    "other", ["1.5", "9007199254740992", "-9007199254740992", "18446744073709551615", "-0"]
)
def test_a_remembered_shape_lets_no_number_pass(other):
    for number in ("0", "9007199254740991", "-9007199254740991"):
        assert _values(f'{{"kg":[true,{number}]}}') == {"/kg/0": b"true", "/kg/1": number.encode()}
    assert _refused(f'{{"kg":[true,{other}]}}').pointer == "/kg/1"


def test_an_outline_is_shared_only_by_documents_that_differ_in_scalars_alone():
    texts = [
        "{}",
        '{"a":1}',
        '{"a":true}',
        '{"a":"1"}',
        '{"a":null}',
        '{"a":[]}',
        '{"a":{}}',
        '{"a":[1]}',
        '{"a":[[]]}',
    ]
    texts += [
        '{"a":{"b":1}}',
        '{"a":{"b":{}}}',
        '{"a":1,"b":1}',
        '{"b":1,"a":1}',
        '{"a":{"b":1},"c":1}',
        '{"a":{},"b":1}',
    ]
    texts += [
        '{"a":[1],"b":[]}',
        '{"a":[],"b":[1]}',
        '{"a":[1,[]]}',
        '{"a":[[],1]}',
        '{"a":[[1]]}',
        '{"a":[{}]}',
        '{"a":[1,1]}',
    ]
    outlines = {documents._outline(orjson.loads(text))[0] for text in texts}
    assert len(outlines) == len(texts)
    assert documents._outline({"a": 1})[0] == documents._outline({"a": 2})[0]
