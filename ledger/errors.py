"""Every error of the cargo ledger, one tree.

    LedgerError
    ├─ InvalidInput (also ValueError)   what was given cannot be used; the sentence says where and why
    │  ├─ InvalidIdentifier             party, UCR, MRN, container number, UN/LOCODE, HS code …
    │  ├─ InvalidDocument               not a document that can be committed to (has the JSON Pointer)
    │  ├─ InvalidSecret                 not the 32 bytes that salt a document
    │  ├─ InvalidDisclosure             not a well-formed disclosure
    │  ├─ InvalidRecord                 a field outside its range, a wrong length
    │  ├─ InvalidSignature              not 65 bytes, high s, v not 27 or 28, recovers nothing
    │  ├─ InvalidDeclaration            an import file is no declaration (has file and place)
    │  ├─ InvalidKey                    a key file or its password is unusable
    │  └─ InvalidProfile                a chain profile or setting is unusable
    ├─ VerificationError                what was shown does not hold
    │  ├─ InclusionError
    │  ├─ ConsistencyError
    │  ├─ DigestMismatch
    │  └─ SignerMismatch
    ├─ NotPermitted                     the account may not do this: not enrolled, revoked, wrong role or party
    ├─ RecordRefused                    the custody rules refuse the record: one class a refusal
    ├─ ContractError                    a contract reverted: one class a Solidity error
    ├─ NotFound (also LookupError)      no such manifest, consignment, account, head
    ├─ Conflict                         the same thing exists in another form
    ├─ StoreError                       the database is missing, foreign or unusable
    │  └─ NodeMissing                   a node of the log's tree is not in the store
    ├─ ChainError                       the node or the network
    │  ├─ ChainUnavailable              not reachable, or an answer that is no answer: try again
    │  ├─ ChainMismatch                 another chain id, genesis, address or code than the profile pins
    │  └─ ChainViolation                the chain's own history broke a rule: a gap, a reorganisation too deep
    └─ ServiceError                     the HTTP service answered with a problem, or not at all
       └─ ServiceUnavailable

Errors take the facts as arguments, keep them as attributes and build the sentence themselves: what is wrong, where,
what to do. They know no HTTP; `api.problems` has the table. Sentences never hold keys or document contents.
"""

from __future__ import annotations

from enum import IntEnum


class LedgerError(Exception):
    """The root of every error this library raises on purpose."""


class InvalidInput(LedgerError, ValueError):
    """What was given cannot be used."""


class InvalidIdentifier(InvalidInput):
    """A party, reference, code or number is not of its form.

    Attributes:
        what: The kind of identifier, in words.
        value: The offending text, cut to 80 characters.
        rule: What it should have been.
    """

    def __init__(self, what: str, value: object, rule: str) -> None:
        self.what = what
        self.value = str(value)[:80]
        self.rule = rule
        super().__init__(f"{self.value!r} is no {what}: {rule}.")


class InvalidDocument(InvalidInput):
    """These bytes are not a document that can be committed to.

    Attributes:
        pointer: RFC 6901 JSON Pointer of the place, "" for the whole document.
        rule: What is wrong there.
    """

    def __init__(self, pointer: str, rule: str) -> None:
        self.pointer = pointer[:200]
        self.rule = rule
        super().__init__(f"The document cannot be committed to: at {self.pointer or 'its root'}, {rule}.")


class InvalidSecret(InvalidInput):
    """What was given is not the secret of a document. Never holds the secret."""

    def __init__(self) -> None:
        super().__init__("The secret of a document must be 32 bytes, random and kept with the document.")


class InvalidDisclosure(InvalidInput):
    """A disclosure that is not well formed, or a request that selects nothing."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(f"The disclosure is not usable: {rule}.")


class InvalidRecord(InvalidInput):
    """A field of a record, promise or enrolment is outside its range.

    Attributes:
        field: The field's name.
        rule: What it should have been.
    """

    def __init__(self, field: str, rule: str) -> None:
        self.field = field
        self.rule = rule
        super().__init__(f"The record is not usable: {field} {rule}.")


class InvalidSignature(InvalidInput):
    """Bytes that are no strict signature: 65 bytes, low s, v 27 or 28, recovering an account."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(f"The signature is not usable: {rule}.")


class InvalidDeclaration(InvalidInput):
    """An import file is not a declaration or notification that can be read.

    Attributes:
        file: The file's name.
        place: Line and column, or "" for the whole file.
        rule: What is wrong.
    """

    def __init__(self, file: str, place: str, rule: str) -> None:
        self.file = file
        self.place = place
        self.rule = rule
        super().__init__(f"{file}{', ' + place if place else ''}: {rule}.")


