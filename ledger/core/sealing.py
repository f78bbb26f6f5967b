"""Which block an evidence file speaks of, and whether the validators that the trust file names stand behind it.

QBFT: a quorum of seals makes a block final; a header that moves on to other validators needs a quorum of the trusted
ones and of those it lists. Clique has no finality: a block is confirmed by distinct signers over 2N linked successors,
and that is said. A development chain has no seals, which is said too, and passes only for a trust file that asks for none.

Source: DESIGN 6.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.core import clique, headers
from ledger.core.headers import Header
from ledger.core.signatures import checksummed
from ledger.core.trust import MAX_VALIDATORS, Trust
from ledger.errors import SealError

UNSEALED = "This is an unsealed development chain: nobody stands behind its blocks."


def state_header(shown: Sequence[Header], trust: Trust) -> Header:
    """The header of the block whose state the file shows; its seals are **not** judged here.

    Args:
        shown: The file's headers, at least one.
        trust: The trust file.
    """
    if trust.consensus == "qbft":
        return shown[-1]
    return shown[_clique_place(shown, trust)] if trust.consensus == "clique" else shown[0]


def judge(shown: Sequence[Header], trust: Trust) -> str:
    """Judge the seals.

    Args:
        shown: The file's headers, at least one.
        trust: The trust file; it must ask for seals.

    Returns:
        What they show, a sentence.

    Raises:
        SealError: The headers are not sealed as the trust file asks.
        InvalidEncoding, InvalidSignature: A header has no seals of this consensus.
    """
    return _qbft(shown, trust) if trust.consensus == "qbft" else _clique(shown, trust)


def why_not_judged(shown: Sequence[Header], trust: Trust) -> str:
    """Say why the seals can't be judged by this trust file, neither way; "" if they can.

    Args:
        shown: The file's headers, at least one.
        trust: The trust file; it must ask for seals.

    Raises:
        InvalidEncoding: A header has no seals of this consensus.
    """
    first = shown[0].number
    if first < trust.from_block:
        return (
            f"Block {first} is older than block {trust.from_block}, from which on the trust file knows the validators: use "
            "one that reaches back."
        )
    if trust.consensus == "qbft":
        for header in shown:
            if not headers.qbft_extra(header).validators:
                return f"Block {header.number} lists no validators (contract mode), so whether they changed can't be seen."
    return ""


def _qbft(shown: Sequence[Header], trust: Trust) -> str:
    trusted = list(trust.validators)
    number = -1
    for header in shown[:-1]:
        _require_only_seals_that_count(header)
        listed = headers.next_validators(header, trusted)
        if header.number <= number or set(listed) == set(trusted):
            raise SealError(f"header {header.number} changes no validators, or not in order")
        number, trusted = header.number, listed
    last = shown[-1]
    if last.number <= number:
        raise SealError(f"block {last.number} is not after the last change of validators")
    _require_only_seals_that_count(last)
    signers = headers.require_qbft_quorum(last, trusted)
    return f"Block {last.number} is final: {len(signers)} of {len(trusted)} trusted validators sealed it."


def _require_only_seals_that_count(header: Header) -> None:
    """Refuse a seal that is none, stands twice or is by nobody the header lists: a byte of it would mean nothing."""
    extra = headers.qbft_extra(header)
    listed = {checksummed(each) for each in extra.validators}
    # too many are refused before any is recovered: a header has room for thousands, and each costs time
    is_over = len(extra.seals) > min(len(listed), MAX_VALIDATORS)
    signers = [] if is_over else headers.seal_signers(header, "qbft")
    if is_over or len(set(signers)) != len(signers) or not listed.issuperset(signers):
        raise SealError(f"block {header.number} has a seal twice, or of somebody it does not list")


def _clique(shown: Sequence[Header], trust: Trust) -> str:
    place = _clique_place(shown, trust)
    trusted: set[str] = set(trust.validators)
    if place or shown[0].number == trust.from_block + 1:
        followed = clique.CliqueSigners(trust.validators, trust.from_block, trust.epoch)
        for header in shown[: place + 1]:
            followed.take(header)
        trusted = followed.signers
    chain = shown[place:]
    count, successors = clique.confirmations(chain, trusted)
    needed = clique.needed(len(trusted))
    if successors != 2 * len(trusted) or count < needed:
        raise SealError(
            f"block {chain[0].number} is confirmed by {count} of {len(trusted)} signers over {successors} blocks; "
            f"{needed} signers over exactly {2 * len(trusted)} blocks are needed"
        )
    return f"Block {chain[0].number} is confirmed by {count} of {len(trusted)} signers, not final: Clique has no finality."


def _clique_place(shown: Sequence[Header], trust: Trust) -> int:
    """Where the block stands: first, or behind all headers since the trusted block, with 2N successors."""
    if len(shown) <= 1 + 2 * len(trust.validators) or shown[0].number != trust.from_block + 1:
        return 0
    followed = clique.CliqueSigners(trust.validators, trust.from_block, trust.epoch)
    for place, header in enumerate(shown):
        followed.take(header)
        if len(shown) - 1 - place == 2 * len(followed.signers):
            return place
    raise SealError("the headers end before the block has its successors")
