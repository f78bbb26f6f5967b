"""What was accepted for the chain, and the transactions that carry it: against their own bytes, and against the chain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any

from eth_abi.abi import decode as abi_decode
from eth_abi.exceptions import DecodingError

from ledger import tables as t
from ledger.audit.fsck.found import Checked, Corruption
from ledger.chain import Chain
from ledger.config import CONTRACTS
from ledger.core import rlp, transactions
from ledger.core.records import CustodyRecord, ManifestRecord, Role, keccak
from ledger.core.signatures import recover_address
from ledger.errors import InvalidEncoding, InvalidRecord, InvalidSignature, Refusal
from ledger.rows.custody import decode_custody

_RECEIPTS_AT_A_TIME = 200
_ANCHOR = ("bytes8", "uint32", "uint64", "bytes32", "bytes32[]")
_MANIFEST = "(bytes16,uint8,uint8,bytes32,bytes32,bytes32,uint64)"
_CLOSE = (_MANIFEST, "bytes", "bytes16", "bytes32")
_APPEND = ("(bytes32,uint8,bytes16,bytes32,bytes32,bytes32,bytes16,uint64,uint64)[]", "bytes[]")
_STATES = {
    "sent": False,
    "mined": True,
    "final": True,
    "failed": True,
    "outrun": False,
    "replaced": False,
}  # by state: whether it names its block
_RECORD_STATES = ("waiting", "sent", "done", "refused")
_SECOND_KINDS = (1, 15, 16)


def _selector(name: str, types: tuple[str, ...]) -> bytes:
    return keccak(f"{name}({','.join(types)})".encode())[:4]


_CALLS = {
    "anchor": ("ManifestLog", _selector("anchor", _ANCHOR), _ANCHOR),
    "close": ("ManifestLog", _selector("closeManifest", _CLOSE), _CLOSE),
    "append": ("ConsignmentLedger", _selector("append", _APPEND), _APPEND),
}


@dataclass(frozen=True, slots=True)
class Carried:
    """What a transaction's bytes say.

    Attributes:
        sender: Who signed it, 20 bytes.
        nonce: Its nonce.
        chain_id: The chain it is for.
        to: Whom it calls, 20 bytes.
        purpose: anchor, close, append or fill; "" for a call that this service does not make.
        subject: What its row says it is about.
        digests: Of the records it carries.
    """

    sender: bytes
    nonce: int
    chain_id: int
    to: bytes
    purpose: str
    subject: dict[str, int]
    digests: frozenset[bytes]


def check(checked: Checked, node: Chain | None) -> Iterator[Corruption]:
    """Transactions, then custody records and closings with the transaction that each names."""
    addresses = _addresses(checked)
    yield from _transactions(checked, addresses)
    if node is None:
        checked.unchecked.append("No node was asked what became of the transactions that were sent.")
    else:
        yield from _outcomes(checked, node)
    yield from _anchors(checked)

    @lru_cache(maxsize=64)
    def carried(transaction_hash: bytes) -> tuple[str, frozenset[bytes]] | None:
        """The state of a transaction, and what it carries."""
        row = checked.session.first(t.transactions, hash=transaction_hash)
        if row is None:
            return None
        try:
            return row.state, _read(checked, addresses, row.raw).digests
        except (InvalidEncoding, InvalidSignature, InvalidRecord):
            return row.state, frozenset()

    for row in checked.session.every(t.custody, t.custody.c.position):
        for what in _custody(checked, row, carried):
            yield checked.of("changed", "custody", {"digest": row.digest}, what)
    for row in checked.session.every(t.manifests, t.manifests.c.epoch, t.manifests.c.log_index):
        if row.closing_transaction is not None:
            for what in _names(row.closing_transaction, row.digest, row.closing, carried):
                yield checked.of("changed", "manifests", {"digest": row.digest}, f"Its closing: {what}")


# --- transactions


def _addresses(checked: Checked) -> dict[str, bytes]:
    there = checked.session.identity()
    return {
        contract: bytes.fromhex(there[name][2:])
        for contract, name in zip(CONTRACTS, ("registry", "manifest_log", "consignment_ledger"), strict=True)
    }


def _read(checked: Checked, addresses: dict[str, bytes], raw: bytes) -> Carried:
    """Read a transaction's bytes.

    Raises:
        InvalidEncoding, InvalidSignature, InvalidRecord: They are none, or its call is none of ours.
    """
    signed = transactions.decode(raw)
    items = rlp.decode_list(raw[1:])  # ours are all of type 2
    chain_id, nonce = (rlp.as_integer(item, "a number") for item in items[:2])
    purpose, subject, digests = "", {}, frozenset[bytes]()
    if not signed.data and signed.to == signed.sender:
        purpose = "fill"
    for name, (contract, selector, types) in _CALLS.items():
        if signed.to != addresses[contract] or signed.data[:4] != selector:
            continue
        try:
            values = abi_decode(types, signed.data[4:])
        except (DecodingError, OverflowError, ValueError):
            raise InvalidEncoding("transaction", 0, f"its call to {name} is malformed") from None
        purpose = name
        if name == "anchor":
            subject = {"epoch": values[1], "size": values[2]}
        elif name == "close":
            digests = frozenset((ManifestRecord(*values[0]).digest(checked.log_domain),))
        else:
            subject = {"records": len(values[0])}
            digests = frozenset(CustodyRecord(*each).digest(checked.custody_domain) for each in values[0])
    return Carried(signed.sender, nonce, chain_id, signed.to, purpose, subject, digests)


def _transactions(checked: Checked, addresses: dict[str, bytes]) -> Iterator[Corruption]:
    table = t.transactions
    rows = checked.session.every(table, table.c.account, table.c.nonce, table.c.version)
    chain_id = int(checked.session.identity()["chain_id"])
    for (account, nonce), group in groupby(rows, key=lambda row: (row.account, row.nonce)):
        mined = 0
        for expected, row in enumerate(group):
            key = {"hash": row.hash}
            mined += row.state in ("mined", "final", "failed")
            if row.version != expected:
                what = f"Of nonce {nonce} of 0x{account.hex()} version {expected} should be the next: one is missing."
                yield checked.of("missing", table.name, key, what)
            for what in _transaction(checked, addresses, chain_id, row):
                yield checked.of("changed", table.name, key, what)
        if mined > 1:
            key = {"account": account, "nonce": nonce}
            yield checked.of(
                "changed", table.name, key, f"{mined} versions are said to be mined: one can be."
            )


def _transaction(checked: Checked, addresses: dict[str, bytes], chain_id: int, row: Any) -> Iterator[str]:
    if keccak(row.raw) != row.hash:
        yield f"Its signed bytes hash to 0x{keccak(row.raw).hex()}."
    if row.state not in _STATES:
        yield f"Its state is {str(row.state)[:40]!r}, which is none."
    elif _STATES[row.state] != (row.mined_in is not None):
        yield f"It is {row.state}, and its block is {row.mined_in}."
    try:
        carried = _read(checked, addresses, row.raw)
        subject = json.loads(row.subject)
    except (InvalidEncoding, InvalidSignature, InvalidRecord) as error:
        yield f"Its signed bytes can't be read: {error}"
        return
    except ValueError:
        yield "What it is about is no JSON."
        return
    signed: dict[str, object] = {
        "account": carried.sender,
        "nonce": carried.nonce,
        "purpose": carried.purpose,
        "subject": carried.subject,
    }
    said: dict[str, object] = {
        "account": row.account,
        "nonce": row.nonce,
        "purpose": row.purpose,
        "subject": subject,
    }
    for name, value in signed.items():
        if said[name] != value:
            yield f"Its {name} is {_shown(said[name])}, and {_shown(value)} by its signed bytes."
    if carried.chain_id != chain_id:
        yield f"It is signed for the chain {carried.chain_id}."


def _shown(value: object) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)


def _outcomes(checked: Checked, node: Chain) -> Iterator[Corruption]:
    """What became of each, by its receipt; of what is not final yet nothing is asked."""
    table = t.transactions
    some: list[Any] = []
    for row in checked.session.every(table, table.c.account, table.c.nonce, table.c.version):
        if row.state in ("final", "failed", "outrun", "replaced"):
            some.append(row)
        if len(some) == _RECEIPTS_AT_A_TIME:
            yield from _compared(checked, node, some)
            some = []
    yield from _compared(checked, node, some)


def _compared(checked: Checked, node: Chain, rows: list[Any]) -> Iterator[Corruption]:
    if not rows:
        return
    asked = [("0x" + row.hash.hex(),) for row in rows]
    for row, answer in zip(rows, node.ask_many("eth_getTransactionReceipt", asked), strict=True):
        key = {"hash": row.hash}
        block = int(answer["blockNumber"], 16) if answer else None
        if block is not None and block > checked.through:
            continue
        if row.state in ("outrun", "replaced"):
            if block is not None:
                what = f"It is said to be {row.state}, and was mined in block {block}."
                yield checked.of("changed", "transactions", key, what, block)
            continue
        outcome = "final" if answer and int(answer["status"], 16) else "failed"
        if (row.state, row.mined_in) != (outcome, block):
            what = f"It is said to be {row.state} in block {row.mined_in}; " + (
                "the chain has it not." if block is None else f"the chain has it in block {block}, {outcome}."
            )
            yield checked.of("changed", "transactions", key, what, block)


def _anchors(checked: Checked) -> Iterator[Corruption]:
    """Heads of this epoch and of our own tree that no transaction here anchored."""
    log = checked.session.log()
    below = log.sequenced + 1 if log.foreign_from is None else log.foreign_from
    own = {"administration": checked.administration, "epoch": log.epoch}
    for head in checked.chain.every(t.chain_heads, t.chain_heads.c.size, **own):
        if head.block_number > checked.through or head.size >= below:
            continue
        if checked.session.first(t.transactions, hash=head.transaction_hash) is None:
            key = {"hash": head.transaction_hash}
            what = f"The chain has it: it anchored the head of {head.size} leaves of epoch {head.epoch}."
            yield checked.of("missing", "transactions", key, what, head.block_number)


# --- custody records


def _custody(checked: Checked, row: Any, carried: Any) -> Iterator[str]:
    try:
        record = decode_custody(row.body)
        digest = record.digest(checked.custody_domain)
        signer = recover_address(digest, row.signature)
    except (InvalidRecord, InvalidSignature, IndexError) as error:
        yield f"It is no signed record: {error}"
        return
    second = record.subject if record.kind in _SECOND_KINDS and any(record.subject) else None
    derived = {
        "digest": digest,
        "consignment": record.consignment,
        "second": second,
        "signer": signer,
    }
    for name, value in derived.items():
        if getattr(row, name) != value:
            yield f"Its {name} is {_shown(getattr(row, name))}, and {_shown(value)} by the record that was signed."
    account = checked.membership.account(signer)
    if account is None or account.party != record.party or not account.has(Role.TRADER, Role.OFFICER):
        yield f"0x{signer.hex()}, who signed it, was never enrolled to act for its party."
    yield from _state(checked, row, digest, carried)


def _state(checked: Checked, row: Any, digest: bytes, carried: Any) -> Iterator[str]:
    """How far it has come, against the chain; others may send it too, so that only our transactions decide."""
    taken = checked.chain.chain_custody_by_digest(digest)
    if taken is not None and taken.block_number > checked.cursor:
        taken = None
    ours = None  # the transaction of ours that brought it on chain
    if taken is not None and carried(taken.transaction_hash) is not None:
        ours = taken.transaction_hash
    if row.state not in _RECORD_STATES:
        yield f"Its state is {str(row.state)[:40]!r}, which is none."
        return
    if (row.state == "refused") != (row.problem is not None):
        yield f"Its state is {row.state}, and the reason of a refusal is {'not ' if row.problem is None else ''}there."
    if row.state == "waiting":
        if row.transaction_hash is not None:
            yield "It is said to wait, and a transaction carries it."
        if ours is not None:
            yield f"It is said to wait, and our transaction 0x{ours.hex()} brought it on chain."
        return
    if row.transaction_hash is None:
        yield f"It is said to be {row.state}, and no transaction carries it."
        return
    yield from _names(row.transaction_hash, digest, row.state, carried)
    if row.state == "done" and taken is None:
        yield "It is said to be done, and the chain does not have it."
    if row.state == "refused":
        if taken is not None and taken.transaction_hash == row.transaction_hash:
            yield "It is said to be refused, and the chain took it in that very transaction."
        yield from _refusal(checked, row, digest)
    found = carried(row.transaction_hash)
    if row.state == "sent" and taken is not None and found is not None and found[0] == "final":
        yield "It is said to be on its way, and the chain has it for good."
    if not 0 <= row.reverts <= _MOST_REVERTS:
        yield f"{row.reverts} transactions with it are said to have reverted."


_MOST_REVERTS = 1_000


def _names(transaction_hash: bytes, digest: bytes, state: str, carried: Any) -> Iterator[str]:
    """Whether the transaction that is named is here and carries it."""
    found = carried(transaction_hash)
    if found is None:
        yield f"It is {state} by transaction 0x{transaction_hash.hex()}, which is not here."
    elif digest not in found[1]:
        yield f"It is {state} by transaction 0x{transaction_hash.hex()}, which does not carry it."


def _refusal(checked: Checked, row: Any, digest: bytes) -> Iterator[str]:
    try:
        said = json.loads(row.problem or "{}").get("refusal")
    except (ValueError, AttributeError):
        yield "The reason of its refusal is no JSON object."
        return
    spoken = checked.chain.chain_refusal(digest, row.transaction_hash)
    if said is not None and (spoken is None or Refusal(spoken.refusal).name != said):
        what = "nothing" if spoken is None else Refusal(spoken.refusal).name
        yield f"It is said to be refused as {str(said)[:40]}; the chain said {what} of it in that transaction."
