"""A whole world in memory from which evidence files are made: people with keys, a log, custody, and the state that a
chain would keep of it, under headers that the tests' own validators seal.

Attacks are edits: of the world before the file is made (what the attacker could have had signed or anchored), or of the
file. The tries are PyPI's, an implementation apart from ours.
"""

import hashlib
import json
from dataclasses import dataclass, field, replace
from importlib import resources

import jsonschema
import orjson
import rlp as oracle
import sealed_headers
from trie import HexaryTrie

from ledger.core import documents, headers, merkle, records, slots
from ledger.core.evidence import (
    ChainPart,
    Closure,
    Evidence,
    Logged,
    Part,
    Promised,
    Taken,
    Whole,
    slots_read,
)
from ledger.core.identifiers import Party
from ledger.core.records import ZERO16, ZERO32, CustodyKind, CustodyRecord, ManifestRecord, Role, keccak
from ledger.core.signatures import account_of, sign
from ledger.core.trust import CONTRACTS, Trust

START = 1_800_000_000  # when people were enrolled
NOW = START + 50_000  # time of the block that is shown
FOREVER = START + 10**8
PEOPLE = {
    "exporter": ("SG:ACME01", Role.TRADER),
    "carrier": ("SG:CARR01", Role.TRADER),
    "officer": ("SG", Role.OFFICER),
    "auditor": ("SG", Role.AUDITOR),
    "sequencer": ("SG", Role.SEQUENCER),
    "foreign_officer": ("NL", Role.OFFICER),
    "foreign_sequencer": ("NL", Role.SEQUENCER),
    "importer": ("NL:IMPO01", Role.TRADER),
}
KEY = b"\x0c" * 32
SECRET = b"\x5e" * 32
REFERENCE = "ducr:9GB123456789000-INV1"


def schema(name):
    """A published JSON Schema, ready to validate."""
    text = (resources.files("ledger") / "schemas" / f"{name}.schema.json").read_text()
    return jsonschema.Draft202012Validator(json.loads(text))


def party(text):
    return Party.parse(text).to_bytes()


def key_of(role):
    return hashlib.sha256(role.encode()).digest()


def address_of(role):
    return sealed_headers.raw(account_of(key_of(role)))


def document(reference=REFERENCE, **changes):
    scheme, _, value = reference.partition(":")
    return {
        "schema": "cargo-manifest/1",
        "basis": {"type": "declaration"},
        "references": [{"scheme": scheme, "value": value}],
        "goods": [{"sequence": 1, "description": "Static converters", "gross_mass_kg": "1250.5"}],
        "containers": [{"number": "CSQU3054383"}],
    } | changes


@dataclass
class Manifest:
    """A manifest with its document, as its author keeps it."""

    record: ManifestRecord
    signature: bytes
    document: dict

    @property
    def id(self):
        return self.record.manifest_id


