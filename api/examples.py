"""A request and an answer of every operation, from one recorded life of a consignment, put into the OpenAPI document.

`tests/api/test_examples.py` records them, sends each of them to a running service in every run, with the values in their
places that must be of that run, and holds the answers to the recorded ones.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parent / "examples.json"
_NAME = "recorded"


def put_into(described: dict[str, Any]) -> None:
    """Give the operations of an OpenAPI document their examples; a body that has a worked example keeps it alone."""
    for operations in described["paths"].values():
        for operation in operations.values():
            _put(operation, _recorded().get(operation["operationId"], {}))


def _put(operation: dict[str, Any], recorded: dict[str, Any]) -> None:
    given = recorded.get("parameters", {})
    for parameter in operation.get("parameters", []):
        if parameter["name"] in given:
            parameter["examples"] = {_NAME: {"value": given[parameter["name"]]}}
    if "body" in recorded:
        for media in operation["requestBody"]["content"].values():
            media.setdefault("examples", {_NAME: {"value": recorded["body"]}})
    if "answer" in recorded:
        for media in operation["responses"][str(recorded["status"])]["content"].values():
            media.setdefault("examples", {_NAME: {"value": recorded["answer"]}})


@cache
def _recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RECORDED.read_text())
    return found
