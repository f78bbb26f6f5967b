"""Signatures in their one form, against the worked example and Wycheproof's cases."""

import json
from hashlib import sha256
from pathlib import Path

import pytest
from eth_keys import keys
from hypothesis import given
from hypothesis import strategies as st

from ledger.core import signatures
from ledger.core.records import keccak
from ledger.errors import InvalidKey, InvalidSignature

VECTORS = Path(__file__).parents[2] / "vectors"
EXAMPLE = json.loads((VECTORS / "formats-example.json").read_text())
WYCHEPROOF = json.loads((VECTORS / "wycheproof-secp256k1-p1363.json").read_text())["cases"]
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def _hex(name: str) -> bytes:
    return bytes.fromhex(EXAMPLE[name].removeprefix("0x"))


DIGEST, SIGNATURE = _hex("manifest record digest"), _hex("signature")
EXPORTERS_KEY = _hex("signer key")

private_keys = st.integers(1, ORDER - 1).map(lambda number: number.to_bytes(32, "big"))
digests = st.binary(min_size=32, max_size=32)

# Their point's x is not below the order, which takes v 29 or 30: no EVM chain recovers those, so no signer can be shown.
BEYOND_THE_ORDER = {115, 247}


def test_the_example_is_signed_and_recovered():
    assert signatures.recover(DIGEST, SIGNATURE) == EXAMPLE["signer"]
    assert signatures.recover_address(DIGEST, SIGNATURE) == _hex("signer")
    assert signatures.sign(DIGEST, EXPORTERS_KEY) == SIGNATURE
    assert signatures.account_of(EXPORTERS_KEY) == EXAMPLE["signer"]
    assert signatures.account_of(_hex("officer key")) == EXAMPLE["officer"]


@given(digests, private_keys)
def test_what_a_key_signs_recovers_to_its_account_and_another_implementation_agrees(digest, key):
    signature = signatures.sign(digest, key)
    peer = keys.PrivateKey(key)
    assert signatures.recover(digest, signature) == signatures.account_of(key)
    assert signatures.account_of(key) == peer.public_key.to_checksum_address()
    assert signatures.recover_key(digest, signature) == peer.public_key.to_bytes()
    assert signature[:64] + bytes([signature[64] - 27]) == peer.sign_msg_hash(digest).to_bytes()


@given(digests, private_keys, st.integers(0, 8 * 65 - 1))
def test_one_changed_bit_of_a_signature_recovers_another_account_or_none(digest, key, bit):
    signature = signatures.sign(digest, key)
    changed = (int.from_bytes(signature, "big") ^ 1 << bit).to_bytes(65, "big")
    try:
        assert signatures.recover(digest, changed) != signatures.account_of(key)
    except InvalidSignature:
        pass


@given(st.binary(max_size=70) | st.binary(min_size=65, max_size=65), digests)
def test_any_bytes_recover_an_account_or_are_refused(signature, digest):
    try:
        assert signatures.recover(digest, signature).startswith("0x")
    except InvalidSignature:
        pass


def test_the_other_half_of_the_same_signature_is_refused():
    s = int.from_bytes(SIGNATURE[32:64], "big")
    mirrored = SIGNATURE[:32] + (ORDER - s).to_bytes(32, "big") + bytes([27 + 28 - SIGNATURE[64]])
    with pytest.raises(InvalidSignature, match="lower half"):
        signatures.recover(DIGEST, mirrored)


def test_the_highest_low_s_is_taken_and_the_next_is_refused():
    for s, taken in ((ORDER // 2, True), (ORDER // 2 + 1, False)):
        signature = SIGNATURE[:32] + s.to_bytes(32, "big") + b"\x1b"
        if taken:
            signatures.recover(DIGEST, signature)
        else:
            with pytest.raises(InvalidSignature, match="lower half"):
                signatures.recover(DIGEST, signature)


@pytest.mark.parametrize("v", [0, 1, 2, 26, 29, 30, 31, 35, 36, 37, 255])
def test_v_is_27_or_28_and_nothing_else(v):
    with pytest.raises(InvalidSignature, match=f"not {v}"):
        signatures.recover(DIGEST, SIGNATURE[:64] + bytes([v]))


@pytest.mark.parametrize("length", [0, 64, 66, 130])
def test_a_signature_is_65_bytes(length):
    with pytest.raises(InvalidSignature, match="65 bytes"):
        signatures.recover(DIGEST, (SIGNATURE * 2)[:length])
    with pytest.raises(InvalidSignature, match="65 bytes"):
        signatures.recover(DIGEST, SIGNATURE.hex())


@pytest.mark.parametrize(
    ("r", "s"), [(0, 5), (5, 0), (0, 0), (ORDER, 5), (ORDER + 1, 5), (2**256 - 1, 5), (5, 5)]
)
def test_numbers_that_no_signature_has_are_refused(r, s):
    """5 is the x of no point; the others are zero or not below the order."""
    with pytest.raises(InvalidSignature, match="no account"):
        signatures.recover(DIGEST, r.to_bytes(32, "big") + s.to_bytes(32, "big") + b"\x1b")


@pytest.mark.parametrize("digest", [b"", bytes(31), bytes(33), "0x" + "00" * 32, None])
def test_a_digest_is_32_bytes(digest):
    with pytest.raises(InvalidSignature, match="digest"):
        signatures.recover(digest, SIGNATURE)
    with pytest.raises(InvalidSignature, match="digest"):
        signatures.sign(digest, EXPORTERS_KEY)


@pytest.mark.parametrize(
    "key", [bytes(32), ORDER.to_bytes(32, "big"), b"\xff" * 32, bytes(31), b"", "11" * 32, None]
)
def test_what_is_no_private_key_signs_nothing_and_is_not_shown(key):
    with pytest.raises(InvalidKey) as refused:
        signatures.sign(DIGEST, key)
    if key:
        assert str(key) not in str(refused.value)


def test_addresses_are_written_as_eip_55_writes_them():
    for address in (
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ):
        assert signatures.checksummed(bytes.fromhex(address[2:])) == address


@pytest.mark.parametrize("case", WYCHEPROOF, ids=lambda case: f"{case['id']} {case['comment']}")
def test_wycheproof(case):
    """Valid cases recover to the signer once s is low; invalid ones never do, with either v."""
    digest = sha256(bytes.fromhex(case["message"])).digest()
    signer = signatures.checksummed(keccak(bytes.fromhex(case["public_key"])[1:])[12:])
    signature = bytes.fromhex(case["signature"])
    low = signature
    if len(signature) == 64:
        s = int.from_bytes(signature[32:], "big")
        if ORDER // 2 < s < ORDER:
            low = signature[:32] + (ORDER - s).to_bytes(32, "big")
            assert not _recovered(digest, signature)
    assert (signer in _recovered(digest, low)) == (
        case["result"] == "valid" and case["id"] not in BEYOND_THE_ORDER
    )


def _recovered(digest: bytes, signature: bytes) -> set[str]:
    accounts = set()
    for v in (27, 28):
        try:
            accounts.add(signatures.recover(digest, signature + bytes([v])))
        except InvalidSignature:
            pass
    return accounts
