"""Files of split views out of a `World`: two sealed blocks, and promises that its chain does not keep."""

import hashlib

import rlp as oracle
import sealed_headers
from evidence_maker import NOW, _proof, address_of, key_of
from trie import HexaryTrie

from ledger.core import headers, merkle, records, slots
from ledger.core.evidence import ChainPart
from ledger.core.identifiers import Party
from ledger.core.records import Promise, keccak
from ledger.core.signatures import sign
from ledger.core.split import Signed, Split, Stands, slots_read
from ledger.core.trust import CONTRACTS


def forked(world, listed=None, keys=None, *, other_keys=None, before=(), number=None, **other_fields):
    """Two blocks of the world, the second with another state root, or with the number and fields given."""
    listed = sealed_headers.ADDRESSES[:4] if listed is None else listed
    keys = sealed_headers.KEYS[:4] if keys is None else keys
    state, nodes = show(world, [])
    time = NOW.to_bytes(4, "big")
    one = sealed_headers.qbft(listed, keys, number=world.block, f3=state, f11=time)
    fields = {"f3": b"\x08" * 32, "f11": time} | other_fields
    sealers = keys if other_keys is None else other_keys
    other = sealed_headers.qbft(listed, sealers, number=number or world.block, **fields)
    chain = ChainPart(world.chain_id, b"\x67" * 32, (*before, one.encode(), other.encode()), nodes)
    return Split(None, None, chain)


def resealed(encoded, keys, round):
    """The same block, with other seals in another round."""
    header = headers.decode(encoded)
    extra = headers.qbft_extra(header)
    unsealed = sealed_headers.with_extra(header, extra.encode(round=round, seals=()))
    digest = keccak(unsealed.encode())
    seals = [sealed_headers.seal(digest, key) for key in keys]
    return sealed_headers.with_extra(header, extra.encode(round=round, seals=seals)).encode()


def broken(
    world, how, *, anchored=6, epoch=1, open_epoch=1, anchor_by=NOW - 60, role="sequencer", null=False
):
    """A promise of SG for index 6, held against a log of `anchored` leaves (late), another leaf, or its own (kept)."""
    code = Party("SG").administration_bytes
    leaves = [hashlib.sha256(b"leaf %d" % n).digest() for n in range(9)]
    promised = leaves[6] if how == "kept" else hashlib.sha256(b"promised").digest()
    promise = Promise(code, epoch, 6, promised, True, anchor_by)
    signature = sign(promise.digest(world.log_domain), key_of(role))
    leaf = None
    words = world.words["ManifestLog"]
    if how != "late":
        root, at = merkle.root(leaves), NOW - 100
        path = merkle.prove_inclusion(6, 9, _nodes(leaves))
        leaf = Stands(leaves[6], tuple(path), 9, root, at)
        words[slots.head(code, 1, 9)] = int.from_bytes(records.head_commitment(root, at), "big")
    if anchored or open_epoch > 1:
        words[slots.last_head(code)] = (NOW - 100) << 96 | anchored << 32 | open_epoch
    wanted = slots_read(promise, leaf, address_of(role))
    world.state_root, nodes = show(world, wanted, null=null)
    chain = ChainPart(world.chain_id, b"\x67" * 32, tuple(world.headers()), nodes)
    return Split(Signed(promise, signature), leaf, chain)


def show(world, wanted, null=False):
    """The state root, and the nodes to the slots, in order; for none, to ManifestLog's account."""
    storage = {name: world._trie(words) for name, words in world.words.items()}
    if null:  # a slot that was read and holds nothing, as anvil keeps it
        storage["ManifestLog"][keccak(wanted[0][1])] = b"\x80"
    state = HexaryTrie({})
    for name in CONTRACTS:
        account = [b"\1", b"", storage[name].root_hash, world.code_hashes[name]]
        state[keccak(world.addresses[name])] = oracle.encode(account)
    nodes = dict.fromkeys([] if wanted else _proof(state, world.addresses["ManifestLog"]))
    for name, slot in wanted:
        nodes |= dict.fromkeys(_proof(state, world.addresses[name]))
        nodes |= dict.fromkeys(_proof(storage[name], slot))
    return state.root_hash, tuple(nodes)


def _nodes(leaves):
    """The nodes for the path of leaf 6."""
    from evidence_maker import _nodes as nodes_of

    return nodes_of(leaves, merkle.inclusion_nodes(6, len(leaves)))
