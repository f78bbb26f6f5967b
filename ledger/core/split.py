"""Proof of a split view: that somebody showed two histories, for a third who trusts only the trust file.

Two things prove it, and a file holds one of them:

- Two QBFT blocks of one height under one parent, each sealed by a quorum. At least a third of the validators sealed
  both, which an honest one never does.
- A sequencer's promise, and the chain's own word that it was broken: another leaf stands at the index, or at a block
  later than the promised time the log does not reach it.

Two sealed Clique blocks of one height are normal and prove nothing; so does one block with two lists of seals.

One JSON object in one encoding (`canonical`), format `cargo-split/1`; bytes are lower-case hex after 0x, times Unix seconds:

    schema    "cargo-split/1"
    promise   null for two blocks; else administration (8 bytes), epoch, index, leaf_hash, seen, anchor_by, signature
    leaf      null, or what stands at the promised index: leaf_hash, path, and size, root and anchored_at of the head above
    chain     id and genesis_hash of the network; headers as RLP; nodes: the tries' nodes as RLP, each once, in the order
              in which the slots of `slots_read` need them

`headers` of a promise are those of evidence. Of two blocks they are the headers that change the validators, then the two;
`nodes` then lead from the first one's state root to ManifestLog's account: seals name no chain, and validators may use
one key on two, but the pinned code holds the genesis hash, and what has one parent is of one chain.

What is **not** checked: when a promise was signed, which it does not say. Signed by an account that was revoked it proves nothing.

Source: DESIGN 5 (Promise) and 6 (Seals).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ledger.core import canonical, headers, merkle, sealing, slots
from ledger.core.canonical import hexed
from ledger.core.evidence import ChainPart
from ledger.core.findings import party_text, time_text
from ledger.core.headers import Header
from ledger.core.records import Promise, Role, head_commitment, keccak
from ledger.core.signatures import checksummed, recover_address
from ledger.core.state_proof import SharedNodes, decode_account, decode_slot
from ledger.core.trust import Trust
from ledger.core.verdict import AsOf, Check, Outcome, Report, conclude, run_check, undecided, wrong
from ledger.errors import InvalidRecord, InvalidSplit, LedgerError

SCHEMA = "cargo-split/1"
MAX_BYTES = 4 << 20
_MAX_VALUES = 25_000
_MAX_PATH = 64
_TOP = frozenset(("schema", "promise", "leaf", "chain"))
_PROMISE = frozenset(("administration", "epoch", "index", "leaf_hash", "seen", "anchor_by", "signature"))
_LEAF = frozenset(("leaf_hash", "path", "size", "root", "anchored_at"))


@dataclass(frozen=True, slots=True)
class Signed:
    """A promise as it was given: `signature` has 65 bytes."""

    promise: Promise
    signature: bytes


@dataclass(frozen=True, slots=True)
class Stands:
    """The leaf that stands at an index under an anchored head.

    Attributes:
        leaf_hash: 32 bytes.
        path: Inclusion path, 32 bytes each.
        size: Leaves under the head.
        root: The head's root, 32 bytes.
        anchored_at: When the head was anchored, Unix seconds.
    """

    leaf_hash: bytes
    path: tuple[bytes, ...]
    size: int
    root: bytes
    anchored_at: int


@dataclass(frozen=True, slots=True)
class Split:
    """A file of a split view.

    Attributes:
        given: The promise, or None for two blocks.
        leaf: What stands where the promised leaf should, or None.
        chain: What the chain says.
    """

    given: Signed | None
    leaf: Stands | None
    chain: ChainPart

    @classmethod
    def decode(cls, data: bytes) -> Split:
        """Read a file.

        Raises:
            InvalidSplit: It is not one in its one encoding, with the place.
        """
        value = canonical.read(data, most_bytes=MAX_BYTES, most_values=_MAX_VALUES, refuse=InvalidSplit)
        if isinstance(value, dict) and value.get("schema", SCHEMA) != SCHEMA:
            _FORM.fail("/schema", f"{SCHEMA} is expected; for another version use a newer verifier")
        top = _FORM.members(value, "", _TOP)
        given = None if top["promise"] is None else _signed(top["promise"])
        leaf = None if top["leaf"] is None else _stands(top["leaf"])
        if given is None and leaf is not None:
            _FORM.fail("/leaf", "a leaf is held against a promise, and none is there")
        return cls(given, leaf, ChainPart.read(_FORM, top["chain"]))

    def encode(self) -> bytes:
        """Write the file in its one encoding."""
        given, leaf = self.given, self.leaf
        return canonical.encode(
            {
                "schema": SCHEMA,
                "promise": None
                if given is None
                else {
                    "administration": hexed(given.promise.administration),
                    "epoch": given.promise.epoch,
                    "index": given.promise.index,
                    "leaf_hash": hexed(given.promise.leaf_hash),
                    "seen": given.promise.seen,
                    "anchor_by": given.promise.anchor_by,
                    "signature": hexed(given.signature),
                },
                "leaf": None
                if leaf is None
                else {
                    "leaf_hash": hexed(leaf.leaf_hash),
                    "path": [hexed(each) for each in leaf.path],
                    "size": leaf.size,
                    "root": hexed(leaf.root),
                    "anchored_at": leaf.anchored_at,
                },
                "chain": self.chain.to_json(),
            }
        )


def slots_read(promise: Promise, leaf: Stands | None, signer: bytes) -> list[tuple[str, bytes]]:
    """The storage slots that a promise's file stands on, by contract and slot, in the order of reading.

    Args:
        promise: The promise.
        leaf: What stands where the promised leaf should, or None.
        signer: Who signed the promise, 20 bytes.
    """
    if leaf is None:
        kept = slots.last_head(promise.administration)
    else:
        kept = slots.head(promise.administration, promise.epoch, leaf.size)
    return [("ManifestLog", kept), ("AdministrationRegistry", slots.account(signer))]


def verify(split: Split | bytes, trust: Trust, now: int) -> Report:
    """Judge a file of a split view.

    Args:
        split: The file, or its bytes; bytes that are none get a verdict too, never a pass.
        trust: What is taken for granted.
        now: The clock, Unix seconds; only whether the trust file still counts depends on it.

    Returns:
        The report: VALID if the split is proven, INVALID if the file does not hold or shows none, else INDETERMINATE.
    """
    if isinstance(split, bytes | bytearray):
        try:
            split = Split.decode(bytes(split))
        except InvalidSplit as error:
            checks = (Check("chain", "INVALID", str(error)),)
            return Report("INVALID", None, "Nothing is proven by this file.", checks, trust.sha256)
    run: _Run = _Blocks(split, trust, now) if split.given is None else _Broken(split, trust, now, split.given)
    return run.report()


class _Run:
    """What is judged of both kinds of files."""

    names: tuple[str, ...] = ("chain", "seals", "state", "conflict", "freshness")

    def __init__(self, split: Split, trust: Trust, now: int) -> None:
        self.split = split
        self.trust = trust
        self.now = now

    def report(self) -> Report:
        checks = tuple(run_check(name, getattr(self, name)) for name in self.names)
        verdict = conclude(checks, needs_seals=self.trust.consensus != "development")
        conflict = next(check.message for check in checks if check.name == "conflict")
        state = f"Proven: {conflict}" if verdict == "VALID" else "No split view is proven by this file."
        return Report(verdict, self.as_of(), state, checks, self.trust.sha256)

    def as_of(self) -> AsOf | None:
        """The block that is shown; None if none can be read."""
        try:
            header = self.header
        except (LedgerError, Outcome):
            return None
        return AsOf(header.number, header.timestamp, max(0, self.now - header.timestamp))

    @cached_property
    def shown(self) -> list[Header]:
        """The headers, decoded."""
        return [headers.decode(each) for each in self.split.chain.headers]

    @cached_property
    def header(self) -> Header:
        """The header of the block whose state is shown."""
        raise NotImplementedError  # pragma: no cover

    def chain(self) -> str:
        """The file is of the network that the trust file pins."""
        chain, trust = self.split.chain, self.trust
        if (chain.chain_id, chain.genesis_hash) != (trust.chain_id, trust.genesis_hash):
            raise wrong(
                f"The file is of chain {chain.chain_id}, genesis 0x{chain.genesis_hash.hex()[:8]}…; the trust file is of "
                f"chain {trust.chain_id}, genesis 0x{trust.genesis_hash.hex()[:8]}…."
            )
        return f"The file is of chain {chain.chain_id}, as the trust file."

    def sealed(self, shown: Sequence[Header]) -> str:
        """Somebody stands behind the last of these."""
        if self.trust.consensus == "development":
            raise undecided(sealing.UNSEALED)
        untold = sealing.why_not_judged(shown, self.trust)
        if untold:
            raise Outcome("ERROR", untold)
        return sealing.judge(shown, self.trust)

    @cached_property
    def nodes(self) -> SharedNodes:
        """The tries' nodes."""
        return SharedNodes(self.split.chain.nodes)

    def storage_root(self, contract: str) -> bytes:
        """A contract's, shown from the header's state root; its code is the pinned one."""
        value = self.nodes.value(self.header.state_root, keccak(self.trust.addresses[contract]))
        account = None if value is None else decode_account(value)
        if account is None or account.code_hash != self.trust.code_hashes[contract]:
            raise wrong(f"Block {self.header.number} has not the {contract} that the trust file pins.")
        return account.storage_root

    def require_all_needed(self) -> None:
        """No node means nothing."""
        if not self.nodes.in_order:
            raise wrong("The file holds trie nodes that nothing needs, or holds them in another order.")

    def freshness(self) -> str:
        """The trust file still counts."""
        if self.now >= self.trust.expires_at:
            raise undecided(f"The trust file expired at {time_text(self.trust.expires_at)}: use a newer one.")
        return (
            f"The trust file counts until {time_text(self.trust.expires_at)}; a split view does not grow old."
        )


