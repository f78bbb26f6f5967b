"""Where an answer leads: which operation takes what of it, as OpenAPI's links.

A program, or a tester of programs, so walks from answer to answer without knowing our words.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy

from api.openapi import Responses

BODY = "$response.body"


def leading(status: int, responses: Responses, **operations: Mapping[str, str]) -> Responses:
    """Declare where one answer of a route leads.

    Args:
        status: Of the answer.
        responses: What is declared of the route's answers otherwise.
        operations: By the name of an operation, which of its parameters gets what of the answer (a JSON Pointer after
            `#`, or a runtime expression of OpenAPI); `body` is the whole request.
    """
    links = {}
    for operation, takes in operations.items():
        given = {name: f"{BODY}{what}" if what.startswith("#") else what for name, what in takes.items()}
        link: dict[str, object] = {"operationId": operation}
        if "body" in given:
            link["requestBody"] = given.pop("body")
        links[operation] = link | ({"parameters": given} if given else {})
    told = copy(responses)
    told[status] = responses.get(status, {}) | {"links": links}
    return told
