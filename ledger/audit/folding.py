"""All three contracts from their events in order: sequences, authority as of its time, custody, heads, closures.

`Fold` takes what `checking` has cut out and refuses the first event that the contracts would not have emitted then. It
keeps the state of each consignment and no history: that goes to the journal, with links to read it by.
"""

from __future__ import annotations

import struct
from hashlib import sha256

from ledger.audit.blocks import Network
from ledger.audit.checking import LINKS, Happening, custody_record
from ledger.audit.journal import Journal
from ledger.audit.log import Closure, Head, Log
from ledger.audit.registry import AccountHistory, Registry
from ledger.config import CONTRACTS
from ledger.core.custody import Custody, Standing, _Consignment
from ledger.core.findings import Finding, FindingKind, Step, passages, time_text
from ledger.core.records import ZERO16, ZERO32, CustodyKind, CustodyRecord, Domain
from ledger.errors import RecordRefused, Refusal, RuleBroken, SequenceGap

_LINKS = struct.Struct(">QQQ")
_DIGEST_PREFIX = b"cargo-ledger/audit/1"
_PASSAGES = (CustodyKind.ARRIVAL, CustodyKind.DEPARTURE)


class _Replayed(Custody):
    """The custody model without histories: steps are in the journal, findings go there at once."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal = journal
        self._passages: dict[bytes, Step] = {}  # the last of each consignment

    def take(
        self, record: CustodyRecord, digest: bytes, signer: bytes, account: Standing | None, time: int
    ) -> Step:
        """Take a record, by the signer's standing at that very moment; a refusal of the rules is raised."""
        refusal = self.judge(record, digest, signer, account, time)
        if refusal or account is None:
            raise self.error(refusal, record, signer, time)
        return self._take(record, digest, signer, account, time)

    def _keep(self, here: _Consignment, step: Step) -> None:
        if step.record.kind in _PASSAGES:
            consignment = step.record.consignment
            former = self._passages.get(consignment)
            if former is not None:
                for finding in passages(consignment, (former, step), {}):
                    self._journal.add_finding(finding)
            self._passages[consignment] = step

    def _found(self, here: _Consignment, finding: Finding) -> None:
        self._journal.add_finding(finding)


