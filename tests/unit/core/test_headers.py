"""Headers: one encoding, the hash each consensus gives, who sealed; quorums never rounded down."""

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sealed_headers import ADDRESSES, KEYS, clique, plain_header, qbft, raw, with_extra

from ledger.core import headers, rlp
from ledger.core.records import keccak
from ledger.errors import InvalidEncoding, InvalidSignature, LedgerError, SealError

RECORDED = json.loads((Path(__file__).parents[2] / "vectors" / "qbft_header.json").read_text())
RECORDED_RLP = bytes.fromhex(RECORDED["header_with_seals_rlp"][2:])


def test_the_recorded_header_has_its_recorded_signers_and_fields():
    header = headers.decode(RECORDED_RLP)
    assert header.encode() == RECORDED_RLP
    assert [each.lower() for each in headers.seal_signers(header, "qbft")] == RECORDED[
        "seal_signers_in_order"
    ]
    assert (header.number, header.timestamp) == (RECORDED["number"], RECORDED["timestamp"])
    assert "0x" + header.state_root.hex() == RECORDED["state_root"]
    extra = headers.qbft_extra(header)
    assert extra.round == RECORDED["round"]
    assert ["0x" + each.hex() for each in extra.validators] == RECORDED["validators"]
    without = header.encode(extra.encode(round=extra.round, seals=()))
    assert "0x" + without.hex() == RECORDED["header_without_seals_rlp"]
    assert "0x" + keccak(without).hex() == RECORDED["commit_hash"]


def test_every_changed_byte_of_the_recorded_header_loses_its_quorum():
    trusted = [headers.checksummed(bytes.fromhex(each[2:])) for each in RECORDED["validators"]]
    assert len(headers.require_qbft_quorum(headers.decode(RECORDED_RLP), trusted)) == 3
    for at in range(len(RECORDED_RLP)):
        changed = RECORDED_RLP[:at] + bytes((RECORDED_RLP[at] ^ 1,)) + RECORDED_RLP[at + 1 :]
        with pytest.raises(LedgerError):
            headers.require_qbft_quorum(headers.decode(changed), trusted)


@given(st.binary(max_size=700))
@settings(max_examples=200)
def test_bytes_that_are_no_header_raise_nothing_but_our_errors(data):
    with pytest.raises(InvalidEncoding):
        headers.decode(data)


def test_a_header_has_the_fields_of_its_time():
    header = plain_header(f15=b"\7", f16=bytes(32), f17=b"", f18=b"", f19=bytes(32), f20=bytes(32))
    assert headers.decode(header.encode()) == header
    assert (header.difficulty, header.beneficiary, header.receipts_root) == (1, bytes(20), bytes(32))
    assert (header.logs_bloom, header.nonce, header.parent_hash) == (bytes(256), bytes(8), bytes(32))
    assert headers.block_hash(header) == keccak(header.encode())


@pytest.mark.parametrize(
    "header",
    [
        plain_header(f0=bytes(31)),
        plain_header(f2=bytes(32)),
        plain_header(f6=bytes(255)),
        plain_header(f8=b"\0\1"),
        plain_header(f11=b"\1" * 9),
        plain_header(f14=b""),
        plain_header(f15=b"\0"),
        plain_header(f15=b"", f16=bytes(20)),
        plain_header(
            **{f"f{place}": b"" for place in (15, 17, 18)},
            f16=bytes(32),
            f19=bytes(32),
            f20=bytes(32),
            f21=b"",
        ),
        headers.Header(plain_header().fields[:14]),
    ],
)
def test_a_header_with_a_field_of_another_form_is_refused(header):
    with pytest.raises(InvalidEncoding):
        headers.decode(header.encode())


@pytest.mark.parametrize("data", [None, "0xf9", rlp.encode(b"abc"), b"\xc0", bytes(headers.MAX_BYTES + 1)])
def test_what_is_no_header_is_refused(data):
    with pytest.raises(InvalidEncoding):
        headers.decode(data)


def test_a_qbft_block_has_one_hash_whatever_its_round_and_seals():
    one = qbft(ADDRESSES[:4], KEYS[:3], round=0)
    other = qbft(ADDRESSES[:4], KEYS[1:4], round=7)
    assert headers.block_hash(one, "qbft") == headers.block_hash(other, "qbft")
    assert headers.block_hash(one) != headers.block_hash(other)


def test_a_seal_signs_the_round():
    header = qbft(ADDRESSES[:4], KEYS[:3], round=1)
    extra = headers.qbft_extra(header)
    moved = with_extra(header, extra.encode(round=2, seals=extra.seals))
    assert len(headers.require_qbft_quorum(header, ADDRESSES[:4])) == 3
    with pytest.raises(SealError, match="0 of 4"):
        headers.require_qbft_quorum(moved, ADDRESSES[:4])


