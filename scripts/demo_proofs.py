"""The end of the demonstration: an auditor checks what the services say, and six things that must not work are tried.

What the auditor does is the command line and the pure library; no service is believed. What is refused is tried where it
counts: at the service, and, around all services, at the contract itself.
"""

from __future__ import annotations

import copy
import json
import secrets
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo_network import governor_name, party_of
from demo_scenes import Cargoes
from demo_stage import expect
from demo_story import Actor, Story

from ledger import devchain
from ledger.chain import Call
from ledger.cli.words import short
from ledger.core import merkle
from ledger.core.records import ZERO32, CustodyKind, extend_trail, keccak
from ledger.core.signatures import account_of
from ledger.deployment import Governance
from ledger.errors import (
    ContractError,
    LogHeadNotConsistent,
    LogHeadNotGrowing,
    Refusal,
    ServiceError,
    refusal_class,
)
from ledger.messages import CustodySubmission, from_hex, to_hex

_SHOWN = ("/goods/0/description", "/goods/0/packages", "/goods/0/gross_mass_kg")


@dataclass(frozen=True, slots=True)
class Head:
    """A tree head as ManifestLog keeps it.

    Attributes:
        epoch: The log's epoch, from 1.
        size: Leaves that it covers.
        root: Root of the tree, 32 bytes.
    """

    epoch: int
    size: int
    root: bytes


def audit(story: Story, cargoes: Cargoes) -> None:
    """An auditor checks an inclusion proof, a field disclosure, that the log only grew, and a whole history."""
    stage, cargo = story.stage, cargoes.gin
    stage.scene(
        "The auditor believes nobody",
        "Was the manifest of the gin really lodged, and when? The proof is a file; checking it needs the file and the "
        "chain, no service. Then some fields are shown without the others, and checked against the root.",
    )
    folder = story.network.folder / "audit"
    folder.mkdir()
    proof, shown = folder / "gin.proof.json", folder / "gin.shown.json"
    written = _write(folder / "gin.json", cargo.document)
    root, secret = to_hex(cargo.manifest.root), to_hex(cargo.manifest.secret)
    paths = [story.relative(each) for each in (proof, written, shown, story.network.profile_path)]
    story.command("manifest", "prove", cargo.reference, "--out", paths[0], administration="GB")
    verdict = story.command("manifest", "verify-inclusion", paths[0], "--profile", paths[3])
    expect("VALID: the record stands in GB's log" in " ".join(verdict.split()), "The inclusion is not VALID.")
    pointers = [word for pointer in _SHOWN for word in ("--show", pointer)]
    disclose = ("manifest", "disclose", paths[1], "--secret", secret, *pointers, "--out", paths[2])
    story.command(*disclose, shown=" ".join(disclose).replace(secret, short(secret)))
    verdict = story.command("manifest", "verify-disclosure", paths[2], "--root", root)
    expect(
        "VALID: " in verdict and cargo.document["goods"][0]["description"] in verdict,
        "The disclosure is not VALID.",
    )
    first = story.network.client("GB").manifest_proof(cargo.manifest.id).size
    growth = story.network.client("GB").consistency("GB", first)
    head = head_of(story, "GB")
    path = [from_hex(each) for each in growth.path]
    merkle.verify_consistency(first, from_hex(growth.first_root), head.size, head.root, path)
    expect(
        growth.second_size == head.size > first, f"GB's log has not grown from {first} to {head.size} leaves."
    )
    stage.done(
        f"GB's log only grew: the head of {head.size} leaves on chain begins with the first {first}, unchanged."
    )
    number = _fold(story, cargoes)
    stage.done(
        f"The history of the container is whole: its {number} records fold to the one hash that the chain keeps."
    )


