"""A request's headers by name, as they are: the framework makes an object of all of them each time one is asked for."""

from __future__ import annotations

from starlette.types import Scope


def values(scope: Scope, name: bytes) -> list[str]:
    """What a request says under a name, in lower case, each time it says it, in order."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def first(scope: Scope, name: bytes) -> str:
    """What it says under a name the first time; empty if it does not."""
    return next(iter(values(scope, name)), "")