class _Blocks(_Run):
    """Two blocks of one height."""

    @cached_property
    def pair(self) -> tuple[Header, Header]:
        """The two."""
        if len(self.shown) < 2:
            raise wrong("Two blocks are expected, and the file does not show them.")
        return self.shown[-2], self.shown[-1]

    @cached_property
    def header(self) -> Header:
        return self.pair[0]

    def seals(self) -> str:
        """A quorum stands behind each."""
        changes = self.shown[:-2]
        return " ".join(self.sealed([*changes, one]) for one in self.pair)

    def state(self) -> str:
        """The first of them is of the pinned network."""
        self.storage_root("ManifestLog")
        self.require_all_needed()
        return f"Block {self.header.number} is of the network whose contracts the trust file pins."

    def conflict(self) -> str:
        """They are two, and can't both be."""
        if self.trust.consensus != "qbft":
            raise wrong(
                "Two sealed blocks of one height are normal where nothing is final (Clique), and prove nothing where nothing "
                "is sealed."
            )
        one, other = self.pair
        if one.number != other.number:
            raise wrong(f"Blocks {one.number} and {other.number} are of two heights.")
        if one.parent_hash != other.parent_hash:
            raise wrong(
                f"The two blocks {one.number} have two parents: show the first blocks in which the histories differ, which "
                "have one."
            )
        hashes = [headers.block_hash(each, "qbft") for each in (one, other)]
        if hashes[0] == hashes[1]:
            raise wrong(f"It is one block {one.number}, sealed twice.")
        return (
            f"validators sealed two blocks {one.number}, 0x{hashes[0].hex()} and 0x{hashes[1].hex()}: whoever sees the one "
            "sees another history than whoever sees the other."
        )