def refuse(story: Story, cargoes: Cargoes) -> None:
    """Six things that must not work."""
    story.stage.scene(
        "Six things that must not work",
        "Each is tried with a real key: at the service, then in a transaction straight to the contract, which answers with "
        "an event RecordRefused. The straw envelopes at Singapore are still on hold; most of it is about them.",
    )
    _changed_manifest(story, cargoes)
    _release_while_held(story, cargoes)
    _hand_over_by_stranger(story, cargoes)
    _record_by_revoked_officer(story, cargoes)
    _shortened_log(story)
    _second_opening(story, cargoes)
    expect(story.stage.refusals == 6, f"{story.stage.refusals} refusals were shown, not 6.")


def head_of(story: Story, administration: str) -> Head:
    """The newest tree head of an administration's log, from the contract."""
    epoch, size, _, root = story.network.chain.view("ManifestLog", "head", party_of(administration)[:8])
    return Head(epoch, size, bytes(root))


# --- the six


def _changed_manifest(story: Story, cargoes: Cargoes) -> None:
    cargo, folder = cargoes.gin, story.network.folder / "audit"
    changed = copy.deepcopy(cargo.document)
    changed["goods"][0]["gross_mass_kg"] = "4"
    stated = cargo.document["goods"][0]["gross_mass_kg"]
    root, secret = to_hex(cargo.manifest.root), to_hex(cargo.manifest.secret)
    path = _write(folder / "gin.changed.json", changed)
    before = story.network.client("GB").manifest(cargo.manifest.id)
    computed = _ask(story, "manifest", "commit", str(path), "--secret", secret, ends_with=0)
    expect(computed["manifest_root"] != root, "A changed manifest has the same root.")
    shown = json.loads((folder / "gin.shown.json").read_bytes())
    for each in shown["fields"]:
        if each["pointer"] == "/goods/0/gross_mass_kg":
            each["value"] = "4"
    forged = _write(folder / "gin.forged.json", shown)
    verdict = _ask(story, "manifest", "verify-disclosure", str(forged), "--root", root, ends_with=1)
    expect(verdict["verdict"] == "INVALID", "A forged field is not INVALID.")
    exporter = story.person("thames")
    submission = exporter.client.sign_manifest(before.record.to_record(), document=changed, secret=secret)
    sentence = _refused_by_service(
        lambda: exporter.client.submit_manifest(submission), "A changed document was taken"
    )
    after = story.network.client("GB").manifest(cargo.manifest.id)
    expect(
        (after.document, after.anchor) == (before.document, before.anchor), "The manifest of the gin changed."
    )
    story.stage.refused(
        "a changed manifest",
        f"Somebody makes {stated} kg of gin 4 kg, in the document and in the field that was shown to the auditor.",
        [
            (
                "the document",
                f"its root is {short(computed['manifest_root'])}, anchored is {short(root)}: another manifest.",
            ),
            ("the field", str(verdict["message"])),
            ("GB's service", sentence),
        ],
        f"GB still shows {stated} kg, under the root anchored in block {after.anchor.block if after.anchor else '?'}.",
    )


def _release_while_held(story: Story, cargoes: Cargoes) -> None:
    officer, cargo = story.person("officer-sg"), cargoes.straw
    view = story.view("SG", cargo.id)
    expect(
        len(view.holds) == 1 and view.holds[0].party == "SG", f"SG does not hold the straw: {view.summary}"
    )
    submission = officer.client.sign_step(
        CustodyKind.RELEASE,
        cargo.id,
        officer.party,
        subject=cargo.manifest.id,
        details={"schema": "cargo-release/1", "procedure": "import"},
    )
    _try_record(
        story,
        officer,
        submission,
        Refusal.HELD,
        "a release while held",
        f"The officer at Singapore releases the straw envelopes for import, though they are on hold: {view.holds[0].reason}.",
    )


