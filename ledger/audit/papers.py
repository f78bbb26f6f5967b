"""The documents that an auditor holds: from files to what leads to a root that somebody signed.

Taken are evidence files, accompanying files, proofs of `manifest prove`, disclosures of `manifest disclose`, and whole
documents as `{"document": …, "secret": "0x…"}`. Each is what its root says and no more: whether a record or a manifest has
that root, the chain says. Signatures and proofs of a file are **not** checked here; a path to a head is, by who uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from ledger.audit.questions.form import Held
from ledger.core import documents, evidence, strict_json
from ledger.core.disclosures import Disclosure, disclosure_root
from ledger.core.identifiers import Party
from ledger.core.records import ManifestRecord, blind, consignment_id
from ledger.errors import InvalidDisclosure, InvalidDocument, InvalidEvidence, InvalidPaper
from ledger.messages import AccompanyingFile, InclusionProofView, from_hex

MAX_BYTES = 16 << 20  # of one file: what a disclosure may have
_LIMITS = strict_json.Limits(bytes=MAX_BYTES, depth=40, leaves=200_000)


@dataclass(frozen=True, slots=True)
class Proof:
    """What a file says of a manifest's place in its log; nothing of it is checked.

    Attributes:
        file: Its name.
        record: The manifest record.
        signature: 65 bytes.
        epoch: From 1.
        index: From 0.
        size: Leaves under the head.
        root: The head's root, 32 bytes.
        path: 32 bytes each.
    """

    file: str
    record: ManifestRecord
    signature: bytes
    epoch: int
    index: int
    size: int
    root: bytes
    path: tuple[bytes, ...]


@dataclass(slots=True)
class Papers:
    """What is held.

    Attributes:
        held: By root, 32 bytes; what several files show of one document is put together.
        proofs: Places of manifests.
        references: Trade references by consignment id (32 bytes), as far as reference, key and opener lead to that id.
    """

    held: dict[bytes, Held] = field(default_factory=dict)
    proofs: list[Proof] = field(default_factory=list)
    references: dict[bytes, str] = field(default_factory=dict)

    def add(self, file: str, data: bytes) -> None:
        """Take a file.

        Raises:
            InvalidPaper: It is none of those that are taken, or not what it says it is.
        """
        try:
            value = strict_json.read(
                data, _LIMITS, lambda place, rule: InvalidPaper(file, f"at {place or 'its root'}, {rule}")
            )
            if not isinstance(value, dict):
                raise InvalidPaper(file, "it is no JSON object")
            self._take(file, data, value)
        except (InvalidDisclosure, InvalidDocument, InvalidEvidence) as error:
            raise InvalidPaper(file, str(error).removesuffix(".")) from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise InvalidPaper(file, f"at {where}, {first['msg']}") from None

    def _take(self, file: str, data: bytes, value: dict[str, Any]) -> None:
        if value.get("schema") == evidence.SCHEMA:
            self._take_evidence(file, evidence.Evidence.decode(data))
        elif value.get("schema") == "cargo-accompanying/1":
            accompanying = AccompanyingFile.model_validate(value)
            self._hold(evidence.Part(Disclosure.from_json(accompanying.manifest.disclosure)))
            self.proofs.append(_proof(file, accompanying.manifest.inclusion))
            opener = Party.parse(accompanying.opener).to_bytes()
            key, consignment = from_hex(accompanying.consignment_key), from_hex(accompanying.consignment)
            self._refer(opener, key, accompanying.reference, consignment)
        elif {"leaves", "fields", "siblings"} <= value.keys():
            self._hold(evidence.Part(Disclosure.from_json(value)))
        elif value.keys() >= {"document", "secret"}:
            self._hold(_whole(file, value))
        elif {"record", "path", "leaf_hash"} <= value.keys():
            self.proofs.append(_proof(file, InclusionProofView.model_validate(value)))
        else:
            raise InvalidPaper(
                file,
                "it is no evidence file, accompanying file, proof or disclosure, and no document with its secret",
            )

    def _take_evidence(self, file: str, found: evidence.Evidence) -> None:
        logged = found.manifest
        self._hold(logged.shown)
        self.proofs.append(
            Proof(
                file,
                logged.record,
                logged.signature,
                logged.epoch,
                logged.index,
                logged.size,
                logged.root,
                logged.path,
            )
        )
        for taken in found.custody:
            if taken.details is not None:
                self._hold(taken.details)
        if found.opening is not None:
            self._refer(found.opening.party, found.consignment_key, found.reference, found.consignment)

    def _refer(self, opener: bytes, key: bytes, reference: str, consignment: bytes) -> None:
        if consignment_id(opener, blind(key, reference)) == consignment:
            self.references[consignment] = reference

    def _hold(self, shown: evidence.Shown) -> None:
        fields = dict(shown.fields)
        leaves = len(fields) if isinstance(shown, evidence.Whole) else shown.disclosure.leaves
        root = shown.root
        before = self.held.get(root)
        self.held[root] = Held(fields if before is None else {**before.fields, **fields}, leaves)


def held_of(document: bytes) -> Held:
    """A whole document whose root somebody has checked before. Raises InvalidDocument."""
    parsed = documents.parse(document)
    return Held(
        {pointer: orjson.loads(text) for pointer, text in zip(parsed.pointers, parsed.texts, strict=True)},
        len(parsed.pointers),
    )


def held_of_disclosure(disclosure: dict[str, Any]) -> tuple[bytes, Held]:
    """What a disclosure shows, with the root it leads to. Raises InvalidDisclosure."""
    read = Disclosure.from_json(disclosure)
    return disclosure_root(read), Held({each.pointer: each.value for each in read.fields}, read.leaves)


@dataclass(slots=True)
class Reading:
    """What came of reading files.

    Attributes:
        papers: What they hold.
        files: How many were read, those passed over included.
        passed_over: Those of folders that are nothing of the kind, each with what is wrong.
    """

    papers: Papers = field(default_factory=Papers)
    files: int = 0
    passed_over: list[InvalidPaper] = field(default_factory=list)


def read_all(paths: Iterable[Path], progress: Callable[[int], None] | None = None) -> Reading:
    """Read files, and every `*.json` in folders and below them.

    What is named itself must be one that is taken; of a folder, what is none is passed over and named, by the folder's own
    name and the place in it.

    Args:
        paths: Files and folders.
        progress: Told of each file done.

    Raises:
        InvalidPaper: A file that was named itself is none that is taken, or can't be read.
    """
    reading = Reading()
    for path in paths:
        if path.is_dir():
            for each in sorted(path.rglob("*.json")):
                if each.is_file():
                    _read(reading, str(Path(path.name) / each.relative_to(path)), each, is_needed=False)
                    if progress is not None:
                        progress(1)
        else:
            _read(reading, str(path), path, is_needed=True)
            if progress is not None:
                progress(1)
    return reading


def _read(reading: Reading, name: str, path: Path, *, is_needed: bool) -> None:
    reading.files += 1
    try:
        try:
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise InvalidPaper(
                name, f"it can't be read: {error.strerror or 'the system says no more'}"
            ) from None
        reading.papers.add(name, data)
    except InvalidPaper as error:
        if is_needed:
            raise
        reading.passed_over.append(error)


def _whole(file: str, value: dict[str, Any]) -> evidence.Whole:
    secret = value["secret"]
    try:
        read = bytes.fromhex(secret.removeprefix("0x"))
    except (AttributeError, ValueError):
        read = b""
    if not isinstance(value["document"], dict) or len(read) != documents.SECRET_BYTES:
        raise InvalidPaper(file, "document must be an object and secret 32 bytes as hex")
    return evidence.Whole(orjson.dumps(value["document"]), read)


def _proof(file: str, shown: InclusionProofView) -> Proof:
    return Proof(
        file,
        shown.record.to_record(),
        from_hex(shown.signature),
        shown.epoch,
        shown.index,
        shown.size,
        from_hex(shown.root),
        tuple(from_hex(each) for each in shown.path),
    )
