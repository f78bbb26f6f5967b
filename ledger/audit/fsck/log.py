"""Accepted manifests, the promises given for them, and the tree they were taken into: each from the records' own bytes.

A record's leaf is what everything else of it derives from; the leaves give the tree's nodes, and the tree must lead to
every head of this administration's that the chain has.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ledger import tables as t
from ledger.audit.compare import Kind
from ledger.audit.fsck import promised
from ledger.audit.fsck.found import Checked, Corruption, side_by_side
from ledger.core import merkle, records
from ledger.core.records import ManifestKind, ManifestRecord, Promise, Role
from ledger.core.signatures import recover_address
from ledger.errors import InvalidRecord, InvalidSignature
from ledger.rows import tiles

_HASH = 32
_CLOSINGS = ("waiting", "sent", "done", "refused")


def check(checked: Checked) -> Iterator[Corruption]:
    """Every manifest by itself, then the log, its tree and its heads."""
    rows = list(checked.session.every(t.log, t.log.c.id))
    if len(rows) != 1:
        kind: Kind = "extra" if rows else "missing"
        yield checked.of(kind, "log", {}, f"There is one row, which counts the log; here are {len(rows)}.")
        if not rows:
            return
    log = rows[0]
    leaves: dict[int, bytearray] = {log.epoch: bytearray()}
    yield from _manifests(checked, leaves)
    yield from _counted(checked, log, leaves)
    yield from promised.check(checked, log)
    for epoch, hashes in leaves.items():
        taken = hashes
        if epoch == log.epoch:
            taken = hashes[: _HASH * max(0, log.sequenced)]
        levels = _levels(taken)
        yield from _tree(checked, epoch, levels, is_closed=epoch != log.epoch)
        yield from _heads(checked, log, epoch, levels)
    for row in checked.session.every(t.tiles, t.tiles.c.epoch, t.tiles.c.level, t.tiles.c.position):
        if row.epoch not in leaves:
            key = {"epoch": row.epoch, "level": row.level, "position": row.position}
            yield checked.of("extra", "tiles", key, "The log has no leaf of this epoch.")


# --- one manifest


def _manifests(checked: Checked, leaves: dict[int, bytearray]) -> Iterator[Corruption]:
    """Each record in the log's order; its leaf hash is put to those of its epoch."""
    for row in checked.session.every(t.manifests, t.manifests.c.epoch, t.manifests.c.log_index):
        hashes = leaves.setdefault(row.epoch, bytearray())
        expected = len(hashes) // _HASH
        if row.log_index != expected:
            what = f"Index {expected} of epoch {row.epoch} was given out and holds no record."
            kind: Kind = "missing" if row.log_index > expected else "extra"
            yield checked.of(kind, "manifests", {"epoch": row.epoch, "log_index": expected}, what)
            hashes.extend(
                bytes(_HASH * max(0, row.log_index - expected))
            )  # so that what follows has its place
        hashes.extend(records.leaf_hash(bytes(row.leaf)))
        yield from _manifest(checked, row)


def _manifest(checked: Checked, row: Any) -> Iterator[Corruption]:
    key = {"digest": row.digest}

    def wrong(what: str) -> Corruption:
        return checked.of("changed", "manifests", key, what)

    try:
        record, signature = records.decode_leaf(row.leaf)
        record.require_form()
        digest = record.digest(checked.log_domain)
        signer = recover_address(digest, signature)
    except (InvalidRecord, InvalidSignature) as error:
        yield wrong(f"Its leaf is no signed record: {error}")
        return
    derived = {
        "digest": digest,
        "manifest_id": record.manifest_id,
        "party": record.party,
        "consignment": record.consignment,
        "supersedes": record.supersedes if any(record.supersedes) else None,
        "signer": signer,
    }
    for name, value in derived.items():
        if getattr(row, name) != value:
            yield wrong(
                f"Its {name} is {_hex(getattr(row, name))}, and {_hex(value)} by the record that was signed."
            )
    account = checked.membership.account(signer)
    if account is None or account.party != record.party or not account.has(Role.TRADER, Role.OFFICER):
        yield wrong(f"0x{signer.hex()}, who signed the record, was never enrolled to lodge for its party.")
    elif record.party[:8] != checked.administration:
        yield wrong("Its party is another administration's.")
    yield from (wrong(what) for what in _promise(checked, row))
    yield from (wrong(what) for what in _closing(checked, row, record, digest))


