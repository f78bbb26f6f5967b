"""An evidence file of a 12-record history on a chain of 100,000 consignments: its size, and how long judging it takes.

The chain's state is made in memory: the contracts' slots as they would be, under a QBFT header of four validators. A
block of the same size on anvil would have another root and the same proofs.
"""

import gzip
import random
import sys
import time

import rlp
from figures import Figure
from manifests import PROJECT

from ledger.core.records import CustodyKind, keccak
from ledger.core.verify import verify

sys.path.insert(0, str(PROJECT / "tests" / "support"))

from evidence_maker import NOW, World, document, party

CONSIGNMENTS = 100_000
SLOTS_EACH = 5  # trail, custody line, charge, two accounts' lines
HEADS = 20_000
CLOSURES = 5_000
ACCOUNTS = 1_000
ROUNDS = 200


class BulkTrie:
    """A Merkle-Patricia trie built once from all its keys, which PyPI's trie does in minutes."""

    def __init__(self, words):
        leaves = sorted((keccak(slot).hex(), word) for slot, word in words.items())
        self._nodes = {}
        root = self._node(leaves, 0, len(leaves), 0)
        self.root_hash = keccak(root)
        self._nodes[self.root_hash] = root

    def _node(self, leaves, begin, end, depth):
        if end - begin == 1:
            path, word = leaves[begin]
            return rlp.encode([_compact(path[depth:], 2), rlp.encode(word)])
        first, last = leaves[begin][0], leaves[end - 1][0]
        at = depth
        while first[at] == last[at]:
            at += 1
        children, start = [], begin
        for digit in "0123456789abcdef":
            stop = start
            while stop < end and leaves[stop][0][at] == digit:
                stop += 1
            children.append(self._named(self._node(leaves, start, stop, at + 1)) if stop > start else b"")
            start = stop
        branch = rlp.encode([*children, b""])
        if at == depth:
            return branch
        return rlp.encode([_compact(first[depth:at], 0), self._named(branch)])

    def _named(self, encoded):
        if len(encoded) < 32:
            return rlp.decode(encoded)
        name = keccak(encoded)
        self._nodes[name] = encoded
        return name

    def get_proof(self, key):
        """The nodes on the way to a key, decoded, as PyPI's trie gives them."""
        path, at, name, shown = key.hex(), 0, self.root_hash, []
        while isinstance(name, bytes) and name:
            node = rlp.decode(self._nodes[name])
            shown.append(node)
            while True:  # embedded nodes stand in the one shown
                if len(node) == 17:
                    name, at = node[int(path[at], 16)], at + 1
                else:
                    nibbles = node[0].hex()
                    is_leaf, own = nibbles[0] in "23", nibbles[1 if nibbles[0] in "13" else 2 :]
                    if is_leaf or path[at : at + len(own)] != own:
                        return shown
                    name, at = node[1], at + len(own)
                if not isinstance(name, list):
                    break
                node = name
        return shown


def _compact(path, kind):
    odd = len(path) % 2
    return bytes.fromhex(f"{kind + odd:x}" + ("" if odd else "0") + path)


class LargeWorld(World):
    """A world with the other cargo of a chain in its state."""

    def __post_init__(self):
        super().__post_init__()
        chance = random.Random(1)
        for name, count in (
            ("ConsignmentLedger", CONSIGNMENTS * SLOTS_EACH),
            ("ManifestLog", HEADS + CLOSURES),
            ("AdministrationRegistry", ACCOUNTS),
        ):
            self.words[name].update((chance.randbytes(32), chance.getrandbits(255) + 1) for _ in range(count))

    @staticmethod
    def _trie(words):
        return BulkTrie(words)


def history():
    """A manifest and twelve records, half of them with their details."""
    world = LargeWorld()
    goods = [{"sequence": n + 1, "description": f"Goods {n}", "hs": f"8504{n:02}"} for n in range(12)]
    manifest = world.lodge(world.manifest(content=document(goods=goods)), others=1_000)
    world.open(manifest)
    for place in ("SGSIN", "SGKEP"):
        world.record(CustodyKind.ARRIVAL, "exporter", stated={"place": place})
        world.record(CustodyKind.DEPARTURE, "exporter", stated={"place": place})
    offer = world.record(CustodyKind.OFFER, "exporter", counterpart=party("SG:CARR01"))
    world.record(CustodyKind.ACCEPT, "carrier", subject=offer)
    hold = world.record(CustodyKind.HOLD, "officer", stated={"reason": "papers"})
    world.record(CustodyKind.INSPECTION, "officer")
    world.record(CustodyKind.LIFT, "officer", subject=hold)
    world.record(CustodyKind.RELEASE, "officer", subject=manifest.id, stated={"procedure": "export"})
    world.record(CustodyKind.DEPARTURE, "carrier", stated={"place": "SGSIN"})
    assert len(world.taken) == 12
    return world, manifest


def measure() -> list[Figure]:
    """Make the file, and judge it over and over."""
    world, manifest = history()
    data, trust = world.evidence(manifest).encode(), world.trust()
    assert verify(data, trust, NOW).verdict == "VALID"
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        verify(data, trust, NOW)
        times.append(time.perf_counter() - start)
    middle = sorted(times)[ROUNDS // 2] * 1_000
    packed = len(gzip.compress(data, 9)) / 1_024
    chain = f"a chain of {CONSIGNMENTS:,} consignments"
    how = (
        f"{len(world.taken)} records by 3 accounts, 5 fields of the manifest disclosed, QBFT header of 4 validators; state "
        f"made in memory: {CONSIGNMENTS * SLOTS_EACH:,} slots of custody, {HEADS + CLOSURES:,} of the log, {ACCOUNTS:,} accounts"
    )
    return [
        Figure(
            f"evidence file of a 12-record history, gzip -9, {chain}",
            f"{packed:.1f} KiB",
            "20 KiB",
            packed <= 20,
            how,
        ),
        Figure("the same as it is", f"{len(data) / 1_024:.1f} KiB"),
        Figure(
            "evidence check of a 12-record history, warm",
            f"{middle:.1f} ms",
            "5 ms",
            middle <= 5,
            f"median of {ROUNDS}, from bytes to verdict, one core",
        ),
    ]


if __name__ == "__main__":
    for figure in measure():
        print(figure)
