"""From rows and models to what is answered: shapes and sentences, no decisions.

Sentences follow the field: "in the charge of", "on hold by", "released for export by", "handover accepted".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

import orjson

from ledger.core import records
from ledger.core.custody import ConsignmentState, Custody
from ledger.core.disclosures import Disclosure
from ledger.core.findings import kind_name, party_text, time_text
from ledger.core.identifiers import Party
from ledger.core.printing import quoted
from ledger.core.records import CustodyKind, ManifestKind, Role
from ledger.core.signatures import checksummed
from ledger.fields import ManifestState, RecordState
from ledger.history import History
from ledger.membership import EnrolledAccount, Member
from ledger.messages import (
    AccountView,
    AdministrationView,
    AnchorView,
    AsOf,
    ClosureView,
    ConsignmentView,
    ConsistencyView,
    CustodyRecordMessage,
    ErasureView,
    EventView,
    FindingView,
    HeadView,
    HoldView,
    InclusionProofView,
    LinesView,
    ManifestAccepted,
    ManifestRecordMessage,
    ManifestView,
    ProblemView,
    PromiseView,
    RecordView,
    ReleaseView,
    time_of,
    to_hex,
)
from ledger.rows.custody import decode_custody
from ledger.store import Session

_ROLE_NAMES: dict[Role, Literal["TRADER", "OFFICER", "AUDITOR", "SEQUENCER"]] = {
    Role.TRADER: "TRADER",
    Role.OFFICER: "OFFICER",
    Role.AUDITOR: "AUDITOR",
    Role.SEQUENCER: "SEQUENCER",
}

_TEXT_CHARACTERS = 200  # of a reason or procedure in a sentence; the document has all of it

__all__ = ["party_text", "time_text"]  # said in the errors of `ledger.ledger` too


def manifest_accepted(row: Any, state: ManifestState, administration: bytes) -> ManifestAccepted:
    """The answer to an accepted manifest record."""
    # Validated as one: that takes half as long as to construct the parts, and it is done for every record of a batch.
    return ManifestAccepted.model_validate(
        {
            "id": None if row.manifest_id is None else to_hex(row.manifest_id),
            "digest": to_hex(row.digest),
            "index": row.log_index,
            "state": state,
            "promise": _promise(row, administration),
        }
    )


def promise(row: Any, administration: bytes) -> PromiseView:
    """What the sequencer signed when the record was accepted."""
    return PromiseView.model_validate(_promise(row, administration))


def _promise(row: Any, administration: bytes) -> dict[str, Any]:
    return {
        "administration": party_text(administration),
        "epoch": row.promise_epoch,
        "index": row.promise_index,
        "leaf_hash": to_hex(records.leaf_hash(row.leaf)),
        "seen": row.seen,
        "anchor_by": row.anchor_by,
        "signer": checksummed(row.promise_signer),
        "signature": to_hex(row.promise_signature),
    }


def manifest(
    row: Any,
    *,
    administration: bytes,
    state: ManifestState,
    head: Any | None,
    closure: Any | None,
    known: Any | None,
    content: Any | None,
    is_erased: bool,
) -> ManifestView:
    """A manifest record with what became of it."""
    record, signature = records.decode_leaf(row.leaf)
    shown: ManifestView = ManifestView(
        id=None if row.manifest_id is None else to_hex(row.manifest_id),
        digest=to_hex(row.digest),
        record=ManifestRecordMessage.of(record),
        signature=to_hex(signature),
        signer=checksummed(row.signer),
        party=party_text(row.party),
        epoch=row.epoch,
        index=row.log_index,
        leaf_hash=to_hex(records.leaf_hash(row.leaf)),
        state=state,
        content="erased" if is_erased else "seen" if row.seen else "unseen",
        anchor=None if head is None else _anchor(head),
        closure=None if closure is None else _closure(closure),
        problem=problem(row),
        promise=promise(row, administration),
        reference=None if known is None else known.reference,
        document=None if content is None else orjson.loads(content.document),
    )
    return shown


def erasure(row: Any, erased: Any, is_key_kept: bool) -> ErasureView:
    """That a manifest's content is erased, and who asked for it."""
    return ErasureView(
        id=to_hex(row.manifest_id),
        digest=to_hex(row.digest),
        content="erased",
        erased_at=time_of(erased.erased_at),
        signer=checksummed(erased.signer),
        consignment_key="kept" if is_key_kept else "erased",
    )