def _promise(checked: Checked, row: Any) -> Iterator[str]:
    try:
        promise = Promise(
            checked.administration,
            row.promise_epoch,
            row.promise_index,
            records.leaf_hash(row.leaf),
            row.seen,
            row.anchor_by,
        )
        signer = recover_address(promise.digest(checked.log_domain), row.promise_signature)
    except (InvalidRecord, InvalidSignature) as error:
        yield f"The promise given for it is none: {error}"
        return
    account = checked.membership.account(signer)
    customs = checked.administration + bytes(8)
    if signer != row.promise_signer:
        yield (
            f"The promise given for it (epoch {row.promise_epoch}, index {row.promise_index}, seen {row.seen}, by "
            f"{row.anchor_by}) is not signed by 0x{row.promise_signer.hex()}."
        )
    elif account is None or account.party != customs or not account.has(Role.SEQUENCER):
        yield f"0x{signer.hex()}, who signed the promise given for it, was never a sequencer of this log."
    moved = (row.promise_epoch, row.promise_index) != (row.epoch, row.log_index)
    if moved and row.promise_epoch >= row.epoch:
        yield (
            f"It was promised index {row.promise_index} of epoch {row.promise_epoch} and has index {row.log_index} of "
            f"epoch {row.epoch}."
        )


def _closing(checked: Checked, row: Any, record: ManifestRecord, digest: bytes) -> Iterator[str]:
    """How far the closing of a manifest has come, against the chain."""
    if record.kind == ManifestKind.LODGE:
        if (row.closing, row.closing_transaction, row.problem) != (None, None, None):
            yield "It closes nothing, and has a closing."
        return
    if row.closing not in _CLOSINGS:
        yield f"The state of its closing is {str(row.closing)[:40]!r}, which is none."
        return
    former = checked.session.manifest_of_id(record.supersedes)
    if former is None or former.consignment != record.consignment:
        yield f"It closes manifest 0x{record.supersedes.hex()}, which is not here, or of another consignment."
    closure = checked.chain.closure(record.supersedes)
    is_closed = closure is not None and closure.digest == digest
    if row.closing == "done" and not is_closed:
        yield "Its closing is said to be done, and the chain has none by it."
    if row.closing == "refused" and (is_closed or not row.problem):
        yield "Its closing is said to be refused, and " + (
            "the chain has taken it." if is_closed else "no reason is given."
        )
    if row.closing != "refused" and row.problem is not None:
        yield f"Its closing is {row.closing}, and has a refusal's reason."
    if row.closing == "waiting" and row.closing_transaction is not None:
        yield "Its closing is said to wait, and a transaction carries it."
    if row.closing == "sent" and row.closing_transaction is None:
        yield "Its closing is said to be sent, and no transaction carries it."


def _hex(value: object) -> str:
    return "nothing" if value is None else "0x" + value.hex() if isinstance(value, bytes) else repr(value)


# --- the log


def _counted(checked: Checked, log: Any, leaves: dict[int, bytearray]) -> Iterator[Corruption]:
    def wrong(what: str) -> Corruption:
        return checked.of("changed", "log", {"id": log.id}, what)

    restarts = checked.chain.restarts(checked.administration, checked.cursor)
    if not 1 <= log.epoch <= 1 + restarts or max(leaves) > log.epoch:
        yield wrong(
            f"It is in epoch {log.epoch}; the chain says {1 + restarts}, the newest leaf is of {max(leaves)}."
        )
    given = len(leaves[log.epoch]) // _HASH
    if log.next_index != given:
        yield wrong(f"Its next index is {log.next_index}, and {given} leaves were given one.")
    if not 0 <= log.sequenced <= given:
        yield wrong(f"{log.sequenced} leaves are said to be in the tree, and there are {given}.")
    if log.foreign_from is None:
        return
    head = checked.chain.head_of_size(checked.administration, log.epoch, log.foreign_from)
    if head is None:
        yield wrong(
            f"Heads from size {log.foreign_from} on are said to be another tree's; the chain has none of that size."
        )
    else:
        checked.notes.append(
            f"Epoch {log.epoch} has heads on chain from size {log.foreign_from} on that are not of this tree: the "
            "governor must restart the log."
        )


# --- the tree


def _levels(leaf_hashes: bytes | bytearray) -> list[bytes]:
    """The hashes of all complete subtrees, level by level from the leaves; 64 bytes of memory a leaf."""
    levels = [bytes(leaf_hashes)]
    while len(levels[-1]) >= 2 * _HASH:
        below = levels[-1]
        pairs = len(below) // (2 * _HASH)
        levels.append(
            b"".join(
                merkle.hash_children(
                    below[2 * _HASH * at : 2 * _HASH * at + _HASH],
                    below[2 * _HASH * at + _HASH : 2 * _HASH * (at + 1)],
                )
                for at in range(pairs)
            )
        )
    return levels


