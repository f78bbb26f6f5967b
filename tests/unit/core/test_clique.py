"""Clique: who may seal after each vote, and what confirms a block."""

import pytest
from sealed_headers import ADDRESSES, KEYS, clique, plain_header, raw, with_extra

from ledger.core import headers
from ledger.core.clique import CliqueSigners, confirmations, needed
from ledger.errors import SealError

ADD = b"\xff" * 8


def chain_of(*keys, first=1):
    parent, chain = bytes(32), []
    for number, key in enumerate(keys, first):
        header = clique(key, number, parent=parent)
        chain.append(header)
        parent = headers.block_hash(header)
    return chain


def test_signers_follow_each_other_and_rest():
    signers = CliqueSigners(ADDRESSES[:3], 0, 30_000)
    assert [signers.take(header) for header in chain_of(KEYS[0], KEYS[1], KEYS[2], KEYS[0])] == [
        *ADDRESSES[:3],
        ADDRESSES[0],
    ]
    with pytest.raises(SealError, match="too short before"):
        signers.take(clique(KEYS[0], 5))
    assert signers.number == 4


def test_two_of_two_vote_a_third_in_and_out():
    signers = CliqueSigners(ADDRESSES[:2], 0, 30_000)
    signers.take(clique(KEYS[0], 1, beneficiary=raw(ADDRESSES[2]), nonce=ADD))
    assert ADDRESSES[2] not in signers.signers
    signers.take(clique(KEYS[1], 2, beneficiary=raw(ADDRESSES[2]), nonce=ADD))
    assert ADDRESSES[2] in signers.signers
    signers.take(clique(KEYS[2], 3, beneficiary=raw(ADDRESSES[1])))
    signers.take(clique(KEYS[0], 4, beneficiary=raw(ADDRESSES[1])))
    assert signers.signers == {ADDRESSES[0], ADDRESSES[2]}
    with pytest.raises(SealError, match="no signer then"):
        signers.take(clique(KEYS[1], 5))


def test_a_vote_that_changes_nothing_or_is_repeated_does_not_count_twice():
    signers = CliqueSigners(ADDRESSES[:3], 0, 30_000)
    signers.take(clique(KEYS[0], 1, beneficiary=raw(ADDRESSES[1]), nonce=ADD))  # is in already
    signers.take(clique(KEYS[1], 2))
    signers.take(clique(KEYS[0], 3, beneficiary=raw(ADDRESSES[3]), nonce=ADD))
    signers.take(clique(KEYS[1], 4))
    signers.take(clique(KEYS[0], 5, beneficiary=raw(ADDRESSES[3]), nonce=ADD))
    assert ADDRESSES[3] not in signers.signers


def test_a_checkpoint_lists_the_signers_and_ends_votes():
    listed = sorted(ADDRESSES[:2], key=raw)
    signers = CliqueSigners(listed, 0, 2)
    signers.take(clique(KEYS[0], 1, beneficiary=raw(ADDRESSES[3]), nonce=ADD))
    signers.take(clique(KEYS[1], 2, listed=listed))
    signers.take(clique(KEYS[0], 3))
    signers.take(clique(KEYS[1], 4, listed=listed))
    assert signers.signers == set(listed)


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        (clique(KEYS[0], 3), "due"),
        (clique(KEYS[4], 1), "no signer"),
        (clique(KEYS[0], 1, listed=sorted(ADDRESSES[:2], key=raw)), "no checkpoint"),
        (clique(KEYS[0], 1, nonce=b"\1" * 8), "vote"),
    ],
)
def test_a_header_that_may_not_be_next_is_refused(header, sentence):
    with pytest.raises(SealError, match=sentence):
        CliqueSigners(ADDRESSES[:2], 0, 2).take(header)


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        (clique(KEYS[1], 2, listed=sorted(ADDRESSES[:3], key=raw)), "lists other signers"),
        (clique(KEYS[1], 2), "lists other signers"),
        (clique(KEYS[1], 2, listed=sorted(ADDRESSES[:2], key=raw), nonce=ADD), "vote"),
        (clique(KEYS[1], 2, listed=sorted(ADDRESSES[:2], key=raw), beneficiary=raw(ADDRESSES[4])), "vote"),
    ],
)
def test_a_checkpoint_of_another_form_is_refused(header, sentence):
    signers = CliqueSigners(ADDRESSES[:2], 0, 2)
    signers.take(clique(KEYS[0], 1))
    with pytest.raises(SealError, match=sentence):
        signers.take(header)


@pytest.mark.parametrize(("signers", "epoch"), [([], 1), (ADDRESSES[:1], 0)])
def test_there_is_nothing_to_follow_without_signers_or_epoch(signers, epoch):
    with pytest.raises(SealError, match="needed to follow"):
        CliqueSigners(signers, 0, epoch)


@pytest.mark.parametrize(("signers", "count"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 4), (6, 4), (7, 5)])
def test_what_confirms_is_never_rounded_down(signers, count):
    assert needed(signers) == count


def test_distinct_trusted_signers_on_linked_headers_confirm():
    chain = chain_of(KEYS[0], KEYS[1], KEYS[2], KEYS[0], KEYS[1])
    assert confirmations(chain, ADDRESSES[:4]) == (3, 4)
    assert confirmations(chain[:1], ADDRESSES[:4]) == (1, 0)


def test_what_does_not_link_is_not_trusted_or_did_not_rest_confirms_nothing():
    chain = chain_of(KEYS[0], KEYS[1], KEYS[2])
    for wrong, sentence in (
        ([], "no header"),
        ([chain[0], chain[2]], "does not follow"),
        ([chain[0], clique(KEYS[1], 7, parent=headers.block_hash(chain[0]))], "does not follow"),
        (chain_of(KEYS[0], KEYS[6]), "no trusted signer"),
        (chain_of(KEYS[0], KEYS[1], KEYS[0]), "too short before"),
    ):
        with pytest.raises(SealError, match=sentence):
            confirmations(wrong, ADDRESSES[:4])


def test_a_forged_byte_anywhere_in_the_chain_confirms_nothing():
    chain = chain_of(KEYS[0], KEYS[1])
    changed = with_extra(plain_header(1), chain[0].extra_data[:-1] + bytes((chain[0].extra_data[-1] ^ 1,)))
    with pytest.raises(SealError):
        confirmations([changed, chain[1]], ADDRESSES[:4])