class Fold:
    """The state of the three contracts as of the events taken.

    Attributes:
        registry: Administrations, accounts, motions.
        log: Heads and closures.
        custody: The custody model.
        sequences: Number of the last event of each contract, by name.
        refused: How many records the chain refused, by refusal.
        records: How many records the chain took, by kind.
    """

    def __init__(self, network: Network, journal: Journal) -> None:
        self._network = network
        self._journal = journal
        self.registry = Registry(Domain(network.chain_id, network.addresses["AdministrationRegistry"]))
        self.log = Log(self.registry)
        self.custody = _Replayed(journal)
        self.sequences = dict.fromkeys(CONTRACTS, 0)
        self.refused: dict[Refusal, int] = {}
        self.records: dict[int, int] = {}
        self._last_of: dict[bytes, int] = {}  # by consignment and by signer: its last row, from 1

    def take_row(self, row: bytes, is_new: bool = True) -> None:
        """Take a custody record that the chain appended.

        Args:
            row: As `checking` cuts it out.
            is_new: Whether the journal does not have it yet.

        Raises:
            RuleBroken: The contract would not have taken it.
        """
        sequence = int.from_bytes(row[:8], "big")
        self._count("ConsignmentLedger", sequence, row[8:16])
        record = custody_record(row)
        digest, signer, other = row[32:64], row[64:84], row[84:116]
        time = int.from_bytes(row[16:24], "big")
        try:
            step = self.custody.take(record, digest, signer, self.registry.standing(signer), time)
        except RecordRefused as error:
            raise self._broken(
                row, f"it should have been refused as {error.refusal.name}: {str(error).removesuffix('.')}"
            ) from None
        if (step.other or ZERO32) != other:
            raise self._broken(
                row,
                f"it names 0x{other.hex()} as its second consignment, the rules 0x{(step.other or ZERO32).hex()}",
            )
        self.records[record.kind] = self.records.get(record.kind, 0) + 1
        if is_new:
            last = self._last_of
            links = _LINKS.pack(
                last.get(record.consignment, 0),
                last.get(other, 0) if step.other is not None else 0,
                last.get(signer, 0),
            )
            self._journal.add_act(row, links)
            place = self._journal.acts
        else:
            place = sum(self.records.values())
        self._last_of[record.consignment] = self._last_of[signer] = place
        if step.other is not None:
            self._last_of[other] = place

    def take(self, event: Happening) -> None:
        """Take another event.

        Raises:
            RuleBroken: The contract would not have emitted it.
        """
        self._count(event.contract, event.sequence, event.block.to_bytes(8, "big"))
        if event.name not in ("AdministrationAdmitted", "RecordRefused"):
            self.registry.require_founders(self._network.chain_id)
        if event.contract == "AdministrationRegistry":
            self.registry.take(event)
        elif event.contract == "ManifestLog":
            self.log.take(event)
        else:
            value = event.values["refusal"]
            if value not in Refusal._value2member_map_ or value == Refusal.NONE:
                raise RuleBroken(
                    event.contract, event.sequence, event.block, "it refuses for no known reason"
                )
            refusal = Refusal(value)
            self.refused[refusal] = self.refused.get(refusal, 0) + 1

    @staticmethod
    def _broken(row: bytes, what: str) -> RuleBroken:
        sequence, block = int.from_bytes(row[:8], "big"), int.from_bytes(row[8:16], "big")
        return RuleBroken("ConsignmentLedger", sequence, block, f"record 0x{row[32:64].hex()}, but {what}")

    def _count(self, contract: str, sequence: int, block: bytes) -> None:
        expected = self.sequences[contract] + 1
        if sequence != expected:
            raise SequenceGap(contract, sequence, int.from_bytes(block, "big"), expected)
        self.sequences[contract] = sequence

    def last_act_of(self, of: bytes) -> int:
        """The place, from 1, of the last row of a consignment (32 bytes) or a signer (20); 0 for none."""
        return self._last_of.get(of, 0)

    def find_disputed(self) -> None:
        """Note every act and closure that a later revocation dates back to: at the end, when all revocations are known."""
        revoked = [account for account in self.registry.accounts.values() if account.revocations]
        if not revoked:
            return
        self._journal.flush()
        for account in revoked:
            self._find_disputed_acts(account)
        for closure in self.closures():
            signer = self.registry.accounts.get(closure.signer)
            if signer is not None and signer.is_disputed(closure.closed_at):
                self._journal.add_finding(
                    _disputed(signer, closure.consignment, closure.digest, closure.closed_at)
                )

    def _find_disputed_acts(self, account: AccountHistory) -> None:
        place = self._last_of.get(account.address, 0)
        while place:
            row = self._journal.row(place - 1)
            time = int.from_bytes(row[16:24], "big")
            if time < account.revoked_from:
                break
            if time <= account.revoked_at:
                self._journal.add_finding(_disputed(account, row[116:148], row[32:64], time))
            place = int.from_bytes(row[LINKS + 16 : LINKS + 24], "big")

    def closures(self) -> list[Closure]:
        """Every closure, in order."""
        return [each for each in self._log_history() if isinstance(each, Closure)]

    def heads(self) -> list[Head]:
        """Every head, in order."""
        return [each for each in self._log_history() if isinstance(each, Head)]

    def _log_history(self) -> list[Head | Closure]:
        self._journal.flush()
        registry = Registry(Domain(self._network.chain_id, self._network.addresses["AdministrationRegistry"]))
        log = Log(registry)
        found = []
        for event in self._journal.events():
            if event.contract == "AdministrationRegistry":
                registry.take(event)
            elif event.contract == "ManifestLog":
                taken = log.take(event)
                if taken is not None:
                    found.append(taken)
        return found

    def digest(self, block: int, block_hash: bytes) -> bytes:
        """The digest of the final state, 32 bytes: equal for whoever replayed the same chain to the same block.

        SHA-256 over "cargo-ledger/audit/1", chain id, genesis hash, addresses and event counts of the contracts
        (AdministrationRegistry, ManifestLog, ConsignmentLedger), number and hash of the block, then in ascending order of
        their keys: administrations, accounts, last heads, closures, consignments. Where the events came from plays no part.
        """
        network = self._network
        state = sha256(_DIGEST_PREFIX + network.chain_id.to_bytes(32, "big") + network.genesis_hash)
        for name in CONTRACTS:
            state.update(network.addresses[name] + self.sequences[name].to_bytes(8, "big"))
        state.update(block.to_bytes(8, "big") + block_hash)
        for code, member in sorted(self.registry.administrations.items()):
            state.update(b"A" + code + member.governor + bytes((member.is_active,)) + member.offered_to)
        for address, account in sorted(self.registry.accounts.items()):
            state.update(b"C" + address + account.party + bytes((account.roles,)))
            for number in (account.valid_until, account.revoked_from, account.revoked_at):
                state.update(number.to_bytes(8, "big"))
        state.update(b"L" + self.log.heads_line)
        for code, head in sorted(self.log.last.items()):
            state.update(
                b"H" + code + head.epoch.to_bytes(4, "big") + head.size.to_bytes(8, "big") + head.root
            )
        for former, commitment in sorted(self.log.closed.items()):
            state.update(b"M" + former + commitment)
        for consignment, here in sorted(self.custody._consignments.items()):
            state.update(self._of_consignment(consignment, here))
        return state.digest()

    @staticmethod
    def _of_consignment(consignment: bytes, here: _Consignment) -> bytes:
        """A consignment's part of the digest: its trail holds its whole history, the rest what follows from it."""
        return b"".join(
            (
                b"S",
                consignment,
                here.trail,
                here.custody_line,
                here.custodian if here.parent is None else ZERO16,
                here.offered_to,
                here.parent or ZERO32,
                len(here.contents).to_bytes(4, "big"),
                *sorted(here.contents),
                len(here.holds).to_bytes(4, "big"),
                *sorted(here.holds),
                len(here.releases).to_bytes(4, "big"),
                *(release.record for release in here.releases),
                len(here.account_lines).to_bytes(4, "big"),
                *(signer + line for signer, line in sorted(here.account_lines.items())),
            )
        )


def _disputed(account: AccountHistory, consignment: bytes, record: bytes, time: int) -> Finding:
    return Finding(
        FindingKind.DISPUTED,
        consignment,
        record,
        time,
        f"The signer's account was revoked from {time_text(account.revoked_from)} on, by a revocation at "
        f"{time_text(account.revoked_at)}; this record was taken between.",
    )
