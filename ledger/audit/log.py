"""Tree heads and closures from ManifestLog's events: each extends the last, each closing was its signer's to make.

The event of a head holds no proof that it extends the last one, and the event of a closure does not hold the former
manifest. Both stand in the call, and show themselves: a proof leads from the one root to the other or it does not, and
former party and root hash to the former's id. What no transaction shows is counted.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode as abi_decode
from eth_abi.exceptions import DecodingError

from ledger.audit.checking import Happening, manifest_record
from ledger.audit.registry import Registry
from ledger.core import merkle
from ledger.core.custody import Standing
from ledger.core.findings import party_text
from ledger.core.records import ZERO32, ManifestKind, Role, keccak, manifest_id
from ledger.errors import ConsistencyError, RuleBroken

_ANCHOR = keccak(b"anchor(bytes8,uint32,uint64,bytes32,bytes32[])")[:4]
_RECORD = "(bytes16,uint8,uint8,bytes32,bytes32,bytes32,uint64)"
_CLOSE = keccak(f"closeManifest({_RECORD},bytes,bytes16,bytes32)".encode())[:4]
_LIFE_SECONDS = 30 * 86_400
_AHEAD_SECONDS = 300
_LAST_CLOSURE_REASON = 5
_LAST_RESTART_REASON = 3


@dataclass(frozen=True, slots=True)
class Head:
    """A tree head.

    Attributes:
        administration: 8 bytes.
        epoch: From 1.
        size: Leaves it covers; 0 if none is anchored in this epoch.
        root: 32 bytes.
        anchored_at: Unix seconds.
        block: Number of its block.
        sequence: Of its event.
        place: Of its event among the block's logs.
    """

    administration: bytes
    epoch: int
    size: int
    root: bytes
    anchored_at: int
    block: int
    sequence: int
    place: int


@dataclass(frozen=True, slots=True)
class Closure:
    """A manifest amended or withdrawn.

    Attributes:
        former: Id of the manifest closed, 32 bytes.
        successor: Id of the manifest in its place, 32 bytes, or None if it was withdrawn.
        consignment: 32 bytes.
        party: Whose record closed it, 16 bytes.
        kind: 2 AMEND, 3 WITHDRAW.
        reason: `ManifestReason`.
        signer: 20 bytes.
        digest: Of the record, 32 bytes.
        issued_at: The signer's claim, Unix seconds.
        closed_at: Unix seconds.
        block: Number of its block.
        sequence: Of its event.
        place: Of its event among the block's logs.
        root: Root of the successor, 32 bytes, or None if it was withdrawn.
        former_party: Who issued the former manifest, 16 bytes; None if no transaction shows it.
        former_root: Root of the former manifest, 32 bytes; None if no transaction shows it.
    """

    former: bytes
    successor: bytes | None
    consignment: bytes
    party: bytes
    kind: int
    reason: int
    signer: bytes
    digest: bytes
    issued_at: int
    closed_at: int
    block: int
    sequence: int
    place: int
    root: bytes | None
    former_party: bytes | None
    former_root: bytes | None

    @property
    def commitment(self) -> bytes:
        """What the contract keeps under the former manifest's id, 32 bytes."""
        return keccak(
            bytes((self.kind, self.reason))
            + self.closed_at.to_bytes(8, "big")
            + self.signer
            + (self.successor or ZERO32)
        )


