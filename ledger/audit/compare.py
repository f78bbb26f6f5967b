"""Replay, contract storage and the administration's database side by side: every difference, by kind and place.

Storage is what the contracts themselves kept, shown by state proofs from the state root of the replay's last block, so a
node can't answer as it likes. The database is read in one snapshot, which disturbs no writer. The replay is what the other
two are held against: whoever differs from it differs from the sealed blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from ledger.audit.blocks import Network
from ledger.audit.log import Closure, Head
from ledger.audit.result import Act, Replayed
from ledger.chain import Chain
from ledger.config import CONTRACTS
from ledger.core import slots, state_proof
from ledger.core.records import ZERO16, ZERO32, head_commitment, keccak
from ledger.core.signatures import checksummed
from ledger.errors import StateProofError, StoreError
from ledger.rows.custody import encode_custody
from ledger.store import Session, Store

Kind = Literal["missing", "extra", "changed", "out of order"]
Where = Literal["contract storage", "database"]
_SLOTS_AT_A_TIME = 200
# ConsignmentLedger's layout, as `slots.TRAILS`
_CUSTODY_LINES, _CHARGES, _PARENTS = 2, 4, 5


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as the replay has it.

    Attributes:
        kind: missing (the replay has it, this one not), extra (the reverse), changed, or out of order.
        where: Which of the three differs from the blocks.
        what: What, in words.
        block: From which block on; 0 where nothing says.
        command: What shows it.
    """

    kind: Kind
    where: Where
    what: str
    block: int
    command: str


# ------------------------------------------------------------------------------------------------------------ storage


def storage(replayed: Replayed, chain: Chain) -> Iterator[Difference]:
    """What contract storage has otherwise than the replay: trails, custody, accounts, heads and closures.

    Args:
        replayed: A replay that came to its end.
        chain: The chain's node; what it shows is proven from the replay's state root.

    Raises:
        ChainUnavailable: The node has no state for that block (any more): replay to a newer one.
        StateProofError, InvalidEncoding: What it shows does not lead from the state root.
    """
    yield from _held(replayed, chain, "ConsignmentLedger", _of_consignments(replayed))
    yield from _held(replayed, chain, "AdministrationRegistry", _of_accounts(replayed))
    yield from _held(replayed, chain, "ManifestLog", _of_log(replayed))


@dataclass(frozen=True, slots=True)
class _Expected:
    slot: bytes
    value: int
    what: str
    block: Callable[[], int]
    command: str


def _held(
    replayed: Replayed, chain: Chain, contract: str, expected: Iterator[_Expected]
) -> Iterator[Difference]:
    address = replayed.network.addresses[contract]
    while batch := list(islice(expected, _SLOTS_AT_A_TIME)):
        shown = state_proof.SharedNodes(
            chain.state_proofs(contract, [each.slot for each in batch], replayed.block)
        )
        account = shown.value(replayed.state_root, keccak(address))
        if account is None:
            raise StateProofError(f"at block {replayed.block} there is no {contract}")
        root = state_proof.decode_account(account).storage_root
        for each in batch:
            word = shown.value(root, keccak(each.slot))
            # anvil leaves a slot that was set back to zero in its trie; other nodes take it out
            found = 0 if word in (None, b"\x80") else state_proof.decode_slot(word or b"")
            if found != each.value:
                kind: Kind = "missing" if not found else "extra" if not each.value else "changed"
                yield Difference(
                    kind,
                    "contract storage",
                    f"{each.what}: 0x{found:064x}, the replay has 0x{each.value:064x}",
                    each.block(),
                    each.command,
                )


def _of_consignments(replayed: Replayed) -> Iterator[_Expected]:
    for consignment, here in replayed.fold.consignments():
        name = "0x" + consignment.hex()
        custodian = here.custodian if here.parent is None else ZERO16
        values = (
            ("trail", slots.TRAILS, here.trail),
            ("custody line", _CUSTODY_LINES, here.custody_line),
            # custodian in the low 16 bytes, the offered party in the high ones
            ("custodian and offer", _CHARGES, here.offered_to + custodian),
            ("what it is in", _PARENTS, here.parent or ZERO32),
        )
        for what, number, value in values:
            yield _Expected(
                keccak(consignment + number.to_bytes(32, "big")),
                int.from_bytes(value, "big"),
                f"The {what} of consignment {name}",
                lambda consignment=consignment: _last_block_of(replayed, consignment),  # type: ignore[misc]
                f"cargo-ledger consignment show {name}",
            )


