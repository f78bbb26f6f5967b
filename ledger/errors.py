"""Every error of the cargo ledger, one tree.

    LedgerError
    ├─ InvalidInput (also ValueError)   what was given cannot be used; the sentence says where and why
    │  ├─ InvalidIdentifier             party, UCR, MRN, container number, UN/LOCODE, HS code …
    │  ├─ InvalidDocument               not a document that can be committed to (has the JSON Pointer)
    │  ├─ InvalidSecret                 not the 32 bytes that salt a document
    │  ├─ InvalidDisclosure             not a well-formed disclosure
    │  ├─ InvalidRecord                 a field outside its range, a wrong length
    │  ├─ InvalidSignature              not 65 bytes, high s, v not 27 or 28, recovers nothing
    │  ├─ InvalidEncoding               bytes that are not canonical RLP, or no header, account or trie node
    │  ├─ InvalidEvidence               not a canonical evidence file (has the place)
    │  │  └─ UnknownEvidenceVersion     of a version that this verifier does not know
    │  ├─ InvalidParts                  texts of QR codes that are no evidence file together
    │  │  └─ PartsMissing               some of them have not been read (has their numbers)
    │  ├─ InvalidPicture                a file that is no picture to read codes from
    │  ├─ InvalidTrust                  not a trust file (has the place)
    │  ├─ InvalidSplit                  not a canonical file of a split view (has the place)
    │  ├─ InvalidExport                 not an export of a chain, cut off or altered (has the place)
    │  ├─ JournalUnusable               not the files of an interrupted replay of this chain
    │  ├─ JournalInUse                  another replay is at work in that folder
    │  ├─ BlockNotFinal                 a replay is to end at a block that is not among the final ones
    │  ├─ InvalidQuestion               an auditor's question without what it needs, or with what it does not take
    │  ├─ TooMuchConnected              more hangs together with a consignment than one answer reads
    │  ├─ InvalidPaper                  not a file of documents that an auditor holds
    │  ├─ InvalidDeclaration            an import file is no declaration (has file and place)
    │  ├─ InvalidPreparedRecord         a line of an import's records cannot be sent (has file and line)
    │  ├─ InvalidSignIn                 a sign-in text is not this service's, expired or used (has the rule)
    │  ├─ InvalidKey                    a key file or its password is unusable
    │  └─ InvalidProfile                a chain profile or setting is unusable
    ├─ VerificationError                what was shown does not hold
    │  ├─ InclusionError
    │  ├─ ConsistencyError
    │  ├─ DigestMismatch
    │  ├─ SignerMismatch
    │  ├─ EvidenceRefused               the verdict on an evidence file is not VALID
    │  ├─ StateProofError               a state proof does not lead from the root to the key
    │  └─ SealError                     a header is not sealed by a quorum of trusted validators
    ├─ NotPermitted                     the account may not do this: not enrolled, revoked, wrong role or party
    ├─ RecordRefused                    the custody rules refuse the record: one class a refusal
    ├─ ContractError                    a contract reverted: one class a Solidity error
    ├─ NotFound (also LookupError)      no such manifest, consignment, account, head
    │  └─ UnknownQuestion               no such question of an auditor; it has those there are
    ├─ Conflict                         the same thing exists in another form
    ├─ EventsForgotten                  events were asked for that are not kept any more
    ├─ StoreError                       the database is missing, foreign or unusable
    │  ├─ NodeMissing                   a node of the log's tree is not in the store
    │  ├─ ObjectDamaged                 a sealed object does not open: changed, moved or an older one put back
    │  └─ WrappingKeyMissing            the key that wraps an object is not among the settings' keys
    ├─ ChainError                       the node or the network
    │  ├─ ChainUnavailable              not reachable, or an answer that is no answer: try again
    │  ├─ ChainUnread                   this service has not read the chain far enough to say no: try again
    │  ├─ QueueFull                     as much waits for the chain as this service keeps waiting: try again
    │  ├─ ChainMismatch                 another chain id, genesis, address or code than the profile or trust file pins
    │  └─ ChainViolation                the chain's own history broke a rule: a gap, a reorganisation too deep
    │     └─ RuleBroken                 a replay found what a contract would not have done
    │        └─ SequenceGap             events of a contract are missing, or stand elsewhere
    ├─ DeliveryFailed                   a webhook's receiver did not take a message (has the reason)
    ├─ CheckingInterrupted              a process that checks blocks for a replay was killed
    └─ ServiceError                     the HTTP service answered with a problem, or not at all
       └─ ServiceUnavailable

Errors take the facts as arguments, keep them as attributes and build the sentence themselves: what is wrong, where,
what to do. They know no HTTP; `api.problems` has the table. Sentences never hold keys or document contents.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import IntEnum
from typing import Literal


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


class InvalidEncoding(InvalidInput):
    """Bytes that are not the one canonical encoding of what they should be.

    Attributes:
        what: What they should be.
        at: Byte where the trouble was seen, from 0.
        rule: What is wrong there.
    """

    def __init__(self, what: str, at: int, rule: str) -> None:
        self.what = what
        self.at = at
        self.rule = rule
        super().__init__(f"The bytes are no canonical {what}: at byte {at}, {rule}.")


class InvalidEvidence(InvalidInput):
    """These bytes are no evidence file in its one encoding.

    Attributes:
        place: Where, as a JSON Pointer; "" for the whole file.
        rule: What is wrong there.
    """

    def __init__(self, place: str, rule: str) -> None:
        self.place = place
        self.rule = rule
        super().__init__(f"This is no evidence file: at {place or 'its root'}, {rule}.")


class UnknownEvidenceVersion(InvalidEvidence):
    """The file is of a format or version that this verifier does not know; a newer one may."""

    def __init__(self, version: object) -> None:
        super().__init__(
            "/schema", f"the format {str(version)[:80]!r} is not known here; use a newer verifier"
        )


class InvalidParts(InvalidInput):
    """An evidence file can't be put into QR codes, or these codes give none.

    Attributes:
        rule: Why not.
    """

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(f"No evidence on paper: {rule}.")


class PartsMissing(InvalidParts):
    """Some of the codes have not been read.

    Attributes:
        numbers: Which, in order, from 1.
        count: How many there are in all.
    """

    def __init__(self, numbers: list[int], count: int) -> None:
        self.numbers = numbers
        self.count = count
        which = ", ".join(str(number) for number in numbers)
        are = "is" if len(numbers) == 1 else "are"
        super().__init__(
            f"of {count} codes {len(numbers)} {are} missing, number {which}; photograph them too"
        )


class InvalidPicture(InvalidInput):
    """A file is no picture that codes can be read from.

    Attributes:
        file: Its name.
        rule: What is wrong with it.
    """

    def __init__(self, file: str, rule: str) -> None:
        self.file = file
        self.rule = rule
        super().__init__(f"{file} is no picture to read codes from: {rule}.")


class InvalidTrust(InvalidInput):
    """These bytes are no trust file in its one encoding.

    Attributes:
        place: Where, as a JSON Pointer; "" for the whole file.
        rule: What is wrong there.
    """

    def __init__(self, place: str, rule: str) -> None:
        self.place = place
        self.rule = rule
        super().__init__(f"This is no trust file: at {place or 'its root'}, {rule}.")


class InvalidSplit(InvalidInput):
    """These bytes are no file of a split view in its one encoding.

    Attributes:
        place: Where, as a JSON Pointer; "" for the whole file.
        rule: What is wrong there.
    """

    def __init__(self, place: str, rule: str) -> None:
        self.place = place
        self.rule = rule
        super().__init__(f"This is no file of a split view: at {place or 'its root'}, {rule}.")


class InvalidExport(InvalidInput):
    """A file is no export of a chain, or was cut off or altered.

    Attributes:
        file: Its name.
        at: Byte where the trouble was seen, from 0.
        rule: What is wrong there.
    """

    def __init__(self, file: str, at: int, rule: str) -> None:
        self.file = file
        self.at = at
        self.rule = rule
        super().__init__(
            f"{file} is no whole export of a chain: at byte {at}, {rule}. Make or fetch it again."
        )


class JournalUnusable(InvalidInput):
    """The files of an interrupted replay are another's, cut off or altered.

    Attributes:
        folder: Where they are.
        rule: What is wrong.
    """

    def __init__(self, folder: str, rule: str) -> None:
        self.folder = folder
        self.rule = rule
        super().__init__(
            f"The replay in {folder} can't be gone on with: {rule}. Remove the folder, or name another one."
        )


class JournalInUse(InvalidInput):
    """Another replay is at work in the folder; the two would write over each other.

    Attributes:
        folder: Where.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        super().__init__(
            f"Another replay is at work in {folder}. Wait until it has ended, or name another folder."
        )