def _anchor(head: Any) -> AnchorView:
    return AnchorView(
        size=head.size,
        root=to_hex(head.root),
        block=head.block_number,
        transaction=to_hex(head.transaction_hash),
        anchored_at=time_of(head.anchored_at),
    )


def _closure(closure: Any) -> ClosureView:
    return ClosureView(
        kind="AMEND" if closure.kind == ManifestKind.AMEND else "WITHDRAW",
        reason=closure.reason,
        time=time_of(closure.closed_at),
        successor=None if closure.successor is None else to_hex(closure.successor),
        signer=checksummed(closure.signer),
    )


def closed_sentence(manifest_id: bytes, closure: Any) -> str:
    """Say that a manifest is closed, and what took its place."""
    when = time_text(closure.closed_at)
    if closure.successor is None:
        return f"Manifest {to_hex(manifest_id)} was withdrawn at {when}: lodge a new one."
    return (
        f"Manifest {to_hex(manifest_id)} was amended at {when}: its successor is {to_hex(closure.successor)}."
    )


def inclusion(row: Any, head: Any, path: list[bytes], administration: bytes) -> InclusionProofView:
    """A record's place in the log, with the path to an anchored head."""
    record, signature = records.decode_leaf(row.leaf)
    return InclusionProofView(
        id=None if row.manifest_id is None else to_hex(row.manifest_id),
        administration=party_text(administration),
        epoch=row.epoch,
        index=row.log_index,
        size=head.size,
        root=to_hex(head.root),
        path=[to_hex(node) for node in path],
        record=ManifestRecordMessage.of(record),
        signature=to_hex(signature),
        leaf_hash=to_hex(records.leaf_hash(row.leaf)),
        anchored_at=time_of(head.anchored_at),
        block=head.block_number,
        transaction=to_hex(head.transaction_hash),
    )


# --- consignments


def consignment(session: Session, read: History, consignment_id: bytes, ours: Party) -> ConsignmentView:
    """A consignment's state, as of the indexed block; lines count what waits here."""
    cursor = session.cursor()
    as_of = AsOf(
        block=0 if cursor is None else cursor.number,
        hash=to_hex(bytes(32) if cursor is None else cursor.hash),
        time=time_of(0 if cursor is None else cursor.timestamp),
    )
    known = session.known_consignment(consignment_id)
    ahead = read.ahead.state(consignment_id) if consignment_id in read.ahead else None
    lines = LinesView(
        custody=to_hex(ahead.custody_line if ahead else bytes(32)),
        accounts={
            checksummed(address): to_hex(line)
            for address, line in (ahead.account_lines if ahead else {}).items()
        },
    )
    # Before the chain has taken the OPEN there is no state but the one that waits; its trail is still null.
    on_chain = consignment_id in read.custody
    custody = read.custody if on_chain else read.ahead
    state = custody.state(consignment_id, read.documents)
    opening = custody.steps(consignment_id)[0].record
    manifest_id = current_manifest(session, opening.party, consignment_id, opening.details)
    known_ids = _standing_manifests(session, consignment_id, manifest_id)
    allowed = any(
        release.party[:8] == ours.administration_bytes
        and release.manifest in known_ids
        and custody.may_go(consignment_id, ours.administration_bytes, release.manifest)
        for release in state.releases
    )
    held_around = _held_around(custody, state, ours.administration_bytes)
    holds = [
        HoldView(
            party=party_text(hold.party),
            record=to_hex(hold.record),
            at=time_of(hold.at),
            reason=_text(read.documents.get(hold.record), "reason"),
        )
        for hold in state.holds
    ]
    releases = [
        ReleaseView(
            party=party_text(release.party),
            procedure=_text(read.documents.get(release.record), "procedure"),
            manifest=to_hex(release.manifest),
            record=to_hex(release.record),
            at=time_of(release.at),
        )
        for release in state.releases
    ]
    return ConsignmentView(
        id=to_hex(consignment_id),
        reference=None if known is None else known.reference,
        trail=to_hex(state.trail if on_chain else bytes(32)),
        records=state.records if on_chain else 0,
        opener=party_text(opening.party),
        manifest=None if manifest_id is None else to_hex(manifest_id),
        custodian=None if state.custodian is None else party_text(state.custodian),
        offered_to=None if state.offered_to is None else party_text(state.offered_to),
        inside=None if state.inside is None else to_hex(state.inside),
        contents=[to_hex(each) for each in state.contents],
        holds=holds,
        releases=releases,
        closed=state.closed,
        may_go=allowed,
        summary=_summary(state, holds, releases, allowed, held_around, ours, on_chain),
        findings=[
            FindingView(kind=str(finding.kind), record=to_hex(finding.record), message=finding.sentence)
            for finding in state.findings
        ]
        + _damaged(read, custody, consignment_id),
        lines=lines,
        as_of=as_of,
    )