def _last_block_of(replayed: Replayed, consignment: bytes) -> int:
    row = replayed.journal.row(replayed.fold.last_act_of(consignment) - 1)
    return int.from_bytes(row[8:16], "big")


def _of_accounts(replayed: Replayed) -> Iterator[_Expected]:
    for address, account in replayed.accounts.items():
        value = (
            account.revoked_at << 216
            | account.revoked_from << 176
            | account.valid_until << 136
            | account.roles << 128
            | int.from_bytes(account.party, "big")
        )
        name = checksummed(address)
        yield _Expected(
            slots.account(address),
            value,
            f"The account {name}",
            lambda: 0,
            f"cargo-ledger account show {name}",
        )


def _of_log(replayed: Replayed) -> Iterator[_Expected]:
    for each in replayed.fold.log_history():
        yield _head_slot(each) if isinstance(each, Head) else _closure_slot(each)


def _head_slot(head: Head) -> _Expected:
    return _Expected(
        slots.head(head.administration, head.epoch, head.size),
        int.from_bytes(head_commitment(head.root, head.anchored_at), "big"),
        f"The head of size {head.size} of epoch {head.epoch} of {_code(head.administration)}",
        lambda: head.block,
        f"cargo-ledger audit replay --to {head.block}",
    )


def _closure_slot(closure: Closure) -> _Expected:
    return _Expected(
        slots.closure(closure.former),
        int.from_bytes(closure.commitment, "big"),
        f"The closure of manifest 0x{closure.former.hex()}",
        lambda: closure.block,
        f"cargo-ledger manifest show 0x{closure.former.hex()}",
    )


def _code(administration: bytes) -> str:
    return administration.rstrip(b"\0").decode("ascii", "replace")


# ----------------------------------------------------------------------------------------------------------- database


def database(replayed: Replayed, store: Store) -> Iterator[Difference]:
    """What the database has otherwise than the replay, up to the block that both have read.

    Both are read side by side in the order of the events, so that memory is the same for a chain of any length.

    Args:
        replayed: A replay that came to its end.
        store: The administration's database.

    Raises:
        StoreError: It is of another chain, or has read nothing of this one.
    """
    with store.snapshot(None) as session:
        require_same_chain(session.identity(), replayed.network)
        cursor = session.cursor()
        if cursor is None:
            raise StoreError("The database has read nothing of the chain yet: there is nothing to compare.")
        kept = session.block(replayed.block)
        if kept is not None and kept.hash != replayed.block_hash:
            yield Difference(
                "changed",
                "database",
                f"Block {replayed.block} is 0x{kept.hash.hex()} there, the replay has 0x{replayed.block_hash.hex()}",
                replayed.block,
                f"cargo-ledger audit replay --to {replayed.block}",
            )
        through = min(cursor.number, replayed.block)
        for name, ours in _expected_rows(replayed):
            yield from _compared(session, name, ours, through)


@dataclass(frozen=True, slots=True)
class _Row:
    """A record, refusal, head or closure on either side.

    Attributes:
        sequence: Number of its event, by which both sides are in order.
        block: Number of its block.
        key: What it is known by.
        value: All else.
    """

    sequence: int
    block: int
    key: Any
    value: tuple[Any, ...]

    def says_what(self, other: _Row) -> bool:
        """Whether it is the same as another, wherever they stand."""
        return self.key == other.key and self.value == other.value


def require_same_chain(there: Mapping[str, str], network: Network) -> None:
    """Refuse a database, by its identity, that is of another chain.

    Raises:
        StoreError: It is.
    """
    expected = {
        "chain_id": str(network.chain_id),
        "genesis_hash": "0x" + network.genesis_hash.hex(),
    } | {
        name: checksummed(network.addresses[contract])
        for name, contract in zip(("registry", "manifest_log", "consignment_ledger"), CONTRACTS, strict=True)
    }
    for name, value in expected.items():
        if there.get(name, "").lower() != value.lower():
            raise StoreError(
                f"The database is of another chain: its {name} is {there.get(name) or 'not there'}, the replay's {value}. "
                "Name the database of this chain."
            )