def _tree(checked: Checked, epoch: int, levels: list[bytes], *, is_closed: bool) -> Iterator[Corruption]:
    """Every tile of an epoch, against the tree of its leaves."""
    size = len(levels[0]) // _HASH
    kept = checked.session.every(t.tiles, t.tiles.c.level, t.tiles.c.position, epoch=epoch)
    theirs = ({name: getattr(row, name) for name in ("level", "position", "hashes")} for row in kept)
    for tile, our, their in side_by_side(_tiles(levels), theirs, ("level", "position")):
        key = {"epoch": epoch, "level": tile[0], "position": tile[1]}
        if their is None:
            yield checked.of("missing", "tiles", key, "The leaves below it are there: proofs can't be made.")
            continue
        for kind, what in _of_tile(
            tile, b"" if our is None else our["hashes"], their["hashes"], size, is_closed
        ):
            yield checked.of(kind, "tiles", key, what)


def _of_tile(
    tile: tiles.Tile, ours: bytes, theirs: bytes, size: int, is_closed: bool
) -> Iterator[tuple[Kind, str]]:
    """What is wrong in one tile that is there: each node that is another, those that are missing, those too many."""
    for begin in range(0, min(len(ours), len(theirs)) // _HASH * _HASH, _HASH):
        our, their = ours[begin : begin + _HASH], theirs[begin : begin + _HASH]
        if our != their:
            level, position = tiles.node(tile, begin // _HASH)
            what = f"Node {position} of level {level} is 0x{their.hex()}, and 0x{our.hex()} by the leaves below it."
            yield "changed", what
    if len(theirs) < len(ours):
        level, position = tiles.node(tile, len(theirs) // _HASH)
        yield "missing", f"It ends before node {position} of level {level}: proofs can't be made."
    elif len(theirs) > len(ours) and not (is_closed and _is_tile(tile, theirs)):
        # what a restart took over into the next epoch has left its nodes in the epoch before
        yield "extra", f"It has {len(theirs) - len(ours)} bytes of nodes that {size} leaves do not have."


def _is_tile(tile: tiles.Tile, hashes: bytes) -> bool:
    """Whether there can be such a tile in a tree of any size."""
    level, position = tile
    is_place = 0 <= level < 64 and level % tiles.HEIGHT == 0 and position >= 0
    return is_place and len(hashes) % _HASH == 0 and len(hashes) <= _HASH * tiles.FULL


def _tiles(levels: list[bytes]) -> Iterator[dict[str, Any]]:
    """The tiles of a tree, in the order of their level and position."""
    size = len(levels[0]) // _HASH
    for lowest in range(0, len(levels), tiles.HEIGHT):
        for position in range(-(-(size >> lowest) >> tiles.HEIGHT)):
            tile = lowest, position
            nodes = (tiles.node(tile, at) for at in range(tiles.count(tile, size)))
            hashes = b"".join(levels[level][_HASH * at : _HASH * (at + 1)] for level, at in nodes)
            yield {"level": lowest, "position": position, "hashes": hashes}


def _heads(checked: Checked, log: Any, epoch: int, levels: list[bytes]) -> Iterator[Corruption]:
    """Every head of ours that the chain has, against the tree of the leaves."""
    size = len(levels[0]) // _HASH
    foreign = log.foreign_from if epoch == log.epoch and log.foreign_from is not None else None
    order = (t.chain_heads.c.size,)
    for head in checked.chain.every(
        t.chain_heads, *order, administration=checked.administration, epoch=epoch
    ):
        if head.block_number > checked.through or (foreign is not None and head.size >= foreign):
            continue
        key = {"epoch": epoch, "log_index": head.size - 1}
        if head.size > size:
            if epoch == log.epoch:
                what = f"A head of {head.size} leaves is on chain, and {size} are in the tree here."
                yield checked.of("missing", "manifests", key, what, head.block_number)
            continue
        nodes = {
            (level, position): levels[level][_HASH * position : _HASH * (position + 1)]
            for level, position in merkle.root_nodes(head.size)
        }
        root = merkle.root_from_nodes(head.size, nodes)
        if root != head.root:
            what = (
                f"The first {head.size} leaves here lead to 0x{root.hex()}; the chain's head of that size has "
                f"0x{head.root.hex()}."
            )
            yield checked.of("changed", "manifests", key, what, head.block_number)
