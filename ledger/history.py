"""One consignment's history from the store: its records and those of everything it was ever connected with, replayed.

What the chain took is applied as the chain took it; what waits here is judged on top, so that a line's next digest and
an early refusal count what is on its way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from ledger.core.custody import Custody, Standing
from ledger.core.records import CustodyKind, CustodyRecord, manifest_id
from ledger.errors import ChainViolation, RecordRefused
from ledger.membership import Membership
from ledger.rows.custody import decode_custody
from ledger.store import Session


@dataclass(slots=True)
class History:
    """A consignment with its connected ones.

    Attributes:
        custody: As the chain has it.
        ahead: The same with what waits here taken in.
        rows: The chain's rows, by digest.
        documents: Details documents that are kept here, by record digest; of an OPEN its manifest.
        damaged: Records whose details are kept here and do not open.
        consignments: All that were replayed: those asked for and whatever is connected with them, opened or not.
    """

    custody: Custody = field(default_factory=Custody)
    ahead: Custody = field(default_factory=Custody)
    rows: dict[bytes, Any] = field(default_factory=dict)
    documents: dict[bytes, dict[str, object]] = field(default_factory=dict)
    damaged: set[bytes] = field(default_factory=set)
    consignments: set[bytes] = field(default_factory=set)


def standing(membership: Membership, signer: bytes) -> Standing | None:
    """What the registry says of a signer now; None if it was never enrolled."""
    account = membership.account(signer)
    if account is None:
        return None
    return Standing(
        party=account.party,
        roles=account.roles,
        valid_until=account.valid_until,
        revoked_from=account.revoked_from,
        revoked_at=account.revoked_at,
        administration_active=membership.is_active(account.party[:8]),
    )


def read(session: Session, membership: Membership, consignments: list[bytes], time: int) -> History:
    """Replay consignments and whatever is connected with them.

    Args:
        session: The store.
        membership: The registry as indexed.
        consignments: Ids, 32 bytes each.
        time: Now, Unix seconds: the time at which what waits is judged.

    Raises:
        ChainViolation: The chain's records do not obey the rules: the index or the node is not to be believed.
    """
    history = History()
    on_chain, waiting, history.consignments = _connected(session, consignments)
    decoded = [(row, decode_custody(row.body)) for row in on_chain]
    sources = _sources(session, decoded)
    documents, damaged = session.contents(sources.values())
    for row, record in decoded:
        history.rows[row.digest] = row
        for custody in (history.custody, history.ahead):
            _apply(custody, record, row, membership)
        source = sources[row.digest]
        if source in documents:
            history.documents[row.digest] = orjson.loads(documents[source])
        if source in damaged:
            history.damaged.add(row.digest)
    for row in waiting:
        record = decode_custody(row.body)
        history.ahead.append(record, row.digest, row.signer, standing(membership, row.signer), time)
    return history


def _sources(session: Session, decoded: list[tuple[Any, CustodyRecord]]) -> dict[bytes, bytes]:
    """By which record's digest the details of each record are kept: its own, or that of the manifest that it opens."""
    opened = {
        row.digest: manifest_id(record.party, record.consignment, record.details)
        for row, record in decoded
        if record.kind == CustodyKind.OPEN
    }
    manifests = session.records_of_manifests(sorted(set(opened.values())))
    return {row.digest: manifests.get(opened.get(row.digest, b""), row.digest) for row, _ in decoded}


def _apply(custody: Custody, record: CustodyRecord, row: Any, membership: Membership) -> None:
    then = standing(membership, row.signer)
    if then is not None and not then.administration_active:
        then = Standing(then.party, then.roles, then.valid_until, then.revoked_from, then.revoked_at, True)
    try:
        custody.apply(record, row.digest, row.signer, then, row.accepted_at)
    except RecordRefused as error:
        raise ChainViolation(
            f"Record {row.sequence} of the chain breaks the custody rules ({error.refusal.name}): what the node "
            "answered is not what the contract took. Nothing is shown of this consignment; use another node."
        ) from None


def _connected(session: Session, consignments: list[bytes]) -> tuple[list[Any], list[Any], set[bytes]]:
    """The rows of all that is connected, each read once: from the consignments asked for outwards."""
    known: set[bytes] = set()
    new = set(consignments)
    on_chain: dict[int, Any] = {}
    waiting: dict[int, Any] = {}
    while new:
        known |= new
        rows = session.chain_custody_of(sorted(new))
        on_chain.update((row.sequence, row) for row in rows)
        found = {row.consignment for row in rows} | {row.other for row in rows if row.other}
        ahead = session.unfinished_custody(sorted(new))
        waiting.update((row.position, row) for row in ahead)
        found |= {row.consignment for row in ahead} | {row.second for row in ahead if row.second}
        new = found - known
    return (
        [row for _, row in sorted(on_chain.items())],
        [row for _, row in sorted(waiting.items())],
        known,
    )