def _damaged(read: History, custody: Custody, consignment_id: bytes) -> list[FindingView]:
    """What is kept of a consignment's records and can't be read: said, so that nobody takes it for nothing."""
    return [
        FindingView(
            kind="details-damaged",
            record=to_hex(step.digest),
            message=f"What this service kept of the details of the {kind_name(step.record.kind)} of "
            f"{time_text(step.accepted_at)} is damaged and not shown; they are to be restored from a backup.",
        )
        for step in custody.steps(consignment_id)
        if step.digest in read.damaged
    ]


def _standing_manifests(session: Session, consignment_id: bytes, current: bytes | None) -> set[bytes]:
    """The manifests that a release may name to count: of the consignment, known here, and not closed."""
    known = {row.manifest_id for row in session.manifests_of(consignment_id) if row.manifest_id is not None}
    known |= {row.manifest_id for row in session.accompanying_of(consignment_id)}
    standing = {manifest_id for manifest_id in known if session.closure(manifest_id) is None}
    return standing if current is None else standing | {current}


def current_manifest(session: Session, party: bytes, consignment_id: bytes, root: bytes) -> bytes | None:
    """Follow the closures from the manifest that OPEN names; None when the last one was withdrawn."""
    at: bytes | None = records.manifest_id(party, consignment_id, root)
    seen = set()
    while at is not None and at not in seen:
        seen.add(at)
        closure = session.closure(at)
        if closure is None:
            return at
        at = closure.successor
    return None


def _held_around(custody: Custody, state: ConsignmentState, administration: bytes) -> bool:
    """Whether the administration holds something that this is in, or something in it, at any depth."""
    above = state.inside
    while above is not None:
        if custody.open_holds(above, administration):
            return True
        above = custody.parent(above)
    below = list(state.contents)
    while below:
        at = below.pop()
        if custody.open_holds(at, administration):
            return True
        below += custody.contents(at)
    return False


def _summary(
    state: ConsignmentState,
    holds: list[HoldView],
    releases: list[ReleaseView],
    may_go: bool,
    held_around: bool,
    ours: Party,
    on_chain: bool,
) -> str:
    said = []
    if not on_chain:
        said.append("On its way to the chain, not yet taken.")
    if state.closed:
        said.append("Closed: in nobody's charge.")
    else:
        said.append(
            f"In the charge of {'nobody' if state.custodian is None else party_text(state.custodian)}."
        )
    if state.offered_to is not None:
        said.append(f"Offered to {party_text(state.offered_to)}, not accepted yet.")
    if state.inside is not None:
        said.append(f"Inside consignment {_short(state.inside)}.")
    if state.contents:
        said.append(f"{len(state.contents)} consignment{'s' if len(state.contents) != 1 else ''} inside.")
    for hold in holds:
        reason = quoted(hold.reason or "", _TEXT_CHARACTERS)
        said.append(f"On hold by {hold.party} since {hold.at:%Y-%m-%d %H:%M} UTC{reason and f': {reason}'}.")
    for release in releases:
        procedure = quoted(release.procedure or "", _TEXT_CHARACTERS) or "a procedure not disclosed here"
        said.append(f"Released for {procedure} by {release.party} on {release.at:%Y-%m-%d %H:%M} UTC.")
    if may_go:
        said.append(f"May go, as far as {ours.administration} is concerned.")
    else:
        ours_hold = any(hold.party.partition(":")[0] == ours.administration for hold in holds)
        ours_release = any(release.party == ours.administration for release in releases)
        why = (
            "it is on hold"
            if ours_hold
            else "something it is in, or that is in it, is on hold"
            if held_around
            else "its release names a manifest that is not current, or not known here"
            if ours_release
            else f"{ours.administration} has not released it"
        )
        said.append(f"May not go: {why}.")
    return " ".join(said)


def _short(digest: bytes) -> str:
    return f"0x{digest.hex()[:8]}…"


def _text(document: Mapping[str, object] | None, name: str) -> str | None:
    value = None if document is None else document.get(name)
    parts = value.values() if isinstance(value, dict) else [value]
    texts = (_printable(part) for part in parts if isinstance(part, str))
    return ", ".join(text for text in texts if text)[:_TEXT_CHARACTERS] or None


