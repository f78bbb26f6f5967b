"""Replay, contract storage and the administration's database side by side: every difference, by kind and place.

Storage is what the contracts themselves kept, shown by state proofs from the state root of the replay's last block, so a
node can't answer as it likes. The database is read in one snapshot, which disturbs no writer. The replay is what the other
two are held against: whoever differs from it differs from the sealed blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from ledger.audit.blocks import Network
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
    for head in replayed.heads():
        yield _Expected(
            slots.head(head.administration, head.epoch, head.size),
            int.from_bytes(head_commitment(head.root, head.anchored_at), "big"),
            f"The head of size {head.size} of epoch {head.epoch} of {_code(head.administration)}",
            lambda block=head.block: block,  # type: ignore[misc]
            f"cargo-ledger audit replay --to {head.block}",
        )
    for closure in replayed.closures():
        yield _Expected(
            slots.closure(closure.former),
            int.from_bytes(replayed.fold.log.closed[closure.former], "big"),
            f"The closure of manifest 0x{closure.former.hex()}",
            lambda block=closure.block: block,  # type: ignore[misc]
            f"cargo-ledger manifest show 0x{closure.former.hex()}",
        )


def _code(administration: bytes) -> str:
    return administration.rstrip(b"\0").decode("ascii", "replace")


# ----------------------------------------------------------------------------------------------------------- database


def database(replayed: Replayed, store: Store) -> Iterator[Difference]:
    """What the database has otherwise than the replay, up to the block that both have read.

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
            theirs = {key: (block, value) for key, block, value in _kept_rows(session, name, through)}
            yield from _compared(name, ours, theirs, through)


_Row = tuple[Any, int, Any]  # its key, its block, all else


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


def _expected_rows(replayed: Replayed) -> Iterator[tuple[str, Iterable[_Row]]]:
    yield "record", (_act_row(act) for act in replayed.acts())
    yield (
        "refusal",
        ((each.sequence, each.block, (each.digest, int(each.refusal))) for each in replayed.refusals()),
    )
    yield (
        "head",
        (
            ((head.administration, head.epoch, head.size), head.block, (head.root, head.anchored_at))
            for head in replayed.heads()
        ),
    )
    yield (
        "closure",
        (
            (
                each.former,
                each.block,
                (each.kind, each.reason, each.closed_at, each.signer, each.successor, each.digest),
            )
            for each in replayed.closures()
        ),
    )


def _act_row(act: Act) -> _Row:
    body = encode_custody(act.record)
    return (
        act.sequence,
        act.block,
        (act.digest, act.record.consignment, act.other, act.signer, body, act.accepted_at),
    )


def _kept_rows(session: Session, name: str, through: int) -> Iterator[_Row]:
    for row in session.derived(name, through):
        match name:
            case "record":
                value: Any = (row.digest, row.consignment, row.other, row.signer, row.body, row.accepted_at)
                yield row.sequence, row.block_number, value
            case "refusal":
                yield row.sequence, row.block_number, (row.digest, row.refusal)
            case "head":
                key = (row.administration, row.epoch, row.size)
                yield key, row.block_number, (row.root, row.anchored_at)
            case "closure":
                value = (row.kind, row.reason, row.closed_at, row.signer, row.successor, row.digest)
                yield row.former, row.block_number, value


def _compared(
    name: str, ours: Iterable[_Row], theirs: dict[Any, tuple[int, Any]], through: int
) -> Iterator[Difference]:
    """Differences of one kind of rows; what is elsewhere than its place is out of order, not missing and extra."""
    elsewhere = {value: key for key, (_, value) in theirs.items()} if name == "record" else {}
    for key, block, value in ours:
        if block > through:
            continue
        found = theirs.pop(key, None)
        shown = _shown(name, key, value)
        command = f"cargo-ledger audit replay --to {block}"
        if found is None:
            kind: Kind = "out of order" if value in elsewhere else "missing"
            yield Difference(
                kind, "database", f"The {shown} of the blocks is not at its place there", block, command
            )
        elif found[1] != value:
            kind = "out of order" if value in elsewhere else "changed"
            yield Difference(kind, "database", f"The {shown} is another there", block, command)
        elif found[0] != block:
            yield Difference(
                "changed", "database", f"The {shown} is of block {found[0]} there", block, command
            )
    for key, (block, value) in theirs.items():
        shown = _shown(name, key, value)
        yield Difference(
            "extra",
            "database",
            f"The {shown} is in no block",
            block,
            f"cargo-ledger audit replay --to {block}",
        )


def _shown(name: str, key: Any, value: Any) -> str:
    if name == "head":
        return f"head of size {key[2]} of epoch {key[1]} of {_code(key[0])}"
    if name == "closure":
        return f"closure of manifest 0x{key.hex()}"
    return f"{name} {key} (0x{value[0].hex()})"
