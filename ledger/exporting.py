"""Evidence files: gathered from the store as of one final block, and shown from that block's state by the node.

Two steps, since the node may take its time and a database session must not wait for it: `gather` reads what the claims
are, `prove` asks the node for the header and the trie nodes and puts the file together. The node is not believed: the
header's hash is checked, and a file that would not verify is not handed out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ledger.chain import Chain
from ledger.core import documents, headers, records
from ledger.core.disclosures import Disclosure
from ledger.core.evidence import (
    MAX_RECORDS,
    ChainPart,
    Closure,
    Evidence,
    Logged,
    Part,
    Promised,
    Shown,
    Taken,
    Whole,
    slots_read,
)
from ledger.core.identifiers import TradeReference
from ledger.core.records import ZERO32, CustodyKind
from ledger.core.signatures import checksummed, recover_address
from ledger.core.state_proof import SharedNodes, decode_account
from ledger.core.trust import CONTRACTS, Trust
from ledger.errors import (
    ChainMismatch,
    ChainUnavailable,
    ChainViolation,
    Conflict,
    InvalidDisclosure,
    InvalidEncoding,
    InvalidIdentifier,
    NotFound,
    StateProofError,
)
from ledger.messages import AccompanyingFile, from_hex
from ledger.rows.custody import decode_custody
from ledger.store import Session

CLIQUE_EPOCH = 30_000  # blocks between checkpoints, as genesis files here and geth have it
_MANIFEST_FIELDS = ("/schema", "/references", "/containers", "/basis")
_DETAILS_FIELDS = ("/procedure", "/outcome", "/reason", "/place", "/seal")


@dataclass(frozen=True, slots=True)
class Claims:
    """What an evidence file will say, as of a block, before the chain has shown it.

    Attributes:
        evidence: The file, its chain part empty.
        block: The block.
    """

    evidence: Evidence
    block: int


def logged(row: Any, head: Any, path: Sequence[bytes], shown: Shown) -> Logged:
    """A manifest of our own log, from its row, the head over it and the path to that."""
    record, signature = records.decode_leaf(row.leaf)
    return Logged(
        record=record,
        signature=signature,
        epoch=row.epoch,
        index=row.log_index,
        size=head.size,
        root=head.root,
        anchored_at=head.anchored_at,
        path=tuple(path),
        shown=shown,
        promise=Promised(
            row.promise_epoch, row.promise_index, row.seen, row.anchor_by, row.promise_signature
        ),
    )


def logged_elsewhere(file: AccompanyingFile) -> Logged:
    """A manifest of another log, from the accompanying file that was loaded; its promise tells who has seen the whole."""
    proof, promise = file.manifest.inclusion, file.manifest.promise
    return Logged(
        record=proof.record.to_record(),
        signature=from_hex(proof.signature),
        epoch=proof.epoch,
        index=proof.index,
        size=proof.size,
        root=from_hex(proof.root),
        anchored_at=int(proof.anchored_at.timestamp()),
        path=tuple(from_hex(node) for node in proof.path),
        shown=Part(Disclosure.from_json(file.manifest.disclosure)),
        promise=None
        if promise is None
        else Promised(
            promise.epoch, promise.index, promise.seen, promise.anchor_by, from_hex(promise.signature)
        ),
    )


def shown_of(content: Any, reference: str, show: Sequence[str]) -> Shown:
    """What is shown of a manifest: the chosen fields, and always the trade reference that binds it to the consignment.

    Args:
        content: Row with document and secret.
        reference: The consignment's trade reference.
        show: JSON Pointers; "" shows the whole document, none the references, containers and basis.

    Raises:
        InvalidDisclosure: A pointer selects nothing, or the document does not name the trade reference.
    """
    document = documents.parse(content.document)
    if "" in show:
        return Whole(content.document, content.secret)
    value = document.value
    chosen = list(show) or [pointer for pointer in _MANIFEST_FIELDS if pointer[1:] in value]
    return Part(documents.disclose(document, content.secret, [*chosen, *_pointers_of(value, reference)]))


def _pointers_of(document: dict[str, Any], reference: str) -> list[str]:
    wanted = TradeReference.parse(reference)
    stated = document.get("references")
    for place, each in enumerate(stated if isinstance(stated, list) else []):
        if not isinstance(each, dict):
            continue
        try:
            found = TradeReference.of(str(each.get("scheme")), str(each.get("value")))
        except InvalidIdentifier:
            continue
        if (found.scheme, found.value) == (wanted.scheme, wanted.value):
            return [f"/references/{place}/scheme", f"/references/{place}/value"]
    raise InvalidDisclosure(
        "the manifest does not name the consignment's trade reference among its references, so it can't be shown to be "
        "the consignment's"
    )


def gather(session: Session, manifest: Logged, block: int) -> Claims:
    """Read what the file claims of a manifest's consignment, as of a block.

    Args:
        session: The store.
        manifest: The manifest that is shown.
        block: A final block, indexed here.

    Raises:
        NotFound: The consignment's key is not known here.
        Conflict: Its history is connected with more than a file holds.
    """
    consignment = manifest.record.consignment
    known = session.known_consignment(consignment)
    if known is None:
        raise NotFound("consignment with its key", "0x" + consignment.hex())
    rows = _history(session, consignment, block)
    evidence = Evidence(
        reference=known.reference,
        consignment_key=known.key,
        manifest=manifest,
        closures=(),
        custody=tuple(_taken(session, row, consignment) for row in rows),
        chain=ChainPart(1, ZERO32, (), ()),
    )
    closures = tuple(_closures(session, evidence.first_manifest, block))
    return Claims(replace(evidence, closures=closures), block)


def _history(session: Session, consignment: bytes, block: int) -> list[Any]:
    """What the chain took up to a block of a consignment and of all it was ever connected with, in order."""
    found: dict[int, Any] = {}
    known: set[bytes] = set()
    new = {consignment}
    while new:
        known |= new
        rows = [row for row in session.chain_custody_of(sorted(new)) if row.block_number <= block]
        found.update((row.sequence, row) for row in rows)
        if len(found) > MAX_RECORDS:
            raise Conflict(
                f"The consignment is connected with others whose histories have over {MAX_RECORDS} records, more than an "
                "evidence file holds."
            )
        touched = {row.consignment for row in rows} | {row.other for row in rows if row.other}
        new = touched - known
    return [row for _, row in sorted(found.items())]


def _taken(session: Session, row: Any, shown: bytes) -> Taken:
    """A record as the chain took it; details are disclosed of the consignment shown alone, not of others' cargo."""
    record = decode_custody(row.body)
    content = None
    if record.kind != CustodyKind.OPEN and record.details != ZERO32 and record.consignment == shown:
        content = session.content(row.digest)
    details: Shown | None = None
    if content is not None:
        document = documents.parse(content.document)
        value = document.value
        chosen = [pointer for pointer in _DETAILS_FIELDS if pointer[1:] in value]
        if chosen:
            details = Part(documents.disclose(document, content.secret, chosen))
    return Taken(record, row.signature, row.accepted_at, details)