class BlockNotFinal(InvalidInput):
    """A replay or an export is to end at a block before the deployment, or at one that is not final yet.

    Attributes:
        block: What was asked for.
        first: The first block of the network's contracts.
        final: The last block that is final now.
    """

    def __init__(self, block: int, first: int, final: int) -> None:
        self.block = block
        self.first = first
        self.final = final
        super().__init__(
            f"Block {block} can't be the last: blocks {first} to {final} are final there now. Give one of these."
        )


class InvalidQuestion(InvalidInput):
    """A question of an auditor lacks what it needs, or names what it does not take.

    Attributes:
        question: Its name.
        rule: What is wrong.
    """

    def __init__(self, question: str, rule: str) -> None:
        self.question = question
        self.rule = rule
        super().__init__(f"The question {question} can't be answered so: {rule}.")


class TooMuchConnected(InvalidInput):
    """A consignment is connected with more records than a service reads for one answer.

    Attributes:
        consignment: 32 bytes.
        most: How many it reads.
    """

    def __init__(self, consignment: bytes, most: int) -> None:
        self.consignment = consignment
        self.most = most
        super().__init__(
            f"Consignment 0x{consignment.hex()} is connected with more than {most} records, which a service does not read "
            "for one answer: ask a replay (`cargo-ledger audit ask`)."
        )


