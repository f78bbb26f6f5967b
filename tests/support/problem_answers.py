"""Answers that must be problems."""

import httpx

MEMBERS = {"type", "title", "status", "detail"}


def assert_problem(answer: httpx.Response, status: int, name: str) -> dict:
    """The answer is a problem of this status and name; its members are returned."""
    assert answer.status_code == status, answer.text[:2000]
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert MEMBERS <= problem.keys()
    assert problem["type"] == f"/problems/{name}"
    assert problem["status"] == status
    assert problem["detail"].strip().endswith(".")
    return problem
