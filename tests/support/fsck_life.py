"""A life that fills every table, and a database of it that tests damage: for `audit fsck`.

Two consignments as in `audit_life`, then a hold with its reason and one with a seal, a record that the chain refused, an
accompanying file that was loaded, a manifest that was erased, one that was withdrawn, one that waits.
"""

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import audit_life
from audit_life import party
from ledger_at_work import AtWork

from ledger import tables as t
from ledger.chain import custody_tuple
from ledger.core import signatures
from ledger.core.records import CustodyKind as K
from ledger.core.records import Erasure
from ledger.store import Session


def live(desk: AtWork) -> dict[str, Any]:
    """Live it, to the last block; what tests speak of, by name."""
    box, container = audit_life.live(desk)
    third = desk.opened()
    desk.settle()
    held = desk.recorded(
        K.HOLD, "officer", third.consignment, document={"reason": "Papers", "seal": "SEAL-9"}
    )
    desk.recorded(
        K.ARRIVAL, "officer", third.consignment, document={"place": "SGSIN", "containers": ["HLXU1234560"]}
    )
    desk.settle()
    refused = _overtaken(desk, third.consignment)
    erased = desk.lodged()
    withdrawn = desk.lodged()
    desk.settle()
    desk.ledger.lodge(desk.amendment(withdrawn, kind=3).submission)
    issued_at = int(time.time())
    digest = Erasure(erased.id, issued_at).digest(desk.profile.log_domain)
    desk.ledger.erase(erased.id, issued_at, signatures.sign(digest, desk.network.keys["exporter"]))
    desk.settle()
    desk.ledger.load_accompanying(desk.ledger.accompanying_file(third.consignment))
    desk.anvil.mine(desk.profile.confirmations + 2)
    desk.settle()
    waiting = desk.recorded(K.REMARK, "officer", third.consignment)
    unlogged = desk.lodged()
    return {
        "box": box,
        "container": container,
        "third": third,
        "held": held,
        "refused": refused,
        "erased": erased,
        "withdrawn": withdrawn,
        "waiting": waiting,
        "unlogged": unlogged,
    }


def _overtaken(desk: AtWork, consignment: bytes) -> bytes:
    """An offer that is accepted here, and refused by the chain, since another of its author's came first."""
    digest = desk.recorded(K.OFFER, "exporter", consignment, counterpart=party("SG:CARR01"))
    first, signature = desk.custody(
        K.OFFER, "exporter", consignment, counterpart=party("NL:IMPO01"), previous=bytes(32)
    )
    desk.send("ConsignmentLedger", "append", [custody_tuple(first)], [signature])
    desk.settle()
    return digest


def copied(database: Path, to: Path) -> Path:
    """A copy of a database that is not at work."""
    return Path(shutil.copy(database, to))


def set_back(database: Path, to: Path) -> None:
    """Make an open database as another one is."""
    with closing(sqlite3.connect(database)) as whole, closing(sqlite3.connect(to)) as damaged:
        damaged.execute("PRAGMA synchronous=OFF")
        whole.backup(damaged)


def everything(session: Session) -> dict[str, list[Any]]:
    """Every row of every table, to be compared."""
    return {
        table.name: [tuple(row) for row in session.every(table, *table.primary_key.columns)]
        for table in t.METADATA.sorted_tables
    }


def found_by(outcome, kind, where, part):
    """Whether a look found something of a kind in a place, and names this part of its id or of what is said."""
    return any(
        (each.kind, each.where) == (kind, where) and (part in each.id or part in each.what)
        for each in outcome.found
    )


def told(outcome):
    """What a look found, a line each."""
    return "\n".join(f"{each.kind} {each.where} {each.id}: {each.what}" for each in outcome.found)