@pytest.mark.parametrize(("validators", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 4), (6, 4), (7, 5)])
def test_a_quorum_is_never_rounded_down(validators, needed):
    assert headers.quorum(validators) == needed
    trusted = ADDRESSES[:validators]
    assert len(headers.require_qbft_quorum(qbft(trusted, KEYS[:needed]), trusted)) == needed
    with pytest.raises(SealError, match=f"{needed} are needed"):
        headers.require_qbft_quorum(qbft(trusted, KEYS[: needed - 1]), trusted)


def test_a_seal_twice_an_outsiders_and_a_high_s_one_do_not_count():
    trusted = ADDRESSES[:4]
    good = headers.qbft_extra(qbft(trusted, KEYS[:3])).seals
    outsider = headers.qbft_extra(qbft(trusted, KEYS[5:6])).seals[0]
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    high = (
        good[2][:32]
        + (order - int.from_bytes(good[2][32:64], "big")).to_bytes(32, "big")
        + bytes((1 - good[2][64],))
    )
    header = qbft(trusted, [])
    extra = headers.qbft_extra(header)
    for wrong in (good[1], outsider, high, good[2][:64] + b"\x1b", bytes(65)):
        sealed = with_extra(header, extra.encode(round=1, seals=[*good[:2], wrong]))
        with pytest.raises(SealError, match="2 of 4"):
            headers.require_qbft_quorum(sealed, trusted)
    assert headers.require_qbft_quorum(
        with_extra(header, extra.encode(round=1, seals=[outsider, *good])), trusted
    )


def test_nobody_trusted_is_no_quorum():
    with pytest.raises(SealError, match="no validators"):
        headers.require_qbft_quorum(qbft([], []), [])


def test_moving_on_to_other_validators_needs_both_sets():
    old, new = ADDRESSES[:4], ADDRESSES[2:6]
    both = qbft(new, KEYS[:6])
    assert headers.next_validators(both, old) == new
    for sealers, trusted in ((KEYS[2:6], old), (KEYS[:4], old)):
        with pytest.raises(SealError):
            headers.next_validators(qbft(new, sealers), trusted)


def test_a_header_in_contract_mode_cannot_be_followed():
    with pytest.raises(SealError, match="contract mode"):
        headers.next_validators(qbft([], KEYS[:3]), ADDRESSES[:4])


def test_qbft_votes_are_kept_and_checked():
    header = qbft(ADDRESSES[:4], KEYS[:3], vote=(raw(ADDRESSES[5]), b"\xff"))
    assert headers.qbft_extra(header).vote == [raw(ADDRESSES[5]), b"\xff"]
    for vote in ([b"\1"], [raw(ADDRESSES[5]), b"\1"], [b"\1", b"\xff"]):
        with pytest.raises(InvalidEncoding, match="vote"):
            headers.qbft_extra(qbft(ADDRESSES[:4], [], vote=vote))


@pytest.mark.parametrize(
    "extra",
    [
        b"",
        rlp.encode([bytes(32), [], [], b""]),
        rlp.encode([bytes(31), [], [], b"", []]),
        rlp.encode([bytes(32), [bytes(19)], [], b"", []]),
        rlp.encode([bytes(32), [], [], b"\0", []]),
        rlp.encode([bytes(32), [], [], b"", [bytes(64)]]),
        rlp.encode([bytes(32), b"", [], b"", []]),
    ],
)
def test_what_is_no_qbft_extra_data_is_refused(extra):
    with pytest.raises(InvalidEncoding):
        headers.seal_signers(plain_header(extra=extra), "qbft")


def test_a_seal_that_is_none_is_refused_when_its_signer_is_asked_for():
    header = qbft(ADDRESSES[:4], KEYS[:1])
    extra = headers.qbft_extra(header)
    wrong = with_extra(header, extra.encode(round=1, seals=[extra.seals[0][:64] + b"\x1b"]))
    with pytest.raises(InvalidSignature):
        headers.seal_signers(wrong, "qbft")


def test_a_clique_header_has_its_one_signer():
    assert headers.seal_signers(clique(KEYS[0]), "clique") == [ADDRESSES[0]]
    assert headers.clique_signers(clique(KEYS[0], listed=sorted(ADDRESSES[:3], key=raw))) == sorted(
        ADDRESSES[:3], key=raw
    )


@pytest.mark.parametrize("extra", [bytes(96), bytes(32 + 19 + 65), bytes(32 + 40 + 65)])
def test_what_is_no_clique_extra_data_is_refused(extra):
    with pytest.raises(InvalidEncoding):
        headers.clique_signers(plain_header(extra=extra))


def test_clique_extra_data_without_room_for_a_seal_is_refused():
    with pytest.raises(InvalidEncoding, match="Clique"):
        headers.seal_signers(plain_header(extra=bytes(96)), "clique")


def test_an_unknown_consensus_is_refused():
    with pytest.raises(SealError, match="qbft or clique"):
        headers.seal_signers(clique(KEYS[0]), "ethash")


def test_headers_are_values():
    assert dataclasses.replace(plain_header()) == plain_header()
