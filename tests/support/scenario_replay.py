"""Replay the records of an import: fill in what the sender fills in, and bring each to whoever judges.

The records of one batch are brought in the order of their files; each reference is a consignment with a key of its own,
opened by the trader. Times are the judge's: the contract judges at its own, whatever the message said.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from ledger.core import documents
from ledger.core.custody import ON_CUSTODY_LINE
from ledger.core.records import (
    ZERO16,
    ZERO32,
    CustodyKind,
    CustodyRecord,
    blind,
    consignment_id,
    manifest_id,
)
from ledger.importing.report import ImportReport

HOUR = 3600  # seconds
SECRET = bytes(range(32))
Line = Callable[[int, bytes, Any], bytes]  # kind, consignment, actor -> the digest that `previous` must name


@dataclass
class Replay:
    """The records of one import, as custody records of these actors.

    Attributes:
        out: The import's output folder.
        report: The import's report.
        actor_of: The actor for a role: trader, customs or agency.
        roots: Root of each manifest file; a dummy where the batch has no declaration.
        digests: Digest of each record brought, by reference and number.
        manifests: Manifest id of each manifest record, by reference and number.
        scenario: Makes the consignments of one batch other ones than those of another that has the same reference.
    """

    out: Path
    report: ImportReport
    actor_of: Callable[[str], Any]
    roots: dict[str | None, bytes] = field(default_factory=dict)
    digests: dict[tuple[str, int], bytes] = field(default_factory=dict)
    manifests: dict[tuple[str, int], bytes] = field(default_factory=dict)
    scenario: str = ""

    def lines(self) -> Iterator[dict[str, Any]]:
        """Every record of the batch, in order."""
        for sequence in self.report.sequences:
            for line in (self.out / sequence.file).read_text(encoding="utf-8").splitlines():
                yield json.loads(line)

    def consignment(self, reference: str) -> bytes:
        return consignment_id(self.actor_of("trader").party, self.blind(reference))

    def blind(self, reference: str) -> bytes:
        return blind(sha256(f"{self.scenario}/{reference}".encode()).digest(), reference)

    def root(self, file: str | None) -> bytes:
        if file not in self.roots:
            data = (self.out / file).read_bytes() if file else b'{"manifest":"not in this batch"}'
            self.roots[file] = documents.commit(documents.parse(data), SECRET).root
        return self.roots[file]

    def note_manifest(self, line: dict[str, Any]) -> bytes:
        """The id of the manifest that a manifest record states; zero for a WITHDRAW."""
        if line["kind"] == "WITHDRAW":
            return ZERO32
        party, consignment = self.actor_of("trader").party, self.consignment(line["reference"])
        identity = manifest_id(party, consignment, self.root(line["manifest"]))
        self.manifests[line["reference"], line["number"]] = identity
        return identity

    def record(self, line: dict[str, Any], previous: Line, now: int) -> CustodyRecord:
        """The custody record of one line."""
        kind = CustodyKind[line["kind"]]
        reference = line["reference"]
        actor = self.actor_of(line["party"]["role"])
        consignment = self.consignment(reference)
        subject, details = ZERO32, ZERO32
        if kind is CustodyKind.LIFT:
            subject = self.digests[reference, line["subject"]]
        elif kind in (CustodyKind.RELEASE, CustodyKind.CLEARANCE):
            subject = self.manifests.get((reference, line["subject"]), sha256(b"decided elsewhere").digest())
        elif kind is CustodyKind.CONSOLIDATE:
            subject = self.consignment(line["details"]["reference"])
        if kind is CustodyKind.OPEN:
            details = self.root(line["manifest"])
        elif line["details"]:
            details = documents.commit(documents.parse(orjson.dumps(line["details"])), SECRET).root
        return CustodyRecord(
            consignment=consignment,
            kind=int(kind),
            party=actor.party,
            previous=self.blind(reference)
            if kind is CustodyKind.OPEN
            else previous(kind, consignment, actor),
            subject=subject,
            details=details,
            counterpart=ZERO16,
            observed_at=now,
            expires_at=now + HOUR,
        )

    def note_record(self, line: dict[str, Any], digest: bytes) -> None:
        self.digests[line["reference"], line["number"]] = digest


def line_of(custody: Any) -> Line:
    """The lines as the custody model has them."""

    def previous(kind: int, consignment: bytes, actor: Any) -> bytes:
        if consignment not in custody:
            return ZERO32
        if kind in ON_CUSTODY_LINE:
            return custody.custody_line(consignment)
        return custody.account_line(consignment, actor.address_bytes)

    return previous


def scenario_folders(conformance: Path) -> list[Path]:
    """Every scenario folder of HMRC's samples, each a batch of its own."""
    samples = conformance / "4-messages/hmrc-cds/public/api/conf/3.0/examples/annotated_XML_samples"
    return sorted(path for path in samples.iterdir() if path.is_dir())