class InvalidPaper(InvalidInput):
    """A file holds no document, disclosure or proof that an auditor's question can use.

    Attributes:
        file: Its name.
        rule: What is wrong.
    """

    def __init__(self, file: str, rule: str) -> None:
        self.file = file
        self.rule = rule
        super().__init__(f"{file}: {rule}.")


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


class InvalidPreparedRecord(InvalidInput):
    """A file of records that an import prepared cannot be sent as it is; nothing of it was.

    Attributes:
        file: The file's name.
        line: The line, from 1, or None for the whole file.
        rule: What is wrong, and what to do.
    """

    def __init__(self, file: str, line: int | None, rule: str) -> None:
        self.file = file
        self.line = line
        self.rule = rule
        super().__init__(f"{file}{'' if line is None else f', line {line}'}: {rule}. Nothing was sent.")


class InvalidSignIn(InvalidInput):
    """A sign-in text cannot be used: malformed, for another service, chain or account, expired, or used already.

    Attributes:
        rule: Which of them.
    """

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(f"The sign-in text cannot be used: {rule}.")


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


class EvidenceRefused(VerificationError):
    """The verdict on an evidence file is not VALID.

    Attributes:
        verdict: INVALID or INDETERMINATE.
        reasons: The sentences of the checks that did not pass.
    """

    def __init__(self, verdict: str, reasons: tuple[str, ...]) -> None:
        self.verdict = verdict
        self.reasons = reasons
        super().__init__(f"The evidence is {verdict}: {' '.join(reasons)}")


class StateProofError(VerificationError):
    """A state proof does not lead from the root to the key."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(f"The state proof does not hold: {rule}.")


class SealError(VerificationError):
    """A header's seals are not those of a quorum of trusted validators."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(f"The seals do not hold: {rule}.")


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
    """A contract reverted. One subclass a Solidity error, of the same name and arguments, in the same order.

    Bytes are as long as in Solidity, addresses text, times Unix seconds; each is an attribute under its name.
    """


class RegistryTooFewFounders(ContractError):
    """Too few administrations found the network."""

    def __init__(self, founders: int, required: int) -> None:
        self.founders = founders
        self.required = required
        super().__init__(
            f"{founders} administrations are to found the network; this chain needs at least {required}."
        )


class RegistryFull(ContractError):
    """The network holds as many administrations as it can number."""

    def __init__(self, administrations: int) -> None:
        self.administrations = administrations
        super().__init__(f"The network has {administrations} administrations and can number no more.")


class RegistryNotACode(ContractError):
    """The bytes are no administration's code."""

    def __init__(self, administration: bytes) -> None:
        self.administration = administration
        super().__init__(f"{_code(administration)} is no administration's code: two to eight of A-Z and 0-9.")


class RegistryAdministrationKnown(ContractError):
    """The administration is a member already."""

    def __init__(self, administration: bytes) -> None:
        self.administration = administration
        super().__init__(f"Administration {_code(administration)} is a member already.")


class RegistryAdministrationNotActive(ContractError):
    """The administration is unknown or suspended."""

    def __init__(self, administration: bytes) -> None:
        self.administration = administration
        super().__init__(
            f"Administration {_code(administration)} is not active: it is no member, or suspended until "
            "the others reinstate it."
        )


