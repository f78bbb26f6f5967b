"""What is told to others: the rows of the feed, made of what was accepted, refused, taken by the chain, and final.

An event says that something happened to which record, and where to look; it holds no document, trade reference or key.
Its kind is two words with a full stop: a filter on `custody` takes every `custody.…`, one on `custody.hold` its reversal
`custody.hold.reverted` too. Who may see which event is for the reader of the feed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ledger.core.records import CustodyKind, CustodyRecord, ManifestKind

REVERTED = ".reverted"  # what the kind of an event that takes another back ends with

#: What the kinds of the feed are called, by the event of a contract; a custody record is `custody.` and its kind.
OF_CONTRACTS = {
    "AdministrationAdmitted": "administration.admitted",
    "AdministrationSuspended": "administration.suspended",
    "AdministrationReinstated": "administration.reinstated",
    "GovernorReplaced": "governor.replaced",
    "GovernorSeatOffered": "governor.seat-offered",
    "GovernorSeatAccepted": "governor.seat-accepted",
    "MotionProposed": "motion.proposed",
    "MotionApproved": "motion.approved",
    "MotionCarried": "motion.carried",
    "AccountEnrolled": "account.enrolled",
    "AccountValidityRaised": "account.validity-raised",
    "AccountRevoked": "account.revoked",
    "HeadAnchored": "head.anchored",
    "LogRestarted": "log.restarted",
    "ManifestClosed": "manifest.closed",
}
CUSTODY = {kind: f"custody.{kind.name.lower()}" for kind in CustodyKind}
#: Every kind there is; each but the accepted and the final ones of records can be taken back.
KINDS = (
    "manifest.accepted",
    "manifest.anchored",
    "manifest.final",
    "manifest.refused",
    "record.accepted",
    "record.refused",
    "record.final",
    *OF_CONTRACTS.values(),
    *CUSTODY.values(),
)
#: What becomes final once its block has its confirmations, and how that is told.
FINAL = {"manifest.anchored": "manifest.final"} | dict.fromkeys(CUSTODY.values(), "record.final")

Row = dict[str, Any]
_WORD = re.compile(r"(?<!^)([A-Z])")


def of_manifest(kind: str, row: Any, at: int, block: int | None = None, **facts: Any) -> Row:
    """An event about a manifest record of this log, from its row."""
    record_kind = ManifestKind.LODGE
    if row.manifest_id is None:
        record_kind = ManifestKind.WITHDRAW
    elif row.supersedes is not None:
        record_kind = ManifestKind.AMEND
    return _row(
        kind,
        at,
        party=row.party,
        consignment=row.consignment,
        subject=row.digest,
        block=block,
        facts={"digest": row.digest, "manifest": row.manifest_id, "record_kind": record_kind.name} | facts,
    )


def of_custody(
    kind: str,
    record: CustodyRecord,
    digest: bytes,
    at: int,
    second: bytes | None,
    block: int | None = None,
    **facts: Any,
) -> Row:
    """An event about a custody record."""
    return _row(
        kind,
        at,
        party=record.party,
        consignment=record.consignment,
        second=second,
        subject=digest,
        block=block,
        facts={"digest": digest, "record_kind": CustodyKind(record.kind).name} | facts,
    )


def of_contract(name: str, values: Mapping[str, Any], at: int, block: int, transaction: bytes) -> Row | None:
    """An event of the registry or the log, from the chain's; None if this version tells nothing of such a one."""
    kind = OF_CONTRACTS.get(name)
    if kind is None:
        return None
    facts = {
        _WORD.sub(r"_\1", argument).lower(): value
        for argument, value in values.items()
        if argument not in ("record", "signature")
    }
    row = _row(kind, at, subject=b"", block=block, facts=facts | {"transaction": transaction})
    if name == "ManifestClosed":
        record = values["record"]
        row["party"], row["consignment"] = bytes(record["party"]), bytes(record["consignment"])
        row["administration"], row["subject"] = row["party"][:8], bytes(values["digest"])
        row["facts"] |= {"record_kind": ManifestKind(record["kind"]).name, "reason": record["reason"]}
        return row
    if "party" in values:
        row["party"] = bytes(values["party"])
        row["administration"] = row["party"][:8]
    if "administration" in values:
        row["administration"] = bytes(values["administration"])
    about = values.get("account") or values.get("proposal") or values["administration"]
    row["subject"] = bytes.fromhex(about[2:]) if isinstance(about, str) else bytes(about)
    return row


def final(row: Any, facts: Mapping[str, Any], at: int) -> Row:
    """That what an event told is final; it goes with the block that carries it."""
    return _row(
        FINAL[row.kind],
        at,
        party=row.party,
        consignment=row.consignment,
        second=row.second,
        subject=row.subject,
        block=row.block_number,
        facts=facts,
    )


def _row(
    kind: str,
    at: int,
    *,
    subject: bytes,
    facts: Mapping[str, Any],
    party: bytes | None = None,
    consignment: bytes | None = None,
    second: bytes | None = None,
    block: int | None = None,
) -> Row:
    return {
        "kind": kind,
        "at": at,
        "administration": None if party is None else party[:8],
        "party": party,
        "consignment": consignment,
        "second": second,
        "subject": subject,
        "facts": dict(facts) | ({} if block is None else {"block": block}),
        "block_number": block,
    }
