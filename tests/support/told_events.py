"""A feed without a chain: events told as the ledger tells them, for tests of those who follow it."""

import time
from typing import Any

from ledger.core.records import Role
from ledger.delivering import Delivering
from ledger.membership import Membership
from ledger.reading import Reader, Rights
from ledger.receivers import Network
from ledger.store import Store
from ledger.webhooks import Webhooks

CUSTOMS = b"SG".ljust(16, b"\0")
OFFICER = Reader("0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A", CUSTOMS, Role.OFFICER)


def row(kind: str = "custody.arrival", **changes: Any) -> dict[str, Any]:
    """An event of the feed, without its id."""
    return {
        "kind": kind,
        "at": 1_790_000_000,
        "administration": b"SG".ljust(8, b"\0"),
        "party": b"SG:ACME01".ljust(16, b"\0"),
        "consignment": None,
        "second": None,
        "subject": bytes(32),
        "facts": {},
        "block_number": None,
    } | changes


def tell(store: Store, *rows: dict[str, Any]) -> int:
    """Tell events; the id of the last."""
    with store.write() as session:
        session.tell(rows)
        return session.last_told()


def webhooks_of(store: Store, listed: tuple[Network, ...]) -> Webhooks:
    return Webhooks(store, lambda reader: listed, lambda: int(time.time()))


def delivering(
    store: Store, listed: tuple[Network, ...], reader: Reader | None = OFFICER, **options: Any
) -> Delivering:
    """What sends, for one reader that sees all."""
    return Delivering(
        store,
        lambda session, address: reader,
        lambda session, who: Rights(session, Membership(), who, int(time.time())),
        lambda who: listed,
        **options,
    )
