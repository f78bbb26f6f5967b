"""What geth's database keeps of receipts, and what of it is none: read by a second implementation, and never an error of ours."""

import random

import pytest
import rlp as oracle
from eth_utils import keccak

from ledger.audit.geth import untyped
from ledger.errors import InvalidEncoding

DRAWS = random.Random(6)


def bloom_of(logs):
    """As the Yellow Paper has it (4.3.1), bit by bit."""
    bloom = bytearray(256)
    for address, topics, _ in logs:
        for value in (address, *topics):
            hashed = keccak(value)
            for at in (0, 2, 4):
                bit = int.from_bytes(hashed[at : at + 2], "big") % 2048
                bloom[255 - bit // 8] |= 1 << bit % 8
    return bytes(bloom)


def log(topics, data, address=None):
    return [
        address or DRAWS.randbytes(20),
        [DRAWS.randbytes(32) for _ in range(topics)],
        DRAWS.randbytes(data),
    ]


def receipts():
    """Of every form: failed, without logs, runs of like logs, topics of any number, short and long data, a like log at the end."""
    ours, other = DRAWS.randbytes(20), DRAWS.randbytes(20)
    alike = [log(4, 480, ours) for _ in range(5)]
    return [
        [b"", b"\x52\x08", []],
        [
            b"\x01",
            b"\x01\x00\x00",
            [log(count, size) for count in range(5) for size in (0, 1, 40, 300, 70_000)],
        ],
        [
            b"\x01",
            b"\x02\x00\x00",
            [*alike, log(4, 479, ours), log(4, 480, other), log(3, 480, ours), *alike],
        ],
        [b"\x01", b"\x03\x00\x00", [log(4, 0)]],
        [DRAWS.randbytes(32), b"\x04\x00\x00", [log(1, 32)] * 3],  # a state root, as before Byzantium
    ]


def test_receipts_are_put_together_as_they_are_hashed():
    kept = receipts()
    wanted = [oracle.encode([status, gas, bloom_of(logs), logs]) for status, gas, logs in kept]
    assert untyped(oracle.encode(kept)) == wanted
    assert untyped(oracle.encode([])) == []


@pytest.mark.parametrize(
    "made",
    [
        b"",
        b"\x80",
        b"\xc1\x80",
        b"\xc1\xc0",
        oracle.encode([[b"\x01", b"\x02"]]),
        oracle.encode([[b"\x01", b"\x02", [], b""]]),
        oracle.encode([[b"\x01", b"\x02", b"\x03"]]),
        oracle.encode([[b"\x01", [], []]]),
        oracle.encode([[b"\x01", b"\x02", [[b"\x03" * 20, b"", b""]]]]),
        oracle.encode([[b"\x01", b"\x02", [b"\x03"]]]),
        oracle.encode([]) + b"\x00",
        b"\xfb\xff\xff\xff\xff" + b"\x00" * 40,
    ],
)
def test_what_is_no_list_of_receipts_is_refused(made):
    with pytest.raises(InvalidEncoding):
        untyped(made)


def test_bytes_that_are_cut_off_or_changed_are_refused_or_read_and_raise_nothing_else():
    kept = oracle.encode([[status, gas, logs[:4]] for status, gas, logs in receipts()])
    for _ in range(400):
        with pytest.raises(InvalidEncoding):
            untyped(kept[: DRAWS.randrange(len(kept))])
        changed = bytearray(kept)
        for _ in range(DRAWS.randrange(1, 4)):
            changed[DRAWS.randrange(len(kept))] = DRAWS.randrange(256)
        try:
            untyped(bytes(changed))
        except InvalidEncoding:
            continue
