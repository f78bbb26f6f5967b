"""The OpenAPI document: complete, valid, and changed on purpose only."""

import json
import os
import re
from pathlib import Path

import jsonschema
import pytest

from ledger.core import documents, signatures
from ledger.core.records import Domain
from ledger.messages import CustodySubmissions, ManifestSubmission, from_hex

SNAPSHOT = Path(__file__).parent / "openapi.json"
ALWAYS = {"429", "500", "503"}
WITH_BODY = {"400", "413", "415", "422"}
# what the numbers of the document count or are: a new one has its word here
UNITS = re.compile(
    r"[Ss]econds|[Bb]locks?\b|[Ll]eaves|[Ii]ndex|[Ee]poch|[Nn]umber of|[Hh]ow many|[Aa]ttempts|[Mm]essages|[Cc]hain id"
    r"|HTTP status|[Pp]lace|Id of|\b1 LODGE|\b1 OPEN|\b2 AMEND|\b0 none"
)


@pytest.fixture(scope="module")
def described(service):
    return service.app.openapi()


@pytest.fixture(scope="module")
def operations(described):
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_document_is_the_one_that_was_reviewed(described):
    """Set UPDATE_SNAPSHOTS=1 to write it anew, and read the difference."""
    text = json.dumps(described, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if os.environ.get("UPDATE_SNAPSHOTS") == "1":
        SNAPSHOT.write_text(text)
    assert text == SNAPSHOT.read_text()


def test_it_is_served(http, described):
    assert http.get("/openapi.json").json() == described


def test_every_operation_has_summary_sentence_tag_and_a_name_of_its_own(operations):
    for name, operation in operations:
        assert operation["summary"], name
        assert operation["description"].endswith("."), name
        assert operation["tags"], name
    names = [operation["operationId"] for _, operation in operations]
    assert len(names) == len(set(names))


def test_every_operation_declares_its_problems(operations):
    for name, operation in operations:
        answers = operation["responses"]
        assert answers.keys() >= ALWAYS, name
        for status, answer in answers.items():
            if int(status) >= 400:
                assert list(answer["content"]) == ["application/problem+json"], (name, status)
                assert answer["content"]["application/problem+json"]["examples"], (name, status)
        if "requestBody" in operation and "batch" not in name:
            assert answers.keys() >= WITH_BODY, name
        if operation.get("parameters"):
            assert "422" in answers, name
        if name.startswith("GET /v1") and name != "GET /v1/chain":
            assert "401" in answers, name


def test_every_reference_leads_somewhere(described):
    def references(node):
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                yield node["$ref"]
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    found = set(references(described))
    assert found
    for reference in found:
        assert reference.removeprefix("#/components/schemas/") in described["components"]["schemas"]


def test_every_schema_is_a_json_schema_and_says_what_it_is(described):
    for name, schema in described["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["description"], name


def test_every_field_says_what_it_is_in_which_unit_and_of_which_form(described, operations):
    """Fields at any depth of any schema, and parameters; of a form or a unit it can be said in a branch of `anyOf` too."""
    wanting = []

    def words(field):
        return " ".join([field.get("description") or "", *(words(each) for each in field.get("anyOf", []))])

    def look(place, schema):
        if isinstance(schema, list):
            for number, each in enumerate(schema):
                look(f"{place}/{number}", each)
            return
        if not isinstance(schema, dict):
            return
        for name, field in schema.get("properties", {}).items():
            judge(f"{place}/{name}", field)
        for below in schema.keys() - {"examples", "properties", "const", "enum", "default"}:
            look(f"{place}/{below}", schema[below])

    def judge(place, field):
        if not field.get("description"):
            wanting.append(f"{place}: what is it?")
        for branch in [field, *field.get("anyOf", []), field.get("items", {})]:
            form = branch.get("format", "")
            said = words(field) + words(branch)
            if form.startswith("bytes") and f"{form.removeprefix('bytes')} bytes" not in said:
                wanting.append(f"{place}: how many bytes?")
            if form == "date-time" and "RFC 3339" not in said:
                wanting.append(f"{place}: a time of which form?")
            if branch.get("type") in ("integer", "number") and not UNITS.search(said):
                wanting.append(f"{place}: a number of what?")
        look(place, field)

    for name, schema in described["components"]["schemas"].items():
        look(name, schema)
    for name, operation in operations:
        for parameter in operation.get("parameters", []):
            place = f"{name} {parameter['name']}"
            said = [parameter.get("description"), parameter["schema"].get("description")]
            judge(place, parameter["schema"] | {"description": "; ".join(filter(None, said))})
        look(name, operation.get("requestBody", {}))
        look(name, operation["responses"])
    assert not wanting, "\n".join(wanting)


def test_every_example_is_valid(described, operations):
    def validate(schema, example):
        whole = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **schema,
            "components": described["components"],
        }
        jsonschema.Draft202012Validator(whole).validate(example)

    count = 0
    for _, operation in operations:
        contents = [operation.get("requestBody", {}).get("content", {})]
        contents += [answer.get("content", {}) for answer in operation["responses"].values()]
        for content in contents:
            for media in content.values():
                for example in media.get("examples", {}).values():
                    validate(media["schema"], example["value"])
                    count += 1
        for parameter in operation.get("parameters", []):
            for example in parameter.get("examples", {}).values():
                validate(parameter["schema"], example["value"])
                count += 1
    assert count > 100
    for schema in described["components"]["schemas"].values():
        for field in schema.get("properties", {}).values():
            for example in field.get("examples", []):
                validate(field, example)


def test_every_operation_shows_a_request_and_an_answer(operations):
    for name, operation in operations:
        parameters = operation.get("parameters", [])
        shown = [each for each in parameters if each.get("examples")]
        assert len(shown) > 0 or not parameters, f"{name} shows no parameter"
        assert not [each["name"] for each in parameters if each["required"] and each not in shown], name
        for media in operation.get("requestBody", {}).get("content", {}).values():
            assert media.get("examples"), f"{name} shows no body"
        answers = [answer for status, answer in operation["responses"].items() if status < "300"]
        contents = [media for answer in answers for media in answer.get("content", {}).values()]
        assert not contents or any(media.get("examples") for media in contents), f"{name} shows no answer"


def test_the_examples_of_writes_are_the_worked_example_signed_and_all(operations):
    bodies = {operation["operationId"]: operation.get("requestBody") for _, operation in operations}
    example = bodies["lodge"]["content"]["application/json"]["examples"]["lodge"]["value"]
    manifest = ManifestSubmission.model_validate(example)
    domain = Domain(31337, b"\x22" * 20)
    digest = manifest.record.to_record().digest(domain)
    assert (
        signatures.recover(digest, from_hex(manifest.signature))
        == "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
    )
    document = documents.parse(json.dumps(manifest.document).encode())
    assert documents.commit(document, from_hex(manifest.secret)).root == from_hex(
        manifest.record.manifest_root
    )
    example = bodies["record"]["content"]["application/json"]["examples"]["open"]["value"]
    custody = CustodySubmissions.model_validate(example).records[0]
    digest = custody.record.to_record().digest(Domain(31337, b"\x33" * 20))
    assert digest.hex() == "3363e27657ba6f0cf85bc8b80ecade5438a7ace63eecb75a4868ef63ce3e1b38"
    assert (
        signatures.recover(digest, from_hex(custody.signature))
        == "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
    )
