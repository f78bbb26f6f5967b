"""The evidence file: what a stranger checks offline about one manifest and its consignment.

One JSON object in one encoding (`canonical`), format `cargo-evidence/1`. Bytes are lower-case hex after 0x, times Unix
seconds, parties 16 bytes:

    schema            "cargo-evidence/1"
    reference         trade reference, `scheme:value`
    consignment_key   32 bytes; with reference and opener it gives the consignment's id
    manifest          record and signature as they were signed; epoch, index, size, root, path and anchored_at: its
                      place in its administration's log under an anchored head; shown: the document or a disclosure
                      of it; promise: the sequencer's promise with its signature, or null
    closures          each closed manifest's kind, reason, time, signer and successor, from the manifest that the
                      consignment was opened with to the one shown
    custody           the records that the chain took, in its order, of the consignment and of all that was ever
                      connected with it: record, signature, accepted_at; details: shown as above, or null
    chain             id and genesis_hash of the network; headers as RLP; nodes: the tries' nodes as RLP, each once,
                      in the order in which the slots of `slots_read` need them

What is shown of a document is either {"document": …, "secret": 32 bytes}, the whole of it, or {"disclosure": …}.
`headers` are, by the trust file's consensus: the block's alone (development); the headers that change the validators,
then the block's (QBFT); all from the trusted block to the block's, or the block's alone, then its 2N successors
(Clique). No member can be left out and none means nothing: `verify` asks all of them.

This module decides the form. What holds is `verify`'s to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from ledger.core import canonical, documents, slots
from ledger.core.canonical import hexed
from ledger.core.disclosures import Disclosure, disclosure_root
from ledger.core.leaves import LeafValue
from ledger.core.records import ZERO32, CustodyKind, CustodyRecord, ManifestKind, ManifestRecord, manifest_id
from ledger.errors import InvalidDisclosure, InvalidEvidence, UnknownEvidenceVersion

SCHEMA = "cargo-evidence/1"
MAX_BYTES = 4 << 20
MAX_VALUES = 200_000
MAX_RECORDS = 4_096
_MAX_CLOSURES = 256
_MAX_HEADERS = 4_096
_MAX_NODES = 16_384
_MAX_PATH = 64

_TOP = frozenset(("schema", "reference", "consignment_key", "manifest", "closures", "custody", "chain"))
_MANIFEST = frozenset(
    (
        "record",
        "signature",
        "epoch",
        "index",
        "size",
        "root",
        "anchored_at",
        "path",
        "shown",
        "promise",
    )
)
_MANIFEST_RECORD = frozenset(
    ("party", "kind", "reason", "consignment", "manifest_root", "supersedes", "issued_at")
)
_PROMISE = frozenset(("epoch", "index", "seen", "anchor_by", "signature"))
_CLOSURE = frozenset(("kind", "reason", "time", "signer", "successor"))
_TAKEN = frozenset(("record", "signature", "accepted_at", "details"))
_CUSTODY_RECORD = frozenset(
    (
        "consignment",
        "kind",
        "party",
        "previous",
        "subject",
        "details",
        "counterpart",
        "observed_at",
        "expires_at",
    )
)
_CHAIN = frozenset(("id", "genesis_hash", "headers", "nodes"))
SECOND_KINDS = frozenset((CustodyKind.OPEN, CustodyKind.CONSOLIDATE, CustodyKind.DECONSOLIDATE))
"""Kinds whose subject, if there is one, is a second consignment."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole document with its secret.

    Attributes:
        document: The JSON object in the one encoding.
        secret: 32 bytes.
    """

    document: bytes
    secret: bytes

    @property
    def root(self) -> bytes:
        """The root that was committed to, 32 bytes. Raises InvalidDocument."""
        return documents.commit(documents.parse(self.document), self.secret).root

    @property
    def fields(self) -> dict[str, LeafValue]:
        """Its leaves by RFC 6901 pointer. Raises InvalidDocument."""
        parsed = documents.parse(self.document)
        return {
            pointer: orjson.loads(text) for pointer, text in zip(parsed.pointers, parsed.texts, strict=True)
        }

    def to_json(self) -> dict[str, Any]:
        """As it stands in the file."""
        return {"document": documents.parse(self.document).value, "secret": hexed(self.secret)}


@dataclass(frozen=True, slots=True)
class Part:
    """Some leaves of a document.

    Attributes:
        disclosure: The leaves, and the hashes that stand for the others.
    """

    disclosure: Disclosure

    @property
    def root(self) -> bytes:
        """The root that was committed to, 32 bytes. Raises InvalidDisclosure."""
        return disclosure_root(self.disclosure)

    @property
    def fields(self) -> dict[str, LeafValue]:
        """The leaves shown, by RFC 6901 pointer."""
        return {field.pointer: field.value for field in self.disclosure.fields}

    def to_json(self) -> dict[str, Any]:
        """As it stands in the file."""
        return {"disclosure": self.disclosure.to_json()}


Shown: TypeAlias = Whole | Part


@dataclass(frozen=True, slots=True)
class Promised:
    """A sequencer's promise for the manifest's leaf, as it was given (a restart may have moved the leaf since).

    Attributes:
        epoch: From 1.
        index: From 0.
        seen: Whether the service saw the whole document.
        anchor_by: Unix seconds.
        signature: 65 bytes.
    """

    epoch: int
    index: int
    seen: bool
    anchor_by: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class Logged:
    """The manifest that is shown, and its place in its administration's log.

    Attributes:
        record: LODGE or AMEND.
        signature: 65 bytes.
        epoch: From 1.
        index: From 0.
        size: Leaves under the anchored head.
        root: The head's root, 32 bytes.
        anchored_at: When the head was anchored, Unix seconds.
        path: Inclusion path, 32 bytes each.
        shown: The document, or some of it.
        promise: The sequencer's promise, or None.
    """

    record: ManifestRecord
    signature: bytes
    epoch: int
    index: int
    size: int
    root: bytes
    anchored_at: int
    path: tuple[bytes, ...]
    shown: Shown
    promise: Promised | None

    @property
    def id(self) -> bytes:
        """The manifest's id, 32 bytes."""
        return manifest_id(self.record.party, self.record.consignment, self.record.manifest_root)


