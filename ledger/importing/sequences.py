"""What follows from the messages about one declaration: manifest records and custody records, in order.

The mapping is CUSTOMS.md's table "Notifications to records". The records still lack the consignment, the author's line
(`previous`), the counterpart and the signature: who signs and sends them fills those in. Whether the ledger takes
them is decided by the custody rules, not here; a record that a rule must refuse is left out only where the table says
so (no release under an open hold that the control result does not lift).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ledger.importing.amendments import QUANTITY_TAGS
from ledger.importing.declarations import Json, rfc3339
from ledger.importing.ncts import MESSAGES as NCTS_MESSAGES
from ledger.importing.notifications import Movement, Notification
from ledger.importing.ordering import ARRIVALS, Message
from ledger.importing.procedures import procedure

FISCAL = frozenset({"11", "13", "14", "15", "18"})  # to the declarant's own file only: fiscal secrecy
_CONFORM = frozenset({"A1", "A2"})
ORDER_OF_AN_AUTHORITY = 5
CORRECTION = 1
QUANTITY_CHANGED = 2


@dataclass(frozen=True, slots=True)
class SequenceFinding:
    """Something odd about a sequence: the file it shows in and a sentence."""

    file: str
    message: str


@dataclass(slots=True)
class Subject:
    """The declaration that a sequence is about, as far as this batch has it.

    Attributes:
        manifest: File of the manifest first declared, None if no declaration of the batch has its LRN.
        amended: Files of the manifests that its amendments lead to, by notification reference.
        procedures: Procedure codes that its goods are declared for, in order.
        type_code: As `IMA`, "" if unknown.
        is_supplementary: The goods have gone; manifest records only.
        trader: Identifier of the declarant or exporter, "" if unknown.
        containers: Container numbers it states.
        departed_at: When a movement message says the goods left, None if none does.
        trade_reference: The best reference it states, `scheme:value`; "" if it states none that can be one.
    """

    manifest: str | None = None
    amended: dict[str, str] = field(default_factory=dict)
    procedures: tuple[str, ...] = ()
    type_code: str = ""
    is_supplementary: bool = False
    trader: str = ""
    containers: tuple[str, ...] = ()
    departed_at: datetime | None = None
    trade_reference: str = ""


class RecordSequence:
    """Builds the records of one reference, message by message."""

    def __init__(self, reference: str, administration: str, subject: Subject) -> None:
        self.reference = reference
        self.administration = administration
        self.subject = subject
        self.records: list[Json] = []
        self.findings: list[SequenceFinding] = []
        self.fiscal = 0  # messages that are kept to the declarant's own file
        self._lodged: int | None = None  # number of the manifest record that stands
        self._is_opened = False
        self._is_withdrawn = False
        self._is_released = False
        self._said_unopened = False
        self._holds: list[tuple[int, str]] = []  # open holds: number and whose
        self._arrived: datetime | None = None
        self._departed: tuple[datetime, str] | None = None  # time and place of the last departure

    def take(self, message: Message) -> None:
        """Append what follows from one message."""
        if isinstance(message, Movement):
            self._movement(message)
            return
        if message.function in FISCAL:
            self.fiscal += 1
            return
        if message.function in NCTS_MESSAGES:
            self._transit(message)
            return
        step = getattr(self, f"_on_{message.function}", None)
        if step is None:
            self._find(
                message, f"function code {message.function} is not in the table; it is kept to the file"
            )
            return
        step(message)

    def open(self, at: datetime, source: Json) -> None:
        """Lodge and open without a notification: a master reference, which customs does not accept by itself."""
        self._lodge(at, source)
        self._open(at, source)

    def _on_02(self, message: Notification) -> None:
        if self._is_withdrawn:
            self._find(message, "it comes after the declaration was withdrawn; nothing follows from it")
            return
        if self._lodged is None:
            self._lodge(message.issued, _source(message))
        if not self._is_opened and not self.subject.is_supplementary:
            self._open(message.issued, _source(message))

    _on_01 = _on_02

    def _on_03(self, message: Notification) -> None:
        if self._lodged is not None:
            self._withdraw(message)

    def _on_05(self, message: Notification) -> None:
        if self.subject.is_supplementary:
            self._skip(message)
            return
        self._hold(message, "control", _customs(self.administration), "customs")

    def _on_06(self, message: Notification) -> None:
        if self.subject.is_supplementary:
            self._skip(message)
            return
        details: Json = {"schema": "cargo-remark/1", "reason": "documents wanted"}
        if message.due:
            details["due"] = rfc3339(message.due)
        self._custody(
            "REMARK",
            message.issued,
            message,
            _customs(self.administration),
            _noted(details, message),
        )

    def _on_07(self, message: Notification) -> None:
        if self._is_withdrawn:
            self._find(message, "it amends a declaration that was withdrawn; nothing follows from it")
            return
        if self._lodged is None:
            self._find(
                message,
                "it amends a declaration whose lodging is not in this batch; name the former manifest when sending",
            )
        tags = {change.tag for change in message.changes}
        self._lodged = self._append(
            {
                "kind": "AMEND",
                "record": "manifest",
                "party": self._trader(),
                "issued_at": int(message.issued.timestamp()),
                "reason": QUANTITY_CHANGED if tags & QUANTITY_TAGS else CORRECTION,
                "manifest": self.subject.amended.get(message.reference),
                "supersedes": self._lodged,
                "source": _source(message),
            }
        )

    def _on_08(self, message: Notification) -> None:
        self._decide(message, "RELEASE")

    def _on_09(self, message: Notification) -> None:
        self._decide(message, "CLEARANCE")

    def _on_10(self, message: Notification) -> None:
        if self._lodged is None:
            self._find(message, "it invalidates a declaration whose lodging is not in this batch")
        self._withdraw(message)
        if self._is_released and not self.subject.is_supplementary:
            self._hold(
                message,
                "declaration invalidated after release; until the next decision",
                _customs(self.administration),
                "customs",
            )

    def _on_16(self, message: Notification) -> None:
        if self.subject.is_supplementary:
            self._skip(message)
            return
        details: Json = {"schema": "cargo-passage/1", "office_role": "exit"}
        if message.office:
            details["office"] = message.office
        if message.status:
            details["outcome"] = message.status
        # The effective time of the message is the day alone, at midnight.
        at = self.subject.departed_at or message.issued
        self._departure(at, message, _customs(self.administration), _noted(details, message))

    def _on_50(self, message: Notification) -> None:
        if self.subject.is_supplementary:
            self._skip(message)
            return
        name = message.notes[0] if message.notes else "another agency"
        party = {"role": "agency", "administration": self.administration, "name": name}
        if message.control_result in _CONFORM:
            self._lift(message, name, party)
        else:
            self._hold(message, "order of another agency", party, name)

    def _transit(self, message: Notification) -> None:
        kind, words = NCTS_MESSAGES[message.function]
        if kind == "HOLD":
            self._hold(message, words, _customs(self.administration), "customs")
        elif kind == "REMARK":
            details: Json = {"schema": "cargo-remark/1", "reason": words}
            if message.office:
                details["office"] = message.office
            self._custody("REMARK", message.issued, message, _customs(self.administration), details)
        else:
            self.subject.type_code = self.subject.type_code or "T"
            self._decide(message, kind)

    def _decide(self, message: Notification, kind: str) -> None:
        if self.subject.is_supplementary:
            self._skip(message)
            return
        result = message.control_result
        held = [number for number, whose in self._holds if whose == "customs"]
        if result and result not in _CONFORM:
            self._find(
                message,
                f"the control result is {result}, not satisfactory: no {kind.lower()} follows from it",
            )
            return
        # A transit release is itself the end of the control before it; NCTS states no result beside it.
        if held and result not in _CONFORM and message.function not in NCTS_MESSAGES:
            self._find(
                message,
                f"a hold is open and no control result lifts it: no {kind.lower()} follows from it",
            )
            return
        self._lift(message, "customs", _customs(self.administration))
        schema = "cargo-release/1" if kind == "RELEASE" else "cargo-clearance/1"
        details: Json = {"schema": schema, **procedure(self.subject.procedures, self.subject.type_code)}
        if result:
            details["outcome"] = result
        if message.office:
            details["office"] = message.office
        self._custody(
            kind,
            message.issued,
            message,
            _customs(self.administration),
            _noted(details, message),
            subject=self._lodged,
        )
        self._is_released = True

    def _lodge(self, at: datetime, source: Json) -> None:
        self._lodged = self._append(
            {
                "kind": "LODGE",
                "record": "manifest",
                "party": self._trader(),
                "issued_at": int(at.timestamp()),
                "reason": 0,
                "manifest": self.subject.manifest,
                "supersedes": None,
                "source": source,
            }
        )

    def _open(self, at: datetime, source: Json) -> None:
        self._is_opened = True
        self._append(
            {
                "kind": "OPEN",
                "record": "custody",
                "party": self._trader(),
                "observed_at": int(at.timestamp()),
                "subject": None,
                "manifest": self.subject.manifest,
                "details": None,
                "trade_reference": self.subject.trade_reference or self.reference,
                "source": source,
            }
        )

    def _withdraw(self, message: Notification) -> None:
        if self._is_withdrawn:
            return
        self._append(
            {
                "kind": "WITHDRAW",
                "record": "manifest",
                "party": _customs(self.administration),
                "issued_at": int(message.issued.timestamp()),
                "reason": ORDER_OF_AN_AUTHORITY,
                "manifest": None,
                "supersedes": self._lodged,
                "source": _source(message),
            }
        )
        self._is_withdrawn = True

    def _hold(self, message: Notification, reason: str, party: Json, whose: str) -> None:
        number = self._custody(
            "HOLD",
            message.issued,
            message,
            party,
            _noted({"schema": "cargo-hold/1", "reason": reason}, message),
        )
        self._holds.append((number, whose))
        self._is_released = False

    def _lift(self, message: Notification, whose: str, party: Json) -> None:
        for number, owner in list(self._holds):
            if owner == whose:
                details: Json = {"schema": "cargo-lift/1", "reason": "control concluded"}
                if message.control_result:
                    details["outcome"] = message.control_result
                self._custody("LIFT", message.issued, message, party, details, subject=number)
                self._holds.remove((number, owner))

    def _departure(self, at: datetime, message: Message, party: Json, details: Json) -> None:
        if self._arrived and at < self._arrived:
            self._find_turned(message, at, self._arrived)
        if isinstance(message, Movement):
            self._departed = (at, message.location)
        self._custody("DEPARTURE", at, message, party, details)

    def _find_turned(self, message: Message, departed: datetime, arrived: datetime) -> None:
        self._find(
            message,
            f"the goods depart at {rfc3339(departed)}, before they arrive there at {rfc3339(arrived)}",
        )

    def _movement(self, message: Movement) -> None:
        if message.code == "EAA":
            return  # an arrival announced, not one that happened
        if self.subject.is_supplementary:
            self._skip(message)
            return
        at = message.at
        if at is None:
            at = self._last_time()
            if message.code in ARRIVALS:
                self._find(message, "it does not say when; the time of the message before it is taken")
        if at is None:
            self._find(message, "it does not say when, and no other message does; nothing follows from it")
            return
        details: Json = {"schema": "cargo-passage/1", **_place(message.location)}
        if message.transport:
            details["transport"] = dict(message.transport)
        if message.reference:
            details["movement_reference"] = message.reference
        if self.subject.containers:
            details["containers"] = list(self.subject.containers)
        party = self._trader() if not message.submitter else _trader(self.administration, message.submitter)
        if message.code in ARRIVALS:
            # An arrival after an arrival is a return; an arrival that no one came before, a departure too early.
            is_first = self._arrived is None
            if is_first and self._departed and self._departed[1] == message.location:
                self._find_turned(message, self._departed[0], at)
            self._arrived = at
            self._custody("ARRIVAL", at, message, party, details)
        elif message.code == "EDL":
            self._departure(at, message, party, details)
        elif message.code == "EAC":
            self._custody(
                "CONSOLIDATE",
                at,
                message,
                party,
                {"schema": "cargo-consolidation/1", "reference": f"mucr:{message.master}"},
            )
        elif message.code == "CST":
            self._custody(
                "REMARK",
                at,
                message,
                party,
                {"schema": "cargo-remark/1", "reason": "consolidation shut"},
            )
        else:
            self._find(message, f"movement code {message.code} is not in the table; nothing follows from it")

    def _last_time(self) -> datetime | None:
        for record in reversed(self.records):
            seconds = record.get("observed_at") or record.get("issued_at")
            if seconds:
                return datetime.fromtimestamp(seconds, UTC)
        return None

    def _custody(
        self,
        kind: str,
        at: datetime,
        message: Message,
        party: Json,
        details: Json,
        subject: int | None = None,
    ) -> int:
        self._say_unopened(message)
        return self._append(
            {
                "kind": kind,
                "record": "custody",
                "party": party,
                "observed_at": int(at.timestamp()),
                "subject": subject,
                "details": details,
                "source": _source(message),
            }
        )

    def _append(self, record: Json) -> int:
        number = len(self.records) + 1
        self.records.append({"number": number, "reference": self.reference, **record})
        return number

    def _trader(self) -> Json:
        return _trader(self.administration, self.subject.trader)

    def _find(self, message: Message, sentence: str) -> None:
        self.findings.append(SequenceFinding(message.file, sentence))

    def _skip(self, message: Message) -> None:
        self._find(message, "the declaration is supplementary, the goods have gone: manifest records only")

    def _say_unopened(self, message: Message) -> None:
        if not self._is_opened and not self._said_unopened:
            self._said_unopened = True
            self._find(
                message,
                f"{self.reference} was neither received nor accepted in this batch; the ledger refuses what "
                "follows unless its consignment is open there already",
            )


def _trader(administration: str, identifier: str) -> Json:
    return {
        "role": "trader",
        "administration": administration,
        **({"identifier": identifier} if identifier else {}),
    }


def _customs(administration: str) -> Json:
    return {"role": "customs", "administration": administration}


def _source(message: Message) -> Json:
    source: dict[str, Any] = {"file": message.file}
    if isinstance(message, Notification):
        source["function"] = message.function
    else:
        source["message"] = message.code
    if message.reference:
        source["reference"] = message.reference
    return source


def _noted(details: Json, message: Notification) -> Json:
    if message.notes:
        details["note"] = "; ".join(message.notes)[:1000]
    return details


def _place(location: str) -> Json:
    """Split `GBAULGWLGWLGW`: country, type, qualifier, code; a UN/LOCODE where the qualifier says it is one."""
    if not location:
        return {}
    place: Json = {"location": location}
    if len(location) >= 7 and location[3] == "U" and location[4:7].isalnum():
        place["place"] = location[:2] + location[4:7]
    return place
