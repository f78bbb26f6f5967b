"""Every example of the OpenAPI document is a request that the service answers as the document shows.

What must be of this run, ids and what is signed, is put into its place by name; all else of a request is sent as it stands in
the document. With UPDATE_SNAPSHOTS=1 a life of a consignment is recorded anew into `api/examples.json`.
"""

import json
import os
import secrets
import time

import cargo
import jsonschema
import pytest
from evidence_maker import NOW, World, history
from ledger_at_work import Anvil

from api.examples import RECORDED
from api.openapi import MANIFEST_SUBMISSION
from ledger.client import LedgerClient
from ledger.core.records import Erasure, blind
from ledger.core.signatures import account_of, sign
from ledger.messages import from_hex, to_hex
from ledger.sign_in import digest

IS_RECORDING = os.environ.get("UPDATE_SNAPSHOTS") == "1"
#: names of parameters and fields whose values are of a run: ids, times, and what they are signed with
OF_A_RUN = frozenset(
    {
        "id",
        "reference",
        "references",
        "consignment",
        "consignment_key",
        "address",
        "at",
        "after",
        "first",
        "url",
    }
    | {"signature", "secret", "message", "issued_at", "observed_at", "expires_at"}
    | {"manifest_root", "details", "previous", "manifest"}
)
WITHOUT_END = {"events"}


def filled(example, live, name=""):
    """The example with the values of this run in the places that are named for them."""
    if name in OF_A_RUN:
        return live
    if isinstance(example, dict):
        assert example.keys() == live.keys(), name
        return {each: filled(example[each], live[each], each) for each in example}
    if isinstance(example, list):
        return [filled(one, other, name) for one, other in zip(example, live, strict=True)]
    return example


