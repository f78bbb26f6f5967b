"""Every error a contract can raise has one Python class of its name, and no class is without its error.

No chain is needed, but the list is the contracts': it is read from `ledger/abi`, whose freshness `scripts/check` sees to.
"""

import inspect
import json
from pathlib import Path

import pytest

import ledger.abi
from ledger import errors
from ledger.errors import ContractError

ABI = Path(ledger.abi.__file__).parent
IN_SOLIDITY = {
    item["name"]: item["inputs"]
    for path in sorted(ABI.glob("*.json"))
    for item in json.loads(path.read_text())["abi"]
    if item["type"] == "error"
}
IN_PYTHON = {kind.__name__: kind for kind in ContractError.__subclasses__()}


def example(solidity_type: str) -> object:
    """A value of the type, as the chain's decoder gives it."""
    if solidity_type == "address":
        return "0x" + "ab" * 20
    if solidity_type.startswith("bytes"):
        return b"SG".ljust(int(solidity_type.removeprefix("bytes")), b"\0")
    return 1_800_000_000


def test_every_contract_error_has_a_class_and_every_class_its_error():
    assert len(IN_SOLIDITY) > 40
    assert set(IN_SOLIDITY) == set(IN_PYTHON)


@pytest.mark.parametrize("name", sorted(IN_SOLIDITY))
def test_the_class_takes_the_errors_values_and_says_them_in_a_sentence(name):
    kind = getattr(errors, name)
    values = [example(argument["type"]) for argument in IN_SOLIDITY[name]]
    assert len(inspect.signature(kind).parameters) == len(values)
    raised = kind(*values)
    assert list(vars(raised).values()) == values
    sentence = str(raised)
    assert sentence.endswith(".") and "  " not in sentence
    # Small numbers and texts stand in it as they are; bytes and times as people write them.
    assert all(value in sentence for value in values if isinstance(value, str))


def test_codes_and_times_that_are_none_are_shown_as_numbers():
    assert "0x7367000000000000" not in str(errors.RegistryNotACode(b"sg\0\0\0\0\0\0"))
    assert "0x0000000000000000" in str(errors.RegistryNotACode(bytes(8)))
    assert f"Unix second {2**40 - 1}" in str(errors.RegistryAccountExpired("0x00", 2**40 - 1))
    assert "SG:ACME01" in str(errors.RegistryNotAParty(b"SG\0\0\0\0\0\0ACME01\0\0"))
