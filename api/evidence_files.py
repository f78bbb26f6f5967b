"""Evidence files as answers: the bytes as they are, since a file in another spelling is none."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from fastapi import Response

CONTENT = {"application/json": {"schema": {"$ref": "#/components/schemas/Evidence"}}}


class EvidenceFile(Response):
    """An evidence file (`cargo-evidence/1`), sent byte for byte."""

    def __init__(self, content: bytes, status_code: int = 200) -> None:
        # were it the class's media type, the framework would document a text; the status it reads here
        super().__init__(content, status_code, media_type="application/json")


@cache
def evidence_schemas() -> dict[str, Any]:
    """The published schema of evidence files, in parts that an OpenAPI document can hold by their names."""
    published = resources.files("ledger.schemas").joinpath("cargo-evidence-1.schema.json").read_text()
    schema = json.loads(published.replace("#/$defs/", "#/components/schemas/Evidence."))
    parts = {f"Evidence.{name}": part for name, part in schema.pop("$defs").items()}
    return {"Evidence": {name: schema[name] for name in schema if name not in ("$schema", "$id")}} | parts