class InvalidKey(InvalidInput):
    """A key file, its password or a private key is unusable. Never holds the key."""

    def __init__(self, name: str, rule: str) -> None:
        self.name = name
        self.rule = rule
        super().__init__(f"The key {name} cannot be used: {rule}.")


class InvalidProfile(InvalidInput):
    """A chain profile or a setting is unusable."""

    def __init__(self, where: str, rule: str) -> None:
        self.where = where
        self.rule = rule
        super().__init__(f"{where}: {rule}.")


class VerificationError(LedgerError):
    """What was shown does not hold."""


class InclusionError(VerificationError):
    """An inclusion path does not lead from the leaf to the root.

    Attributes:
        index: The leaf's position, as it was given.
        size: Leaves in the tree, as it was given.
        rule: What is wrong.
    """

    def __init__(self, index: object, size: object, rule: str) -> None:
        self.index = index
        self.size = size
        self.rule = rule
        super().__init__(f"Leaf {_shown(index)} is not shown to be in the log of {_shown(size)}: {rule}.")


class ConsistencyError(VerificationError):
    """A consistency path does not show that one tree extends the other.

    Attributes:
        first_size: Leaves of the older tree, as it was given.
        second_size: Leaves of the newer tree, as it was given.
        rule: What is wrong.
    """

    def __init__(self, first_size: object, second_size: object, rule: str) -> None:
        self.first_size = first_size
        self.second_size = second_size
        self.rule = rule
        super().__init__(
            f"The log of {_shown(second_size)} is not shown to extend the one of {_shown(first_size)}: {rule}."
        )


def _shown(number: object) -> str:
    """A number in a sentence; what is none, or longer than any log, is not repeated."""
    return str(number) if isinstance(number, int) and abs(number) <= 2**64 else "(no such number)"


class DigestMismatch(VerificationError):
    """Two digests that should be one are not.

    Attributes:
        what: What was compared, in words.
        expected: The digest that was claimed or recorded, 32 bytes.
        found: The digest that the given bytes lead to, 32 bytes.
    """

    def __init__(self, what: str, expected: bytes, found: bytes) -> None:
        self.what = what
        self.expected = expected
        self.found = found
        super().__init__(
            f"{what} does not match: expected 0x{expected.hex()}, but what was given leads to 0x{found.hex()}."
        )


class SignerMismatch(VerificationError):
    """A signature is by another account than the one it is shown for."""

    def __init__(self, expected: str, found: str) -> None:
        self.expected = expected
        self.found = found
        super().__init__(f"The signature is by {found}, not by {expected}.")


class NotPermitted(LedgerError):
    """The account may not do this.

    Attributes:
        account: The account's address, checksummed.
        reason: Why not, with the fact that decides it.
    """

    def __init__(self, account: str, reason: str) -> None:
        self.account = account
        self.reason = reason
        super().__init__(f"Account {account} may not do this: {reason}.")


class Refusal(IntEnum):
    """Why ConsignmentLedger does not append a record; the first that applies, in this order. 0 is no refusal."""

    NONE = 0
    NOT_SIGNED = 1
    NOT_ENROLLED = 2
    NO_KIND = 3
    FIELDS = 4
    EXPIRED = 5
    TOO_LONG = 6
    AHEAD = 7
    ALREADY_OPENED = 8
    NOT_ITS_ID = 9
    NOT_OPENED = 10
    ALREADY_APPENDED = 11
    NOT_NEXT = 12
    CLOSED = 13
    NOT_ALLOWED = 14
    NOT_OFFERED = 15
    NOT_A_HOLD = 16
    HELD = 17
    INSIDE_ANOTHER = 18
    NOT_INSIDE_IT = 19
    NOT_EMPTY = 20
    NO_PARENT = 21
    LOOP = 22
    TOO_DEEP = 23


class RecordRefused(LedgerError):
    """The custody rules refuse a record. One subclass a refusal; `refusal` is its number on chain.

    Every fact but the consignment may be left out: where only the chain's number is known, the sentence says what the
    number alone tells. `ledger.core.custody.Custody.error` fills the facts in.

    Attributes:
        consignment: The record's consignment, 32 bytes.
    """

    refusal: Refusal = Refusal.NONE

    def __init__(self, consignment: bytes, sentence: str) -> None:
        self.consignment = consignment
        super().__init__(f"Refused: {sentence}")


