"""Joint reading: where two nodes' histories part, whether a promise was kept, and the file that shows either to a third.

Blocks name their parents, so two nodes that show one block at a height show one history up to it: the first block in
which they differ is found by halving. Neither node is believed: headers are hashed here, and no file is handed out that
does not prove what it says by the trust file.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from ledger.chain import Chain
from ledger.core import headers, split
from ledger.core.evidence import ChainPart
from ledger.core.headers import Header
from ledger.core.signatures import checksummed, recover_address
from ledger.core.split import Signed, Split, Stands
from ledger.core.trust import Trust
from ledger.core.verdict import Report
from ledger.errors import ChainUnavailable, ChainViolation, InvalidEncoding, StateProofError
from ledger.exporting import ordered_nodes, successors

_HEADERS_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Parted:
    """The first block in which two nodes' histories differ.

    Attributes:
        number: Its height.
        hashes: The two nodes' blocks, 32 bytes each.
        headers: Their headers.
    """

    number: int
    hashes: tuple[bytes, bytes]
    headers: tuple[Header, Header]


def where_parted(one: Chain, other: Chain) -> tuple[int, Parted | None]:
    """Find the first block in which two nodes' histories differ.

    Args:
        one: A node; its identity is checked here.
        other: Another of the same profile, likewise.

    Returns:
        The last block that was compared (the newest that both have and that counts as final by the profile), and where
        they parted, or None if they have not.

    Raises:
        ChainMismatch: A node serves another chain.
        ChainUnavailable: A node gives no usable answer.
        ChainViolation: A node's block does not follow the one before it.
    """
    for chain in (one, other):
        chain.require_identity()
    last = max(0, min(one.head().number, other.head().number) - one.profile.confirmations)
    found = _at(one, other, last)
    if found.hashes[0] == found.hashes[1]:
        return last, None
    same, parted = 0, last  # the genesis blocks are those that the profile pins
    while parted - same > 1:
        middle = (same + parted) // 2
        seen = _at(one, other, middle)
        if seen.hashes[0] == seen.hashes[1]:
            same = middle
        else:
            parted, found = middle, seen
    before = one.profile.genesis_hash if same == 0 else _at(one, other, same).hashes[0]
    for chain, header in zip((one, other), found.headers, strict=True):
        if header.parent_hash != before:
            raise ChainViolation(
                f"Block {parted} of the node at {chain.shown} does not follow its own block {same}: it shows no history at "
                "all, or changed while it was read. Compare again."
            )
    return last, found


def _at(one: Chain, other: Chain, number: int) -> Parted:
    consensus: headers.Consensus | None = "qbft" if one.profile.kind == "qbft" else None
    shown = tuple(headers.decode(chain.raw_header(number)) for chain in (one, other))
    hashes = tuple(headers.block_hash(each, consensus) for each in shown)
    return Parted(number, (hashes[0], hashes[1]), (shown[0], shown[1]))


def prove_parted(one: Chain, other: Chain, parted: Parted, trust: Trust) -> tuple[Split, Report]:
    """Make the file of two histories, and judge it as a third will.

    Raises:
        ChainUnavailable: Neither node has the state of that block any more.
    """
    first, second = parted.headers
    try:
        nodes = one.state_proofs("ManifestLog", [], parted.number)
    except ChainUnavailable:
        nodes = other.state_proofs("ManifestLog", [], parted.number)
        first, second = second, first
    before = _changes(one, trust, parted.number, first) if trust.consensus == "qbft" else []
    part = ChainPart(
        one.profile.chain_id,
        one.profile.genesis_hash,
        (*before, first.encode(), second.encode()),
        tuple(nodes),
    )
    made = Split(None, None, part)
    return made, split.verify(made, trust, int(time.time()))


def prove_broken(
    chain: Chain, given: Signed, leaf: Stands | None, trust: Trust, block: int
) -> tuple[Split, Report]:
    """Make the file that holds a promise against the chain, and judge it as a third will.

    Args:
        chain: A node; its identity was checked.
        given: The promise.
        leaf: What stands where the promised leaf should; None if nothing does.
        trust: The trust file.
        block: As of which block; final.

    Returns:
        The file, worth something only if the report is VALID, and the report.

    Raises:
        InvalidSignature: The promise is signed by nobody.
        ChainUnavailable: The node has no state for that block (any more), or an answer is none.
        ChainViolation: What it answers does not show what it answered before.
    """
    profile = chain.profile
    signer = recover_address(given.promise.digest(profile.log_domain), given.signature)
    wanted = split.slots_read(given.promise, leaf, signer)
    header = headers.decode(chain.raw_header(block))
    nodes = [node for contract, slot in wanted for node in chain.state_proofs(contract, [slot], block)]
    try:
        needed = ordered_nodes(chain, header.state_root, wanted, nodes)
    except (StateProofError, InvalidEncoding) as error:
        raise ChainViolation(
            f"What the node shows of block {block} does not follow from that block's header ({error}): use another node."
        ) from None
    before = _changes(chain, trust, block, header) if trust.consensus == "qbft" else []
    shown = (*before, header.encode(), *successors(chain, block))
    made = Split(given, leaf, ChainPart(profile.chain_id, profile.genesis_hash, shown, tuple(needed)))
    return made, split.verify(made, trust, int(time.time()))


def _changes(chain: Chain, trust: Trust, number: int, header: Header) -> list[bytes]:
    """The headers that lead from the trusted validators to those of a block; none if it lists those that are trusted."""
    trusted = set(trust.validators)
    found: list[bytes] = []
    if _listed(header) == trusted:
        return found
    for first in range(trust.from_block + 1, number, _HEADERS_AT_ONCE):
        numbers = range(first, min(first + _HEADERS_AT_ONCE, number))
        answers = chain.ask_many("eth_getBlockByNumber", [(hex(each), False) for each in numbers])
        for each, raw in zip(numbers, answers, strict=True):
            between = chain.header_of(raw, each)
            if _listed(between) not in (trusted, set()):
                trusted = _listed(between)
                found.append(between.encode())
    return found


def _listed(header: Header) -> set[str]:
    return {checksummed(each) for each in headers.qbft_extra(header).validators}


@dataclass(frozen=True, slots=True)
class Result:
    """What one auditor says came of a replay; nobody vouches for it.

    Attributes:
        name: Whose, for sentences.
        verdict: VALID, INVALID or INDETERMINATE.
        digest: Of the final state, 32 bytes; None if something did not hold.
        chain: Chain id and genesis hash.
        block: The last block, and its hash.
    """

    name: str
    verdict: str
    digest: bytes | None
    chain: tuple[int, bytes]
    block: tuple[int, bytes]


def agree(one: Result, other: Result) -> tuple[str, str]:
    """Compare two auditors' results.

    Returns:
        VALID if both are and they agree, INVALID if they do not, INDETERMINATE if that can't be told; and a sentence.
    """
    if one.chain != other.chain:
        return "INVALID", f"{one.name} and {other.name} are of two chains."
    for each in (one, other):
        if each.digest is None:
            return (
                "INVALID",
                f"{each.name} found that the chain does not hold, at block {each.block[0]}: look there first.",
            )
    if one.block[0] != other.block[0]:
        least = min(one.block[0], other.block[0])
        return (
            "INDETERMINATE",
            f"They end at blocks {one.block[0]} and {other.block[0]}: replay both with `--to {least}`.",
        )
    if one.block[1] != other.block[1]:
        return (
            "INVALID",
            f"They were shown two blocks {one.block[0]}, 0x{one.block[1].hex()} and 0x{other.block[1].hex()}. Find where "
            "their nodes part with `audit split`, which makes the proof.",
        )
    if one.digest != other.digest:
        return (
            "INVALID",
            f"They were shown one block {one.block[0]} and came to two digests: one replay, or its program, is wrong.",
        )
    if (one.verdict, other.verdict) != ("VALID", "VALID"):
        return (
            "INDETERMINATE",
            f"They agree as of block {one.block[0]}, but {one.name} is {one.verdict} and {other.name} {other.verdict}.",
        )
    return "VALID", f"They agree as of block {one.block[0]}: one history, one state."
