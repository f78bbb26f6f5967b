"""A replay as a chronicle that questions are asked of, with the documents that the auditor holds."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property

from ledger.audit.checking import Happening
from ledger.audit.citing import Citing
from ledger.audit.log import Closure, Head
from ledger.audit.papers import Proof, Reading
from ledger.audit.questions.containers import named, number_of
from ledger.audit.questions.form import Cited, Group, Held, Lodged
from ledger.audit.registry import AccountHistory, AdministrationHistory
from ledger.audit.result import Act, Replayed
from ledger.core import merkle, records
from ledger.core.records import CustodyKind
from ledger.errors import InvalidRecord, VerificationError


class ReplayedChronicle:
    """What was replayed, up to its last good block."""

    is_spent = False  # it is the auditor's own machine

    def __init__(self, replayed: Replayed, reading: Reading, citing: Citing) -> None:
        """Ask a replay.

        Args:
            replayed: It stays open.
            reading: Documents held.
            citing: Who tells transactions and signatures.
        """
        self._replayed = replayed
        self._papers = reading.papers
        self._citing = citing
        self._unusable = dict.fromkeys(f"Passed over: {each}" for each in reading.passed_over)
        self.block = replayed.block
        self.block_hash = replayed.block_hash
        self.block_time = replayed.block_time

    @property
    def checked(self) -> list[str]:
        """What the replay found to hold."""
        return [each.message for each in self._replayed.checks if each.status == "VALID"]

    @property
    def not_checked(self) -> list[str]:
        """What it did not judge, or found not to hold; and papers that are of no use."""
        told = [each.message for each in self._replayed.checks if each.status != "VALID"]
        return [*told, *([self._citing.lacks] if self._citing.lacks else []), *self._unusable]

    @property
    def accounts(self) -> Mapping[bytes, AccountHistory]:
        """Every account ever enrolled."""
        return self._replayed.accounts

    @property
    def administrations(self) -> Mapping[bytes, AdministrationHistory]:
        """Every administration ever admitted."""
        return self._replayed.administrations

    def registry_events(self) -> list[Happening]:
        """Every event of the registry."""
        events = self._replayed.journal.events()
        return [event for event in events if event.contract == "AdministrationRegistry"]

    def act(self, digest: bytes) -> Act | None:
        """The custody record of a digest."""
        return next((act for act in self._replayed.acts() if act.digest == digest), None)

    def connected(self, consignment: bytes) -> tuple[Sequence[Act], Collection[bytes]]:
        """The acts of all that is connected."""
        return self._replayed.connected(consignment)

    def acts(self, after: int) -> Iterator[Act]:
        """Every custody record after a number."""
        return (act for act in self._replayed.acts() if act.sequence > after)

    def acts_of(self, signer: bytes, after: int) -> Iterator[Act]:
        """What an account signed."""
        return (act for act in self._replayed.acts_of(signer) if act.sequence > after)

    def openings(self, after: int) -> Iterator[Act]:
        """The records that opened consignments."""
        return (act for act in self.acts(after) if act.record.kind == CustodyKind.OPEN)

    @cached_property
    def _closures(self) -> list[Closure]:
        return self._replayed.closures()

    @cached_property
    def _closures_by_consignment(self) -> dict[bytes, list[Closure]]:
        found: dict[bytes, list[Closure]] = {}
        for each in self._closures:
            found.setdefault(each.consignment, []).append(each)
        return found

    def closures(self, after: int) -> Iterator[Closure]:
        """Every manifest closed."""
        return (each for each in self._closures if each.sequence > after)

    def closures_of(self, consignment: bytes) -> list[Closure]:
        """The manifests of a consignment that were closed."""
        return self._closures_by_consignment.get(consignment, [])

    @cached_property
    def _heads(self) -> dict[tuple[bytes, int], list[Head]]:
        found: dict[tuple[bytes, int], list[Head]] = {}
        for head in self._replayed.heads():
            found.setdefault((head.administration, head.epoch), []).append(head)
        return found

    def around(self, lodged: Lodged) -> tuple[Head | None, Head | None]:
        """The heads around a leaf; each extends the one before, which the replay has judged."""
        heads = self._heads.get((lodged.administration, lodged.epoch), [])
        place = bisect_right(heads, lodged.index, key=lambda head: head.size)
        return heads[place - 1] if place else None, heads[place] if place < len(heads) else None

    def lodged(self, consignment: bytes) -> list[Lodged]:
        """Places of manifests that a held proof shows under a head that was anchored."""
        found: dict[bytes, Lodged] = {}
        for proof in self._papers.proofs:
            record = proof.record
            if record.consignment != consignment or record.manifest_id is None:
                continue
            wrong = self._wrong(proof)
            if wrong is not None:
                self._unusable[f"{proof.file}: its proof of a manifest's place in the log {wrong}."] = None
                continue
            found[record.manifest_id] = Lodged(
                record.manifest_id, record.party[:8], proof.epoch, proof.index, record.issued_at
            )
        return list(found.values())

    def _wrong(self, proof: Proof) -> str | None:
        heads = self._heads.get((proof.record.party[:8], proof.epoch), [])
        if not any(head.size == proof.size and head.root == proof.root for head in heads):
            return "leads to a head that was never anchored"
        try:
            leaf = records.leaf_hash(proof.record.leaf_data(proof.signature))
            merkle.verify_inclusion(leaf, proof.index, proof.size, proof.path, proof.root)
        except (VerificationError, InvalidRecord) as error:
            return f"does not hold ({str(error).removesuffix('.')})"
        return None

    def held(self, root: bytes, *, manifest: bytes | None = None, record: bytes | None = None) -> Held | None:
        """What is held of the document of a root."""
        return self._papers.held.get(root)

    @cached_property
    def _by_container(self) -> dict[str, list[bytes]]:
        """The consignments that name each container, in the papers held; in the order of the number's bytes."""
        naming = {root: named(held) for root, held in self._papers.held.items()}
        naming = {root: numbers for root, numbers in naming.items() if numbers}
        found: dict[str, dict[bytes, None]] = {}
        if not naming:
            return {}
        of_acts = ((act.record.details, act.record.consignment) for act in self._replayed.acts())
        of_closures = ((each.root, each.consignment) for each in self._closures)
        for pairs in (of_acts, of_closures):
            for root, consignment in pairs:
                for number in naming.get(root or b"", ()):
                    found.setdefault(number, {})[consignment] = None
        return {number: list(found[number]) for number in sorted(found, key=str.encode)}

    def sharing(self, container: str | None, consignment: bytes | None, after: str) -> Iterator[Group]:
        """Consignments that name the same container in the papers held; in the order of the number's bytes."""
        for number, those in self._by_container.items():
            place = number.encode().hex()
            is_wanted = container is None or number == number_of(container)
            if is_wanted and place > after and (consignment is None or consignment in those):
                yield Group(place, those, number.__eq__, True)

    def proven(self, cited: Collection[Cited]) -> Mapping[Cited, Cited]:
        """Events with their transactions and signatures."""
        return self._citing.proven(cited)
