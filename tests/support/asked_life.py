"""A life with known answers for an auditor's questions: what is in it is said once, in `Life`."""

import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from audit_life import party
from ledger_at_work import AtWork, Manifest, manifest_document

from ledger.core.records import CustodyKind as K
from ledger.core.records import Role
from ledger.core.signatures import account_of
from ledger.errors import LedgerError
from ledger.messages import from_hex

DAY = 86_400


@dataclass
class Life:
    """What was done, in this order; times are those of the blocks.

    Attributes:
        box: Opened by SG:ACME01 with container CSQU3054383; held by the inspector's SG, left SGSIN while held, came to NLRTM;
            the hold lifted and the box released by the officer who is compromised then; amended after it had left; put
            into `crate`, which went to SG:CARR01.
        other: Opened by SG:ACME01 with the same container, closed before `late` was opened with it;
            a remark on it came two days late.
        late: Opened with the same container when `other` was closed and `box` was not.
        crate: What the box was put into.
        inspector: The account that placed the hold, never revoked.
        officer: The account that is revoked at the end, from `compromised` on.
        digests: Of the records, by name.
        times: Of their blocks, by name.
        papers: What an auditor may hold, by name: documents with their secrets.
    """

    desk: AtWork
    box: Manifest
    other: Manifest
    late: Manifest
    crate: Manifest
    amended: Manifest
    inspector: str
    officer: str
    compromised: int
    digests: dict[str, bytes] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)
    papers: dict[str, dict[str, Any]] = field(default_factory=dict)


class _Author:
    def __init__(self, desk: AtWork) -> None:
        self.desk = desk
        self.digests: dict[str, bytes] = {}
        self.times: dict[str, int] = {}
        self.papers: dict[str, dict[str, Any]] = {}

    def pass_time(self, seconds: int = 60) -> int:
        """Let a minute go by on the chain; the time of its newest block."""
        self.desk.settle()
        self.desk.anvil.ask("evm_increaseTime", hex(seconds))
        self.desk.anvil.mine()
        return int(self.desk.anvil.ask("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def record(
        self, name: str, kind: K, role: str, consignment: bytes, document: Any = None, **changes: Any
    ) -> bytes:
        submission = self.desk.step(kind, role, consignment, document, **changes)
        answer = self.desk.ledger.record([submission])[0]
        if isinstance(answer, LedgerError):
            raise answer
        if document is not None:
            self.papers[name] = {"document": document, "secret": submission.secret}
        digest = self.digests[name] = from_hex(answer[0].digest)
        self.desk.settle()
        with self.desk.ledger._store.read() as session:
            self.times[name] = session.chain_custody_by_digest(digest).accepted_at
        self.pass_time()
        return digest

    def opened(self, name: str, **changes: Any) -> Manifest:
        manifest = self.desk.opened(**changes)
        self.desk.settle()
        with self.desk.ledger._store.read() as session:
            row = session.opening_of(manifest.consignment)
        self.digests[name], self.times[name] = row.digest, row.accepted_at
        self.papers[name] = {"document": manifest.document, "secret": manifest.submission.secret}
        self.pass_time()
        return manifest


def live(desk: AtWork) -> Life:
    """Live it; about fifty blocks."""
    author = _Author(desk)
    inspector = secrets.token_bytes(32)
    desk.network.enrol(inspector, "SG", Role.OFFICER)
    desk.settle()
    as_inspector = {"party": "SG", "signing_key": inspector}
    box = author.opened("open box")
    other = author.opened("open other")
    crate = author.opened(
        "open crate", document=manifest_document("ucr:6SGCRATE", containers=[]), reference="ucr:6SGCRATE"
    )
    hold = author.record(
        "hold",
        K.HOLD,
        "officer",
        box.consignment,
        {"schema": "cargo-hold/1", "reason": "X-ray"},
        **as_inspector,
    )
    author.record(
        "departure", K.DEPARTURE, "exporter", box.consignment, {"schema": "cargo-passage/1", "place": "SGSIN"}
    )
    author.record(
        "arrival", K.ARRIVAL, "exporter", box.consignment, {"schema": "cargo-passage/1", "place": "NLRTM"}
    )
    compromised = author.pass_time()
    author.record("lift", K.LIFT, "officer", box.consignment, subject=hold)
    author.record(
        "release",
        K.RELEASE,
        "officer",
        box.consignment,
        {"schema": "cargo-release/1", "procedure": "export"},
        subject=box.id,
    )
    goods = [{"sequence": 1, "description": "Static converters", "gross_mass_kg": "1300"}]
    amendment = desk.amendment(box, document=box.document | {"goods": goods, "note": "reweighed"})
    desk.ledger.lodge(amendment.submission)
    desk.settle()
    author.papers["amendment"] = {"document": amendment.document, "secret": amendment.submission.secret}
    author.pass_time()
    author.record("inspection", K.INSPECTION, "officer", other.consignment, **as_inspector)
    now = int(time.time())
    author.record(
        "late remark",
        K.REMARK,
        "exporter",
        other.consignment,
        observed_at=now - 2 * DAY,
        expires_at=now + DAY,
    )
    author.record("close other", K.CLOSE, "exporter", other.consignment)
    late = author.opened("open late")
    author.record("into crate", K.CONSOLIDATE, "exporter", box.consignment, subject=crate.consignment)
    offer = author.record("offer", K.OFFER, "exporter", crate.consignment, counterpart=party("SG:CARR01"))
    author.record("accept", K.ACCEPT, "carrier", crate.consignment, subject=offer)
    officer = desk.network.address("officer")
    governance = desk.network.governance()
    governance.revoke(officer, compromised)
    governance.close()
    desk.settle()
    desk.anvil.mine(20)
    desk.settle()
    return Life(
        desk,
        box,
        other,
        late,
        crate,
        amendment,
        account_of(inspector),
        officer,
        compromised,
        author.digests,
        author.times,
        author.papers,
    )