class RecordNotSigned(RecordRefused):
    """The signature recovers nobody."""

    refusal = Refusal.NOT_SIGNED

    def __init__(self, consignment: bytes) -> None:
        super().__init__(
            consignment,
            "the signature is none: 65 bytes are expected, with s in the lower half and v 27 or 28. Sign the record again.",
        )


class SignerNotEnrolled(RecordRefused):
    """The signer may not sign for the party now.

    Attributes:
        signer: The signer's address in hex, "" if not known.
        party: The party's text, "" if not known.
    """

    refusal = Refusal.NOT_ENROLLED

    def __init__(self, consignment: bytes, signer: str = "", party: str = "") -> None:
        self.signer = signer
        self.party = party
        super().__init__(
            consignment,
            f"{f'account {signer}' if signer else 'the account that signed'} may not sign for {party or 'this party'} now: "
            "it is no trader or officer of that party, its enrolment has expired or was revoked, or the administration "
            "is suspended. Ask the governor.",
        )


class UnknownRecordKind(RecordRefused):
    """There is no such kind."""

    refusal = Refusal.NO_KIND

    def __init__(self, consignment: bytes, kind: int | None = None) -> None:
        self.kind = kind
        super().__init__(
            consignment, f"there is no record kind{'' if kind is None else f' {kind}'}; kinds are 1 to 17."
        )


class RecordFieldsWrong(RecordRefused):
    """A field must be zero in this kind and is not, or must not be zero and is.

    Attributes:
        field: The field's name, "" if not known.
        rule: What it should have been.
    """

    refusal = Refusal.FIELDS

    def __init__(self, consignment: bytes, field: str = "", rule: str = "") -> None:
        self.field = field
        self.rule = rule
        super().__init__(
            consignment,
            f"{field or 'a field of the record'} {rule or 'is not as this kind of record needs it'}.",
        )


class RecordExpired(RecordRefused):
    """The record came too late.

    Attributes:
        expires_at: Unix seconds, None if not known.
        time: Time of judgement, Unix seconds, None if not known.
    """

    refusal = Refusal.EXPIRED

    def __init__(self, consignment: bytes, expires_at: int | None = None, time: int | None = None) -> None:
        self.expires_at = expires_at
        self.time = time
        late = "" if expires_at is None or time is None else f" {time - expires_at} seconds ago"
        super().__init__(consignment, f"the record expired{late}. Sign it again with a later expiry.")


class RecordExpiryTooFar(RecordRefused):
    """The record would be good for longer than the rules allow.

    Attributes:
        longest: The longest allowed, in seconds, None if not known.
    """

    refusal = Refusal.TOO_LONG

    def __init__(self, consignment: bytes, longest: int | None = None) -> None:
        self.longest = longest
        most = "30 days, of a release or clearance one day" if longest is None else f"{longest // 86400} days"
        super().__init__(
            consignment, f"the record would be good for too long: at most {most} after it was observed."
        )


class RecordObservedAhead(RecordRefused):
    """The record claims to have been observed in the future.

    Attributes:
        ahead: How far ahead of the chain, in seconds, None if not known.
    """

    refusal = Refusal.AHEAD

    def __init__(self, consignment: bytes, ahead: int | None = None) -> None:
        self.ahead = ahead
        super().__init__(
            consignment,
            f"the record says it was observed {'' if ahead is None else f'{ahead} seconds '}ahead of the chain's time; "
            "300 seconds are allowed. Check the device's clock.",
        )


class ConsignmentAlreadyOpened(RecordRefused):
    """A consignment is opened once."""

    refusal = Refusal.ALREADY_OPENED

    def __init__(self, consignment: bytes) -> None:
        super().__init__(
            consignment,
            "this consignment was opened before; a closed one is opened again by an officer's TAKE only.",
        )


class ConsignmentIdWrong(RecordRefused):
    """Party and blind do not give the id."""

    refusal = Refusal.NOT_ITS_ID

    def __init__(self, consignment: bytes) -> None:
        super().__init__(
            consignment,
            "the opener's party and the blind do not give this consignment's id. Compute it again.",
        )


class ConsignmentNotOpened(RecordRefused):
    """Nothing comes before OPEN."""

    refusal = Refusal.NOT_OPENED

    def __init__(self, consignment: bytes) -> None:
        super().__init__(consignment, "this consignment has not been opened. Open it first.")


