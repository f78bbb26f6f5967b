"""Block headers: decoded strictly, hashed as their consensus hashes them, and who sealed them.

This module tells facts: hash, signers, validators that a header lists. Whether they suffice is judged against validators
that the caller trusts, by `require_qbft_quorum` here and by `clique`; a header never vouches for its own set.

QBFT (Besu): the validators' commit seals sign the hash of the header with the seal list emptied and the round kept; the
block's hash drops the round too. Clique (EIP-225): one seal in the last 65 bytes of the extra data.

Sources: Yellow Paper 4.3; EIP-225; EIP-1559; QBFT as Besu implements it (qbft-header, qbft-tests among the vectors).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from ledger.core import rlp
from ledger.core.records import keccak
from ledger.core.signatures import checksummed, recover_address
from ledger.errors import InvalidEncoding, InvalidSignature, SealError

Consensus = Literal["qbft", "clique"]

MAX_BYTES = 1 << 20  # of a header; one with 1,000 validators and seals has under 100 KiB
_EXTRA = 12  # place of the extra data among the fields
_VANITY = 32
_SEAL = 65
_WIDTHS = {
    0: 32,
    1: 32,
    2: 20,
    3: 32,
    4: 32,
    5: 32,
    6: 256,
    13: 32,
    14: 8,
}  # fields that are bytes of one length
_INTEGERS = {7: 32, 8: 8, 9: 8, 10: 8, 11: 8, 15: 32, 17: 8, 18: 8}  # fields that are integers, most bytes
_LATER_WIDTHS = {16: 32, 19: 32, 20: 32}  # withdrawals root, parent beacon root, requests hash


@dataclass(frozen=True, slots=True)
class Header:
    """A block header.

    Attributes:
        fields: All fields as RLP items, in order: 15 before London, 16 with the base fee, up to 21 since.
    """

    fields: tuple[bytes, ...]

    @property
    def parent_hash(self) -> bytes:
        """Hash of the block before, 32 bytes."""
        return self.fields[0]

    @property
    def beneficiary(self) -> bytes:
        """20 bytes; Clique's nominee in a vote."""
        return self.fields[2]

    @property
    def state_root(self) -> bytes:
        """Root of the state after the block, 32 bytes."""
        return self.fields[3]

    @property
    def receipts_root(self) -> bytes:
        """Root of the receipts, 32 bytes."""
        return self.fields[5]

    @property
    def logs_bloom(self) -> bytes:
        """256 bytes."""
        return self.fields[6]

    @property
    def difficulty(self) -> int:
        """Clique: 2 in turn, 1 out of turn; QBFT: 1."""
        return int.from_bytes(self.fields[7], "big")

    @property
    def number(self) -> int:
        """From 0."""
        return int.from_bytes(self.fields[8], "big")

    @property
    def timestamp(self) -> int:
        """Unix seconds, the proposer's claim within its consensus' bounds."""
        return int.from_bytes(self.fields[11], "big")

    @property
    def extra_data(self) -> bytes:
        """What the consensus keeps its seals in."""
        return self.fields[_EXTRA]

    @property
    def nonce(self) -> bytes:
        """8 bytes; Clique's vote."""
        return self.fields[14]

    def encode(self, extra_data: bytes | None = None) -> bytes:
        """The header's RLP, with other extra data if given."""
        items: list[rlp.Item] = list(self.fields)
        if extra_data is not None:
            items[_EXTRA] = extra_data
        return rlp.encode(items)


@dataclass(frozen=True, slots=True)
class QbftExtra:
    """QBFT's extra data.

    Attributes:
        vanity: 32 bytes of the proposer's choice.
        validators: Addresses, 20 bytes each; empty in contract mode.
        vote: The recipient and its kind, as RLP; for none an empty list, or empty bytes as the QBFT test vectors have.
        round: In which the block was agreed.
        round_width: 0 if the round is spelled the shortest way, as Besu does; 4 for four bytes, as the vectors do.
        seals: 65 bytes each: r, s, v (0 or 1).
    """

    vanity: bytes
    validators: tuple[bytes, ...]
    vote: rlp.Item
    round: int
    seals: tuple[bytes, ...]
    round_width: int = 0

    def encode(self, *, round: int, seals: Sequence[bytes]) -> bytes:
        """The extra data with a round and seals."""
        spelled = round.to_bytes(4, "big") if self.round_width else rlp.of_integer(round)
        return rlp.encode([self.vanity, list(self.validators), self.vote, spelled, list(seals)])


def decode(rlp_bytes: bytes) -> Header:
    """Decode a header from its RLP.

    Raises:
        InvalidEncoding: It is not the one canonical encoding of a header of 15 to 21 fields.
    """
    if not isinstance(rlp_bytes, bytes | bytearray):
        raise InvalidEncoding("header", 0, "bytes are expected")
    if len(rlp_bytes) > MAX_BYTES:
        raise InvalidEncoding("header", 0, f"a header has at most {MAX_BYTES} bytes")
    items = rlp.decode_list(bytes(rlp_bytes))
    if not 15 <= len(items) <= 21:
        raise InvalidEncoding("header", 0, f"15 to 21 fields are expected, {len(items)} are there")
    fields = []
    for place, item in enumerate(items):
        if place in _INTEGERS:
            rlp.as_integer(item, f"field {place} of the header", _INTEGERS[place])
        width = _WIDTHS.get(place, _LATER_WIDTHS.get(place))
        fields.append(rlp.as_bytes(item, f"field {place} of the header", width))
    return Header(tuple(fields))


