"""A chain that was never mined, for replays of any length: real headers, receipts roots, records and signatures.

The lives of consignments are those of the border: opened, departed, arrived, inspected, held, lifted, released, offered,
accepted, departed, arrived, closed. Nothing of it is special to the replay; what it does not have are transactions and
state, so the replay's check `contracts` is skipped. A chain of millions is written without signing, which is most of the
work: as random as signatures are and as long, but a replay of it does not recover them.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from ledger.audit import export_file
from ledger.audit.blocks import Chunk, Network, ShownBlock, Tail, encode
from ledger.audit.checking import forms
from ledger.core import headers, receipts, rlp
from ledger.core.identifiers import Party
from ledger.core.records import (
    ZERO32,
    CustodyRecord,
    Domain,
    Role,
    blind,
    consignment_id,
    keccak,
)
from ledger.core.records import (
    CustodyKind as K,
)
from ledger.core.signatures import account_of, sign
from ledger.core.trust import CONTRACTS, Trust

CHAIN_ID = 31337
START = 1_790_000_000
FIRST_BLOCK = 1
LOGS_A_RECEIPT = 100
RECEIPTS_A_BLOCK = 7
LIFE = (
    (K.OPEN, "exporter"), (K.DEPARTURE, "exporter"), (K.ARRIVAL, "officer"), (K.INSPECTION, "officer"),
    (K.HOLD, "officer"), (K.LIFT, "officer"), (K.RELEASE, "officer"), (K.OFFER, "exporter"), (K.ACCEPT, "carrier"),
    (K.DEPARTURE, "carrier"), (K.ARRIVAL, "officer"), (K.CLOSE, "carrier"),
)  # fmt: skip
WHO = {
    "exporter": ("SG:ACME01", Role.TRADER),
    "carrier": ("SG:CARR01", Role.TRADER),
    "officer": ("SG", Role.OFFICER),
}
KEYS = {role: bytes([place]) * 32 for place, role in enumerate(WHO, 1)}
PARTIES = {role: Party.parse(text).to_bytes() for role, (text, _) in WHO.items()}
ADDRESSES = {role: bytes.fromhex(account_of(key)[2:]) for role, key in KEYS.items()}


_LIFE = tuple((int(kind), role) for kind, role in LIFE)
_PARTIES = {role: party.ljust(32, b"\0") for role, party in PARTIES.items()}
_SIGNERS = {role: b"\xa0" + address.rjust(32, b"\0") for role, address in ADDRESSES.items()}
_NO_OTHER = b"\xa0" + ZERO32
_ON_LINE = frozenset(map(int, (K.OFFER, K.ACCEPT, K.CLOSE)))
_TYPE_HASH = keccak(CustodyRecord.TYPE)
_SIGNATURE_PLACE = (352).to_bytes(32, "big") + (65).to_bytes(32, "big")
_PAD = bytes(31)


def network() -> Network:
    """The network that nobody runs."""
    return Network(
        CHAIN_ID,
        keccak(b"genesis"),
        {name: bytes([place]) * 20 for place, name in enumerate(CONTRACTS, 0x51)},
        {name: keccak(name.encode()) for name in CONTRACTS},
        "development",
        FIRST_BLOCK,
    )


def trust() -> Trust:
    """Whoever trusts it."""
    of = network()
    return Trust(
        "SG",
        of.chain_id,
        of.genesis_hash,
        of.addresses,
        of.code_hashes,
        "development",
        (),
        0,
        0,
        3_600,
        2**33,
    )


@dataclass
class Generated:
    """A source of so many custody records, of lives that run beside each other.

    Args:
        records: How many; rounded up to whole lives.
        alive: How many consignments live at a time.
        signed: Whether the signatures are real; without, a replay must not recover them.
    """

    records: int
    alive: int = 700
    signed: bool = True
    name: str = "a generated chain"
    network: Network = field(default_factory=network)

    def __post_init__(self) -> None:
        self.lives = -(-self.records // len(LIFE))
        per_block = LOGS_A_RECEIPT * RECEIPTS_A_BLOCK
        self.last = FIRST_BLOCK + -(-self.lives * len(LIFE) // per_block)
        contract = self.network.addresses["ConsignmentLedger"]
        self._typed = b"\x19\x01" + Domain(CHAIN_ID, contract).separator
        # as RLP has them, since all these logs are equally long: address, topics, then the length of the data
        self._before = b"\xf9\x02\x7e\x94" + contract + b"\xf8\x84\xa0" + _appended() + b"\xa0"

    def close(self) -> None:
        """Nothing is open."""

    def tail(self) -> Tail:
        """Nothing is shown."""
        return Tail((), ())

    def chunks(self, first: int) -> Iterator[Chunk]:
        """Every block, one a chunk."""
        parent = keccak(b"before")
        logs: list[bytes] = []
        number = FIRST_BLOCK
        founded = _block(number, parent, [self._founding()])
        parent = keccak(founded.header)
        yield Chunk(number, number, encode(founded), 0, self.name)
        records = self._records()
        while True:
            number += 1
            time = START + number
            shown = []
            for _ in range(RECEIPTS_A_BLOCK):
                logs = list(islice(records, LOGS_A_RECEIPT))
                if logs:
                    shown.append(_receipt(logs, self.network.addresses["ConsignmentLedger"]))
            if not shown:
                return
            block = _block(number, parent, shown, time)
            parent = keccak(block.header)
            yield Chunk(number, number, encode(block), 0, self.name)

    def _founding(self) -> bytes:
        of = self.network.addresses["AdministrationRegistry"]
        names = {form.name: topic for topic, form in forms("AdministrationRegistry").items()}
        code = PARTIES["officer"][:8]
        logs = [
            _log(
                of,
                [names["AdministrationAdmitted"], code.ljust(32, b"\0")],
                _words(1, int.from_bytes(b"\x99" * 20, "big")),
            )
        ]
        for sequence, (role, (_, roles)) in enumerate(WHO.items(), 2):
            topics = [
                names["AccountEnrolled"],
                ADDRESSES[role].rjust(32, b"\0"),
                PARTIES[role].ljust(32, b"\0"),
            ]
            logs.append(_log(of, topics, _words(sequence, int(roles), 2**39)))
        return _receipt(logs, of)

    def _records(self) -> Iterator[bytes]:
        """The logs, life by life in groups that take their steps in turn."""
        sequence = 0
        for begin in range(0, self.lives, self.alive):
            group = [Life(number) for number in range(begin, min(begin + self.alive, self.lives))]
            for kind, role in _LIFE:
                for life in group:
                    sequence += 1
                    time = START + FIRST_BLOCK + 1 + (sequence - 1) // (LOGS_A_RECEIPT * RECEIPTS_A_BLOCK)
                    digest, record = life.step(kind, role, sequence, time, self._typed)
                    signature = sign(digest, KEYS[role]) if self.signed else keccak(digest) + digest + b"\x1b"
                    yield b"".join(
                        (
                            self._before,
                            life.id,
                            _NO_OTHER,
                            _SIGNERS[role],
                            b"\xb9\x01\xe0",
                            sequence.to_bytes(32, "big"),
                            record,
                            _SIGNATURE_PLACE,
                            signature,
                            _PAD,
                        )
                    )


class Life:
    """A consignment on its way; what its next record has to name."""

    def __init__(self, number: int) -> None:
        self.blind = blind(number.to_bytes(32, "big"), "ucr:6SGBENCH")
        self.id = consignment_id(PARTIES["exporter"], self.blind)
        self.custody_line = ZERO32
        self.lines: dict[str, bytes] = {}
        self.hold = ZERO32

    def step(self, kind: int, role: str, sequence: int, time: int, typed: bytes) -> tuple[bytes, bytes]:
        """The life's next record, observed at a time: its digest, and its nine words."""
        on_line = kind in _ON_LINE
        previous = self.custody_line if on_line else self.lines.get(role, ZERO32)
        subject = ZERO32
        if kind == K.LIFT:
            subject = self.hold
        elif kind == K.ACCEPT:
            subject = self.custody_line
        elif kind == K.RELEASE:
            subject = b"\x0a" * 32
        record = b"".join(
            (
                self.id,
                kind.to_bytes(32, "big"),
                _PARTIES[role],
                self.blind if kind == K.OPEN else previous,
                subject,
                sequence.to_bytes(32, "big"),  # details: anything that is not zero
                _PARTIES["carrier"] if kind == K.OFFER else ZERO32,
                time.to_bytes(32, "big"),
                (time + 3_600).to_bytes(32, "big"),
            )
        )
        digest = keccak(typed + keccak(_TYPE_HASH + record))
        if kind == K.HOLD:
            self.hold = digest
        if on_line:
            self.custody_line = digest
        elif kind != K.OPEN:
            self.lines[role] = digest
        return digest, record