def shape(value):
    """Names and types of an answer, whoever's addresses are names in it."""
    if isinstance(value, dict):
        return {"0x" if name.startswith("0x") else name: shape(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def are_of_one_shape(shown, answered):
    """A list may be empty in one of them, and what the schema lets be null may be: others lodged here before."""
    if isinstance(shown, dict) and isinstance(answered, dict):
        return shown.keys() == answered.keys() and all(
            are_of_one_shape(each, answered[name]) for name, each in shown.items()
        )
    if isinstance(shown, list) and isinstance(answered, list):
        return not shown or not answered or are_of_one_shape(shown[0], answered[0])
    return shown == answered or "NoneType" in (shown, answered)


class Life:
    """One consignment from its lodging to its erasure, asked about on the way by every operation."""

    def __init__(self, network, service, described, clients, http):
        self.network, self.service, self.clients, self.http = network, service, clients, http
        self.described = {
            operation["operationId"]: (method.upper(), path, operation)
            for path, operations in described["paths"].items()
            for method, operation in operations.items()
        }
        self.components = described["components"]
        self.recorded, self.asked, self.wanting = {}, set(), []

    def ask(self, name, body=None, by=None, **parameters):
        """Send an operation's example, with this run's values in it, and hold the answer to the document."""
        method, path, operation = self.described[name]
        self.asked.add(name)
        if not IS_RECORDING:
            shown = {
                each["name"]: next(iter(each["examples"].values()))["value"]
                for each in operation.get("parameters", [])
                if "examples" in each
            }
            parameters = filled(shown, parameters)
            if body is not None:
                body = filled(self.example(operation["requestBody"]), body)
        kept = dict(parameters)
        for each in operation.get("parameters", []):
            if each["in"] == "path":
                path = path.replace(f"{{{each['name']}}}", str(parameters.pop(each["name"])))
        given = {"params": parameters, "headers": {}}
        if by is not None:
            given["headers"]["Authorization"] = f"Bearer {by}"
        if body is not None:
            (media,) = operation["requestBody"]["content"]
            given["content"] = json.dumps(body) + "\n"
            given["headers"]["Content-Type"] = media
        status, answer = self.send(name, method, path, given)
        self.hold(name, operation, status, answer)
        if IS_RECORDING:
            self.recorded[name] = (
                ({"parameters": kept} if kept else {})
                | ({} if body is None else {"body": body})
                | {"status": status}
                | ({} if answer is None else {"answer": answer})
            )
        return answer

    def send(self, name, method, path, given):
        if name in WITHOUT_END:
            with self.http.stream(method, path, **given) as answer:
                event = {}
                for line in answer.iter_lines():
                    key, _, value = line.partition(": ")
                    if key in ("id", "event", "data"):
                        event[key] = value
                    if not line and "data" in event:
                        return answer.status_code, event
        answer = self.http.request(method, path, **given)
        if not answer.content:
            return answer.status_code, None
        if name == "metrics":
            return answer.status_code, "".join(answer.text.splitlines(keepends=True)[:9])
        return answer.status_code, answer.json()

    def hold(self, name, operation, status, answer):
        """The answer is declared, of its schema, and of the shape of the one shown."""
        assert status < 300, (name, status, answer)
        declared = operation["responses"][str(status)]
        if answer is None:
            assert "content" not in declared, name
            return
        (media,) = declared["content"].values()
        jsonschema.Draft202012Validator(media["schema"] | {"components": self.components}).validate(answer)
        if not IS_RECORDING:
            shown = self.example(declared)
            if not are_of_one_shape(shape(shown), shape(answer)):
                self.wanting.append(f"{name} shows {shape(shown)} and answers {shape(answer)}")

    def example(self, declared):
        (media,) = declared["content"].values()
        return next(iter(media["examples"].values()))["value"]

    def live(self):
        network, exporter, key = self.network, self.clients("exporter"), self.network.keys["exporter"]
        address, auditor = account_of(key), self.clients("auditor").sign_in().token
        for name in ("healthz", "readyz", "chain"):
            self.ask(name)
        text = self.ask("challenge", {"address": address})["message"]
        token = self.ask("sign_in", {"message": text, "signature": to_hex(sign(digest(text), key))})["token"]

        submission = worked_submission(exporter)
        lodged = self.ask("lodge", as_json(submission))
        consignment, reference = submission.record.consignment, submission.reference
        now = int(time.time())
        opening = cargo.custody_record(
            from_hex(consignment),
            1,
            "SG:ACME01",
            now,
            previous=blind(from_hex(submission.consignment_key), reference),
            details=from_hex(submission.record.manifest_root),
        )
        taken = self.ask("record", {"records": [as_json(exporter.sign_custody(opening))]})
        opened = exporter.wait_for_record(consignment, taken["records"][0]["digest"])
        exporter.wait_for_manifest(lodged["id"])
        anvil = Anvil(network.chain.url)
        anvil.mine(4)
        anvil.close()
        exporter.wait_for_manifest(lodged["id"], state="final")
        exporter.wait_for_record(consignment, opened.digest, state="final")

        first = exporter.head("SG").size
        more = self.ask("lodge_batch", as_json(worked_submission(exporter)))
        manifest = {"id": lodged["id"], "by": token}
        self.ask("find_manifests", by=token, reference=reference, limit=10)
        self.ask("manifest", **manifest)
        self.ask("manifest_proof", **manifest)
        self.ask("manifest_evidence", **manifest, show=["/goods/0/description"])
        self.ask("find_consignments", by=token, reference=reference)
        for name in ("consignment", "consignment_records"):
            self.ask(name, by=token, id=consignment)
        file = self.ask("accompanying_file", by=token, id=consignment, show=["/goods/0/description"])
        self.ask("consignment_evidence", by=token, id=consignment, show=["/goods/0/description"])
        self.ask("load_accompanying", file, by=token)
        self.ask("events", by=token, after=0, kind=["custody"], consignment=consignment)

        self.ask("administrations", by=token)
        self.ask("party", by=token, party="SG:ACME01")
        self.ask("account", by=token, address=address)
        self.ask("head", by=token, administration="SG")
        exporter.wait_for_manifest(more["id"])
        self.ask("consistency", by=token, administration="SG", first=first)
        self.ask("leaves", by=auditor, administration="SG", start=0, count=1)
        at = opened.accepted_at.isoformat().replace("+00:00", "Z")
        self.ask("audit", by=auditor, question="holder", consignment=consignment, at=at)
        world, shown = history(World(others=0))
        evidence, trust = world.evidence(shown).encode().decode(), world.trust().encode().decode()
        self.ask("judge", {"evidence": evidence, "trust": trust, "now": NOW + 60})

        url = f"https://erp.acme.example/{secrets.token_hex(4)}"
        webhook = self.ask(
            "register_webhook", {"url": url, "kinds": ["custody"], "administration": "SG"}, by=token
        )["id"]
        self.ask("webhooks", by=token)
        for name in ("webhook", "enable_webhook"):
            self.ask(name, by=token, id=webhook)
        self.ask("rotate_webhook_secret", {"overlap_seconds": 86_400}, by=token, id=webhook)
        self.ask("dead_letters", by=token, id=webhook, limit=10)
        self.ask("replay_dead_letters", {"events": [17]}, by=token, id=webhook)
        self.ask("remove_webhook", by=token, id=webhook)

        now = int(time.time())
        erasure = Erasure(from_hex(lodged["id"]), now).digest(network.profile.log_domain)
        self.ask("erase_content", id=lodged["id"], issued_at=now, signature=to_hex(sign(erasure, key)))
        self.ask("metrics")
        self.ask("sign_out", by=token)


def worked_submission(client: LedgerClient):
    """The document's worked example, of a consignment of this run's own."""
    return cargo.whole_submission(client, int(time.time()), like=MANIFEST_SUBMISSION["document"])


def as_json(message):
    return message.model_dump(mode="json", exclude_none=True)


@pytest.mark.row("E7")
def test_every_example_is_answered_as_the_document_shows(network, service, clients, http):
    life = Life(network, service, service.app.openapi(), clients, http)
    life.live()
    assert life.asked == life.described.keys()
    assert not life.wanting, "\n".join(life.wanting)
    if IS_RECORDING:
        RECORDED.write_text(json.dumps(life.recorded, indent=1, ensure_ascii=False) + "\n")
        pytest.skip("recorded anew; run again without UPDATE_SNAPSHOTS to hold the service to it")