def _hand_over_by_stranger(story: Story, cargoes: Cargoes) -> None:
    stranger, cargo = story.person("merlion"), cargoes.straw
    submission = stranger.client.sign_step(
        CustodyKind.OFFER,
        cargo.id,
        stranger.party,
        counterpart="GB:PENNINE",
        details={"schema": "cargo-offer/1"},
    )
    _try_record(
        story,
        stranger,
        submission,
        Refusal.NOT_ALLOWED,
        "a handover by someone who is not the custodian",
        "SG:MERLION offers the straw envelopes to GB:PENNINE. They are in the charge of NL:MAASLINE.",
    )


def _record_by_revoked_officer(story: Story, cargoes: Cargoes) -> None:
    network, officer, cargo = story.network, story.person("officer-sg-left"), cargoes.straw
    with closing(Governance(network.profile, network.key(governor_name("SG")).private)) as governance:
        transaction = governance.revoke(officer.client.address, network.chain.head().timestamp)
    story.wait_for_block(network.chain.wait(transaction).block_number)
    account = network.client("SG").account(officer.client.address)
    expect(account.revoked_at is not None, "SG's service does not know that the officer is revoked.")
    hold = story.view("SG", cargo.id).holds[0].record
    submission = officer.client.sign_step(CustodyKind.LIFT, cargo.id, officer.party, subject=hold)
    _try_record(
        story,
        officer,
        submission,
        Refusal.NOT_ENROLLED,
        "a record signed by a revoked officer",
        "SG's governor revokes an officer who leaves. With the old key, the officer then lifts the hold on the straw.",
    )
    signed = [
        each.kind
        for each in network.client("SG").consignment_records(cargoes.resold.id)
        if each.signer == account.address
    ]
    expect(signed == ["INSPECTION"], f"What the officer signed before does not stand: {signed}")
    story.stage.done("What the officer signed before stands: the inspection of the re-exported envelopes.")


def _shortened_log(story: Story) -> None:
    network, code = story.network, party_of("GB")[:8]
    key = network.key("sequencer-gb-spare")
    before = head_of(story, "GB")
    shorter, other = before.size - 1, keccak(b"another history")
    answers = []
    for size, path, expected in (
        (shorter, [], LogHeadNotGrowing),
        (before.size + 1, [other], LogHeadNotConsistent),
    ):
        call = network.chain.anchor_call(code, before.epoch, size, other, path)
        sentence = ""
        try:
            network.chain.simulate(call, key.address)
        except ContractError as error:
            expect(isinstance(error, expected), f"ManifestLog refuses with {type(error).__name__}.")
            sentence = str(error)
        expect(bool(sentence), f"ManifestLog would take a head of {size} leaves over {before.size}.")
        expect(
            not _send(story, key.private, call),
            f"ManifestLog took a head of {size} leaves over {before.size}.",
        )
        answers.append(("ManifestLog", sentence))
    after = head_of(story, "GB")
    expect(after == before, "The head of GB's log changed.")
    story.stage.refused(
        "a shortened log",
        f"An enrolled sequencer of GB anchors a head without the last leaf, then one of {before.size + 1} leaves with "
        "another past. Both transactions are really sent; both revert.",
        answers,
        f"The head of GB's log is still {after.size} leaves under {short(to_hex(after.root))}.",
    )


def _second_opening(story: Story, cargoes: Cargoes) -> None:
    exporter, cargo = story.person("thames"), cargoes.straw
    manifest = cargo.manifest
    again = _refused_by_service(
        lambda: exporter.client.lodge(cargo.document, exporter.party, reference=cargo.reference),
        "A second consignment of the same reference was taken",
    )
    submission = exporter.client.sign_step(
        CustodyKind.OPEN, cargo.id, exporter.party, manifest_root=manifest.root, blind=manifest.blind
    )
    _try_record(
        story,
        exporter,
        submission,
        Refusal.ALREADY_OPENED,
        "a second opening of a consignment",
        f"The exporter opens {cargo.reference} again, to be in charge of it again: the same consignment with a new "
        "record, and another one under the same trade reference with a new key.",
        [("a new key", again)],
    )


# --- what they share


