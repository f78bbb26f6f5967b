"""Clique's signers as they vote each other in and out, and what confirms one of its blocks.

Clique has no finality: two sealed headers at one height are normal. So a block is at most "confirmed by k of N, not
final", and that takes distinct trusted signers and enough linked successors (DESIGN 6).

Source: EIP-225; the order of its steps as geth 1.13 takes them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise

from ledger.core.headers import Header, block_hash, clique_signers, quorum, seal_signers
from ledger.core.signatures import checksummed
from ledger.errors import SealError

_ADD = b"\xff" * 8
_DROP = bytes(8)


class CliqueSigners:
    """Who may seal after each header, from a set that the caller trusts on; every header in between is needed.

    Args:
        signers: Checksummed addresses in charge after the header of `number`; at least one.
        number: The height they are trusted at: a checkpoint or the genesis block, where no votes are open.
        epoch: Blocks between checkpoints, at least 1.

    Raises:
        SealError: No signers, or an epoch below 1.
    """

    def __init__(self, signers: Collection[str], number: int, epoch: int) -> None:
        if not signers or epoch < 1:
            raise SealError("signers and an epoch of at least 1 block are needed to follow Clique")
        self.signers = set(signers)
        self.number = number
        self._epoch = epoch
        self._recent: dict[int, str] = {}
        self._votes: list[tuple[str, str, bool]] = []  # who, whom, in or out

    def take(self, header: Header) -> str:
        """Take the next header in line.

        Returns:
            Its signer, checksummed.

        Raises:
            SealError: It is not the next, its signer may not seal now, its vote is no vote, or its checkpoint lists
                others than the signers.
            InvalidEncoding, InvalidSignature: Its extra data or seal is none.
        """
        number = header.number
        if number != self.number + 1:
            raise SealError(f"header {number} came where {self.number + 1} was due")
        (signer,) = seal_signers(header, "clique")
        is_checkpoint = number % self._epoch == 0
        if is_checkpoint:
            self._votes.clear()
        self._forget(number)
        if signer not in self.signers:
            raise SealError(f"block {number} is sealed by {signer}, who is no signer then")
        if signer in self._recent.values():
            raise SealError(f"block {number} is sealed by {signer}, who sealed one too short before")
        listed = clique_signers(header)
        if is_checkpoint and listed != [
            checksummed(each) for each in sorted(_raw(each) for each in self.signers)
        ]:
            raise SealError(f"checkpoint {number} lists other signers than those who were voted in")
        if not is_checkpoint and listed:
            raise SealError(f"block {number} lists signers and is no checkpoint")
        if header.nonce not in (_ADD, _DROP) or (
            is_checkpoint and (header.nonce != _DROP or any(header.beneficiary))
        ):
            raise SealError(f"the vote of block {number} is none")
        self._recent[number] = signer
        self.number = number
        self._vote(signer, checksummed(header.beneficiary), header.nonce == _ADD)
        return signer

    def _forget(self, number: int) -> None:
        self._recent.pop(number - (len(self.signers) // 2 + 1), None)

    def _vote(self, signer: str, whom: str, is_in: bool) -> None:
        self._votes = [vote for vote in self._votes if vote[:2] != (signer, whom)]
        is_member = whom in self.signers
        if is_in != is_member:
            self._votes.append((signer, whom, is_in))
        # Votes cast before count even if this one changes nothing: fewer signers may have made them enough since.
        if sum(1 for vote in self._votes if vote[1] == whom) <= len(self.signers) // 2:
            return
        if not is_member:
            self.signers.add(whom)
        else:
            self.signers.remove(whom)
            self._forget(self.number)
            self._votes = [vote for vote in self._votes if vote[0] != whom]
        self._votes = [vote for vote in self._votes if vote[1] != whom]


def needed(signers: int) -> int:
    """How many distinct signers confirm a block: max(floor(N/2) + 1, ceil(2N/3))."""
    return max(signers // 2 + 1, quorum(signers))


def confirmations(chain: Sequence[Header], trusted: Collection[str]) -> tuple[int, int]:
    """How well the first of linked headers is confirmed by those after it; never finality.

    Args:
        chain: The header in question and its successors, each linked to the one before by parent hash.
        trusted: Checksummed addresses of the signers, who must not change within the chain shown.

    Returns:
        How many distinct trusted signers sealed the header or a successor, and how many successors there are.

    Raises:
        SealError: No header, headers that are not linked, a signer who is not trusted or seals again too early.
    """
    if not chain:
        raise SealError("no header is shown")
    for before, after in pairwise(chain):
        if after.parent_hash != block_hash(before) or after.number != before.number + 1:
            raise SealError(f"header {after.number} does not follow the one before it")
    rest = len(set(trusted)) // 2  # a signer rests for this many blocks after its own
    signers: list[str] = []
    for header in chain:
        (signer,) = seal_signers(header, "clique")
        if signer not in trusted:
            raise SealError(f"block {header.number} is sealed by {signer}, who is no trusted signer")
        if signer in signers[max(0, len(signers) - rest) :]:
            raise SealError(f"block {header.number} is sealed by {signer}, who sealed one too short before")
        signers.append(signer)
    return len(set(signers)), len(chain) - 1


def _raw(address: str) -> bytes:
    return bytes.fromhex(address[2:])