@dataclass(frozen=True, slots=True)
class Closure:
    """How a manifest was closed, as its slot commits to it.

    Attributes:
        kind: AMEND or WITHDRAW.
        reason: `ManifestReason`.
        time: Unix seconds.
        signer: 20 bytes.
        successor: 32 bytes; zero for WITHDRAW.
    """

    kind: int
    reason: int
    time: int
    signer: bytes
    successor: bytes


@dataclass(frozen=True, slots=True)
class Taken:
    """A custody record as the chain took it.

    Attributes:
        record: The record.
        signature: 65 bytes.
        accepted_at: Time of the block that took it, Unix seconds.
        details: What is shown of its details, or None.
    """

    record: CustodyRecord
    signature: bytes
    accepted_at: int
    details: Shown | None


@dataclass(frozen=True, slots=True)
class ChainPart:
    """What the chain says; `split` has it in its files too.

    Attributes:
        chain_id: EIP-155 chain id.
        genesis_hash: 32 bytes.
        headers: RLP of headers, see the module.
        nodes: RLP of trie nodes, each once, in the order of first need.
    """

    chain_id: int
    genesis_hash: bytes
    headers: tuple[bytes, ...]
    nodes: tuple[bytes, ...]

    @classmethod
    def read(cls, form: canonical.Form, value: Any) -> ChainPart:
        """Read the member `chain` of a file; `form` refuses."""
        members = form.members(value, "/chain", _CHAIN)
        headers = form.items(members["headers"], "/chain/headers", _MAX_HEADERS)
        nodes = form.items(members["nodes"], "/chain/nodes", _MAX_NODES)
        return cls(
            chain_id=form.integer(members["id"], "/chain/id", 1),
            genesis_hash=form.data(members["genesis_hash"], "/chain/genesis_hash", 32),
            headers=tuple(form.data(each, f"/chain/headers/{n}") for n, each in enumerate(headers)),
            nodes=tuple(form.data(each, f"/chain/nodes/{n}") for n, each in enumerate(nodes)),
        )

    def to_json(self) -> dict[str, Any]:
        """As it stands in the file."""
        return {
            "id": self.chain_id,
            "genesis_hash": hexed(self.genesis_hash),
            "headers": [hexed(header) for header in self.headers],
            "nodes": [hexed(node) for node in self.nodes],
        }


