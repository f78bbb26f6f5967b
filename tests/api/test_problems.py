"""Whatever goes wrong is answered as a problem (RFC 9457), with the fact that resolves it."""

import pytest
from problem_answers import assert_problem

from api import problems
from ledger import errors


def children(error):
    """The library's own: scripts have errors of theirs, which no service answers."""
    return {child for child in error.__subclasses__() if child.__module__.startswith("ledger.")}


def tree(error=errors.LedgerError):
    for child in children(error):
        yield child
        yield from tree(child)


@pytest.mark.parametrize("error", sorted(set(tree()), key=lambda error: error.__name__))
def test_every_error_of_the_library_has_a_problem(error):
    kind = problems.kind_of(error)
    assert 400 <= kind.status <= 599


def test_an_error_beside_the_tree_has_none():
    with pytest.raises(LookupError):
        problems.kind_of(errors.LedgerError)


def test_every_branch_of_the_tree_stands_in_the_table_itself():
    assert children(errors.LedgerError) <= problems.TABLE.keys()


def test_no_two_kinds_share_a_name():
    names = [kind.name for kind in problems.TABLE.values()]
    assert len(names) == len(set(names))


def test_a_problem_of_the_asker_tells_all_facts_of_its_error():
    problem = problems.problem_of(errors.ConsignmentHeld(bytes(32), ("SG", "SG:VET")))
    view = problem.to_view().model_dump()
    assert view["refusal"] == "HELD"
    assert view["holders"] == ["SG", "SG:VET"]
    assert view["consignment"] == "0x" + "00" * 32


def test_a_problem_of_ours_tells_neither_address_nor_path():
    secret = "http://user:password@10.0.0.7:8545"
    problem = problems.problem_of(errors.ChainUnavailable(secret, "timed out"))
    assert problem.kind.status == 503
    assert "10.0.0.7" not in problem.to_response().body.decode()
    assert problem.to_response().headers["retry-after"] == "2"


def test_an_address_with_nothing_at_it_is_a_problem(http):
    problem = assert_problem(http.get("/v2/manifests"), 404, "no-such-route")
    assert "/v2/manifests" in problem["detail"]


@pytest.mark.parametrize("path", ["/v1/manifests/", "/docs", "/redoc", "//v1/manifests", "/v1/%00"])
def test_addresses_are_exact(http, path):
    assert http.get(path).status_code in (404, 422)


def test_a_method_that_http_does_not_know_is_a_request_that_cannot_be_read(http):
    answer = http.request("BREW", "/v1/chain")
    problem = assert_problem(answer, 400, "invalid-request")
    assert problem["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/manifests", ["GET", "POST"]),
        ("GET", "/v1/custody-records", ["POST"]),
        ("DELETE", "/healthz", ["GET"]),
        ("PROPFIND", "/v1/chain", ["GET"]),
    ],
)
def test_a_method_that_an_address_does_not_take_is_told_which_it_takes(http, method, path, allowed):
    answer = http.request(method, path)
    problem = assert_problem(answer, 405, "method-not-allowed")
    assert problem["allowed"] == allowed
    assert answer.headers["allow"] == ", ".join(allowed)


def test_a_parameter_out_of_its_form_is_named(http):
    problem = assert_problem(http.get("/v1/manifests?limit=0"), 422, "invalid-fields")
    assert problem["errors"][0]["parameter"] == "limit"
    problem = assert_problem(http.get("/v1/events?kind=hold&kind=%00"), 422, "invalid-fields")
    assert problem["errors"][0]["parameter"] == "kind" and problem["detail"].startswith("At kind: ")


def test_a_parameter_that_does_not_exist_is_refused_and_not_overlooked(http):
    problem = assert_problem(http.get("/v1/manifests?refrence=ucr:X"), 422, "invalid-fields")
    assert problem["errors"][0]["parameter"] == "refrence"


def test_what_is_not_there_is_named(http):
    problem = assert_problem(http.get("/v1/manifests/0x" + "ab" * 32), 404, "not-found")
    assert problem["key"] == "0x" + "ab" * 32


def test_a_malformed_id_is_refused(http):
    assert_problem(http.get("/v1/manifests/0x" + "AB" * 32), 422, "invalid-fields")


def test_a_field_that_is_missing_is_named_by_its_pointer(http):
    answer = http.post("/v1/manifests", json={"record": {}, "signature": "0x"})
    pointers = [error["pointer"] for error in assert_problem(answer, 422, "invalid-fields")["errors"]]
    assert "/record/party" in pointers
    assert "/signature" in pointers


def test_what_was_sent_is_not_repeated_in_the_answer(http):
    answer = http.post("/v1/manifests", json={"record": {}, "signature": "0xSECRET", "planted": "SECRET"})
    assert_problem(answer, 422, "invalid-fields")
    assert "SECRET" not in answer.text
