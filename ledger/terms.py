"""By what a document's consignment can be found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def search_terms(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Container and seal numbers by which a document's consignment can be found."""
    found: list[tuple[str, str]] = []
    containers = document.get("containers")
    for container in containers if isinstance(containers, list) else []:
        if isinstance(container, str):
            found.append(("container", container))
        if isinstance(container, dict):
            found += [("container", text) for text in _texts(container.get("number"))]
            found += [("seal", text) for text in _texts(container.get("seals"))]
    found += [("seal", text) for text in _texts(document.get("seal"))]
    found += [("seal", text) for text in _texts(document.get("seals"))]
    return [(kind, value.upper()) for kind, value in found if value]


def _texts(value: object) -> Iterable[str]:
    values = value if isinstance(value, list) else [value]
    for each in values:
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict) and isinstance(each.get("number"), str):
            yield each["number"]
