"""What a transaction offers for its gas: a policy for each kind of chain, decided here and nowhere else.

On a development chain the price follows the base fee (EIP-1559), with room above it, and is doubled when a transaction is
stuck, up to the most that the profile allows. On Clique and QBFT networks gas is free by agreement: all offer the same
constant, so there is nothing to outbid and nothing is ever raised; a stuck transaction is sent again as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.config import ChainProfile

_ROOM = 4  # a first offer is at least the profile's most divided by this


@dataclass(frozen=True, slots=True)
class Fees:
    """What is offered for a unit of gas.

    Attributes:
        most_wei: The most that is paid, base fee and tip together.
        tip_wei: Of that, what the block's maker gets; at most `most_wei`.
    """

    most_wei: int
    tip_wei: int


def first(profile: ChainProfile, base_fee_wei: int) -> Fees:
    """What a new transaction offers.

    Args:
        profile: The chain; `gas_price_wei` is the most that it pays.
        base_fee_wei: The newest block's base fee.
    """
    cap = profile.gas_price_wei
    tip = min(1, cap)
    if profile.kind != "development":
        return Fees(cap, tip)
    return Fees(min(cap, max(2 * base_fee_wei + tip, cap // _ROOM)), tip)


def raised(profile: ChainProfile, base_fee_wei: int, former: Fees) -> Fees | None:
    """What replaces a transaction that is stuck: twice the former offer, so that every node takes it for a better one.

    Returns:
        The offer, or None where the profile allows no better one.
    """
    if profile.kind != "development":
        return None
    most = min(profile.gas_price_wei, max(2 * former.most_wei, 2 * base_fee_wei + 1))
    tip = min(most, 2 * former.tip_wei)
    if 10 * most < 11 * former.most_wei or 10 * tip < 11 * former.tip_wei:
        return None  # nodes ask a tenth more of both
    return Fees(most, tip)