def _expected_rows(replayed: Replayed) -> Iterator[tuple[str, Iterator[_Row]]]:
    yield "record", map(_act_row, replayed.acts())
    yield (
        "refusal",
        (_Row(each.sequence, each.block, each.digest, (int(each.refusal),)) for each in replayed.refusals()),
    )
    history = replayed.fold.log_history
    yield "head", (_head_row(each) for each in history() if isinstance(each, Head))
    yield "closure", (_closure_row(each) for each in history() if isinstance(each, Closure))


def _act_row(act: Act) -> _Row:
    value = act.record.consignment, act.other, act.signer, encode_custody(act.record), act.accepted_at
    return _Row(act.sequence, act.block, act.digest, value)


def _head_row(head: Head) -> _Row:
    key = head.administration, head.epoch, head.size
    return _Row(head.sequence, head.block, key, (head.root, head.anchored_at))


def _closure_row(closure: Closure) -> _Row:
    value = (
        closure.kind,
        closure.reason,
        closure.closed_at,
        closure.signer,
        closure.successor,
        closure.digest,
    )
    return _Row(closure.sequence, closure.block, closure.former, value)


def _kept_row(name: str, row: Any) -> _Row:
    match name:
        case "record":
            key: Any = row.digest
            value: Any = row.consignment, row.other, row.signer, row.body, row.accepted_at
        case "refusal":
            key, value = row.digest, (row.refusal,)
        case "head":
            key, value = (row.administration, row.epoch, row.size), (row.root, row.anchored_at)
        case _:
            key = row.former
            value = row.kind, row.reason, row.closed_at, row.signer, row.successor, row.digest
    return _Row(row.sequence, row.block_number, key, value)


def _compared(session: Session, name: str, ours: Iterator[_Row], through: int) -> Iterator[Difference]:
    """Differences of one kind of rows; what is elsewhere than its place is out of order, not missing."""
    theirs = (_kept_row(name, row) for row in session.derived(name, through))
    there = next(theirs, None)
    for our in ours:
        if our.block > through:
            continue
        while there is not None and there.sequence < our.sequence:
            yield _extra(name, there)
            there = next(theirs, None)
        found = there if there is not None and there.sequence == our.sequence else None
        if found is not None:
            there = next(theirs, None)
        shown = _shown(name, our)
        if found is not None and found.says_what(our):
            if found.block != our.block:
                yield _differs("changed", f"The {shown} is of block {found.block} there", our)
        elif _is_elsewhere(session, name, our, through):
            yield _differs("out of order", f"The {shown} is not at its place there", our)
        elif found is None:
            yield _differs("missing", f"The {shown} is not there", our)
        else:
            yield _differs("changed", f"The {shown} is another there", our)
    while there is not None:
        yield _extra(name, there)
        there = next(theirs, None)


def _is_elsewhere(session: Session, name: str, our: _Row, through: int) -> bool:
    """Whether the database has it under the number of another event."""
    match name:
        case "record":
            wanted = {"digest": our.key}
        case "head":
            wanted = dict(zip(("administration", "epoch", "size"), our.key, strict=True))
        case "closure":
            wanted = {"former": our.key}
        case _:
            return False  # the same record may be refused many times
    return any(_kept_row(name, row).says_what(our) for row in session.derived_of(name, through, **wanted))


def _extra(name: str, row: _Row) -> Difference:
    return _differs("extra", f"The {_shown(name, row)} is in no block", row)


def _differs(kind: Kind, what: str, row: _Row) -> Difference:
    return Difference(kind, "database", what, row.block, f"cargo-ledger audit replay --to {row.block}")


def _shown(name: str, row: _Row) -> str:
    if name == "head":
        return f"head of size {row.key[2]} of epoch {row.key[1]} of {_code(row.key[0])}"
    if name == "closure":
        return f"closure of manifest 0x{row.key.hex()}"
    return f"{name} {row.sequence} (0x{row.key.hex()})"
