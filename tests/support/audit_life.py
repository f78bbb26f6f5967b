"""A short life of two consignments for the auditor: opened, held, released, amended, handed over, one put in the other."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ledger_at_work import AtWork, Manifest

from ledger.audit.node import NodeSource
from ledger.audit.replay import Settings, replay
from ledger.audit.result import Replayed
from ledger.chain import Chain
from ledger.config import ChainProfile
from ledger.core.identifiers import Party
from ledger.core.records import CustodyKind as K
from ledger.core.trust import Trust
from ledger.exporting import trust_of


def party(text: str) -> bytes:
    return Party.parse(text).to_bytes()


def trust_for(profile: ChainProfile) -> Trust:
    with contextlib.closing(Chain(profile)) as chain:
        return trust_of(chain, "SG", old_seconds=3600, expires_at=int(time.time()) + 3600)


@contextlib.contextmanager
def replayed(
    profile: ChainProfile, trust: Trust, folder: Path | None = None, **settings: Any
) -> Iterator[Replayed]:
    with (
        contextlib.closing(NodeSource(Chain(profile))) as source,
        replay(source, Settings(trust, folder, **settings)) as result,
    ):
        yield result


def live(desk: AtWork) -> tuple[Manifest, Manifest]:
    """Eight custody records, three leaves, one closure; the box, and the container that it is in."""
    box, container = desk.opened(), desk.opened()
    desk.settle()
    hold = desk.recorded(K.HOLD, "officer", box.consignment)
    desk.settle()
    desk.recorded(K.LIFT, "officer", box.consignment, subject=hold)
    desk.recorded(K.RELEASE, "officer", box.consignment, subject=box.id)
    desk.recorded(K.CONSOLIDATE, "exporter", box.consignment, subject=container.consignment)
    desk.settle()
    desk.recorded(K.OFFER, "exporter", container.consignment, counterpart=party("SG:CARR01"))
    desk.settle()
    offer: Any = desk.ledger.consignment(container.consignment).lines.custody
    desk.recorded(K.ACCEPT, "carrier", container.consignment, subject=bytes.fromhex(offer[2:]))
    desk.ledger.lodge(desk.amendment(box).submission)
    desk.settle()
    return box, container