@dataclass(frozen=True, slots=True)
class Evidence:
    """An evidence file.

    Attributes:
        reference: Trade reference, `scheme:value`.
        consignment_key: 32 bytes.
        manifest: The manifest shown.
        closures: From the manifest that the consignment was opened with to the one shown.
        custody: Custody records in the chain's order.
        chain: What the chain says.
    """

    reference: str
    consignment_key: bytes
    manifest: Logged
    closures: tuple[Closure, ...]
    custody: tuple[Taken, ...]
    chain: ChainPart

    @property
    def consignment(self) -> bytes:
        """The consignment's id, 32 bytes."""
        return self.manifest.record.consignment

    @property
    def opening(self) -> CustodyRecord | None:
        """The consignment's OPEN, or None if the file has none."""
        return next(
            (
                taken.record
                for taken in self.custody
                if taken.record.kind == CustodyKind.OPEN and taken.record.consignment == self.consignment
            ),
            None,
        )

    @property
    def opened(self) -> list[bytes]:
        """The consignments whose OPEN is in the file, 32 bytes each, in order and once."""
        return list(
            dict.fromkeys(
                taken.record.consignment for taken in self.custody if taken.record.kind == CustodyKind.OPEN
            )
        )

    @property
    def is_own_statement(self) -> bool:
        """Whether the manifest is not in the line of the one that the consignment was opened with.

        An importer, or a carrier, lodges its own. In the line are the opener's manifests, and amendments by the customs
        of its administration.
        """
        opening, record = self.opening, self.manifest.record
        if opening is None or record.party == opening.party:
            return False
        is_its_customs = record.party == opening.party[:8] + bytes(8)
        return not (is_its_customs and record.kind == ManifestKind.AMEND)

    @property
    def first_manifest(self) -> bytes:
        """Id of the manifest that the closures begin with, 32 bytes."""
        opening, record = self.opening, self.manifest.record
        if opening is not None and not self.is_own_statement:
            return manifest_id(opening.party, self.consignment, opening.details)
        return self.manifest.id if record.kind == ManifestKind.LODGE else record.supersedes

    @classmethod
    def decode(cls, data: bytes) -> Evidence:
        """Read an evidence file.

        Raises:
            InvalidEvidence: It is not one in its one encoding, with the place.
            UnknownEvidenceVersion: It is of another format or version.
        """
        value = canonical.read(data, most_bytes=MAX_BYTES, most_values=MAX_VALUES, refuse=InvalidEvidence)
        if isinstance(value, dict) and value.get("schema", SCHEMA) != SCHEMA:
            raise UnknownEvidenceVersion(value["schema"])
        top = _FORM.members(value, "", _TOP)
        custody = _FORM.items(top["custody"], "/custody", MAX_RECORDS)
        closures = _FORM.items(top["closures"], "/closures", _MAX_CLOSURES)
        return cls(
            reference=_FORM.text(top["reference"], "/reference"),
            consignment_key=_FORM.data(top["consignment_key"], "/consignment_key", 32),
            manifest=_logged(top["manifest"]),
            closures=tuple(_closure(each, f"/closures/{n}") for n, each in enumerate(closures)),
            custody=tuple(_taken(each, f"/custody/{n}") for n, each in enumerate(custody)),
            chain=ChainPart.read(_FORM, top["chain"]),
        )

    def encode(self) -> bytes:
        """Write the file in its one encoding."""
        manifest = self.manifest
        content: dict[str, Any] = {
            "schema": SCHEMA,
            "reference": self.reference,
            "consignment_key": hexed(self.consignment_key),
            "manifest": {
                "record": _fields_of(manifest.record, _MANIFEST_RECORD),
                "signature": hexed(manifest.signature),
                "epoch": manifest.epoch,
                "index": manifest.index,
                "size": manifest.size,
                "root": hexed(manifest.root),
                "anchored_at": manifest.anchored_at,
                "path": [hexed(each) for each in manifest.path],
                "shown": manifest.shown.to_json(),
                "promise": None if manifest.promise is None else _fields_of(manifest.promise, _PROMISE),
            },
            "closures": [_fields_of(closure, _CLOSURE) for closure in self.closures],
            "custody": [
                {
                    "record": _fields_of(taken.record, _CUSTODY_RECORD),
                    "signature": hexed(taken.signature),
                    "accepted_at": taken.accepted_at,
                    "details": None if taken.details is None else taken.details.to_json(),
                }
                for taken in self.custody
            ],
            "chain": self.chain.to_json(),
        }
        return canonical.encode(content)