@dataclass
class World:
    """Everything that happened; `evidence` makes the file of a manifest, `trust` what the verifier pins."""

    consensus: str = "qbft"
    chain_id: int = 71_117
    block: int = 500
    validators: int = 4
    others: int = 60  # slots of others in each contract, and accounts of others: so that tries have branches
    words: dict = field(default_factory=lambda: {name: {} for name in CONTRACTS})
    taken: list = field(default_factory=list)
    trails: dict = field(default_factory=dict)
    lines: dict = field(default_factory=dict)
    logs: dict = field(default_factory=dict)
    closures: dict = field(default_factory=dict)
    clock: int = START + 1_000
    code_hashes: dict = field(default_factory=lambda: {n: keccak(n.encode()) for n in CONTRACTS})
    addresses: dict = field(default_factory=lambda: {n: keccak(n.encode())[:20] for n in CONTRACTS})

    def __post_init__(self):
        for role, (code, roles) in PEOPLE.items():
            self.enrol(role, code, roles)
        for name in CONTRACTS:
            for n in range(self.others):
                self.words[name][keccak(b"other" + name.encode() + bytes((n,)))] = n + 1

    # --- people

    def enrol(self, role, code, roles, valid_until=FOREVER, revoked_from=0, revoked_at=0):
        word = revoked_at << 216 | revoked_from << 176 | valid_until << 136 | int(roles) << 128
        word |= int.from_bytes(party(code), "big")
        self.words["AdministrationRegistry"][slots.account(address_of(role))] = word

    def revoke(self, role, revoked_from, revoked_at):
        self.enrol(role, *PEOPLE[role], revoked_from=revoked_from, revoked_at=revoked_at)

    # --- manifests

    def consignment(self, role="exporter", reference=REFERENCE, key=KEY):
        return records.consignment_id(party(PEOPLE[role][0]), records.blind(key, reference))

    def manifest(self, role="exporter", content=None, *, consignment=None, former=None, **changes):
        content = document() if content is None else content
        root = documents.commit(documents.parse(orjson.dumps(content)), SECRET).root
        given = {
            "party": party(PEOPLE[role][0]),
            "kind": 1 if former is None else 2,
            "reason": 0 if former is None else 1,
            "consignment": consignment or self.consignment(),
            "manifest_root": root,
            "supersedes": ZERO32 if former is None else former.id,
            "issued_at": self.clock,
        }
        record = ManifestRecord(**(given | changes))
        return Manifest(record, sign(record.digest(self.log_domain), key_of(role)), content)

    def lodge(self, manifest, administration="SG", others=6):
        """Anchor a manifest among others' leaves."""
        leaf = records.leaf_hash(manifest.record.leaf_data(manifest.signature))
        log = self.logs.setdefault(administration, [])
        log += [hashlib.sha256(b"%d %d" % (n, len(log))).digest() for n in range(others)]
        log.append(leaf)
        self.clock += 10
        root = merkle.root(log)
        slot = slots.head(Party.parse(administration).administration_bytes, 1, len(log))
        commitment = records.head_commitment(root, self.clock)
        self.words["ManifestLog"][slot] = int.from_bytes(commitment, "big")
        manifest.place = (len(log) - 1, len(log), root, self.clock, list(log))
        return manifest

    def close(self, former, successor=None, role="exporter", reason=1):
        self.clock += 10
        after = ZERO32 if successor is None else successor.id
        closure = Closure(3 if successor is None else 2, reason, self.clock, address_of(role), after)
        word = records.closure_commitment(closure.kind, reason, closure.time, closure.signer, after)
        self.words["ManifestLog"][slots.closure(former.id)] = int.from_bytes(word, "big")
        self.closures[former.id] = closure

    # --- custody

    def record(self, kind, role, consignment=None, *, stated=None, others=(), advance=10, **changes):
        """A custody record that the chain takes, on its trail and on those of `others`; its digest."""
        consignment = consignment or self.consignment()
        signer = address_of(role)
        line = (consignment, "custody" if kind in (6, 7, 8, 12, 14, 15, 16) else signer)
        previous = self.lines.get(line if kind != CustodyKind.TAKE else (consignment, signer), ZERO32)
        self.clock += advance
        root = ZERO32
        if stated is not None:
            root = documents.commit(documents.parse(orjson.dumps(stated)), SECRET).root
        given = {
            "consignment": consignment,
            "kind": int(kind),
            "party": party(PEOPLE[role][0]),
            "previous": previous,
            "subject": ZERO32,
            "details": root,
            "counterpart": ZERO16,
            "observed_at": self.clock,
            "expires_at": self.clock + 3_600,
        }
        record = CustodyRecord(**(given | changes))
        digest = record.digest(self.consignments_domain)
        signature = sign(digest, changes.pop("key", key_of(role)))
        shown = None
        if stated is not None:
            parsed = documents.parse(orjson.dumps(stated))
            shown = Part(documents.disclose(parsed, SECRET, ["/" + name for name in stated]))
        self.taken.append(Taken(record, signature, self.clock, shown))
        for each in (consignment, *others):
            trail = records.extend_trail(self.trails.get(each, ZERO32), digest, signer, self.clock)
            self.trails[each] = trail
            self.words["ConsignmentLedger"][slots.trail(each)] = int.from_bytes(trail, "big")
        if kind != CustodyKind.OPEN:
            self.lines[line] = digest
        if kind == CustodyKind.TAKE:
            self.lines[consignment, signer] = digest
        return digest

    def open(self, manifest, role="exporter", reference=REFERENCE, key=KEY):
        return self.record(
            CustodyKind.OPEN,
            role,
            manifest.record.consignment,
            previous=records.blind(key, reference),
            details=manifest.record.manifest_root,
        )

    # --- what is handed out

    @property
    def log_domain(self):
        return records.Domain(self.chain_id, self.addresses["ManifestLog"])

    @property
    def consignments_domain(self):
        return records.Domain(self.chain_id, self.addresses["ConsignmentLedger"])

    def trust(self, **changes):
        sealed = self.consensus != "development"
        validators = sorted(sealed_headers.ADDRESSES[: self.validators], key=str.lower) if sealed else ()
        given = {
            "administration": "SG",
            "chain_id": self.chain_id,
            "genesis_hash": b"\x67" * 32,
            "addresses": self.addresses,
            "code_hashes": self.code_hashes,
            "consensus": self.consensus,
            "validators": tuple(validators),
            "from_block": 400 if sealed else 0,
            "epoch": 30_000 if self.consensus == "clique" else 0,
            "old_seconds": 86_400,
            "expires_at": FOREVER,
        }
        return Trust(**(given | changes))

    def promise(self, manifest, seen=True, role="sequencer"):
        index, _, _, anchored_at, _ = manifest.place
        leaf = records.leaf_hash(manifest.record.leaf_data(manifest.signature))
        promise = records.Promise(manifest.record.party[:8], 1, index, leaf, seen, anchored_at + 60)
        signature = sign(promise.digest(self.log_domain), key_of(role))
        return Promised(1, index, seen, anchored_at + 60, signature)

    def evidence(
        self,
        manifest,
        *,
        show=("/references", "/containers"),
        seen=True,
        reference=REFERENCE,
        key=KEY,
        **parts,
    ):
        index, size, root, anchored_at, log = manifest.place
        parsed = documents.parse(orjson.dumps(manifest.document, option=orjson.OPT_SORT_KEYS))
        shown = (
            Whole(parsed.data, SECRET) if "" in show else Part(documents.disclose(parsed, SECRET, list(show)))
        )
        draft = Evidence(
            reference=reference,
            consignment_key=key,
            manifest=Logged(
                record=manifest.record,
                signature=manifest.signature,
                epoch=1,
                index=index,
                size=size,
                root=root,
                anchored_at=anchored_at,
                path=tuple(
                    merkle.prove_inclusion(index, size, _nodes(log, merkle.inclusion_nodes(index, size)))
                ),
                shown=shown,
                promise=None if seen is None else self.promise(manifest, seen),
            ),
            closures=(),
            custody=tuple(self.taken),
            chain=ChainPart(self.chain_id, b"\x67" * 32, (), ()),
        )
        draft = replace(draft, closures=tuple(self._closures_from(draft.first_manifest)))
        return self.shown(replace(draft, **parts))

    def _closures_from(self, at):
        while at in self.closures:
            yield self.closures[at]
            at = self.closures[at].successor

    def shown(self, draft, signers=None, extra_slots=()):
        """The file with its chain part: headers, and the nodes for what it claims."""
        if signers is None:
            signers = signers_of(draft, self.log_domain, self.consignments_domain)
        storage = {name: self._trie(words) for name, words in self.words.items()}
        state = HexaryTrie({})
        for n in range(self.others):
            state[keccak(b"account" + bytes((n,)))] = oracle.encode([b"", b"\1", bytes(32), bytes(32)])
        for name, trie in storage.items():
            account = [b"\1", b"", trie.root_hash, self.code_hashes[name]]
            state[keccak(self.addresses[name])] = oracle.encode(account)
        nodes = {}
        seen = set()
        for name, slot in [*slots_read(draft, signers), *extra_slots]:
            if name not in seen:
                seen.add(name)
                nodes |= dict.fromkeys(_proof(state, self.addresses[name]))
            nodes |= dict.fromkeys(_proof(storage[name], slot))
        self.state_root = state.root_hash
        chain = replace(draft.chain, headers=tuple(self.headers()), nodes=tuple(nodes))
        return replace(draft, chain=chain)

    def headers(self, state_root=None, sealers=None, number=None, time=NOW):
        """Sealed headers of a state root, as the consensus needs them."""
        number = self.block if number is None else number
        fields = {"f3": state_root or self.state_root, "f11": time.to_bytes(4, "big")}
        keys = sealed_headers.KEYS[: self.validators] if sealers is None else sealers
        if self.consensus == "qbft":
            listed = [account_of(key) for key in sealed_headers.KEYS[: self.validators]]
            return [sealed_headers.qbft(listed, keys, number=number, **fields).encode()]
        if self.consensus == "clique":
            made = [sealed_headers.clique(keys[0], number, **fields)]
            for n in range(2 * self.validators):
                parent = headers.block_hash(made[-1])
                made.append(
                    sealed_headers.clique(
                        keys[(n + 1) % len(keys)],
                        number + n + 1,
                        parent=parent,
                        f11=(time + n + 1).to_bytes(4, "big"),
                    )
                )
            return [each.encode() for each in made]
        return [sealed_headers.plain_header(number, b"", **fields).encode()]

    @staticmethod
    def _trie(words):
        trie = HexaryTrie({})
        for slot, word in words.items():
            trie[keccak(slot)] = oracle.encode(word)
        return trie


