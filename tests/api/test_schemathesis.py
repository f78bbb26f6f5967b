"""Whatever the OpenAPI document allows, and much that it does not, by many readers: no answer is undeclared.

schemathesis makes the requests from the document, alone and along its links; what it cannot know, which ids are there and
how a record is signed, is put in for some of them. 2,000 requests in `make test`, 20,000 with `CARGO_PROOF=1`.
"""

import collections
import contextlib
import copy
import json
import secrets
import time
from pathlib import Path

import cargo
import hypothesis
import proof
import pytest
import requests
import running_service
import schemathesis
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test
from schemathesis.generation.case import Case
from schemathesis.specs.openapi import checks

from api import problems
from ledger.core.signatures import account_of, sign
from ledger.messages import ChallengeRequest, ChallengeView
from ledger.sign_in import digest

READERS = ("exporter", "carrier", "officer", "auditor")
SNAPSHOT = Path(__file__).parent / "openapi.json"
BY_NOBODY = (None, "a guess")
STREAM_SECONDS = (0.3, 3, 30)  # an endless answer is read so long; longer where not even its headers came
OPERATIONS = {
    operation["operationId"]
    for operations in json.loads(SNAPSHOT.read_text())["paths"].values()
    for operation in operations.values()
}
QUIETLY = {
    "derandomize": not proof.IS_PROOF,  # the same in every `make test`, others in each `make proof`
    "database": None,
    "deadline": None,
    "phases": [
        hypothesis.Phase.generate
    ],  # the request that was not answered well is as good as the shortest one
    "report_multiple_bugs": False,
    "suppress_health_check": list(hypothesis.HealthCheck),
}
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(max_size=8)
    | st.just("0x" + "ab" * 32),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]


for size in (20, 32, 65, 188):  # drawn at once, not digit by digit from the pattern
    schemathesis.openapi.format(
        f"bytes{size}", st.binary(min_size=size, max_size=size).map(lambda data: "0x" + data.hex())
    )


@schemathesis.serializer("application/x-ndjson")
def write_lines(context, value):
    return {"data": value if isinstance(value, bytes) else json.dumps(value).encode() + b"\n"}


def declared_problems(described):
    """By operation and status, which problems the document says there may be."""
    found = {}
    for operations in described["paths"].values():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                media = answer.get("content", {}).get("application/problem+json", {})
                found[operation["operationId"], int(status)] = set(media.get("examples", {}))
    return found


class Asker:
    """Sends what schemathesis makes, by one of several readers, and judges what comes back."""

    def __init__(self, service, described, clients):
        self.service, self.described, self.clients = service, described, clients
        self.problems = declared_problems(described)
        self.session = requests.Session()
        self.session.trust_env = False
        self.tokens = {None: None, "a guess": secrets.token_urlsafe(32)}
        self.answers = collections.Counter()
        for name in READERS:
            self.sign_in(name)

    def sign_in(self, name):
        self.tokens[name] = self.clients[name].sign_in().token

    def headers(self, name):
        token = self.tokens[name]
        return {} if token is None else {"Authorization": f"Bearer {token}"}

    def ask(self, case, name):
        operation = case.operation.definition.raw["operationId"]
        for timeout in STREAM_SECONDS if operation == "events" else (30,):
            with contextlib.suppress(requests.Timeout):
                response = case.call(
                    base_url=self.service.url,
                    session=self.session,
                    headers=self.headers(name),
                    timeout=timeout,
                )
                self.note(operation, name, response)
                return response
        raise AssertionError(f"{operation} was not answered within {timeout} s")

    def note(self, operation, name, response):
        self.answers[operation, response.status_code] += 1
        if operation == "sign_out" and response.status_code == 204:
            self.sign_in(name)

    def judge(self, case, response):
        operation = case.operation.definition.raw["operationId"]
        each_line = [checks.negative_data_rejection] if operation == "lodge_batch" else []
        case.validate_response(response, checks=CHECKS, excluded_checks=each_line)
        assert response.headers["x-request-id"], operation
        if response.status_code >= 400:
            self.judge_problem(operation, response.json(), response.status_code)
        elif operation == "lodge_batch":
            for line in response.content.splitlines():
                answer = json.loads(line)
                if "status" in answer:
                    self.judge_problem("lodge", answer, answer["status"])

    def judge_problem(self, operation, problem, status):
        assert problem["status"] == status < 500, problem
        assert problem["detail"] and problem["request_id"], problem
        name = problem["type"].removeprefix("/problems/")
        assert name in self.problems[operation, status], (operation, problem)

    @property
    def total(self):
        return sum(self.answers.values())


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def service(network, service, monkeypatch_module):
    """The same ledger by another process's settings: nothing is read without a sign-in."""
    settings = service.settings.model_copy(update={"open_reading": False})
    monkeypatch_module.setattr(
        problems, "NOT_FOUND_STEP_SECONDS", 0.001
    )  # most is not there: no waiting for the beat
    with running_service.serving(network, settings) as service:
        yield service