def slots_read(evidence: Evidence, signers: Sequence[bytes | None]) -> list[tuple[str, bytes]]:
    """The storage slots that a file's claims stand on, by contract and slot, each once, in the order of reading.

    Args:
        evidence: The file; its chain part is not looked at.
        signers: `signers_of` it.

    Returns:
        The head that the manifest is under; the closure of the first manifest and of each successor; the trail of the
        consignment and of each other that was opened; the account of each signer.
    """
    manifest = evidence.manifest
    wanted = [
        ("ManifestLog", slots.head(manifest.record.party[:8], manifest.epoch, manifest.size)),
        ("ManifestLog", slots.closure(evidence.first_manifest)),
    ]
    wanted += [
        ("ManifestLog", slots.closure(closure.successor))
        for closure in evidence.closures
        if closure.successor != ZERO32
    ]
    wanted += [("ConsignmentLedger", slots.trail(each)) for each in (evidence.consignment, *evidence.opened)]
    wanted += [("AdministrationRegistry", slots.account(each)) for each in signers if each is not None]
    return list(dict.fromkeys(wanted))


# --- reading the parts


def _fields_of(value: object, names: frozenset[str]) -> dict[str, Any]:
    """The named fields; bytes as hex."""
    fields = {name: getattr(value, name) for name in names}
    return {name: hexed(each) if isinstance(each, bytes) else each for name, each in fields.items()}


def _logged(value: Any) -> Logged:
    members = _FORM.members(value, "/manifest", _MANIFEST)
    place = "/manifest/"
    return Logged(
        record=_manifest_record(members["record"]),
        signature=_FORM.data(members["signature"], place + "signature", 65),
        epoch=_FORM.integer(members["epoch"], place + "epoch", 1, (1 << 32) - 1),
        index=_FORM.integer(members["index"], place + "index"),
        size=_FORM.integer(members["size"], place + "size", 1),
        root=_FORM.data(members["root"], place + "root", 32),
        anchored_at=_FORM.integer(members["anchored_at"], place + "anchored_at"),
        path=tuple(
            _FORM.data(each, f"{place}path/{n}", 32)
            for n, each in enumerate(_FORM.items(members["path"], place + "path", _MAX_PATH))
        ),
        shown=_shown(members["shown"], place + "shown"),
        promise=None if members["promise"] is None else _promised(members["promise"]),
    )


def _manifest_record(value: Any) -> ManifestRecord:
    place = "/manifest/record"
    members = _FORM.members(value, place, _MANIFEST_RECORD)
    record = ManifestRecord(
        party=_FORM.data(members["party"], place + "/party", 16),
        kind=_FORM.integer(members["kind"], place + "/kind", ManifestKind.LODGE, ManifestKind.AMEND),
        reason=_FORM.integer(members["reason"], place + "/reason", 0, 5),
        consignment=_FORM.data(members["consignment"], place + "/consignment", 32),
        manifest_root=_FORM.data(members["manifest_root"], place + "/manifest_root", 32),
        supersedes=_FORM.data(members["supersedes"], place + "/supersedes", 32),
        issued_at=_FORM.integer(members["issued_at"], place + "/issued_at"),
    )
    if (record.supersedes == ZERO32) != (record.kind == ManifestKind.LODGE):
        _FORM.fail(place + "/supersedes", "it must be zero for LODGE and only there")
    return record


