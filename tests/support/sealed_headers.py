"""Headers sealed with keys of the tests: any consensus, any fault."""

from ledger.core import headers, rlp
from ledger.core.records import keccak
from ledger.core.signatures import account_of, sign

KEYS = [bytes((n,)) * 32 for n in range(1, 8)]
ADDRESSES = [account_of(key) for key in KEYS]


def raw(address):
    return bytes.fromhex(address[2:])


def plain_header(number=5, extra=b"", parent=bytes(32), **fields):
    """A header whose other fields are plain; `f2=…` sets field 2."""
    places = {
        0: parent, 1: bytes(32), 2: bytes(20), 3: b"\3" * 32, 4: bytes(32), 5: bytes(32), 6: bytes(256), 7: b"\1",
        8: rlp.of_integer(number), 9: b"\x47\xe7\xc4", 10: b"", 11: b"\x65\0\0\0", 12: extra, 13: bytes(32), 14: bytes(8),
    }  # fmt: skip
    places |= {int(key[1:]): value for key, value in fields.items()}
    return headers.Header(tuple(places[place] for place in sorted(places)))


def with_extra(header, extra):
    fields = list(header.fields)
    fields[12] = extra
    return headers.Header(tuple(fields))


def seal(digest, key):
    signature = sign(digest, key)
    return signature[:64] + bytes((signature[64] - 27,))


def qbft(validators, sealers, *, round=1, vote=(), number=5, **fields):
    extra = headers.QbftExtra(bytes(32), tuple(raw(v) for v in validators), list(vote), round, ())
    header = plain_header(number, extra.encode(round=round, seals=()), **fields)
    digest = keccak(header.encode())
    return with_extra(header, extra.encode(round=round, seals=[seal(digest, key) for key in sealers]))


def clique(key, number=5, *, parent=bytes(32), listed=(), beneficiary=bytes(20), nonce=bytes(8), **fields):
    extra = bytes(32) + b"".join(raw(each) for each in listed)
    header = plain_header(number, extra, parent, f2=beneficiary, f14=nonce, **fields)
    return with_extra(header, extra + seal(keccak(header.encode()), key))
