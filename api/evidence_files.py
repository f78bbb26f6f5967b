"""Evidence files as answers: the bytes as they are, since a file in another spelling is none."""

from __future__ import annotations

from fastapi import Response


class EvidenceFile(Response):
    """An evidence file (`cargo-evidence/1`), sent byte for byte."""

    media_type = "application/json"
