"""Refusals are one list under three spellings: the Solidity enum, the Python enum and one error class each."""

import inspect
import json
import re
from pathlib import Path

import pytest

from ledger import errors
from ledger.errors import RecordRefused, Refusal, refusal_class

ROOT = Path(__file__).parents[2]
REFUSALS = [refusal for refusal in Refusal if refusal is not Refusal.NONE]


def solidity_enum() -> list[str]:
    text = (ROOT / "contracts" / "interfaces" / "IConsignmentLedger.sol").read_text()
    (body,) = re.findall(r"enum Refusal \{(.*?)\n\}", text, re.DOTALL)
    return re.findall(r"^    ([A-Z_]+),?$", body, re.MULTILINE)


def test_solidity_and_python_number_them_alike():
    assert solidity_enum() == [refusal.name for refusal in Refusal]
    assert list(Refusal) == list(range(24))


def test_the_contract_answers_with_that_enum():
    abi = json.loads((ROOT / "ledger" / "abi" / "ConsignmentLedger.json").read_text())["abi"]
    (event,) = [item for item in abi if item.get("name") == "RecordRefused"]
    assert [item["internalType"] for item in event["inputs"] if item["name"] == "refusal"] == ["enum Refusal"]


def test_each_refusal_has_one_class_and_each_class_one_refusal():
    classes = {
        value
        for _, value in inspect.getmembers(errors, inspect.isclass)
        if issubclass(value, RecordRefused) and value is not RecordRefused
    }
    assert {refusal_class(refusal) for refusal in REFUSALS} == classes
    assert sorted(each.refusal for each in classes) == REFUSALS
    with pytest.raises(KeyError):
        refusal_class(Refusal.NONE)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.name)
def test_each_error_reads_as_one_statement_even_without_facts(refusal):
    error = refusal_class(refusal)(b"\1" * 32)
    assert error.consignment == b"\1" * 32
    assert re.fullmatch(r"Refused: .*[a-z0-9]\.", str(error), re.DOTALL)
    assert "None" not in str(error)
    assert "  " not in str(error)