def _try_record(
    story: Story,
    actor: Actor,
    submission: CustodySubmission,
    expected: Refusal,
    title: str,
    tried: str,
    more: list[tuple[str, str]] | None = None,
) -> None:
    """Send a record that must be refused: to the actor's service, then straight to the contract; show both."""
    chain = story.network.chain
    record, signature = submission.record.to_record(), from_hex(submission.signature)
    before = (
        bytes(chain.view("ConsignmentLedger", "trail", record.consignment)),
        _state(story, record.consignment),
    )
    sentence = _refused_by_service(
        lambda: actor.client.submit_records([submission]), f"{title}: the service took it"
    )
    answer = chain.check(record, signature)
    expect(answer == expected, f"{title}: the contract answers {answer.name}, not {expected.name}.")
    anyone = secrets.token_bytes(32)
    expect(
        _send(story, anyone, chain.append_call([record], [signature])), f"{title}: the transaction reverted."
    )
    digest = record.digest(story.network.profile.consignments_domain)
    events = chain.find_events("ConsignmentLedger", "RecordRefused", digest=digest)
    expect(
        [each["refusal"] for each in events] == [expected],
        f"{title}: the contract's event says something else.",
    )
    after = (
        bytes(chain.view("ConsignmentLedger", "trail", record.consignment)),
        _state(story, record.consignment),
    )
    expect(after == before, f"{title}: the consignment changed.")
    said = str(refusal_class(expected)(record.consignment)).removeprefix("Refused: ")  # type: ignore[call-arg]
    story.stage.refused(
        title,
        tried,
        [
            *(more or []),
            (f"{actor.administration}'s service", sentence),
            ("the contract", f"{expected.name}: {said}"),
        ],
        f"Trail {short(to_hex(after[0]))} before and after; {after[1][0]}",
    )


def _state(story: Story, consignment: bytes) -> tuple[str, int]:
    view = story.view("SG", consignment)
    in_charge = "closed" if view.closed else f"in the charge of {view.custodian}"
    held = f", on hold by {view.holds[0].party}" if view.holds else ""
    return f"{in_charge}{held}, {view.records} records.", view.records


def _refused_by_service(act: Callable[[], object], sentence: str) -> str:
    """Do what the service must refuse, and return its sentence."""
    try:
        act()
    except ServiceError as error:
        expect(400 <= error.status < 500, f"{sentence}: it answered {error.status}: {error.detail}")
        return error.detail.removeprefix("Refused: ")
    expect(False, f"{sentence}.")
    return ""


def _send(story: Story, key: bytes, call: Call) -> bool:
    """Send a transaction with a key of one's own; whether it succeeded."""
    chain, address = story.network.chain, account_of(key)
    devchain.fund(story.network.profile.rpc_url, address)
    transaction, raw = chain.sign(call, key, chain.nonce(address))
    chain.send(raw)
    receipt = chain.wait(transaction)
    story.wait_for_block(receipt.block_number)
    return receipt.succeeded


def _fold(story: Story, cargoes: Cargoes) -> int:
    """Fold the records of the container's history to its trail; returns how many there are."""
    box, trail = cargoes.container, ZERO32
    history = story.network.client("SG").consignment_records(box.id)
    for each in history:
        expect(each.accepted_at is not None, f"Record {each.digest} of the container is not on chain.")
        accepted_at = int(each.accepted_at.timestamp()) if each.accepted_at is not None else 0
        trail = extend_trail(trail, from_hex(each.digest), from_hex(each.signer), accepted_at)
    on_chain = bytes(story.network.chain.view("ConsignmentLedger", "trail", box.id))
    expect(trail == on_chain, "The records of the container do not fold to the trail on chain.")
    return len(history)


def _ask(story: Story, *arguments: str, ends_with: int) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(story.run(*arguments, "--json", ends_with=ends_with))
    return answer


def _write(path: Path, content: dict[str, Any]) -> Path:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return path