def _appended() -> bytes:
    return next(topic for topic, form in forms("ConsignmentLedger").items() if form.name == "RecordAppended")


def _words(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(32, "big") for number in numbers)


def _log(address: bytes, topics: list[bytes], data: bytes) -> bytes:
    return rlp.encode([address, list(topics), data])


def _bloom(address: bytes) -> bytes:
    hashed = keccak(address)
    bits = 0
    for at in (0, 2, 4):
        bits |= 1 << (int.from_bytes(hashed[at : at + 2], "big") & 2047)
    return bits.to_bytes(256, "big")


def _receipt(logs: list[bytes], address: bytes) -> bytes:
    listed = b"".join(logs)
    before = rlp.encode(b"\x01") + rlp.encode(b"\x52\x08") + rlp.encode(_bloom(address))
    body = before + rlp.list_prefix(len(listed)) + listed
    return b"\x02" + rlp.list_prefix(len(body)) + body


def _block(number: int, parent: bytes, shown: list[bytes], time: int = START) -> ShownBlock:
    blooms = 0
    for address in network().addresses.values():
        blooms |= int.from_bytes(_bloom(address), "big")
    fields = [
        parent, bytes(32), bytes(20), bytes(32), bytes(32), receipts.receipts_root(shown), blooms.to_bytes(256, "big"),
        b"\x01", rlp.of_integer(number), b"\x01", b"\x01", rlp.of_integer(time), b"", bytes(32), bytes(8),
    ]  # fmt: skip
    header = headers.decode(rlp.encode(list(fields)))
    return ShownBlock(header.encode(), tuple(shown), {})


def write(path: Path, records: int, alive: int = 700, signed: bool = True) -> int:
    """Write an export of so many records; its bytes."""
    return export_file.write(Generated(records, alive, signed), path)


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]), signed=False)