def _promised(value: Any) -> Promised:
    place = "/manifest/promise"
    members = _FORM.members(value, place, _PROMISE)
    if not isinstance(members["seen"], bool):
        _FORM.fail(place + "/seen", "true or false is expected")
    return Promised(
        epoch=_FORM.integer(members["epoch"], place + "/epoch", 1, (1 << 32) - 1),
        index=_FORM.integer(members["index"], place + "/index"),
        seen=members["seen"],
        anchor_by=_FORM.integer(members["anchor_by"], place + "/anchor_by"),
        signature=_FORM.data(members["signature"], place + "/signature", 65),
    )


def _closure(value: Any, place: str) -> Closure:
    members = _FORM.members(value, place, _CLOSURE)
    closure = Closure(
        kind=_FORM.integer(members["kind"], place + "/kind", ManifestKind.AMEND, ManifestKind.WITHDRAW),
        reason=_FORM.integer(members["reason"], place + "/reason", 0, 5),
        time=_FORM.integer(members["time"], place + "/time"),
        signer=_FORM.data(members["signer"], place + "/signer", 20),
        successor=_FORM.data(members["successor"], place + "/successor", 32),
    )
    if (closure.successor == ZERO32) != (closure.kind == ManifestKind.WITHDRAW):
        _FORM.fail(place + "/successor", "it must be zero for WITHDRAW and only there")
    return closure


def _taken(value: Any, place: str) -> Taken:
    members = _FORM.members(value, place, _TAKEN)
    fields = _FORM.members(members["record"], place + "/record", _CUSTODY_RECORD)
    at = place + "/record/"
    record = CustodyRecord(
        kind=_FORM.integer(fields["kind"], at + "kind", CustodyKind.OPEN, CustodyKind.REMARK),
        party=_FORM.data(fields["party"], at + "party", 16),
        counterpart=_FORM.data(fields["counterpart"], at + "counterpart", 16),
        consignment=_FORM.data(fields["consignment"], at + "consignment", 32),
        previous=_FORM.data(fields["previous"], at + "previous", 32),
        subject=_FORM.data(fields["subject"], at + "subject", 32),
        details=_FORM.data(fields["details"], at + "details", 32),
        observed_at=_FORM.integer(fields["observed_at"], at + "observed_at"),
        expires_at=_FORM.integer(fields["expires_at"], at + "expires_at"),
    )
    details = None if members["details"] is None else _shown(members["details"], place + "/details")
    if details is not None and record.kind == CustodyKind.OPEN:
        _FORM.fail(place + "/details", "an OPEN's details are the manifest, which stands elsewhere")
    return Taken(
        record=record,
        signature=_FORM.data(members["signature"], place + "/signature", 65),
        accepted_at=_FORM.integer(members["accepted_at"], place + "/accepted_at"),
        details=details,
    )


def _shown(value: Any, place: str) -> Shown:
    if isinstance(value, Mapping) and value.keys() == {"disclosure"}:
        if not isinstance(
            value["disclosure"], dict
        ):  # `from_json` takes a text too: that would be a second spelling
            _FORM.fail(place + "/disclosure", "an object is expected")
        try:
            return Part(Disclosure.from_json(value["disclosure"]))
        except InvalidDisclosure as error:
            _FORM.fail(place + "/disclosure", str(error))
    members = _FORM.members(value, place, frozenset(("document", "secret")))
    if not isinstance(members["document"], dict):
        _FORM.fail(place + "/document", "an object is expected")
    return Whole(canonical.encode(members["document"]), _FORM.data(members["secret"], place + "/secret", 32))


_FORM = canonical.Form(InvalidEvidence)