class RegistryAdministrationNotSuspended(ContractError):
    """Only a suspended administration is reinstated."""

    def __init__(self, administration: bytes) -> None:
        self.administration = administration
        super().__init__(
            f"Administration {_code(administration)} is not suspended, so there is nothing to reinstate."
        )


class RegistryAdministrationUnknown(ContractError):
    """There is no such administration."""

    def __init__(self, administration: bytes) -> None:
        self.administration = administration
        super().__init__(f"There is no administration {_code(administration)} in this network.")


class RegistryLastActive(ContractError):
    """The last active administration can't be suspended."""

    def __init__(self, administration: bytes) -> None:
        self.administration = administration
        super().__init__(
            f"Administration {_code(administration)} is the last active one: suspended, nobody could "
            "reinstate it."
        )


class RegistryNoGovernor(ContractError):
    """A governor's seat can't go to the zero address."""

    def __init__(self, administration: bytes) -> None:
        self.administration = administration
        super().__init__(
            f"The governor's seat of {_code(administration)} needs an account, not the zero address."
        )


class RegistrySeatTaken(ContractError):
    """One address holds one seat."""

    def __init__(self, governor: str, administration: bytes) -> None:
        self.governor = governor
        self.administration = administration
        super().__init__(
            f"{governor} holds the governor's seat of {_code(administration)} already; take another account."
        )


class RegistryNotAGovernor(ContractError):
    """The sender holds no governor's seat."""

    def __init__(self, sender: str) -> None:
        self.sender = sender
        super().__init__(f"{sender} holds no governor's seat; a governor must send this.")


class RegistryNotItsGovernor(ContractError):
    """The sender does not hold this administration's seat."""

    def __init__(self, sender: str, administration: bytes) -> None:
        self.sender = sender
        self.administration = administration
        super().__init__(
            f"{sender} does not hold the governor's seat of {_code(administration)}, which this needs."
        )


class RegistrySeatNotOffered(ContractError):
    """The seat was not offered to the sender."""

    def __init__(self, sender: str, administration: bytes) -> None:
        self.sender = sender
        self.administration = administration
        super().__init__(
            f"The governor's seat of {_code(administration)} is not offered to {sender}; its governor "
            "must offer it first."
        )


class RegistryProposalOpen(ContractError):
    """The same motion is open already."""

    def __init__(self, proposal: bytes) -> None:
        self.proposal = proposal
        super().__init__(f"The same motion is open as proposal {_hex(proposal)}: approve that.")


class RegistryProposalUnknown(ContractError):
    """There is no such proposal."""

    def __init__(self, proposal: bytes) -> None:
        self.proposal = proposal
        super().__init__(f"There is no proposal {_hex(proposal)}.")


class RegistryProposalEnded(ContractError):
    """A motion carried since the proposal was made, and ended it."""

    def __init__(self, proposal: bytes, round_: int, current_round: int) -> None:
        self.proposal = proposal
        self.round_ = round_
        self.current_round = current_round
        super().__init__(
            f"Proposal {_hex(proposal)} is of round {round_} and ended when a motion carried; the round "
            f"is {current_round} now. Propose it again if it is still wanted."
        )


class RegistryProposalDead(ContractError):
    """The proposal is 30 days old."""

    def __init__(self, proposal: bytes, died_at: int) -> None:
        self.proposal = proposal
        self.died_at = died_at
        super().__init__(
            f"Proposal {_hex(proposal)} died at {_at(died_at)}, 30 days old. Propose it again if it "
            "is still wanted."
        )


class RegistryAlreadyApproved(ContractError):
    """An administration approves a proposal once."""

    def __init__(self, proposal: bytes, administration: bytes) -> None:
        self.proposal = proposal
        self.administration = administration
        super().__init__(f"Administration {_code(administration)} approved proposal {_hex(proposal)} before.")


class RegistryNotAParty(ContractError):
    """The bytes are no party."""

    def __init__(self, party: bytes) -> None:
        self.party = party
        super().__init__(
            f"{_party(party)} is no party: an organisation's code is up to eight of A-Z and 0-9."
        )


class RegistryRolesNotAllowed(ContractError):
    """The party may not have an account with these roles."""

    def __init__(self, party: bytes, roles: int) -> None:
        self.party = party
        self.roles = roles
        super().__init__(
            f"An account of {_party(party)} can't have the roles {roles} (1 trader, 2 officer, 4 auditor, "
            "8 sequencer): an officer is no trader, a sequencer is nothing else, customs itself has "
            "no trader and alone has sequencers."
        )