def _closures(session: Session, first: bytes, block: int) -> list[Closure]:
    found: list[Closure] = []
    at = first
    while at != ZERO32:
        row = session.closure(at)
        if row is None or row.block_number > block:
            break
        at = row.successor or ZERO32
        found.append(Closure(row.kind, row.reason, row.closed_at, row.signer, at))
    return found


def prove(chain: Chain, claims: Claims) -> Evidence:
    """Have the node show the claims at their block.

    Raises:
        ChainUnavailable: The node has no state for that block (any more), or an answer is none.
        ChainViolation: What it answers does not show what it answered before.
    """
    profile, evidence = chain.profile, claims.evidence
    header = headers.decode(chain.raw_header(claims.block))
    wanted = slots_read(evidence, _signers(chain, evidence))
    by_contract: dict[str, list[bytes]] = {}
    for contract, slot in wanted:
        by_contract.setdefault(contract, []).append(slot)
    nodes = dict.fromkeys(
        node
        for contract, slots in by_contract.items()
        for node in chain.state_proofs(contract, slots, claims.block)
    )
    try:
        ordered = ordered_nodes(chain, header.state_root, wanted, list(nodes))
    except (StateProofError, InvalidEncoding) as error:
        raise ChainViolation(
            f"What the node shows of block {claims.block} does not follow from that block's header ({error}): use "
            "another node; no evidence was made."
        ) from None
    part = ChainPart(
        chain_id=profile.chain_id,
        genesis_hash=profile.genesis_hash,
        headers=(header.encode(), *successors(chain, claims.block)),
        nodes=tuple(ordered),
    )
    return replace(evidence, chain=part)