class Log:
    """ManifestLog as of the events taken.

    Attributes:
        last: The last head of each administration's current epoch, by code.
        closed: Ids of closed manifests, each with the commitment that the contract keeps.
        heads: How many heads were taken.
        proofs: How many of them were shown to extend the one before.
        without_proof: How many should have been and were not, since no transaction shows their proof.
        formers: How many closures were shown with the manifest they close.
        without_former: How many were not.
    """

    def __init__(self, registry: Registry, closed: MutableMapping[bytes, bytes]) -> None:
        """Begin with nothing; `closed` is where closures are kept, empty."""
        self._registry = registry
        self.last: dict[bytes, Head] = {}
        self.closed = closed
        self.heads = 0
        self.proofs = 0
        self.without_proof = 0
        self.formers = 0
        self.without_former = 0
        self._heads_line = bytes(32)

    @property
    def heads_line(self) -> bytes:
        """A hash over every head and restart in order, 32 bytes: all heads' part in the digest of the final state."""
        return self._heads_line

    def take(self, event: Happening) -> Head | Closure | None:
        """Take the next event; the head or closure that it is, or None for a restart.

        Raises:
            RuleBroken: The contract would not have emitted it.
        """
        if event.name == "HeadAnchored":
            return self._anchored(event)
        if event.name == "LogRestarted":
            self._restarted(event)
            return None
        return self._closed(event)

    @staticmethod
    def _refuse(event: Happening, why: str) -> RuleBroken:
        return RuleBroken(event.contract, event.sequence, event.block, f"{event.name}, but {why}")

    def _extend_line(self, *parts: bytes) -> None:
        self._heads_line = keccak(self._heads_line + b"".join(parts))

    def _anchored(self, event: Happening) -> Head:
        values = event.values
        code, epoch, size, root = (values[name] for name in ("administration", "epoch", "size", "root"))
        member = self._registry.administrations.get(code)
        if member is None or not member.is_active:
            raise self._refuse(event, f"{party_text(code)} is no active administration")
        last = self.last.get(code) or Head(code, 1, 0, ZERO32, 0, 0, 0, 0)
        if epoch != last.epoch or size <= last.size or values["anchoredAt"] != event.time:
            raise self._refuse(
                event, f"epoch {epoch} and size {size} do not follow epoch {last.epoch} and size {last.size}"
            )
        if event.sender is not None:
            account = self._registry.standing(event.sender)
            if account is None or account.party[:8] != code or not account.roles & Role.SEQUENCER:
                raise self._refuse(event, f"0x{event.sender.hex()} is no sequencer of {party_text(code)}")
            self._need_standing(event, account)
        self._need_proof(event, last)
        head = Head(code, epoch, size, root, event.time, event.block, event.sequence, event.place)
        self.last[code] = head
        self.heads += 1
        self._extend_line(
            code, epoch.to_bytes(4, "big"), size.to_bytes(8, "big"), root, event.time.to_bytes(8, "big")
        )
        return head

    def _need_standing(self, event: Happening, account: Standing) -> None:
        if account.revoked_at or event.time >= account.valid_until or not account.administration_active:
            raise self._refuse(
                event, "the account was revoked, past its validity, or its administration suspended"
            )

    def _need_proof(self, event: Happening, last: Head) -> None:
        values = event.values
        path: Sequence[bytes] | None = None
        if event.call is not None and event.call[:4] == _ANCHOR:
            try:
                called = abi_decode(["bytes8", "uint32", "uint64", "bytes32", "bytes32[]"], event.call[4:])
            except DecodingError:
                raise self._refuse(event, "its call is malformed") from None
            if tuple(called[:4]) == tuple(
                values[name] for name in ("administration", "epoch", "size", "root")
            ):
                path = called[4]
        if last.size == 0:
            if path:
                raise self._refuse(event, "the first head of an epoch takes no proof")
            return
        if path is None:
            self.without_proof += 1
            return
        try:
            merkle.verify_consistency(last.size, last.root, values["size"], values["root"], list(path))
        except ConsistencyError as error:
            raise self._refuse(
                event, f"the tree of {values['size']} leaves does not extend that of {last.size}: {error}"
            ) from None
        self.proofs += 1

    def _restarted(self, event: Happening) -> None:
        values = event.values
        code = values["administration"]
        member = self._registry.administrations.get(code)
        if member is None or not member.is_active or values["reason"] > _LAST_RESTART_REASON:
            raise self._refuse(event, "it is of no active administration, or for no known reason")
        if event.sender is not None and event.sender != member.governor:
            raise self._refuse(event, f"0x{event.sender.hex()} is not the governor of {party_text(code)}")
        last = self.last.get(code)
        epoch, size = (1, 0) if last is None else (last.epoch, last.size)
        if (values["epoch"], values["frozenSize"]) != (epoch + 1, size):
            raise self._refuse(event, f"it does not freeze epoch {epoch} at size {size}")
        self.last[code] = Head(code, epoch + 1, 0, ZERO32, 0, event.block, event.sequence, event.place)
        self._extend_line(code, (epoch + 1).to_bytes(4, "big"), bytes((values["reason"],)))

    def _closed(self, event: Happening) -> Closure:
        values = event.values
        record = manifest_record(values)
        signer = values["signer"]
        if (
            record.kind not in (ManifestKind.AMEND, ManifestKind.WITHDRAW)
            or record.reason > _LAST_CLOSURE_REASON
        ):
            raise self._refuse(event, "its record closes nothing, or for no known reason")
        if (record.kind == ManifestKind.WITHDRAW) != (record.manifest_root == ZERO32):
            raise self._refuse(event, "an amendment has a manifest root, a withdrawal has none")
        if not record.issued_at - _AHEAD_SECONDS <= event.time < record.issued_at + _LIFE_SECONDS:
            raise self._refuse(event, "its record was too old, or dated ahead")
        account = self._registry.standing(signer)
        if account is None or account.party != record.party:
            raise self._refuse(event, f"0x{signer.hex()} is no account of {party_text(record.party)}")
        if not account.roles & (Role.TRADER | Role.OFFICER):
            raise self._refuse(event, f"0x{signer.hex()} is neither trader nor officer")
        self._need_standing(event, account)
        former, successor = record.supersedes, record.manifest_id or ZERO32
        if (former, successor, event.time) != (values["former"], values["successor"], values["closedAt"]):
            raise self._refuse(event, "it says another former, successor or time than its record and block")
        if former in self.closed or successor in self.closed or successor == former:
            raise self._refuse(event, "the manifest or its successor is closed already, or they are one")
        former_party, former_root = self._former(event, record.consignment)
        customs = None if former_party is None else former_party[:8] + bytes(8)
        if former_party is not None and record.party not in (former_party, customs):
            raise self._refuse(
                event, f"{party_text(record.party)} closed a manifest of {party_text(former_party)}"
            )
        closure = Closure(
            former,
            record.manifest_id,
            record.consignment,
            record.party,
            record.kind,
            record.reason,
            signer,
            values["digest"],
            record.issued_at,
            event.time,
            event.block,
            event.sequence,
            event.place,
            None if record.manifest_id is None else record.manifest_root,
            former_party,
            former_root,
        )
        self.closed[former] = closure.commitment
        return closure

    def _former(self, event: Happening, consignment: bytes) -> tuple[bytes | None, bytes | None]:
        """Party and root of the former manifest, from the call; its id shows that they are those."""
        if event.call is not None and event.call[:4] == _CLOSE:
            try:
                called: tuple[Any, ...] = abi_decode([_RECORD, "bytes", "bytes16", "bytes32"], event.call[4:])
            except DecodingError:
                raise self._refuse(event, "its call is malformed") from None
            if manifest_id(called[2], consignment, called[3]) == event.values["former"]:
                self.formers += 1
                return called[2], called[3]
        self.without_former += 1
        return None, None