class RegistryValidityPast(ContractError):
    """Validity would end now or in the past."""

    def __init__(self, valid_until: int, time: int) -> None:
        self.valid_until = valid_until
        self.time = time
        super().__init__(
            f"Validity until {_at(valid_until)} is over already: on the chain it is {_at(time)}."
        )


class RegistryAccountEnrolled(ContractError):
    """An address is enrolled once ever."""

    def __init__(self, account: str) -> None:
        self.account = account
        super().__init__(
            f"{account} is or was an account already; an address is enrolled once ever. Use a new key."
        )


class RegistryAccountNotEnrolled(ContractError):
    """The address was never enrolled."""

    def __init__(self, account: str) -> None:
        self.account = account
        super().__init__(f"{account} is no account: no governor enrolled it.")


class RegistryEnrolmentNotSigned(ContractError):
    """The signature over the enrolment is not the account's own."""

    def __init__(self, account: str, signer: str) -> None:
        self.account = account
        self.signer = signer
        super().__init__(
            f"The enrolment of {account} is not signed by it, but by {signer} (zero: by nobody). Sign "
            "exactly these values with the account's key."
        )


class RegistryAccountExpired(ContractError):
    """The account is past its validity."""

    def __init__(self, account: str, valid_until: int) -> None:
        self.account = account
        self.valid_until = valid_until
        super().__init__(
            f"Account {account} was valid until {_at(valid_until)}; that can't be raised any more. Enrol "
            "a new key."
        )


class RegistryAccountRevoked(ContractError):
    """The account is revoked."""

    def __init__(self, account: str, revoked_at: int) -> None:
        self.account = account
        self.revoked_at = revoked_at
        super().__init__(f"Account {account} was revoked at {_at(revoked_at)}, for good. Enrol a new key.")


class RegistryValidityNotRaised(ContractError):
    """Validity can only be raised."""

    def __init__(self, valid_until: int, offered: int) -> None:
        self.valid_until = valid_until
        self.offered = offered
        super().__init__(
            f"Validity ends at {_at(valid_until)} and can only be raised, not set to {_at(offered)}. "
            "To end it, revoke the account."
        )


class RegistryRevocationAhead(ContractError):
    """A revocation reaches back, never forward."""

    def __init__(self, revoked_from: int, time: int) -> None:
        self.revoked_from = revoked_from
        self.time = time
        super().__init__(
            f"A revocation can't begin at {_at(revoked_from)}: on the chain it is {_at(time)}, and it "
            "reaches back only."
        )


class RegistryRevocationNotEarlier(ContractError):
    """A revocation can only be moved to an earlier time."""

    def __init__(self, revoked_from: int, offered: int) -> None:
        self.revoked_from = revoked_from
        self.offered = offered
        super().__init__(
            f"The account is revoked from {_at(revoked_from)}; that can be moved earlier, not to {_at(offered)}."
        )


class LogNotItsSequencer(ContractError):
    """The sender is no SEQUENCER of the administration."""

    def __init__(self, sender: str, administration: bytes) -> None:
        self.sender = sender
        self.administration = administration
        super().__init__(
            f"{sender} is no sequencer of {_code(administration)}, and only one of them anchors its log."
        )


class LogNotItsGovernor(ContractError):
    """The sender does not hold the administration's governor's seat."""

    def __init__(self, sender: str, administration: bytes) -> None:
        self.sender = sender
        self.administration = administration
        super().__init__(
            f"{sender} does not hold the governor's seat of {_code(administration)}, which a restart "
            "of its log needs."
        )


class LogAdministrationNotActive(ContractError):
    """The administration is suspended or unknown."""

    def __init__(self, administration: bytes) -> None:
        self.administration = administration
        super().__init__(
            f"Administration {_code(administration)} is not active, so its accounts write nothing."
        )


class LogAccountRevoked(ContractError):
    """The account is revoked."""

    def __init__(self, account: str, revoked_at: int) -> None:
        self.account = account
        self.revoked_at = revoked_at
        super().__init__(f"Account {account} was revoked at {_at(revoked_at)} and writes nothing any more.")


class LogAccountExpired(ContractError):
    """The account is past its validity."""

    def __init__(self, account: str, valid_until: int) -> None:
        self.account = account
        self.valid_until = valid_until
        super().__init__(f"Account {account} was valid until {_at(valid_until)} and writes nothing any more.")