def _signers(chain: Chain, evidence: Evidence) -> list[bytes]:
    """Who signed what the file holds, in the order in which `verify` reads their accounts."""
    manifest, log = evidence.manifest, chain.profile.log_domain
    signers = [recover_address(manifest.record.digest(log), manifest.signature)]
    given = manifest.promise
    if given is not None:
        leaf = records.leaf_hash(manifest.record.leaf_data(manifest.signature))
        promise = records.Promise(
            manifest.record.party[:8], given.epoch, given.index, leaf, given.seen, given.anchor_by
        )
        signers.append(recover_address(promise.digest(log), given.signature))
    domain = chain.profile.consignments_domain
    return [
        *signers,
        *(recover_address(taken.record.digest(domain), taken.signature) for taken in evidence.custody),
    ]


def ordered_nodes(
    chain: Chain, state_root: bytes, wanted: Sequence[tuple[str, bytes]], nodes: Sequence[bytes]
) -> list[bytes]:
    """The nodes that the slots need, in the order of need."""
    shared = SharedNodes(nodes)
    roots: dict[str, bytes] = {}
    for contract, slot in wanted:
        if contract not in roots:
            address = bytes.fromhex(chain.profile.address_of(contract)[2:])
            value = shared.value(state_root, records.keccak(address))
            if value is None:
                raise StateProofError(f"there is no {contract}")
            roots[contract] = decode_account(value).storage_root
        shared.value(roots[contract], records.keccak(slot))
    return shared.used


def block_for(chain: Chain, indexed: int) -> int:
    """The newest block that evidence can speak of: final by the profile, and on Clique with its 2N successors.

    Args:
        chain: The chain.
        indexed: The newest block indexed here.
    """
    final = indexed - chain.profile.confirmations
    if chain.profile.kind == "clique":
        final = min(final, indexed - 2 * len(chain.clique_signers(indexed)))
    return max(0, final)


def successors(chain: Chain, block: int) -> list[bytes]:
    """The headers that confirm a block, as RLP: 2N on Clique, none elsewhere."""
    if chain.profile.kind != "clique":
        return []
    count = 2 * len(chain.clique_signers(block))
    return [chain.raw_header(block + n) for n in range(1, count + 1)]


def trust_of(chain: Chain, administration: str, *, old_seconds: int, expires_at: int) -> Trust:
    """What a verifier pins of a chain, as the node and the profile have it now.

    The validators are those of the profile, and the node must name the same: when the network has voted others in, the
    administrations agree on a new profile first.

    Args:
        chain: The chain; its identity is checked against the profile.
        administration: Ours, as "NL".
        old_seconds: A verdict older than this is INDETERMINATE.
        expires_at: Unix seconds.

    Raises:
        ChainMismatch: The node is of another chain than the profile, or names other validators.
        ChainUnavailable: Its newest header lists no validators.
    """
    chain.require_identity()
    profile = chain.profile
    number = chain.head().number
    validators: list[str] = []
    if profile.kind == "clique":
        number -= number % CLIQUE_EPOCH  # a checkpoint: no votes are open there
        validators = chain.clique_signers(number)
    if profile.kind == "qbft":
        listed = headers.qbft_extra(headers.decode(chain.raw_header(number))).validators
        validators = [checksummed(each) for each in sorted(listed)]
    if bool(validators) != (profile.kind != "development"):
        raise ChainUnavailable(chain.shown, f"block {number} lists no validators")
    if tuple(validators) != profile.validators:
        raise ChainMismatch("the list of validators", ", ".join(profile.validators), ", ".join(validators))
    return Trust(
        administration=administration,
        chain_id=profile.chain_id,
        genesis_hash=profile.genesis_hash,
        addresses={name: bytes.fromhex(profile.address_of(name)[2:]) for name in CONTRACTS},
        code_hashes={name: bytes.fromhex(profile.code_hashes[name][2:]) for name in CONTRACTS},
        consensus=profile.kind,
        validators=tuple(validators),
        from_block=0 if profile.kind == "development" else number,
        epoch=CLIQUE_EPOCH if profile.kind == "clique" else 0,
        old_seconds=old_seconds,
        expires_at=expires_at,
    )