def _printable(text: str) -> str:
    """One line without control characters: it stands in a sentence, and on an officer's terminal."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())


def chain_record(row: Any, is_final: bool, content: Any | None) -> RecordView:
    """A record as the chain took it."""
    record = decode_custody(row.body)
    return RecordView(
        digest=to_hex(row.digest),
        kind=kind_name(record.kind),
        record=CustodyRecordMessage.of(record),
        signature=to_hex(row.signature),
        signer=checksummed(row.signer),
        party=party_text(record.party),
        state="final" if is_final else "recorded",
        sequence=row.sequence,
        accepted_at=time_of(row.accepted_at),
        observed_at=_printable_time(record.observed_at),
        block=row.block_number,
        transaction=to_hex(row.transaction_hash),
        document=None
        if content is None or record.kind == CustodyKind.OPEN
        else orjson.loads(content.document),
    )


def accepted_record(row: Any, state: RecordState, content: Any | None) -> RecordView:
    """A record that was accepted here and is not on chain."""
    record = decode_custody(row.body)
    return RecordView(
        digest=to_hex(row.digest),
        kind=kind_name(record.kind),
        record=CustodyRecordMessage.of(record),
        signature=to_hex(row.signature),
        signer=checksummed(row.signer),
        party=party_text(record.party),
        state=state,
        sequence=None,
        accepted_at=None,
        observed_at=_printable_time(record.observed_at),
        block=None,
        transaction=None if row.transaction_hash is None else to_hex(row.transaction_hash),
        document=None
        if content is None or record.kind == CustodyKind.OPEN
        else orjson.loads(content.document),
        problem=problem(row),
    )


def problem(row: Any) -> ProblemView | None:
    """Why the chain refused what a row holds."""
    return None if row.problem is None else ProblemView.model_validate(json.loads(row.problem))


def _printable_time(seconds: int) -> Any:
    return time_of(min(seconds, 253_402_300_799))  # 9999-12-31: a claim can name any second


# --- search terms


def disclosed_terms(disclosure: Disclosure) -> list[tuple[str, str]]:
    """Container and seal numbers among disclosed fields."""
    found = []
    for field in disclosure.fields:
        parts = field.pointer.split("/")[1:]
        if not isinstance(field.value, str) or not parts or parts[0] not in ("containers", "seals", "seal"):
            continue
        is_seal = parts[0] != "containers" or "seals" in parts
        if is_seal or parts[-1] == "number" or len(parts) == 2:
            found.append(("seal" if is_seal else "container", field.value.upper()))
    return found


# --- log and registry


def head(row: Any, administration: str) -> HeadView:
    """An anchored head."""
    return HeadView(
        administration=administration,
        epoch=row.epoch,
        size=row.size,
        root=to_hex(row.root),
        anchored_at=time_of(row.anchored_at),
        block=row.block_number,
    )


def consistency(first: Any, second: Any, path: list[bytes], administration: str) -> ConsistencyView:
    """That one head extends the other."""
    return ConsistencyView(
        administration=administration,
        epoch=second.epoch,
        first_size=first.size,
        first_root=to_hex(first.root),
        second_size=second.size,
        second_root=to_hex(second.root),
        path=[to_hex(node) for node in path],
    )


def administration(member: Member, newest: Any | None) -> AdministrationView:
    """An administration with its log's size."""
    return AdministrationView(
        administration=party_text(member.code),
        governor=member.governor,
        active=member.active,
        epoch=1 if newest is None else newest.epoch,
        log_size=0 if newest is None else newest.size,
    )


def account(enrolled: EnrolledAccount) -> AccountView:
    """An account."""
    return AccountView(
        address=enrolled.address,
        party=party_text(enrolled.party),
        roles=[_ROLE_NAMES[role] for role in Role if enrolled.roles & role],
        valid_until=_printable_time(enrolled.valid_until),
        revoked_from=time_of(enrolled.revoked_from) if enrolled.revoked_at else None,
        revoked_at=time_of(enrolled.revoked_at) if enrolled.revoked_at else None,
    )


def event(row: Any) -> EventView:
    """An event of the feed."""
    return EventView(
        id=row.id,
        kind=row.kind,
        time=time_of(row.at),
        administration=None
        if row.administration is None
        else party_text(row.administration.ljust(16, b"\0")),
        party=None if row.party is None else party_text(row.party),
        consignment=None if row.consignment is None else to_hex(row.consignment),
        second=None if row.second is None else to_hex(row.second),
        reverts=row.reverts,
        facts=json.loads(row.facts),
    )