class LogNotTheEpoch(ContractError):
    """The head is for another epoch than the open one."""

    def __init__(self, current_epoch: int, offered_epoch: int) -> None:
        self.current_epoch = current_epoch
        self.offered_epoch = offered_epoch
        super().__init__(
            f"The head is of epoch {offered_epoch}, the log's open epoch is {current_epoch}: it was "
            "restarted. Sequence into the open epoch."
        )


class LogHeadNotGrowing(ContractError):
    """The head covers no more leaves than the last one."""

    def __init__(self, anchored_size: int, offered_size: int) -> None:
        self.anchored_size = anchored_size
        self.offered_size = offered_size
        super().__init__(
            f"A head of {offered_size} leaves does not extend the last one, which covers {anchored_size}: "
            "a log only grows."
        )


class LogHeadNotConsistent(ContractError):
    """The proof does not show that the head extends the last one."""

    def __init__(
        self, anchored_size: int, anchored_root: bytes, offered_size: int, offered_root: bytes
    ) -> None:
        self.anchored_size = anchored_size
        self.anchored_root = anchored_root
        self.offered_size = offered_size
        self.offered_root = offered_root
        super().__init__(
            f"The head of {offered_size} leaves, root {_hex(offered_root)}, is not shown to extend the "
            f"last one of {anchored_size}, root {_hex(anchored_root)}: leaves were changed or left out, "
            "or the proof is wrong (a first head takes none)."
        )


class LogReasonUnknown(ContractError):
    """The reason is none of those known."""

    def __init__(self, reason: int) -> None:
        self.reason = reason
        super().__init__(f"Reason {reason} is not known: 0 to 5 for a closure, 0 to 3 for a restart.")


class LogNotAClosure(ContractError):
    """The record closes nothing."""

    def __init__(self, kind: int) -> None:
        self.kind = kind
        super().__init__(f"A manifest record of kind {kind} closes nothing; AMEND (2) and WITHDRAW (3) do.")


class LogRootNotFitting(ContractError):
    """An AMEND has a manifest root, a WITHDRAW has none."""

    def __init__(self, kind: int, manifest_root: bytes) -> None:
        self.kind = kind
        self.manifest_root = manifest_root
        super().__init__(
            f"A record of kind {kind} can't have the manifest root {_hex(manifest_root)}: an AMEND (2) "
            "has one, a WITHDRAW (3) has zero."
        )


class LogNotTheFormer(ContractError):
    """Former party and root do not give the id the record supersedes."""

    def __init__(self, supersedes: bytes, former: bytes) -> None:
        self.supersedes = supersedes
        self.former = former
        super().__init__(
            f"The record supersedes {_hex(supersedes)}, but the former party and root given are those "
            f"of {_hex(former)}."
        )


class LogPartyMayNotClose(ContractError):
    """The party may not close another's manifest."""

    def __init__(self, party: bytes, former_party: bytes) -> None:
        self.party = party
        self.former_party = former_party
        super().__init__(
            f"{_party(party)} may not close a manifest of {_party(former_party)}: that party may, and "
            "its administration's customs."
        )


class LogRecordTooOld(ContractError):
    """The record was issued 30 days ago or longer."""

    def __init__(self, issued_at: int, time: int) -> None:
        self.issued_at = issued_at
        self.time = time
        super().__init__(
            f"The record was issued at {_at(issued_at)} and is 30 days old or older: on the chain it "
            f"is {_at(time)}. Sign it again."
        )


class LogRecordAhead(ContractError):
    """The record is dated ahead of the chain."""

    def __init__(self, issued_at: int, time: int) -> None:
        self.issued_at = issued_at
        self.time = time
        super().__init__(
            f"The record says it was issued at {_at(issued_at)}, over 300 seconds ahead of the chain, "
            f"where it is {_at(time)}. Check the signer's clock."
        )


class LogRecordNotSigned(ContractError):
    """The signature is none."""

    def __init__(self, record: bytes) -> None:
        self.record = record
        super().__init__(
            f"The signature over the record {_hex(record)} is none: 65 bytes, low s, v 27 or 28."
        )


class LogSignerNotOfParty(ContractError):
    """The signer is no account of the record's party."""

    def __init__(self, signer: str, party: bytes) -> None:
        self.signer = signer
        self.party = party
        super().__init__(
            f"{signer} signed the record and is no account of {_party(party)}; or other values were "
            "signed than are shown."
        )