class RecordAlreadyAppended(RecordRefused):
    """The record stands already."""

    refusal = Refusal.ALREADY_APPENDED

    def __init__(self, consignment: bytes) -> None:
        super().__init__(consignment, "this record stands on the consignment already; nothing is to be done.")


class RecordNotNext(RecordRefused):
    """`previous` is not the last of the record's line.

    Attributes:
        previous: What the record names, 32 bytes, empty if not known.
        last: What it must name, 32 bytes, empty if not known.
    """

    refusal = Refusal.NOT_NEXT

    def __init__(self, consignment: bytes, previous: bytes = b"", last: bytes = b"") -> None:
        self.previous = previous
        self.last = last
        what = f"0x{last.hex()} is" if last else "another record is"
        super().__init__(
            consignment,
            f"the record does not follow the last one of its line: {what} the last. Look at the consignment and sign again.",
        )


class ConsignmentClosed(RecordRefused):
    """Nobody is in charge of a closed consignment."""

    refusal = Refusal.CLOSED

    def __init__(self, consignment: bytes) -> None:
        super().__init__(
            consignment,
            "the consignment is closed and nobody is in charge of it; officers' records go on, and a TAKE opens it again.",
        )


class StepNotAllowed(RecordRefused):
    """This kind is not for this party or role.

    Attributes:
        kind: The kind's name, "" if not known.
        who: Whom it is for, in words, "" if not known.
    """

    refusal = Refusal.NOT_ALLOWED

    def __init__(self, consignment: bytes, kind: str = "", who: str = "") -> None:
        self.kind = kind
        self.who = who
        super().__init__(
            consignment, f"{kind or 'this kind of record'} is for {who or 'another party or another role'}."
        )


class ConsignmentNotOffered(RecordRefused):
    """There is no such offer to this party.

    Attributes:
        offered_to: Text of the party that the standing offer is made to, "" if none stands or it is not known.
    """

    refusal = Refusal.NOT_OFFERED

    def __init__(self, consignment: bytes, offered_to: str = "") -> None:
        self.offered_to = offered_to
        super().__init__(
            consignment,
            f"the consignment is offered to {offered_to}, by another offer than this or to another party."
            if offered_to
            else "no such offer of the consignment to this party stands; it may have been withdrawn, or what is inside changed.",
        )


class HoldNotOpen(RecordRefused):
    """LIFT of what is no open hold of its party.

    Attributes:
        hold: The digest that was named, 32 bytes, empty if not known.
    """

    refusal = Refusal.NOT_A_HOLD

    def __init__(self, consignment: bytes, hold: bytes = b"") -> None:
        self.hold = hold
        super().__init__(
            consignment,
            f"{f'0x{hold.hex()}' if hold else 'the subject'} is no open hold of this party on the consignment; "
            "a hold is lifted once, by the party that placed it.",
        )


class ConsignmentHeld(RecordRefused):
    """A hold of the same administration stands.

    Attributes:
        holders: Texts of the parties that hold, none if not known.
        step: What the hold stops, in words.
    """

    refusal = Refusal.HELD

    def __init__(self, consignment: bytes, holders: tuple[str, ...] = (), step: str = "a release") -> None:
        self.holders = holders
        self.step = step
        super().__init__(
            consignment,
            f"the consignment is on hold by {', '.join(holders) or 'the same administration'}; "
            f"{step} is possible once the hold is lifted.",
        )


class ConsignmentInside(RecordRefused):
    """The consignment is inside another.

    Attributes:
        parent: What it is directly inside, 32 bytes, empty if not known.
    """

    refusal = Refusal.INSIDE_ANOTHER

    def __init__(self, consignment: bytes, parent: bytes = b"") -> None:
        self.parent = parent
        super().__init__(
            consignment,
            f"the consignment is inside {f'0x{parent.hex()}' if parent else 'another'}; deconsolidate it first.",
        )


class ConsignmentNotInside(RecordRefused):
    """DECONSOLIDATE from what it is not in.

    Attributes:
        parent: What it is directly inside, 32 bytes, empty if nothing or not known.
    """

    refusal = Refusal.NOT_INSIDE_IT

    def __init__(self, consignment: bytes, parent: bytes = b"") -> None:
        self.parent = parent
        super().__init__(
            consignment,
            "the consignment is not directly inside the one named"
            + (f"; it is inside 0x{parent.hex()}." if parent else "."),
        )