def block_hash(header: Header, consensus: Consensus | None = None) -> bytes:
    """The hash by which the chain names the block, 32 bytes; QBFT's leaves round and seals out."""
    if consensus == "qbft":
        return keccak(header.encode(qbft_extra(header).encode(round=0, seals=())))
    return keccak(header.encode())


def qbft_extra(header: Header) -> QbftExtra:
    """Decode QBFT's extra data.

    Raises:
        InvalidEncoding: It is not canonical, or a part has another form.
    """
    items = rlp.decode_list(header.extra_data)
    if len(items) != 5:
        raise InvalidEncoding("QBFT extra data", 0, "vanity, validators, vote, round and seals are expected")
    validators = rlp.as_list(items[1], "the validators")
    seals = rlp.as_list(items[4], "the seals")
    vote = items[2]
    if vote and not _is_vote(vote):
        raise InvalidEncoding("QBFT extra data", 0, "a vote is a recipient of 20 bytes and 0xff or 0x00")
    spelled = rlp.as_bytes(items[3], "the round")
    if len(spelled) > 4 or (len(spelled) < 4 and spelled[:1] == b"\0"):
        raise InvalidEncoding("QBFT extra data", 0, "a round is an integer of at most 4 bytes")
    return QbftExtra(
        vanity=rlp.as_bytes(items[0], "the vanity data", _VANITY),
        validators=tuple(rlp.as_bytes(each, "a validator", 20) for each in validators),
        vote=vote,
        round=int.from_bytes(spelled, "big"),
        round_width=4 if spelled[:1] == b"\0" else 0,
        seals=tuple(rlp.as_bytes(each, "a seal", _SEAL) for each in seals),
    )


def seal_signers(header: Header, consensus: Consensus) -> list[str]:
    """Who sealed the header: checksummed addresses in the order of the seals.

    Whether they are validators, distinct or enough is **not** checked here.

    Raises:
        InvalidEncoding: The extra data is not the consensus' own.
        InvalidSignature: A seal recovers nobody, or has a high s.
        SealError: The consensus is unknown here.
    """
    if consensus == "qbft":
        extra = qbft_extra(header)
        digest = keccak(header.encode(extra.encode(round=extra.round, seals=())))
        return [_signer(digest, seal) for seal in extra.seals]
    if consensus == "clique":
        extra_data = header.extra_data
        if len(extra_data) < _VANITY + _SEAL:
            raise InvalidEncoding("Clique extra data", 0, "32 bytes of vanity and a seal of 65 are expected")
        digest = keccak(header.encode(extra_data[:-_SEAL]))
        return [_signer(digest, extra_data[-_SEAL:])]
    raise SealError(f"{consensus!r} is no consensus whose seals are known here: qbft or clique is expected")


def clique_signers(header: Header) -> list[str]:
    """The signers that a Clique checkpoint block lists, ascending; none in other blocks.

    Raises:
        InvalidEncoding: The list is not of whole addresses, not ascending, or the block has no room for a seal.
    """
    listed = header.extra_data[_VANITY:-_SEAL]
    if len(header.extra_data) < _VANITY + _SEAL or len(listed) % 20:
        raise InvalidEncoding("Clique extra data", 0, "vanity, whole addresses and a seal are expected")
    signers = [listed[at : at + 20] for at in range(0, len(listed), 20)]
    if any(first >= second for first, second in pairwise(signers)):
        raise InvalidEncoding("Clique extra data", 0, "the listed signers must ascend")
    return [checksummed(signer) for signer in signers]


def quorum(validators: int) -> int:
    """How many of N validators must seal: ceil(2N/3), never rounded down."""
    return -(-2 * validators // 3)


def require_qbft_quorum(header: Header, trusted: Collection[str]) -> list[str]:
    """Require that a quorum of trusted validators sealed a QBFT header; seals of others do not count.

    Args:
        header: The header.
        trusted: Checksummed addresses of the validators in charge at its height, at least one.

    Returns:
        The distinct trusted signers.

    Raises:
        SealError: Fewer than ceil(2N/3) distinct trusted validators sealed it.
        InvalidEncoding: The extra data is not QBFT's.
    """
    if not trusted:
        raise SealError("no validators are trusted, so no seal counts")
    extra = qbft_extra(header)
    digest = keccak(header.encode(extra.encode(round=extra.round, seals=())))
    signers = []
    for seal in extra.seals:
        try:
            signer = _signer(digest, seal)
        except InvalidSignature:
            continue  # a seal that is none does not count
        if signer in trusted and signer not in signers:
            signers.append(signer)
    needed = quorum(len(set(trusted)))
    if len(signers) < needed:
        raise SealError(
            f"block {header.number} is sealed by {len(signers)} of {len(set(trusted))} trusted validators; {needed} are needed"
        )
    return signers


def next_validators(header: Header, trusted: Collection[str]) -> list[str]:
    """The validators that a QBFT header moves on to, once both the trusted ones and the listed ones sealed it.

    Raises:
        SealError: A quorum of either is missing, or the list is empty (contract mode), which can't be followed.
    """
    listed = [checksummed(each) for each in qbft_extra(header).validators]
    if not listed:
        raise SealError(
            "the header lists no validators (contract mode), so a change of them can't be followed"
        )
    require_qbft_quorum(header, trusted)
    require_qbft_quorum(header, listed)
    return listed


def _is_vote(item: rlp.Item) -> bool:
    return (
        isinstance(item, list)
        and len(item) == 2
        and isinstance(item[0], bytes)
        and len(item[0]) == 20
        and item[1] in (b"\xff", b"\0")
    )


def _signer(digest: bytes, seal: bytes) -> str:
    if seal[64] > 1:
        raise InvalidSignature("a seal's v is 0 or 1")
    return checksummed(recover_address(digest, seal[:64] + bytes((seal[64] + 27,))))