@pytest.fixture(scope="module")
def clients(service):
    with contextlib.ExitStack() as closing:
        yield {name: closing.enter_context(service.client(name)) for name in READERS}


@pytest.fixture(scope="module")
def described(service):
    return service.app.openapi()


@pytest.fixture(scope="module")
def schema(described):
    """The document without its examples, which `test_examples` sends: mixed into what is wrong, they make it right again."""
    bare = copy.deepcopy(described)
    for operations in bare["paths"].values():
        for operation in operations.values():
            for shown in [
                *operation.get("parameters", []),
                *operation.get("requestBody", {}).get("content", {}).values(),
            ]:
                shown.pop("examples", None)
    return schemathesis.openapi.from_dict(bare)


@pytest.fixture(scope="module")
def asker(service, described, clients):
    asker = Asker(service, described, clients)
    yield asker
    asker.session.close()


@pytest.fixture(scope="module")
def there(clients):
    """What is there, by the name of the parameter that may ask for it; and valid bodies by operation."""
    exporter, officer = clients["exporter"], clients["officer"]
    reference = cargo.reference()
    lodged = exporter.lodge(cargo.manifest_document(reference), "SG:ACME01", reference=reference)
    opening = exporter.open(lodged.consignment, "SG:ACME01", manifest_root=lodged.root, blind=lodged.blind)
    exporter.wait_for_record(lodged.consignment, opening.digest)
    exporter.wait_for_manifest(lodged.id)
    file = exporter.accompanying_file(lodged.consignment, ["/goods"])
    now = int(time.time())

    def remark(note):
        step = officer.sign_step(
            17, lodged.consignment, "SG", details={"schema": "cargo-remark/1", "note": note}
        )
        return {"records": [step.model_dump(mode="json", exclude_none=True)]}

    def challenged():
        key = exporter._require_key()
        asked = ChallengeRequest(address=account_of(key))
        text = exporter._post("/v1/sessions/challenge", asked, ChallengeView).message
        return {"message": text, "signature": "0x" + sign(digest(text), key).hex()}

    ids = {
        ("id", "manifests"): ["0x" + lodged.id.hex(), lodged.answer.digest],
        ("id", "webhooks"): [exporter.webhooks.register("https://nowhere.invalid/kept").id],
        ("id", "consignments"): ["0x" + lodged.consignment.hex()],
        ("administration", ""): ["SG", "NL"],
        ("party", ""): ["SG", "SG:ACME01"],
        ("address", ""): [account_of(officer._require_key())],
        ("reference", ""): [reference],
        ("container", ""): ["CSQU3054383"],
        ("consignment", ""): ["0x" + lodged.consignment.hex()],
        ("show", ""): [["/goods"], [""], ["/nothing"]],
        ("first", ""): [1, 2],
    }
    lodgings = [
        cargo.whole_submission(exporter, now).model_dump(mode="json", exclude_none=True) for _ in range(5)
    ]
    bodies = {
        "lodge": lodgings,
        "lodge_batch": lodgings,
        "record": [remark(note) for note in "abc"],
        "load_accompanying": [file.model_dump(mode="json", exclude_none=True)],
        "challenge": [{"address": account_of(exporter._require_key())}],
        "sign_in": [challenged() for _ in range(3)],
    }
    return ids, bodies


