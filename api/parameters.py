"""Parameters that several routes take."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from pydantic import Field

from ledger.fields import Bytes32

Text = Annotated[
    str,
    Field(
        max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$", description="At most 200 characters, none of control"
    ),
]
ManifestId = Annotated[Bytes32, Path(description="Manifest id, or digest of a manifest record")]
ConsignmentId = Annotated[Bytes32, Path(description="Consignment id")]
ShownPointers = Annotated[
    list[Annotated[str, Field(max_length=1024, pattern=r"^[^\x00]*$")]],
    Query(
        max_length=1000,
        description="JSON Pointer of a field to disclose, or of what is above such fields",
    ),
]