def signers_of(draft, log_domain, consignments_domain):
    """As a stranger computes them."""
    from ledger.core.signatures import recover_address
    from ledger.errors import LedgerError

    manifest = draft.manifest
    signed = [(manifest.record.digest(log_domain), manifest.signature)]
    if manifest.promise is not None:
        leaf = records.leaf_hash(manifest.record.leaf_data(manifest.signature))
        given = manifest.promise
        promise = records.Promise(
            manifest.record.party[:8], given.epoch, given.index, leaf, given.seen, given.anchor_by
        )
        signed.append((promise.digest(log_domain), given.signature))
    signed += [(taken.record.digest(consignments_domain), taken.signature) for taken in draft.custody]
    found = []
    for digest, signature in signed:
        try:
            found.append(recover_address(digest, signature))
        except LedgerError:
            found.append(None)
    return found


def _nodes(leaves, places):
    return {place: merkle.root(leaves[place[1] << place[0] : (place[1] + 1) << place[0]]) for place in places}


def _proof(trie, key):
    encoded = [oracle.encode(node) for node in trie.get_proof(keccak(key))]
    return [node for at, node in enumerate(encoded) if at == 0 or len(node) >= 32]


def history(world=None, **manifest):
    """A world with the usual: lodged, opened, arrived, handed to the carrier, released for export; and its manifest."""
    world = world or World()
    shown = world.lodge(world.manifest(**manifest))
    world.open(shown)
    world.record(CustodyKind.ARRIVAL, "exporter", stated={"place": "SGSIN"})
    offer = world.record(CustodyKind.OFFER, "exporter", counterpart=party("SG:CARR01"))
    world.record(CustodyKind.ACCEPT, "carrier", subject=offer)
    world.record(
        CustodyKind.RELEASE, "officer", subject=shown.id, stated={"procedure": "export", "place": "SGSIN"}
    )
    return world, shown