@st.composite
def lines_of(draw, made, signed):
    """Lines as they may come: whole, cut off, blank, none."""
    whole = st.sampled_from([json.dumps(each).encode() for each in (made, *signed)])
    line = st.one_of(whole, st.builds(lambda text, end: text[:end], whole, st.integers(0, 500)))
    return b"\n".join(draw(st.lists(line, max_size=4)))


@st.composite
def requests_of(draw, operation, there):
    """A request of an operation, as the document allows it or not; ids that are there and what is signed put in for some."""
    ids, bodies = there
    name = operation.definition.raw["operationId"]
    mode = draw(
        st.sampled_from([schemathesis.GenerationMode.POSITIVE] * 2 + [schemathesis.GenerationMode.NEGATIVE])
    )
    given = {}
    if name in bodies and name != "lodge_batch" and draw(st.integers(0, 2)):
        given["body"] = body = dict(draw(st.sampled_from(bodies[name])))
        if draw(st.booleans()):
            body[draw(st.sampled_from(sorted(body)))] = draw(ANYTHING)  # what is made whole takes much longer
    try:
        case = draw(operation.as_strategy(generation_mode=mode, **given))
    except hypothesis.errors.Unsatisfiable:
        case = draw(operation.as_strategy(**given))  # there is nothing to get wrong
    if name == "register_webhook" and isinstance(case.body, dict) and isinstance(case.body.get("url"), str):
        # no test talks to anybody outside
        case.body["url"] = draw(
            st.sampled_from(["https://nowhere.invalid/x", "https://127.0.0.1/x", "http://a.invalid", "x", ""])
        )
    if name == "lodge_batch":
        case.body = draw(lines_of(case.body, bodies[name]))
    if mode == schemathesis.GenerationMode.POSITIVE:
        for place in (case.path_parameters, case.query):
            for parameter in list(place or {}):
                noun = operation.path.split("/")[2] if parameter == "id" else ""
                known = ids.get((parameter, noun))
                if known and draw(st.integers(0, 3)):
                    place[parameter] = draw(st.sampled_from(known))
    return case


@pytest.mark.row("E7")
@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_no_answer_is_undeclared_whatever_is_asked(schema, asker, there, name):
    operation = schema.find_operation_by_id(name)
    most = proof.form(80, 850)
    if name in ("events", "manifest_evidence", "consignment_evidence", "lodge_batch"):
        most //= 4  # they take long
    elif name in ("healthz", "readyz", "chain", "metrics"):
        most //= 10  # there is nothing to vary

    @hypothesis.settings(max_examples=most, **QUIETLY)
    @hypothesis.given(st.data())
    def ask(data):
        case = data.draw(requests_of(operation, there))
        response = asker.ask(case, data.draw(st.sampled_from(READERS + BY_NOBODY)))
        asker.judge(case, response)

    ask()


@pytest.mark.row("E7")
def test_no_answer_along_the_links_is_undeclared(schema, asker):
    class Walk(schema.as_state_machine()):
        def get_call_kwargs(self, case: Case):
            return {}

        def call(self, case: Case, **_):
            return asker.ask(case, "exporter")

        def validate_response(self, response, case, **_):
            asker.judge(case, response)

    run_state_machine_as_test(
        Walk,
        settings=hypothesis.settings(max_examples=proof.form(15, 150), stateful_step_count=15, **QUIETLY),
    )
    print(f"{asker.total} requests: {sorted(asker.answers.items())}")