class ConsignmentNotEmpty(RecordRefused):
    """CLOSE while something is inside.

    Attributes:
        contents: How many are directly inside, None if not known.
    """

    refusal = Refusal.NOT_EMPTY

    def __init__(self, consignment: bytes, contents: int | None = None) -> None:
        self.contents = contents
        super().__init__(
            consignment,
            f"{'something' if contents is None else f'{contents} other'} is still inside the consignment; "
            "deconsolidate what is inside before closing.",
        )


class ParentNotOpen(RecordRefused):
    """The consignment named as whole or parent is not open.

    Attributes:
        parent: The consignment named, 32 bytes, empty if not known.
    """

    refusal = Refusal.NO_PARENT

    def __init__(self, consignment: bytes, parent: bytes = b"") -> None:
        self.parent = parent
        super().__init__(
            consignment,
            f"the consignment it names{f', 0x{parent.hex()},' if parent else ''} was never opened or is closed.",
        )


class ConsignmentLoop(RecordRefused):
    """A consignment can't be inside itself."""

    refusal = Refusal.LOOP

    def __init__(self, consignment: bytes) -> None:
        super().__init__(consignment, "the consignment named is this one or inside it, and can't hold it.")


class ConsignmentTooDeep(RecordRefused):
    """More than eight levels."""

    refusal = Refusal.TOO_DEEP

    def __init__(self, consignment: bytes) -> None:
        super().__init__(
            consignment, "something would come to be inside more than eight others, one in the other."
        )


_REFUSALS: dict[Refusal, type[RecordRefused]] = {
    refused.refusal: refused for refused in RecordRefused.__subclasses__()
}


def refusal_class(refusal: Refusal) -> type[RecordRefused]:
    """The error class of a refusal; each can be built from the consignment alone.

    Raises:
        KeyError: For NONE, which is no refusal.
    """
    return _REFUSALS[refusal]


class ContractError(LedgerError):
    """A contract reverted. One subclass a Solidity error, of the same name and arguments."""


class NotFound(LedgerError, LookupError):
    """There is no such thing here, or the asker may not see it.

    Attributes:
        what: The kind of thing, in words.
        key: What was asked for.
    """

    def __init__(self, what: str, key: str) -> None:
        self.what = what
        self.key = key[:200]
        super().__init__(f"There is no {what} {self.key} here.")


class Conflict(LedgerError):
    """The same thing exists already in another form; the sentence has the fact that resolves it."""


class StoreError(LedgerError):
    """The database is missing, belongs to another chain or administration, or cannot be used."""


class NodeMissing(StoreError):
    """A node of the log's tree is needed and not in the store.

    Attributes:
        level: Height of the subtree, 0 for a leaf.
        index: Its position among those of its level, from 0.
    """

    def __init__(self, level: int, index: int) -> None:
        self.level = level
        self.index = index
        super().__init__(
            f"Node {index} of level {level} of the log is not in the store: the store is incomplete. "
            "Restore it from a backup or rebuild the nodes from the log's leaves."
        )


class ChainError(LedgerError):
    """The node or the network."""


class ChainUnavailable(ChainError):
    """The node is not reachable, or what it answered is no answer. Trying again may help."""

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        self.reason = reason
        super().__init__(
            f"The chain node at {url} gave no usable answer: {reason}. Is it running? Try again."
        )


class ChainMismatch(ChainError):
    """The node serves another chain, or other contracts, than the profile pins."""

    def __init__(self, what: str, expected: object, found: object) -> None:
        self.what = what
        self.expected = expected
        self.found = found
        super().__init__(
            f"This is not the chain of the profile: {what} is {found}, the profile pins {expected}. "
            "Point the profile at the right node; nothing was written."
        )


class ChainViolation(ChainError):
    """The chain's history broke a rule that holds on every honest node: a gap in the sequences, a deep reorganisation."""


class ServiceError(LedgerError):
    """The service answered with a problem (RFC 9457).

    Attributes:
        status: HTTP status.
        title: The problem's title.
        detail: The problem's sentence.
        problem: The whole problem as received.
    """

    def __init__(
        self, status: int, title: str, detail: str, problem: dict[str, object] | None = None
    ) -> None:
        self.status = status
        self.title = title
        self.detail = detail
        self.problem = problem or {}
        super().__init__(detail or title)


class ServiceUnavailable(ServiceError):
    """The service is not reachable, or could not answer in time. Trying again may help."""

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        super().__init__(
            503, "service not reachable", f"The service at {url} is not reachable: {reason}. Is it running?"
        )
