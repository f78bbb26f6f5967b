"""A chain as a test writes it, record by record and never mined: real headers, receipts roots, records and signatures.

For what a report draws: administrations across the world, months of passages, findings of every kind, in a second of test
time. What it has not are transactions; state only if it is asked for (`is_shown`), else the replay's check `contracts` is
skipped. `is_sealed` puts it under the seals of three of four QBFT validators, whom `trust` names.
"""

import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
import rlp as oracle
import sealed_headers
from sealed_headers import ADDRESSES, KEYS
from trie import HexaryTrie

sys.path.insert(1, str(Path(__file__).parents[2] / "bench"))
import generated_chain as generated

from ledger.audit import export_file
from ledger.audit.blocks import Chunk, Network, Tail, encode
from ledger.audit.checking import forms
from ledger.core import documents, headers, slots
from ledger.core.identifiers import Party
from ledger.core.records import (
    ZERO16,
    ZERO32,
    CustodyRecord,
    Domain,
    Role,
    blind,
    consignment_id,
    keccak,
)
from ledger.core.records import CustodyKind as K
from ledger.core.signatures import account_of, sign
from ledger.core.trust import Trust

HOUR, DAY = 3_600, 86_400
START = 1_780_272_000  # 2026-06-01
ON_CUSTODY_LINE = frozenset((6, 7, 8, 12, 15, 16))


@dataclass
class Person:
    party: bytes
    key: bytes
    roles: int

    @property
    def address(self) -> bytes:
        return bytes.fromhex(account_of(self.key)[2:])


@dataclass
class Consignment:
    """What the writer keeps of a consignment."""

    id: bytes
    reference: str
    blind: bytes
    custody_line: bytes = ZERO32
    lines: dict[bytes, bytes] = field(default_factory=dict)