class LogSignerWithoutRole(ContractError):
    """The signer is neither TRADER nor OFFICER."""

    def __init__(self, signer: str, roles: int) -> None:
        self.signer = signer
        self.roles = roles
        super().__init__(
            f"{signer} has the roles {roles} and may not sign manifests: a trader (1) or an officer (2) may."
        )


class LogManifestAlreadyClosed(ContractError):
    """The manifest is closed already."""

    def __init__(self, manifest_id: bytes, closure: bytes) -> None:
        self.manifest_id = manifest_id
        self.closure = closure
        super().__init__(
            f"Manifest {_hex(manifest_id)} is amended or withdrawn already; the first closure stands, "
            f"{_hex(closure)}."
        )


class LogSuccessorIsFormer(ContractError):
    """A manifest can't succeed itself."""

    def __init__(self, manifest_id: bytes) -> None:
        self.manifest_id = manifest_id
        super().__init__(f"Manifest {_hex(manifest_id)} can't take its own place: nothing is amended.")


class LogSuccessorClosed(ContractError):
    """A closed manifest can't succeed another."""

    def __init__(self, manifest_id: bytes, closure: bytes) -> None:
        self.manifest_id = manifest_id
        self.closure = closure
        super().__init__(
            f"Manifest {_hex(manifest_id)} is amended or withdrawn itself and can't take another's place; "
            f"its closure is {_hex(closure)}."
        )


class ConsignmentBatchMismatched(ContractError):
    """A batch needs one signature a record."""

    def __init__(self, records: int, signatures: int) -> None:
        self.records = records
        self.signatures = signatures
        super().__init__(f"The batch has {records} records and {signatures} signatures; it needs one each.")


class ConsignmentBatchTooLong(ContractError):
    """A batch holds too many records."""

    def __init__(self, records: int, limit: int) -> None:
        self.records = records
        self.limit = limit
        super().__init__(f"The batch has {records} records, {limit} are taken at a time. Send it in parts.")


def _hex(data: bytes) -> str:
    return f"0x{data.hex()}"


def _code(code: bytes) -> str:
    """An administration's or organisation's code in text; hexadecimal if it is none."""
    text = code.rstrip(b"\0").decode("latin-1")
    return text if text.isascii() and text.isalnum() else _hex(code)


def _party(party: bytes) -> str:
    return _code(party[:8]) + (f":{_code(party[8:])}" if any(party[8:]) else "")


