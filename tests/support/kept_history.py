"""Custody as a store keeps it, without a chain: records that the model takes are put into the rows that the indexer writes."""

import itertools
from typing import Any

import orjson

from ledger.core import documents
from ledger.core.custody import Custody
from ledger.core.identifiers import Party
from ledger.core.records import (
    ZERO16,
    ZERO32,
    CustodyKind,
    CustodyRecord,
    Domain,
    Role,
    blind,
    consignment_id,
)
from ledger.errors import Refusal
from ledger.history import standing
from ledger.membership import EnrolledAccount, Member, Membership
from ledger.rows.custody import encode_custody
from ledger.store import Store

DOMAIN = Domain(31337, b"\x01" * 20)
START = 1_790_000_000  # 2026-09-21T14:13:20Z
WHO = {
    "exporter": ("SG:ACME01", Role.TRADER),
    "carrier": ("SG:CARR01", Role.TRADER),
    "officer": ("SG", Role.OFFICER),
    "health": ("SG:HEALTH", Role.OFFICER),
    "foreign_officer": ("NL", Role.OFFICER),
    "importer": ("NL:IMPO01", Role.TRADER),
}
ADDRESS = {role: bytes([place]) * 20 for place, role in enumerate(WHO, 1)}


def party(role: str) -> bytes:
    return Party.parse(WHO[role][0]).to_bytes()


def membership() -> Membership:
    codes = {Party.parse(text).administration_bytes for text, _ in WHO.values()}
    return Membership(
        sequence=1,
        members={code: Member(code, "0x" + "99" * 20, True) for code in codes},
        accounts={
            ADDRESS[role]: EnrolledAccount("0x" + ADDRESS[role].hex(), party(role), int(roles), START + 10**8)
            for role, (_, roles) in WHO.items()
        },
    )


class KeptHistory:
    """A store with custody in it, and the whole model beside it to compare with."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.membership = membership()
        self.model = Custody()
        self.now = START
        self._sequence = itertools.count(1)
        self._keys = itertools.count(1)
        self.documents: dict[bytes, dict[str, Any]] = {}
        with store.write() as session:
            session.begin_epoch(1)
            session.add_block(1, bytes(32), START)

    def record(self, kind: CustodyKind, role: str, consignment: bytes, **changes: Any) -> CustodyRecord:
        line = (
            self.model.custody_line(consignment)
            if kind in (6, 7, 8, 12, 15, 16)
            else self.model.account_line(consignment, ADDRESS[role])
        )
        given = {
            "consignment": consignment,
            "kind": int(kind),
            "party": party(role),
            "previous": line,
            "subject": ZERO32,
            "details": ZERO32,
            "counterpart": ZERO16,
            "observed_at": self.now,
            "expires_at": self.now + 3600,
        }
        return CustodyRecord(**(given | changes))

    def opening(self, role: str = "exporter", **changes: Any) -> CustodyRecord:
        opener = party(role)
        hidden = blind(next(self._keys).to_bytes(32, "big"), "ucr:6SG1")
        return self.record(
            CustodyKind.OPEN,
            role,
            consignment_id(opener, hidden),
            previous=hidden,
            **({"details": b"\x07" * 32} | changes),
        )

    def put(self, record: CustodyRecord, role: str) -> Refusal:
        """What the chain does with a record: rows if it takes it."""
        digest = record.digest(DOMAIN)
        self.now += 60
        account = standing(self.membership, ADDRESS[role])
        refusal = self.model.append(record, digest, ADDRESS[role], account, self.now)
        if not refusal:
            step = self.model.steps(record.consignment)[-1]
            with self.store.write() as session:
                session.add_chain_custody(
                    {
                        "sequence": next(self._sequence),
                        "digest": digest,
                        "consignment": record.consignment,
                        "other": step.other,
                        "kind": record.kind,
                        "signer": ADDRESS[role],
                        "body": encode_custody(record),
                        "signature": bytes(65),
                        "accepted_at": self.now,
                        "block_number": 1,
                        "transaction_hash": bytes(32),
                        "log_index": 0,
                    }
                )
        return refusal

    def wait(self, record: CustodyRecord, role: str) -> bytes:
        """A record that was accepted here and is not on chain."""
        digest = record.digest(DOMAIN)
        second = record.subject if record.kind in (1, 15, 16) and any(record.subject) else None
        with self.store.write() as session:
            session.add_custody(
                {
                    "digest": digest,
                    "consignment": record.consignment,
                    "second": second,
                    "body": encode_custody(record),
                    "signature": bytes(65),
                    "signer": ADDRESS[role],
                    "accepted_at": self.now,
                    "state": "waiting",
                    "transaction_hash": None,
                    "problem": None,
                }
            )
        return digest

    def must(
        self, kind: CustodyKind, role: str, consignment: bytes, document: Any = None, **changes: Any
    ) -> bytes:
        data, secret = orjson.dumps(document), b"\x05" * 32
        if document is not None:
            changes["details"] = documents.commit(documents.parse(data), secret).root
        record = self.record(kind, role, consignment, **changes)
        refusal = self.put(record, role)
        assert not refusal, refusal.name
        digest = record.digest(DOMAIN)
        if document is not None:
            with self.store.write() as session:
                session.add_content(digest, record.details, data, secret)
        return digest

    def open(self, role: str = "exporter", **changes: Any) -> bytes:
        record = self.opening(role, **changes)
        assert not self.put(record, role)
        return record.consignment
