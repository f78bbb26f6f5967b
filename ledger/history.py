"""One consignment's history from the store: its records and those of everything it was ever connected with, replayed.

What the chain took is applied as the chain took it; what waits here is judged on top, so that a line's next digest and
an early refusal count what is on its way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from ledger.core.custody import Custody, Standing
from ledger.core.records import CustodyRecord
from ledger.errors import ChainViolation, RecordRefused
from ledger.membership import Membership
from ledger.store import Session, decode_custody


@dataclass(slots=True)
class History:
    """A consignment with its connected ones.

    Attributes:
        custody: As the chain has it.
        ahead: The same with what waits here taken in.
        rows: The chain's rows, by digest.
        documents: Details documents that are kept here, by record digest.
    """

    custody: Custody = field(default_factory=Custody)
    ahead: Custody = field(default_factory=Custody)
    rows: dict[bytes, Any] = field(default_factory=dict)
    documents: dict[bytes, dict[str, object]] = field(default_factory=dict)


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
    on_chain, waiting = _connected(session, consignments)
    for row in on_chain:
        history.rows[row.digest] = row
        record = decode_custody(row.body)
        for custody in (history.custody, history.ahead):
            _apply(custody, record, row, membership)
        content = session.content(record.details)
        if content is not None:
            history.documents[row.digest] = orjson.loads(content.document)
    for row in waiting:
        record = decode_custody(row.body)
        history.ahead.append(record, row.digest, row.signer, standing(membership, row.signer), time)
    return history


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


def _connected(session: Session, consignments: list[bytes]) -> tuple[list[Any], list[Any]]:
    known = set(consignments)
    while True:
        on_chain = session.chain_custody_of(sorted(known))
        waiting = session.unfinished_custody(sorted(known))
        found = {row.consignment for row in on_chain} | {row.other for row in on_chain if row.other}
        found |= {row.consignment for row in waiting} | {row.second for row in waiting if row.second}
        if found <= known:
            return list(on_chain), list(waiting)
        known |= found