class _Broken(_Run):
    """A promise against the chain's state."""

    names = ("chain", "seals", "state", "authority", "conflict", "freshness")

    def __init__(self, split: Split, trust: Trust, now: int, given: Signed) -> None:
        super().__init__(split, trust, now)
        self.given = given
        self.promise = given.promise

    @cached_property
    def header(self) -> Header:
        if not self.shown:
            raise wrong("The file shows no block.")
        return sealing.state_header(self.shown, self.trust)

    @cached_property
    def signer(self) -> bytes:
        """Who signed the promise, 20 bytes."""
        return recover_address(self.promise.digest(self.trust.log_domain), self.given.signature)

    @cached_property
    def kept(self) -> list[int]:
        """What the chain keeps: the head, and the signer's account."""
        found = [self._word(*wanted) for wanted in slots_read(self.promise, self.split.leaf, self.signer)]
        self.require_all_needed()
        return found

    def _word(self, contract: str, slot: bytes) -> int:
        value = self.nodes.value(self.storage_root(contract), keccak(slot))
        # anvil keeps slots in its trie that were read and hold nothing; no chain with seals does
        if value is None or (value == b"\x80" and self.trust.consensus == "development"):
            return 0
        return decode_slot(value)

    def seals(self) -> str:
        """Somebody stands behind the block."""
        if not self.shown:
            raise wrong("The file shows no block.")
        return self.sealed(self.shown)

    def state(self) -> str:
        """What is claimed of the contracts' storage is shown."""
        _ = self.kept
        return f"The log's head and the signer's account are shown from block {self.header.number}."

    def authority(self) -> str:
        """A sequencer of the log signed."""
        account = slots.decode_account(self.kept[1])
        customs = self.promise.administration + bytes(8)
        if account is None or account.party != customs or not account.roles & Role.SEQUENCER:
            raise wrong(f"{checksummed(self.signer)} signed, and is no sequencer of {party_text(customs)}.")
        if account.revoked_at:
            raise undecided(
                f"The sequencer {checksummed(self.signer)} was revoked at {time_text(account.revoked_at)}: whoever had its key "
                "may have signed since."
            )
        return f"{checksummed(self.signer)} signed, a sequencer of {party_text(customs)}."

    def conflict(self) -> str:
        """The promise was broken."""
        promise, leaf = self.promise, self.split.leaf
        who = party_text(promise.administration)
        where = f"index {promise.index} of {who}'s log, epoch {promise.epoch}"
        if leaf is not None:
            return self._another_leaf(leaf, where)
        epoch, size = slots.decode_last_head(self.kept[0])
        if self.header.timestamp <= promise.anchor_by:
            raise wrong(
                f"{who} had until {time_text(promise.anchor_by)}, and block {self.header.number} is not later than that."
            )
        if epoch > promise.epoch:
            raise undecided(
                f"The log was restarted since, and is in epoch {epoch}: show a block from before that, or the leaf that stands "
                f"at {where}."
            )
        if epoch == promise.epoch and size > promise.index:
            raise wrong(f"The log has {size} leaves and reaches {where}, so something was anchored there.")
        return (
            f"{who} promised to anchor leaf 0x{promise.leaf_hash.hex()} at {where} by {time_text(promise.anchor_by)}, and at "
            f"{time_text(self.header.timestamp)} the log did not reach it."
        )

    def _another_leaf(self, leaf: Stands, where: str) -> str:
        promise = self.promise
        if self.kept[0].to_bytes(32, "big") != head_commitment(leaf.root, leaf.anchored_at):
            raise wrong("The log has no such head, or it was anchored at another time.")
        merkle.verify_inclusion(leaf.leaf_hash, promise.index, leaf.size, list(leaf.path), leaf.root)
        if leaf.leaf_hash == promise.leaf_hash:
            raise wrong("The leaf that stands there is the one that was promised: the promise was kept.")
        return (
            f"{party_text(promise.administration)} promised leaf 0x{promise.leaf_hash.hex()} at {where}, and anchored leaf "
            f"0x{leaf.leaf_hash.hex()} there at {time_text(leaf.anchored_at)}."
        )


