"""Signed transactions: sender, called contract and call, against those that eth-account signs."""

import pytest
from eth_account import Account

from ledger.core import rlp, transactions
from ledger.core.signatures import account_of, recover_address
from ledger.errors import InvalidEncoding, InvalidSignature

KEY = b"\x07" * 32
SENDER = bytes.fromhex(account_of(KEY)[2:])
TO = "0x" + "Aa" * 20
COMMON = {"nonce": 3, "gas": 90_000, "value": 5, "data": "0xabcdef", "chainId": 31337}
FEES = {
    0: {"gasPrice": 7},
    1: {"gasPrice": 7, "type": 1, "accessList": [{"address": TO, "storageKeys": ["0x" + "01" * 32]}]},
    2: {"maxFeePerGas": 9, "maxPriorityFeePerGas": 1, "type": 2},
}


def signed(kind, **changes):
    fields = COMMON | FEES[kind] | {"to": TO.lower()} | changes
    fields = {name: value for name, value in fields.items() if value is not None}
    if fields.get("to"):
        from eth_utils import to_checksum_address

        fields["to"] = to_checksum_address(fields["to"])
    return bytes(Account.sign_transaction(fields, KEY).raw_transaction)


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_a_transaction_shows_its_sender_and_its_call(kind):
    assert transactions.decode(signed(kind)) == transactions.Transaction(
        SENDER, b"\xaa" * 20, b"\xab\xcd\xef"
    )


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_what_was_signed_of_a_transaction_and_with_what_recovers_its_sender(kind):
    assert recover_address(*transactions.signature_of(signed(kind))) == SENDER


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_the_creation_of_a_contract_calls_nobody(kind):
    assert transactions.decode(signed(kind, to=None)).to == b""


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_a_changed_call_is_somebody_elses(kind):
    changed = signed(kind).replace(b"\xab\xcd\xef", b"\xab\xcd\xee")
    assert transactions.decode(changed).sender != SENDER


def altered(kind, place, value):
    raw = signed(kind)
    items = rlp.decode_list(raw[1:] if kind else raw)
    items[place] = value
    return raw[:1] * bool(kind) + rlp.encode(items)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "at byte 0"),
        (b"\x03" + signed(2)[1:], "types 0, 1 and 2"),
        (b"\x01" + signed(2)[1:], "11 fields"),
        (altered(0, 6, b"\x1b"), "for one chain"),
        (altered(2, 9, b"\x02"), "parity"),
        (altered(2, 5, b"\xaa" * 19), "20 bytes, or none"),
    ],
)
def test_what_is_no_transaction_is_refused(raw, says):
    with pytest.raises(InvalidEncoding, match=says):
        transactions.decode(raw)


def test_a_signature_that_nobody_can_have_made_is_refused():
    with pytest.raises(InvalidSignature):
        transactions.decode(altered(2, 10, b"\xff" * 32))
