"""What is sealed: opened, held against what it is of, and what it makes findable; and that what was erased is gone.

An object opens only with its own data key, at its own place (administration, kind, id, version, root). A document must
then lead to the root that its record was signed for, a consignment's key and reference to its id, an accompanying file to
what it names on chain.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from ledger import tables as t
from ledger import upkeep
from ledger.audit.fsck.found import Checked, Corruption
from ledger.core import documents, merkle, records
from ledger.core.disclosures import Disclosure, disclosure_root
from ledger.core.identifiers import Party
from ledger.core.records import Erasure
from ledger.core.signatures import recover_address
from ledger.errors import (
    InvalidIdentifier,
    InvalidSignature,
    LedgerError,
    StoreError,
)
from ledger.messages import AccompanyingFile, from_hex
from ledger.rows.custody import decode_custody
from ledger.rows.sealed import (
    ACCOMPANYING,
    CONSIGNMENT,
    DOCUMENT,
    ERASED,
    INDEX_KEY,
    REFERENCE,
    WEBHOOK_SECRET,
    WEBHOOK_URL,
)
from ledger.upkeep import Progress
from ledger.vault import DATA_KEY_BYTES

_LEAST_BODY_BYTES = 28  # nonce and tag
_OF_WEBHOOKS = {WEBHOOK_URL: (t.webhooks, "webhook"), WEBHOOK_SECRET: (t.webhook_secrets, "secret")}
_KINDS = (DOCUMENT, CONSIGNMENT, ACCOMPANYING, INDEX_KEY, *_OF_WEBHOOKS)


def check(checked: Checked, progress: Progress) -> Iterator[Corruption]:
    """Every sealed object, the tables that name them, and the erasures."""
    has_terms = False
    try:
        has_terms = checked.vault is not None and checked.session.take_index_key()
        if checked.vault is not None and not has_terms:
            key: dict[str, Any] = {"kind": INDEX_KEY}
            yield checked.of(
                "missing", "sealed_objects", key, "Nothing can be looked up without it: restore it."
            )
    except StoreError as error:
        yield checked.of("changed", "sealed_objects", {"kind": INDEX_KEY}, str(error))
    if checked.vault is not None and not has_terms:
        checked.unchecked.append(
            "The index key does not open: what makes documents findable was not checked."
        )
    total, done = sum(checked.session.sealed_by_key().values()), 0
    for row in checked.session.every(t.sealed_objects, t.sealed_objects.c.position):
        yield from _sealed(checked, row, has_terms)
        done += 1
        progress(done, max(done, total))
    if checked.vault is None and total:
        checked.unchecked.append(
            f"{total} encrypted objects were not opened, since the wrapping keys are not here: name their file."
        )
    for kind, object_id in checked.session.without_sealed():
        key = {"kind": kind, "object_id": object_id}
        yield checked.of("missing", "sealed_objects", key, f"The {kind} should be here: restore it.")
    yield from _consignments(checked)
    yield from _accompanying(checked)
    yield from _terms(checked)
    yield from _erasures(checked)


def _sealed(checked: Checked, row: Any, has_terms: bool) -> Iterator[Corruption]:
    key: dict[str, Any] = (
        {"position": row.position}
        if row.object_id is None
        else {"kind": row.kind, "object_id": row.object_id}
    )

    def wrong(what: str) -> Corruption:
        return checked.of("changed", "sealed_objects", key, what)

    if row.kind == ERASED:
        if (row.object_id, row.root, row.version, row.wrapping_key, row.data_key, row.body) != (
            None,
            b"",
            0,
            "",
            b"",
            b"",
        ):
            yield wrong("It was erased, and something of it is there.")
        return
    if row.kind not in _KINDS or row.object_id is None:
        yield wrong(f"Nothing of the kind {str(row.kind)[:40]!r} is sealed.")
        return
    if len(row.data_key) != DATA_KEY_BYTES or len(row.body) < _LEAST_BODY_BYTES:
        yield wrong("Its data key or its body is cut off.")
        return
    yield from _placed(checked, row, key)
    if checked.vault is None:
        return
    version = 0
    if row.kind == ACCOMPANYING:
        version = checked.session.accompanying_versions([row.object_id]).get(row.object_id, row.version)
    try:
        content = checked.session.open_sealed(row, version)
    except StoreError as error:
        yield wrong(str(error))
        return
    try:
        yield from (wrong(what) for what in _content(checked, row, content))
    except (LedgerError, ValidationError, ValueError) as error:
        yield wrong(f"It opens, and what is in it can't be read: {type(error).__name__}.")
        return
    if has_terms:
        wanted = upkeep.wanted_terms(checked.session, row.kind, content)
        if wanted is not None and wanted != checked.session.search_terms_of(row.object_id):
            what = "It is not found by the container and seal numbers in it, or by others."
            yield checked.of("changed", "search_terms", {"source": row.object_id}, what)


def _placed(checked: Checked, row: Any, key: dict[str, Any]) -> Iterator[Corruption]:
    """That somebody has a use for it, and that it names the root its record was signed for; nothing is opened."""
    session = checked.session
    if row.kind == DOCUMENT:
        root = _root_of(checked, row.object_id)
        if root is None:
            what = "No record was accepted that it is the document of."
            yield checked.of("extra", "sealed_objects", key, what)
        elif root != row.root:
            what = f"It names the root 0x{row.root.hex()}; its record was signed for 0x{root.hex()}."
            yield checked.of("changed", "sealed_objects", key, what)
    elif row.kind == CONSIGNMENT and not session.knows_consignment(row.object_id):
        yield checked.of("missing", "consignments", {"consignment": row.object_id}, "Its key is kept.")
    elif row.kind in _OF_WEBHOOKS:
        table, name = _OF_WEBHOOKS[row.kind]
        if session.first(table, **{name: row.object_id}) is None:
            yield checked.of("missing", table.name, {name: row.object_id}, f"Its {row.kind} is kept.")
    elif row.kind == ACCOMPANYING:
        versions = session.accompanying_versions([row.object_id])
        if row.object_id not in versions:
            yield checked.of("missing", "accompanying", {"manifest_id": row.object_id}, "The file is kept.")
        elif versions[row.object_id] != row.version:
            what = f"It is of version {row.version}, and {versions[row.object_id]} is the newest that was loaded."
            yield checked.of("changed", "sealed_objects", key, what)


def _root_of(checked: Checked, digest: bytes) -> bytes | None:
    """The root that an accepted record was signed for."""
    manifest = checked.session.manifest_of_digest(digest)
    if manifest is not None:
        return records.decode_leaf(manifest.leaf)[0].manifest_root
    custody = checked.session.custody(digest)
    return None if custody is None else decode_custody(custody.body).details


def _content(checked: Checked, row: Any, content: bytes) -> Iterator[str]:
    """What is wrong with what an object holds."""
    if row.kind == DOCUMENT:
        root = documents.commit(documents.parse(content[32:]), content[:32]).root
        if root != row.root:
            yield f"It leads to 0x{root.hex()}, not to the root 0x{row.root.hex()} that was signed."
        manifest = checked.session.manifest_of_digest(row.object_id)
        if manifest is not None and not manifest.seen:
            yield "Its record was accepted without a document."
    elif row.kind == CONSIGNMENT:
        known = checked.session.first(t.consignments, consignment=row.object_id)
        reference, vault = content[32:].decode("utf-8"), checked.vault
        if known is None or vault is None:
            return
        found = records.consignment_id(known.opener, records.blind(content[:32], reference))
        if found != row.object_id:
            yield f"Its key, trade reference and opener make consignment 0x{found.hex()}."
        if vault.index_key and vault.term(REFERENCE, reference) != known.reference:
            yield "It is not found by its trade reference, or by another."
    elif row.kind == ACCOMPANYING:
        yield from _file(checked, row, AccompanyingFile.model_validate_json(content))


def _file(checked: Checked, row: Any, file: AccompanyingFile) -> Iterator[str]:
    key, opener = from_hex(file.consignment_key), Party.parse(file.opener).to_bytes()
    consignment = records.consignment_id(opener, records.blind(key, file.reference))
    proof = file.manifest.inclusion
    record = proof.record.to_record()
    if consignment != from_hex(file.consignment) or record.consignment != consignment:
        yield "Its key, trade reference and opener make another consignment."
    if record.manifest_id != row.object_id:
        yield "It is another manifest's."
    if disclosure_root(Disclosure.from_json(file.manifest.disclosure)) != record.manifest_root:
        yield "The fields that it shows do not lead to the root that was signed."
    administration = Party.parse(proof.administration).administration_bytes
    head = checked.chain.head_of_size(administration, proof.epoch, proof.size)
    if head is None or head.root != from_hex(proof.root):
        yield "The chain has no tree head as it names."
    leaf = records.leaf_hash(record.leaf_data(from_hex(proof.signature)))
    merkle.verify_inclusion(
        leaf, proof.index, proof.size, [from_hex(n) for n in proof.path], from_hex(proof.root)
    )


def _consignments(checked: Checked) -> Iterator[Corruption]:
    for row in checked.session.every(t.consignments, t.consignments.c.consignment):
        try:
            Party.from_bytes(row.opener)
        except (InvalidIdentifier, ValueError):
            key = {"consignment": row.consignment}
            yield checked.of("changed", "consignments", key, f"Its opener 0x{row.opener.hex()} is no party.")


def _accompanying(checked: Checked) -> Iterator[Corruption]:
    for row in checked.session.every(t.accompanying, t.accompanying.c.manifest_id):
        if not checked.session.knows_consignment(row.consignment):
            key = {"manifest_id": row.manifest_id}
            what = f"Its consignment 0x{row.consignment.hex()} is not known here."
            yield checked.of("changed", "accompanying", key, what)


def _terms(checked: Checked) -> Iterator[Corruption]:
    """That each term is of something that is here, and of its consignment."""
    last: tuple[bytes, set[bytes] | None] = (b"", None)
    table = t.search_terms
    for row in checked.session.every(table, table.c.source, table.c.term, table.c.consignment):
        if row.source != last[0]:
            last = row.source, _consignments_of(checked, row.source)
        key = {"term": row.term, "consignment": row.consignment, "source": row.source}
        if not last[1]:
            yield checked.of("extra", table.name, key, "Nothing is here that would name it.")
        elif row.consignment not in last[1]:
            yield checked.of("changed", table.name, key, "What names it is of another consignment.")


def _consignments_of(checked: Checked, source: bytes) -> set[bytes]:
    """The consignment that a record or an accompanying file is of."""
    manifest = checked.session.manifest_of_digest(source)
    custody = checked.session.custody(source)
    loaded = checked.session.first(t.accompanying, manifest_id=source)
    return {row.consignment for row in (manifest, custody, loaded) if row is not None}


def _erasures(checked: Checked) -> Iterator[Corruption]:
    customs = checked.administration + bytes(8)
    for row in checked.session.every(t.erasures, t.erasures.c.digest):
        key = {"digest": row.digest}
        manifest = checked.session.manifest_of_digest(row.digest)
        if manifest is None or row.manifest not in (manifest.digest, manifest.manifest_id):
            yield checked.of("extra", "erasures", key, "The manifest that it names is not the record's.")
            continue
        try:
            signer = recover_address(
                Erasure(row.manifest, row.issued_at).digest(checked.log_domain), row.signature
            )
        except (InvalidSignature, LedgerError):
            signer = b""
        account = checked.membership.account(signer)
        if signer != row.signer or account is None or account.party not in (customs, manifest.party):
            what = f"The request to erase it is not signed by 0x{row.signer.hex()}, or that was never its to ask."
            yield checked.of("changed", "erasures", key, what)
    for digest in checked.session.erased_and_there():
        key = {"kind": DOCUMENT, "object_id": digest}
        what = "It was erased and is there: an older database was put back. Erase it again."
        yield checked.of("extra", "sealed_objects", key, what)
