"""A service's index as a chronicle that questions are asked of, with the documents that the service holds.

It has every event of the chain, so that it answers as a replay does; what it answers rests on its own database, and says
so. One answer reads a bounded number of rows: what takes more goes on in the next answer, and what hangs together with
more than `MOST_CONNECTED` records is left to a replay.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import orjson

from ledger import sequencing
from ledger.audit.checking import Happening
from ledger.audit.log import Closure, Head
from ledger.audit.papers import held_of, held_of_disclosure
from ledger.audit.questions import Answer, Asked, ask
from ledger.audit.questions.containers import number_of, uses_of
from ledger.audit.questions.form import Cited, Group, Held, Lodged
from ledger.audit.registry import AccountHistory, AdministrationHistory, Registry
from ledger.audit.result import Act
from ledger.config import ChainProfile
from ledger.core.identifiers import Party
from ledger.core.records import CustodyKind, decode_leaf
from ledger.errors import ChainViolation, NotFound, ObjectDamaged, RecordRefused, TooMuchConnected
from ledger.messages import AccompanyingFile
from ledger.rows.chain import UNKNOWN
from ledger.rows.custody import decode_custody
from ledger.store import Session

MOST_CONNECTED = 20_000  # records that are read together, and kept in memory
_MOST_READ = 50_000  # records that one answer looks at
_ROWS_AT_A_TIME = 500
_COMPONENT_COST = 50  # rows that asking for one component counts as
_MOST_OF_CONTAINER = 200  # consignments of one container that are compared


def answer(
    session: Session, profile: ChainProfile, administration: bytes, question: str, asked: Asked
) -> Answer:
    """Answer an auditor's question from what a service holds.

    Who may ask is **not** judged here.

    Args:
        session: The store's snapshot; all of the answer is of it.
        profile: The chain.
        administration: Whose service it is, 8 bytes.
        question: Its name.
        asked: What is asked about.

    Raises:
        UnknownQuestion, InvalidQuestion, NotFound, TooMuchConnected: As `questions.ask`.
        ChainViolation: What is indexed does not obey the contracts' rules, or nothing is indexed yet.
    """
    try:
        return ask(StoredChronicle(session, profile, administration), question, asked)
    except RecordRefused as error:
        raise ChainViolation(
            f"A record of the chain breaks the custody rules ({error.refusal.name}): what is indexed is not what the "
            "contract took. Compare with `cargo-ledger audit compare`."
        ) from None


class StoredChronicle:
    """What a service has indexed, up to its newest block."""

    def __init__(self, session: Session, profile: ChainProfile, administration: bytes) -> None:
        """Ask a store; the session stays open as long as this is used.

        Raises:
            ChainViolation: No block is indexed yet.
        """
        cursor = session.cursor()
        if cursor is None:
            raise ChainViolation("The service has read no block yet; nothing can be answered.")
        self._session = session
        self._profile = profile
        self._administration = administration
        self._read = 0
        self._unreadable: dict[str, None] = {}
        self.block: int = cursor.number
        self.block_hash: bytes = cursor.hash
        self.block_time: int = cursor.timestamp
        self.checked = (
            "The chain's events are those that this service has indexed, without a gap in any contract's numbers.",
            "The custody model took every record that the answer rests on, and the registry's rules every event.",
        )

    @property
    def not_checked(self) -> list[str]:
        """What only a replay checks, and what could not be read."""
        told = [
            "Receipts, seals and signatures were not checked anew, and the service's own database is believed: "
            "`cargo-ledger audit replay` believes neither."
        ]
        if any(event.name == UNKNOWN for event in self._registry_rows):
            told.append("The registry emitted events that this version does not know: upgrade the service.")
        return [*told, *self._unreadable]

    @property
    def is_spent(self) -> bool:
        """Whether as much was read as one answer may take."""
        return self._read >= _MOST_READ

    # ---------------------------------------------------------------------------------------------------- registry

    @cached_property
    def _registry_rows(self) -> Sequence[Any]:
        return self._session.chain_events_of("AdministrationRegistry")

    @cached_property
    def _happenings(self) -> list[Happening]:
        return [_happening(row) for row in self._registry_rows if row.name != UNKNOWN]

    @cached_property
    def _registry(self) -> Registry:
        registry = Registry(self._profile.registry_domain)
        for event in self._happenings:
            registry.take(event)
        return registry

    @property
    def accounts(self) -> Mapping[bytes, AccountHistory]:
        """Every account ever enrolled."""
        return self._registry.accounts

    @property
    def administrations(self) -> Mapping[bytes, AdministrationHistory]:
        """Every administration ever admitted."""
        return self._registry.administrations

    def registry_events(self) -> Sequence[Happening]:
        """Every event of the registry that is known."""
        return self._happenings

    # ----------------------------------------------------------------------------------------------------- custody

    def act(self, digest: bytes) -> Act | None:
        """The custody record of a digest."""
        row = self._session.chain_custody_by_digest(digest)
        return None if row is None else _act(row)

    def connected(self, consignment: bytes) -> tuple[list[Act], set[bytes]]:
        """The acts of all that is connected, each read once: from the consignment outwards."""
        known: set[bytes] = set()
        new = {consignment}
        found: dict[int, Act] = {}
        while new:
            known |= new
            limit = MOST_CONNECTED + 1 - len(found)
            rows = self._session.chain_custody_about(sorted(new), limit)
            found.update((row.sequence, _act(row)) for row in rows)
            if len(rows) >= limit:
                raise TooMuchConnected(consignment, MOST_CONNECTED)
            new = {each for row in rows for each in (row.consignment, row.other) if each} - known
        self._read += len(found) + _COMPONENT_COST
        acts = [act for _, act in sorted(found.items())]
        if not any(
            act.record.kind == CustodyKind.OPEN and act.record.consignment == consignment for act in acts
        ):
            raise NotFound("consignment", "0x" + consignment.hex())
        return acts, known

    def acts(self, after: int) -> Iterator[Act]:
        """Every custody record after a number."""
        return self._acts(after)

    def acts_of(self, signer: bytes, after: int) -> Iterator[Act]:
        """What an account signed."""
        return self._acts(after, signer=signer)

    def openings(self, after: int) -> Iterator[Act]:
        """The records that opened consignments."""
        return self._acts(after, kind=int(CustodyKind.OPEN))

    def _acts(self, after: int, **only: Any) -> Iterator[Act]:
        read = partial(self._session.chain_custody_after, **only)
        return map(_act, self._paged(read, after))

    def _paged(self, read: Callable[[int, int], Sequence[Any]], after: int) -> Iterator[Any]:
        """Rows from a place on, read so many at a time, and counted."""
        while True:
            rows = read(after, _ROWS_AT_A_TIME)
            for row in rows:
                self._read += 1
                yield row
            if len(rows) < _ROWS_AT_A_TIME:
                return
            after = rows[-1].sequence

    # --------------------------------------------------------------------------------------------------------- log

    def closures(self, after: int) -> Iterator[Closure]:
        """Every manifest closed."""
        return map(_closure, self._paged(self._session.closures_after, after))

    def closures_of(self, consignment: bytes) -> list[Closure]:
        """The manifests of a consignment that were closed."""
        rows = self._session.closures_after(0, MOST_CONNECTED + 1, consignment=consignment)
        if len(rows) > MOST_CONNECTED:
            raise TooMuchConnected(consignment, MOST_CONNECTED)
        self._read += len(rows)
        return [_closure(row) for row in rows]

    def around(self, lodged: Lodged) -> tuple[Head | None, Head | None]:
        """The heads around a leaf."""
        of_log = lodged.administration, lodged.epoch
        before = self._session.largest_head(*of_log, below=lodged.index + 1)
        first = self._session.first_head_over(*of_log, lodged.index)
        return None if before is None else _head(before), None if first is None else _head(first)

    def lodged(self, consignment: bytes) -> list[Lodged]:
        """Manifests in this service's own log, as far as a head of its tree covers them, and those of loaded files."""
        session = self._session
        extent = sequencing.extent(session, self._administration, self._profile.confirmations)
        found = []
        for row in session.manifests_of(consignment):
            if row.manifest_id is None or (row.epoch == extent.epoch and row.log_index >= extent.anchored):
                continue
            record, _ = decode_leaf(row.leaf)
            place = (self._administration, row.epoch, row.log_index)
            found.append(Lodged(row.manifest_id, *place, record.issued_at))
        own = {each.manifest for each in found}
        for row in session.accompanying_of(consignment):
            if row.manifest_id not in own:
                try:
                    shown = self._file(row).manifest.inclusion
                except ObjectDamaged as error:
                    self._unreadable[str(error)] = None
                    continue
                code = Party.parse(shown.administration).administration_bytes
                found.append(Lodged(row.manifest_id, code, shown.epoch, shown.index, shown.record.issued_at))
        return found

    # --------------------------------------------------------------------------------------------------- documents

    def held(self, root: bytes, *, manifest: bytes | None = None, record: bytes | None = None) -> Held | None:
        """What the service keeps of a document: what was handed in with its record, or came in an accompanying file."""
        session = self._session
        try:
            if record is None and manifest is not None:
                row = session.manifest_of_id(manifest)
                record = None if row is None else row.digest
            content = None if record is None else session.content(record)
            if content is not None:
                return held_of(content.document)
            file = None if manifest is None else session.accompanying_for(manifest)
            if file is None:
                return None
            found, held = held_of_disclosure(self._file(file).manifest.disclosure)
            return held if found == root else None
        except ObjectDamaged as error:
            self._unreadable[str(error)] = None
            return None

    def _file(self, row: Any) -> AccompanyingFile:
        return AccompanyingFile.model_validate_json(self._session.accompanying_file(row))

    def sharing(self, container: str | None, consignment: bytes | None, after: str) -> Iterator[Group]:
        """Consignments that are found by the same container's number, in the order of their terms."""
        session = self._session
        numbers = [] if container is None else [number_of(container)]
        if consignment is not None:
            numbers = sorted({use.container for use in uses_of(self, consignment)})
        if container is None and consignment is None:
            yield from self._groups(bytes.fromhex(after))
            return
        for term in sorted(session.terms([("container", number) for number in numbers])):
            if term.hex() > after:
                yield self._group(term)

    def _groups(self, after: bytes) -> Iterator[Group]:
        while terms := self._session.shared_terms(after, _ROWS_AT_A_TIME):
            yield from map(self._group, terms)
            after = terms[-1]

    def _group(self, term: bytes) -> Group:
        those = self._session.consignments_of_term(term, _MOST_OF_CONTAINER + 1)
        self._read += len(those) + 1
        return Group(
            term.hex(),
            those[:_MOST_OF_CONTAINER],
            lambda number: term in self._session.terms([("container", number)]),
            len(those) <= _MOST_OF_CONTAINER,
        )

    def proven(self, cited: Collection[Cited]) -> dict[Cited, Cited]:
        """Events with their transactions, and the signatures of their records."""
        proven: dict[Cited, Cited] = {}
        for contract in sorted({each.contract for each in cited}):
            of_it = [each for each in cited if each.contract == contract]
            carried = self._session.carried_by(contract, sorted({each.sequence for each in of_it}))
            proven |= {each: each.proven(*carried[each.sequence]) for each in of_it}
        return proven


def _act(row: Any) -> Act:
    return Act(
        row.sequence,
        row.block_number,
        None,
        row.log_index,
        row.accepted_at,
        decode_custody(row.body),
        row.digest,
        row.signer,
        row.other,
    )


def _closure(row: Any) -> Closure:
    return Closure(
        row.former,
        row.successor,
        row.consignment,
        row.party,
        row.kind,
        row.reason,
        row.signer,
        row.digest,
        row.issued_at,
        row.closed_at,
        row.block_number,
        row.sequence,
        row.log_index,
        row.root,
        None,
        None,
    )


def _head(row: Any) -> Head:
    return Head(
        row.administration,
        row.epoch,
        row.size,
        row.root,
        row.anchored_at,
        row.block_number,
        row.sequence,
        row.log_index,
    )


def _happening(row: Any) -> Happening:
    """An event of the registry as a replay takes it apart; who sent it is not kept."""
    values = {
        name: bytes.fromhex(value[2:]) if isinstance(value, str) else value
        for name, value in orjson.loads(row.arguments).items()
    }
    return Happening(
        row.contract,
        row.name,
        row.sequence,
        values,
        row.block_number,
        row.at,
        row.log_index,
        0,
        None,
        None,
    )
