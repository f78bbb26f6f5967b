"""Whatever is asked, the service makes no mistake: no 5xx, and every error a problem."""

import time
from urllib.parse import quote

import cargo
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

QUICK = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["0x" + "00" * 32, "0x" + "ff" * 32, "0x" + "1b" * 65, "SG", "SG:ACME01", "0x" + "00" * 16]
    ),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=15,
)
ROUTES = [
    "/v1/manifests",
    "/v1/manifests/{}",
    "/v1/manifests/{}/proof",
    "/v1/manifests/{}/evidence?{}",
    "/v1/consignments/{}/evidence?{}",
    "/v1/manifests?{}",
    "/v1/consignments/{}",
    "/v1/consignments/{}/records",
    "/v1/consignments/{}/accompanying-file?{}",
    "/v1/consignments?{}",
    "/v1/log/{}/head",
    "/v1/log/{}/consistency?{}",
    "/v1/log/{}/leaves?{}",
    "/v1/parties/{}",
    "/v1/events?{}",
    "/v1/accounts/{}",
]
PARTS = st.one_of(
    st.text(max_size=30).map(lambda text: quote(text, safe="", errors="replace")),
    st.sampled_from(
        [
            "SG",
            "NL",
            "XX",
            "SG:ACME01",
            "0x" + "00" * 16,
            "0x" + "ab" * 32,
            "0x" + "ab" * 20,
            "%00",
            "%ff",
            "..",
            "~",
            "%2F",
        ]
    ),
)
QUERIES = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "reference",
                "container",
                "party",
                "state",
                "limit",
                "after",
                "seal",
                "show",
                "first",
                "start",
                "count",
            ]
        ),
        st.one_of(
            PARTS,
            st.integers(-(2**70), 2**70).map(str),
            st.sampled_from(["ucr:6SG201912345A-7", "/references", "", "anchored", "1"]),
        ),
    ).map("=".join),
    max_size=4,
).map("&".join)


def assert_no_mistake(answer):
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]


@QUICK
@given(route=st.sampled_from(ROUTES), first=PARTS, query=QUERIES)
def test_no_address_is_a_mistake(http, route, first, query):
    path, _, has_query = route.partition("?")
    with http.stream("GET", path.format(first) + (f"?{query}" if has_query else "")) as answer:
        if answer.status_code != 200:  # a stream of events would never end
            answer.read()
        assert_no_mistake(answer)


@QUICK
@given(
    path=st.sampled_from(["/v1/manifests", "/v1/custody-records", "/v1/accompanying-files"]),
    body=st.binary(max_size=200),
)
def test_no_bytes_are_a_mistake(http, path, body):
    assert_no_mistake(http.post(path, content=body, headers={"content-type": "application/json"}))


@QUICK
@given(data=st.data())
def test_no_changed_submission_is_a_mistake(http, valid_bodies, data):
    """A valid body with any of its members replaced by anything, or taken away."""
    path, body = data.draw(st.sampled_from(valid_bodies))
    changed = orjson.loads(orjson.dumps(body))
    for _ in range(data.draw(st.integers(1, 3))):
        place, name = data.draw(st.sampled_from(list(_places(changed)) or [(changed, "x")]))
        if data.draw(st.booleans()):
            place[name] = data.draw(JSON)
        elif isinstance(place, dict):
            place.pop(name, None)
    try:
        content = orjson.dumps(changed)
    except (TypeError, orjson.JSONEncodeError):
        return  # an integer of more than 64 bits: `test_bodies` sends such
    assert_no_mistake(http.post(path, content=content, headers={"content-type": "application/json"}))
    lines = http.post(
        "/v1/manifests/batch", content=content + b"\n", headers={"content-type": "application/x-ndjson"}
    )
    assert lines.status_code == 200
    assert orjson.loads(lines.content).get("status", 200) < 500, lines.text


def _places(node):
    members = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, value in list(members):
        yield node, name
        yield from _places(value)


@pytest.fixture(scope="module")
def valid_bodies(clients):
    """One valid body a route that takes one."""
    now = int(time.time())
    exporter, officer = clients("exporter"), clients("officer")
    reference = cargo.reference()
    lodged = exporter.lodge(cargo.manifest_document(reference), "SG:ACME01", reference=reference)
    opening = exporter.open(lodged.consignment, "SG:ACME01", manifest_root=lodged.root, blind=lodged.blind)
    exporter.wait_for_record(lodged.consignment, opening.digest)
    exporter.wait_for_manifest(lodged.id)
    step = officer.sign_step(17, lodged.consignment, "SG", details={"schema": "cargo-remark/1", "note": "n"})
    file = exporter.accompanying_file(lodged.consignment, ["/goods"])
    return [
        ("/v1/manifests", cargo.whole_submission(exporter, now).model_dump(mode="json")),
        ("/v1/custody-records", {"records": [step.model_dump(mode="json")]}),
        ("/v1/accompanying-files", file.model_dump(mode="json")),
    ]
