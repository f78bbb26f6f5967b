"""Public vectors: certificate transparency's Merkle proofs, RFC 8785's strings."""

import json
from base64 import b64decode

import pytest
import rfc8785

from ledger.core import documents, merkle
from ledger.core.leaves import texts
from ledger.errors import ConsistencyError, InclusionError, InvalidDocument

pytestmark = pytest.mark.conformance


def _cases(folder):
    files = sorted(folder.rglob("*.json"))
    assert files, f"no case lies in {folder}"
    return [(file.relative_to(folder), json.loads(file.read_text())) for file in files]


def _holds(verify, refusal, *arguments) -> bool:
    try:
        verify(*arguments)
    except refusal:
        return False
    return True


def test_every_inclusion_case_is_judged_as_its_file_says(conformance):
    for name, case in _cases(conformance / "5-crypto/rfc6962-merkle/testdata/inclusion"):
        path = [b64decode(hash) for hash in case["proof"] or []]
        arguments = (
            b64decode(case["leafHash"] or ""),
            case["leafIdx"],
            case["treeSize"],
            path,
            b64decode(case["root"] or ""),
        )
        held = _holds(merkle.verify_inclusion, InclusionError, *arguments)
        assert held != case["wantErr"], name


def test_every_consistency_case_is_judged_as_its_file_says(conformance):
    for name, case in _cases(conformance / "5-crypto/rfc6962-merkle/testdata/consistency"):
        path = [b64decode(hash) for hash in case["proof"] or []]
        arguments = (
            case["size1"],
            b64decode(case["root1"] or ""),
            case["size2"],
            b64decode(case["root2"] or ""),
            path,
        )
        held = _holds(merkle.verify_consistency, ConsistencyError, *arguments)
        assert held != case["wantErr"], name


def test_every_subtree_inclusion_case_that_a_log_of_its_own_could_pose_is_judged_as_its_file_says(
    conformance,
):
    """A subtree that begins where one may is a tree of its own; beginning elsewhere is no question to this log."""
    for name, case in _cases(conformance / "5-crypto/rfc6962-merkle/testdata/subtreeinclusion"):
        start, size = case["start"], case["end"] - case["start"]
        if size < 1 or start % (1 << (size - 1).bit_length()):
            assert case["wantErr"], name
            continue
        path = [b64decode(hash) for hash in case["proof"] or []]
        arguments = (
            b64decode(case["leafHash"] or ""),
            case["leafIdx"] - start,
            size,
            path,
            b64decode(case["root"] or ""),
        )
        held = _holds(merkle.verify_inclusion, InclusionError, *arguments)
        assert held != case["wantErr"], name


def test_documents_take_of_the_rfc_8785_files_what_is_a_document_and_write_values_as_they_do(conformance):
    testdata = conformance / "5-crypto/jcs-rfc8785/testdata"
    outcomes = {}
    for file in sorted((testdata / "input").glob("*.json")):
        canonical = (testdata / "output" / file.name).read_bytes()
        assert (
            bytes.fromhex("".join((testdata / "outhex" / file.stem).with_suffix(".txt").read_text().split()))
            == canonical
        )
        try:
            document = documents.parse(file.read_bytes())
        except InvalidDocument as refused:
            outcomes[file.stem] = (refused.pointer, refused.rule)
            continue
        outcomes[file.stem] = "taken"
        # a flat object's canonical form is its leaves' texts between names, in the RFC's order of names
        value = document.value
        leaves = dict(zip(document.pointers, document.texts, strict=True))
        for name, member in value.items():
            pointer = "/" + name.replace("~", "~0").replace("/", "~1")
            assert leaves[pointer] == rfc8785.dumps(member)
            assert rfc8785.dumps(name) + b":" + leaves[pointer] in canonical
    assert outcomes == {
        "arrays": ("", "it must be a JSON object"),
        "french": "taken",
        "structures": ("/1", "a name reads as a position in an array"),
        "unicode": "taken",
        "values": (
            "/numbers/0",
            'a number has a fraction or exponent; write quantities as strings, like "1250.5"',
        ),
        "weird": ("/1", "a name reads as a position in an array"),
    }


def test_strings_of_the_refused_rfc_8785_files_are_written_as_the_files_say(conformance):
    """`weird` and `values` are no documents for a name and some floats; their strings are the hard ones."""
    testdata = conformance / "5-crypto/jcs-rfc8785/testdata"
    for stem in ("weird", "values", "french", "unicode"):
        value = json.loads((testdata / "input" / f"{stem}.json").read_text())
        canonical = (testdata / "output" / f"{stem}.json").read_bytes()
        for string in [text for pair in value.items() for text in pair if isinstance(text, str)]:
            assert texts([string])[0] in canonical
