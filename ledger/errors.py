"""Every error of the cargo ledger, one tree.

    LedgerError
    ├─ InvalidInput (also ValueError)   what was given cannot be used; the sentence says where and why
    │  ├─ InvalidIdentifier             party, UCR, MRN, container number, UN/LOCODE, HS code …
    │  ├─ InvalidDocument               not a document that can be committed to (has the JSON Pointer)
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
    """An inclusion path does not lead from the leaf to the root."""


class ConsistencyError(VerificationError):
    """A consistency path does not show that one tree extends the other."""


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
    """The custody rules refuse a record. One subclass a refusal; `refusal` is its number on chain."""

    refusal: Refusal = Refusal.NONE


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