@dataclass
class WrittenChain:
    """A source of blocks, one a moment; `name` and the rest as any source."""

    administrations: tuple[str, ...]
    people: dict[str, str]  # role: party
    name: str = "a written chain"
    network: Network = field(default_factory=generated.network)
    is_shown: bool = False
    is_sealed: bool = False

    def __post_init__(self) -> None:
        if self.is_sealed:
            self.network = replace(self.network, consensus="qbft")
        self._domain = Domain(generated.CHAIN_ID, self.network.addresses["ConsignmentLedger"])
        self._known: dict[str, Person] = {}
        self._registry = 0
        self._records = 0
        self._consignments = 0
        self._moments: dict[int, list[tuple[str, bytes]]] = {}
        self.disclosures: dict[str, bytes] = {}
        for place, code in enumerate(self.administrations, 1):
            self._event(
                START,
                "AdministrationAdmitted",
                [_code(code).ljust(32, b"\0")],
                int.from_bytes(bytes([0x90 + place]) * 20, "big"),
            )
        for place, (role, party) in enumerate(self.people.items(), 1):
            text = Party.parse(party).to_bytes()
            roles = Role.TRADER if ":" in party else Role.OFFICER
            person = self._known[role] = Person(text, bytes([place]) * 32, int(roles))
            topics = [person.address.rjust(32, b"\0"), text.ljust(32, b"\0")]
            self._event(START, "AccountEnrolled", topics, int(roles), 2**39)

    def address(self, role: str) -> bytes:
        return self._known[role].address

    def revoke(self, role: str, since: int, at: int) -> None:
        """Revoke an account at a time, as of an earlier one."""
        self._event(at, "AccountRevoked", [self.address(role).rjust(32, b"\0")], since, at)

    def _event(self, at: int, name: str, topics: list[bytes], *words: int) -> None:
        self._registry += 1
        of = self.network.addresses["AdministrationRegistry"]
        topic = {form.name: each for each, form in forms("AdministrationRegistry").items()}[name]
        data = generated._words(self._registry, *words)
        self._moments.setdefault(at, []).append(
            ("AdministrationRegistry", generated._log(of, [topic, *topics], data))
        )

    def consignment(self, role: str, at: int, reference: str | None = None) -> Consignment:
        """Open one."""
        self._consignments += 1
        reference = reference or f"ucr:6SG{self._consignments:08}"
        hidden = blind(self._consignments.to_bytes(32, "big"), reference)
        opened = Consignment(consignment_id(self._known[role].party, hidden), reference, hidden)
        self.record(K.OPEN, role, opened, at, previous=hidden, details=keccak(reference.encode()))
        return opened

    def record(
        self,
        kind: K,
        role: str,
        of: Consignment,
        at: int,
        document: dict[str, Any] | None = None,
        *,
        observed: int | None = None,
        show: bool = True,
        other: bytes = ZERO32,
        **changes: Any,
    ) -> bytes:
        """Write a record that the chain took at a time; its digest. A document's disclosure is kept, if it is to be shown."""
        person = self._known[role]
        details = changes.pop("details", ZERO32)
        if document is not None:
            secret = secrets.token_bytes(32)
            parsed = documents.parse(orjson.dumps(document))
            details = documents.commit(parsed, secret).root
            if show:
                shown = documents.disclose(parsed, secret, [""]).to_json()
                self.disclosures[f"{len(self.disclosures):05}.json"] = orjson.dumps(shown)
        on_line = int(kind) in ON_CUSTODY_LINE
        previous = changes.pop(
            "previous", of.custody_line if on_line else of.lines.get(person.address, ZERO32)
        )
        observed = at if observed is None else observed
        counterpart = changes.pop("counterpart", None)
        record = CustodyRecord(
            of.id,
            int(kind),
            person.party,
            previous,
            changes.pop("subject", ZERO32),
            details,
            ZERO16 if counterpart is None else Party.parse(counterpart).to_bytes(),
            observed,
            max(at + HOUR, observed + HOUR) if kind not in (K.RELEASE, K.CLEARANCE) else observed + HOUR,
        )
        assert not changes, changes
        digest = record.digest(self._domain)
        if on_line or kind == K.TAKE:
            of.custody_line = digest
        if not on_line and kind != K.OPEN:
            of.lines[person.address] = digest
        self._records += 1
        data = b"".join(
            (
                generated._words(self._records),
                record.consignment,
                generated._words(record.kind),
                record.party.ljust(32, b"\0"),
                record.previous,
                record.subject,
                record.details,
                record.counterpart.ljust(32, b"\0"),
                generated._words(record.observed_at, record.expires_at, 352, 65),
                sign(digest, person.key).ljust(96, b"\0"),
            )
        )
        topics = [generated._appended(), of.id, other, person.address.rjust(32, b"\0")]
        self._moments.setdefault(at, []).append(
            ("ConsignmentLedger", generated._log(self._domain.contract, topics, data))
        )
        assert at == max(self._moments), "records are written in the order of their times"
        return digest

    def write(self, export: Path, folder: Path | None = None) -> None:
        """Write an export, and the disclosures into a folder."""
        export_file.write(self, export)
        if folder is not None:
            folder.mkdir(exist_ok=True)
            for name, data in self.disclosures.items():
                (folder / name).write_bytes(data)

    # --- as any source

    @property
    def last(self) -> int:
        return len(self._moments)

    def close(self) -> None:
        """Nothing is open."""

    @property
    def trust(self) -> Trust:
        """Whoever trusts it."""
        plain = generated.trust()
        if not self.is_sealed:
            return plain
        return replace(plain, consensus="qbft", validators=tuple(sorted(ADDRESSES[:4], key=str.lower)))

    def tail(self) -> Tail:
        return Tail((), self._state()[1] if self.is_shown else ())

    def _state(self) -> tuple[bytes, tuple[bytes, ...]]:
        """The state root of the last block, and what shows the contracts' code and event counts from it."""
        counts = {
            "AdministrationRegistry": self._registry,
            "ManifestLog": 0,
            "ConsignmentLedger": self._records,
        }
        state, nodes = HexaryTrie({}), dict[bytes, None]()
        for name, address in self.network.addresses.items():
            storage = HexaryTrie({})
            slot = keccak(slots.SEQUENCES[name].to_bytes(32, "big"))
            if counts[name]:
                storage[slot] = oracle.encode(counts[name])
            nodes |= {oracle.encode(node): None for node in storage.get_proof(slot)}
            account = [b"\1", b"", storage.root_hash, self.network.code_hashes[name]]
            state[keccak(address)] = oracle.encode(account)
        for address in self.network.addresses.values():
            nodes |= {oracle.encode(node): None for node in state.get_proof(keccak(address))}
        return state.root_hash, tuple(nodes)

    def chunks(self, first: int) -> Iterator[Chunk]:
        parent = keccak(b"before")
        for number, (time, logs) in enumerate(sorted(self._moments.items()), 1):
            shown = [generated._receipt([log], self.network.addresses[contract]) for contract, log in logs]
            block = generated._block(number, parent, shown, time)
            header = headers.decode(block.header)
            kept = {f"f{n}": header.fields[n] for n in (3, 4, 5, 6, 11)}
            if self.is_shown and number == self.last:
                kept["f3"] = self._state()[0]
            if self.is_sealed:
                header = sealed_headers.qbft(ADDRESSES[:4], KEYS[:3], number=number, parent=parent, **kept)
            else:
                header = headers.Header((*header.fields[:3], kept["f3"], *header.fields[4:]))
            parent = headers.block_hash(header, "qbft" if self.is_sealed else None)
            yield Chunk(number, number, encode(replace(block, header=header.encode())), 0, self.name)


def _code(text: str) -> bytes:
    return Party.parse(text).administration_bytes