# --- reading the parts


def _signed(value: Any) -> Signed:
    members = _FORM.members(value, "/promise", _PROMISE)
    if not isinstance(members["seen"], bool):
        _FORM.fail("/promise/seen", "true or false is expected")
    try:
        promise = Promise(
            _FORM.data(members["administration"], "/promise/administration", 8),
            _FORM.integer(members["epoch"], "/promise/epoch", 1),
            _FORM.integer(members["index"], "/promise/index"),
            _FORM.data(members["leaf_hash"], "/promise/leaf_hash", 32),
            members["seen"],
            _FORM.integer(members["anchor_by"], "/promise/anchor_by"),
        )
    except InvalidRecord as error:
        _FORM.fail("/promise", str(error))
    return Signed(promise, _FORM.data(members["signature"], "/promise/signature", 65))


def _stands(value: Any) -> Stands:
    members = _FORM.members(value, "/leaf", _LEAF)
    path = _FORM.items(members["path"], "/leaf/path", _MAX_PATH)
    return Stands(
        _FORM.data(members["leaf_hash"], "/leaf/leaf_hash", 32),
        tuple(_FORM.data(each, f"/leaf/path/{n}", 32) for n, each in enumerate(path)),
        _FORM.integer(members["size"], "/leaf/size", 1),
        _FORM.data(members["root"], "/leaf/root", 32),
        _FORM.integer(members["anchored_at"], "/leaf/anchored_at"),
    )


_FORM = canonical.Form(InvalidSplit)