def _at(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"Unix second {seconds}"


class NotFound(LedgerError, LookupError):
    """There is no such thing here, or the asker may not see it.

    Attributes:
        what: The kind of thing, in words.
        key: What was asked for.
    """

    def __init__(self, what: str, key: str, instead: str = "") -> None:
        """Say so, and `instead` what there is, if that helps."""
        self.what = what
        self.key = key[:200]
        super().__init__(f"There is no {what} {self.key} here{instead and f'; {instead}'}.")


class UnknownQuestion(NotFound):
    """There is no such question for an auditor to ask.

    Attributes:
        questions: Those there are.
    """

    def __init__(self, question: str, questions: tuple[str, ...]) -> None:
        super().__init__("question", question)
        self.questions = list(questions)
        self.args = (f"There is no question {self.key}; the questions are {', '.join(questions)}.",)


class Conflict(LedgerError):
    """The same thing exists already in another form; the sentence has the fact that resolves it."""


class EventsForgotten(LedgerError):
    """Events were asked for behind one that is older than what is kept: between them some are missing.

    Attributes:
        after: Id of the event that was named.
        oldest: Id of the oldest event that is kept.
        newest: Id of the newest event; where to go on from, once what is followed was read.
    """

    def __init__(self, after: int, oldest: int, newest: int) -> None:
        self.after = after
        self.oldest = oldest
        self.newest = newest
        super().__init__(
            f"Events are kept from {oldest} on, and some behind {after} are gone: take {newest} as your place, read what you "
            f"follow anew (manifests, consignments, the log), and go on with events after {newest}."
        )


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


class ObjectDamaged(StoreError):
    """A sealed object does not open: it was changed, moved or replaced by an older one.

    Attributes:
        kind: What it is, in words.
        object_id: What it is found by.
    """

    def __init__(self, kind: str, object_id: bytes) -> None:
        self.kind = kind
        self.object_id = object_id
        super().__init__(
            f"The {kind} {_hex(object_id)} does not open: it was changed, moved or replaced by an older one. Restore it "
            "from a backup; nothing of it is given out."
        )


class WrappingKeyMissing(StoreError):
    """The key that wraps an object is not among those of the settings.

    Attributes:
        name: The key's name.
        kind: What the object is, in words.
        object_id: What it is found by.
    """

    def __init__(self, name: str, kind: str, object_id: bytes) -> None:
        self.name = name
        self.kind = kind
        self.object_id = object_id
        super().__init__(
            f"The {kind} {_hex(object_id)} is wrapped by the key {name!r}, which the file of wrapping keys does not have: "
            "put it back, and keep old keys until `python -m api --rewrap` says that nothing needs them."
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


class ChainUnread(ChainError):
    """The service has not read the chain far enough to say that something is not there. Trying again will help.

    Attributes:
        what: What was asked for, in words.
        name: Which.
        indexed: The newest block that was read; 0 before the first.
        head: The chain's newest block, or None if the worker has not looked yet.
    """

    def __init__(self, what: str, name: str, indexed: int, head: int | None) -> None:
        self.what = what
        self.name = name
        self.indexed = indexed
        self.head = head
        end = "its end" if head is None else f"block {head}"
        super().__init__(
            f"Whether there is {what} {name} can't be told yet: this service has read the chain up to block {indexed}, "
            f"not to {end}. Try again in some seconds; `GET /readyz` says how far it is."
        )


class QueueFull(ChainError):
    """As much waits for the chain as this service keeps waiting; what it accepted stays accepted.

    Attributes:
        what: manifests or custody records.
        most: How many may wait.
        retry_seconds: After how many seconds trying again makes sense.
    """

    def __init__(self, what: str, most: int, retry_seconds: int) -> None:
        self.what = what
        self.most = most
        self.retry_seconds = retry_seconds
        super().__init__(
            f"{most} {what} wait for the chain, and this service keeps no more waiting. This one was not accepted; what "
            f"was accepted before stays so. Send it again in {retry_seconds} seconds."
        )


class ChainMismatch(ChainError):
    """What is read is of another chain, or of other contracts, than the profile or the trust file pins.

    Attributes:
        what: What differs.
        expected: What is pinned.
        found: What is there.
    """

    def __init__(
        self,
        what: str,
        expected: object,
        found: object,
        pinned_by: Literal["profile", "trust file"] = "profile",
    ) -> None:
        self.what = what
        self.expected = expected
        self.found = found
        remedy = {
            "profile": "Point the profile at the right node",
            "trust file": "Take the trust file of the chain that you read",
        }[pinned_by]
        super().__init__(
            f"This is not the chain of the {pinned_by}: {what} is {found}, the {pinned_by} pins {expected}. "
            f"{remedy}; nothing was written."
        )


class ChainViolation(ChainError):
    """The chain's history broke a rule that holds on every honest node: a gap in the sequences, a deep reorganisation."""


class RuleBroken(ChainViolation):
    """A replay found what a contract would not have done: the history is not whole, or the contract is another.

    Attributes:
        contract: Name of the contract.
        sequence: Number of its event.
        block: Number of the block.
    """

    def __init__(self, contract: str, sequence: int, block: int, what: str) -> None:
        self.contract = contract
        self.sequence = sequence
        self.block = block
        super().__init__(f"Event {sequence} of {contract} in block {block}: {what}.")


class SequenceGap(RuleBroken):
    """A contract's events do not continue its sequence: some are missing from what was read, or were put elsewhere.

    Attributes:
        expected: The number that was due.
    """

    def __init__(self, contract: str, sequence: int, block: int, expected: int) -> None:
        self.expected = expected
        super().__init__(
            contract, sequence, block, f"event {expected} was due; events are missing, or were put elsewhere"
        )


class DeliveryFailed(LedgerError):
    """A webhook's receiver did not take a message.

    Attributes:
        reason: Why, in words that hold neither its address nor anything of the message.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The receiver did not take the message: {reason}.")


class CheckingInterrupted(LedgerError):
    """A process that checks blocks for a replay ended before it had answered: killed, or out of memory.

    Attributes:
        first: The first block whose outcome is missing.
        last: The last of those that were checked with it.
    """

    def __init__(self, first: int, last: int) -> None:
        self.first = first
        self.last = last
        super().__init__(
            f"A process that checked blocks {first} to {last} ended without an answer: it was killed, or memory ran out. Run it "
            "again with fewer --processes; with --folder it goes on from where it was."
        )


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
