"""Who was allowed to act, by what was known then and by what is known now; what a later revocation calls into question.

What hangs on an account's acts is found by the custody model itself: the component is replayed without them, and what
the rules would then refuse, or would call odd, hangs on them. What one may do because of a RELEASE is no rule of the
chain; records that name an amended manifest are found by its id.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ledger.audit.checking import Happening
from ledger.audit.log import Closure
from ledger.audit.questions.form import Asked, Chronicle, Cited, Row, Unit, cite
from ledger.audit.questions.walking import Components, hexed, number_after, short, when
from ledger.audit.registry import AccountHistory
from ledger.audit.result import Act, standing_of
from ledger.audit.wording import counted
from ledger.core.custody import Custody
from ledger.core.findings import kind_name, party_text
from ledger.core.records import CustodyKind, Role
from ledger.core.signatures import checksummed
from ledger.errors import InvalidQuestion, NotFound, Refusal, TooMuchConnected

ALLOWED = (
    "account",
    "party",
    "roles",
    "at",
    "then",
    "now",
    "why",
    "valid_until",
    "revoked_from",
    "revoked_at",
    "governor",
    "record",
    "kind",
)
SIGNED = ("relation", "kind", "consignment", "record", "account", "time", "because", "manifest", "since")
DISPUTED = ("kind", "consignment", "record", "account", "party", "time", "revoked_from", "revoked_at")

_DECISIONS = frozenset((CustodyKind.RELEASE, CustodyKind.CLEARANCE))
_Value = TypeVar("_Value")
_CLOSING = {2: "AMEND", 3: "WITHDRAW"}
_BECAUSE = {
    Refusal.NOT_OPENED: "the consignment would not have been opened",
    Refusal.NOT_NEXT: "it names a record before it that would not be there",
    Refusal.CLOSED: "the consignment would have been closed",
    Refusal.NOT_ALLOWED: "its party would not have been in charge",
    Refusal.NOT_OFFERED: "there would have been no such offer",
    Refusal.NOT_A_HOLD: "there would have been no such hold",
    Refusal.HELD: "a hold would have stood against it",
    Refusal.INSIDE_ANOTHER: "the consignment would have been inside another",
    Refusal.NOT_INSIDE_IT: "the consignment would not have been inside that one",
    Refusal.NOT_EMPTY: "something would have been inside the consignment",
    Refusal.NO_PARENT: "what it was put into would not have been open",
    Refusal.LOOP: "the consignments would have been inside each other",
    Refusal.TOO_DEEP: "too many consignments would have been inside each other",
}


# ------------------------------------------------------------------------------------------------------------ allowed


def allowed(chronicle: Chronicle, asked: Asked) -> Iterator[Unit]:
    """Each account in question at a time: what it might do, as known then and as known now."""
    act = None
    at, addresses = asked.at or 0, [asked.account or b""]
    if asked.record is not None:
        act = chronicle.act(asked.record)
        if act is None:
            raise NotFound("custody record", "0x" + asked.record.hex())
        at, addresses = act.accepted_at, [act.signer]
    if asked.party is not None:
        addresses = [each for each, account in chronicle.accounts.items() if account.party == asked.party]
        if not addresses:
            raise NotFound("account of party", party_text(asked.party))
    after = number_after("allowed", asked, "a") or 0
    events = chronicle.registry_events()
    for number, address in enumerate(addresses, 1):
        if number > after:
            yield Unit(f"a{number}", [_standing_row(chronicle, events, address, at, act)])


def _standing_row(
    chronicle: Chronicle, events: Sequence[Happening], address: bytes, at: int, act: Act | None
) -> Row:
    account = chronicle.accounts.get(address)
    governed = [
        party_text(code)
        for code, member in chronicle.administrations.items()
        if _latest(member.governors, at) == address
    ]
    if account is None and not any(
        address == governor for m in chronicle.administrations.values() for _, governor in m.governors
    ):
        raise NotFound("account", checksummed(address))
    then, now, why = ("not allowed", "not allowed", "it was never enrolled")
    if account is not None:
        then, now, why = _judged(chronicle, account, at)
    facts = {
        "account": checksummed(address),
        "party": None if account is None else party_text(account.party),
        "roles": [] if account is None else [role.name for role in Role if account.roles & role],
        "at": when(at),
        "then": then,
        "now": now,
        "why": why,
        "valid_until": None if account is None else when(_latest(account.validity, at) or 0),
        "revoked_from": when(account.revoked_from) if account is not None and account.revocations else None,
        "revoked_at": when(account.revoked_at) if account is not None and account.revocations else None,
        "governor": governed,
        "record": None if act is None else hexed(act.digest),
        "kind": None if act is None else kind_name(act.record.kind),
    }
    if account is not None and account.enrolled_at > at:
        facts["valid_until"] = None
    said = f"Account {facts['account']}"
    said += f" of {facts['party']} ({', '.join(_names(account))})" if account is not None else ""
    said += f", who signed that {facts['kind']}," if act is not None else ""
    said += f" was {then} to act at {when(at)} by what was known then"
    said += f", and is {now} by what is known now: {why}." if now != then else f", and still is: {why}."
    if governed:
        said += f" It was the governor of {', '.join(governed)} then."
    cites = [cite(each) for each in events if _concerns(each, address, account)]
    return Row(said, facts, (*(() if act is None else (cite(act),)), *cites))


def _names(account: AccountHistory) -> list[str]:
    return [role.name for role in Role if account.roles & role]


def _concerns(event: Happening, address: bytes, account: AccountHistory | None) -> bool:
    values = event.values
    if values.get("account") == address or (event.name.startswith("Governor") and address in values.values()):
        return True
    if event.name == "AdministrationAdmitted" and values.get("governor") == address:
        return True
    return (
        account is not None
        and event.name.startswith("Administration")
        and values.get("administration") == account.party[:8]
    )


def _judged(chronicle: Chronicle, account: AccountHistory, at: int) -> tuple[str, str, str]:
    """What is said of an account then and now, and why; at the very second of a revocation both stand."""
    then = _then(chronicle, account, at)
    if then is not None:
        return "not allowed", "not allowed", then
    if account.is_disputed(at):
        why = (
            f"the revocation of {when(account.revoked_at)} dates back to {when(account.revoked_from)}, so what it did "
            "then is disputed"
        )
        return "allowed", "disputed", why
    reads = (
        "" if account.roles & (Role.TRADER | Role.OFFICER) else "; with its roles it signs no custody record"
    )
    return "allowed", "allowed", f"enrolled {when(account.enrolled_at)}, valid and not revoked{reads}"


def _then(chronicle: Chronicle, account: AccountHistory, at: int) -> str | None:
    """Why an account might not act, by what was known then; None if it might."""
    if at < account.enrolled_at:
        return f"it was enrolled only at {when(account.enrolled_at)}"
    if account.revocations and at > account.revoked_at:
        return f"it had been revoked at {when(account.revoked_at)}"
    if not account.might_act(at):
        return f"its validity had ended at {when(_latest(account.validity, at) or 0)}"
    if not chronicle.administrations[account.party[:8]].was_active(at):
        return f"its administration, {party_text(account.party[:8])}, was suspended"
    return None


def _latest(changes: Sequence[tuple[int, _Value]], at: int) -> _Value | None:
    found = [value for time, value in changes if time <= at]
    return found[-1] if found else None


def say_allowed(asked: Asked, rows: list[Row], is_all: bool) -> str:
    """The answer in words."""
    if len(rows) == 1:
        return rows[0].sentence
    then = sum(1 for row in rows if row.facts["then"] == "allowed")
    disputed = sum(1 for row in rows if row.facts["now"] == "disputed")
    said = f"Of {counted(rows, 'account', 'accounts')} {then} were allowed to act at {when(asked.at or 0)}"
    return said + (f"; what {disputed} of them did is disputed since." if disputed else ".")


# ----------------------------------------------------------------------------------------------------------- disputed


def disputed(chronicle: Chronicle, asked: Asked) -> Iterator[Unit]:
    """Records and closings between the second that a revocation dates back to and the revocation itself."""
    accounts = [each for each in chronicle.accounts.values() if each.revocations]
    if asked.account is not None:
        if asked.account not in chronicle.accounts:
            raise NotFound("account", checksummed(asked.account))
        accounts = [each for each in accounts if each.address == asked.account]
    revoked = {each.address: each for each in accounts}
    after = number_after("disputed", asked, "a")
    if after is not None:
        lines = [_from(chronicle, account, after) for account in accounts]
        for act in heapq.merge(*lines, key=lambda act: act.sequence):
            yield Unit(f"a{act.sequence}", [_disputed_row(chronicle, act, revoked[act.signer])])
    if not revoked:
        return
    for closure in chronicle.closures(number_after("disputed", asked, "c") or 0):
        account = revoked.get(closure.signer)
        if account is not None and account.is_disputed(closure.closed_at):
            yield Unit(f"c{closure.sequence}", [_disputed_row(chronicle, closure, account)])
        else:
            yield Unit(f"c{closure.sequence}")


def unseen_heads(chronicle: Chronicle, asked: Asked) -> list[str]:
    """What an answer lacks if a sequencer is in question: no event says who anchored a tree head."""
    told = []
    for account in chronicle.accounts.values():
        is_meant = asked.account is None or account.address == asked.account
        if not is_meant or not account.roles & Role.SEQUENCER or not (account.revocations or asked.since):
            continue
        until = f" to {when(account.revoked_at)}" if account.revocations else " on"
        since = account.revoked_from if asked.since is None else asked.since
        told.append(
            f"Tree heads are not looked at: {checksummed(account.address)} is a sequencer of {party_text(account.party)}, and "
            f"who anchored a head stands in no event. Those of {party_text(account.party[:8])} from {when(since)}{until} are in "
            "question too."
        )
    return told


def _from(chronicle: Chronicle, account: AccountHistory, after: int) -> Iterator[Act]:
    return (act for act in chronicle.acts_of(account.address, after) if account.is_disputed(act.accepted_at))


def _revocations(chronicle: Chronicle, address: bytes) -> tuple[Cited, ...]:
    """The events that revoked an account, and dated it back."""
    return tuple(
        cite(each)
        for each in chronicle.registry_events()
        if each.name == "AccountRevoked" and each.values["account"] == address
    )


def _disputed_row(chronicle: Chronicle, event: Act | Closure, account: AccountHistory) -> Row:
    facts = {
        **_event_facts(event),
        "party": party_text(account.party),
        "revoked_from": when(account.revoked_from),
        "revoked_at": when(account.revoked_at),
    }
    said = (
        f"The {facts['kind']} on consignment {short(_consignment(event))} of {facts['time']} is disputed: its signer's account, "
        f"{facts['account']} of {facts['party']}, was revoked from {facts['revoked_from']} on, by a revocation at "
        f"{facts['revoked_at']}."
    )
    return Row(said, facts, (cite(event), *_revocations(chronicle, account.address)))


def say_disputed(asked: Asked, rows: list[Row], is_all: bool) -> str:
    """The answer in words."""
    if not rows:
        return "No custody record and no closing is disputed: no revocation dates back before one."
    accounts = {row.facts["account"] for row in rows}
    return (
        f"{counted(rows, 'act is', 'acts are')} disputed, of {counted(len(accounts), 'account', 'accounts')}."
    )


# ------------------------------------------------------------------------------------------------------- signed since


def signed_since(chronicle: Chronicle, asked: Asked) -> Iterator[Unit]:
    """What an account signed from a second on; with the first of each component all that hangs on any of it."""
    address = asked.account or b""
    account = chronicle.accounts.get(address)
    if account is None:
        raise NotFound("account", checksummed(address))
    if asked.since is None and not account.revocations:
        raise InvalidQuestion(
            "signed-since", "the account is not revoked: since must say from when on it counts as compromised"
        )
    since = account.revoked_from if asked.since is None else asked.since
    why = _revocations(chronicle, address) if asked.since is None else ()
    components = Components(
        chronicle, lambda acts, connected: _hanging(chronicle, acts, connected, address, since)
    )
    after = number_after("signed-since", asked, "a")
    if after is not None:
        for act in chronicle.acts_of(address, after):
            if act.accepted_at < since:
                yield Unit(f"a{act.sequence}")
                continue
            rows, unknown = [_signed_row(act, since, why)], []
            try:
                found = components.of(act.record.consignment)
                if found.first == act.digest:
                    rows += [_hanging_row(each, because, since) for each, because in found.hanging]
            except TooMuchConnected as error:
                unknown = [str(error)]
            yield Unit(f"a{act.sequence}", rows, unknown)
    for closure in chronicle.closures(number_after("signed-since", asked, "c") or 0):
        if closure.signer != address or closure.closed_at < since:
            yield Unit(f"c{closure.sequence}")
            continue
        hanging = _hanging_on_closure(chronicle, closure)
        rows = [
            _signed_row(closure, since, why),
            *(_hanging_row(each, because, since) for each, because in hanging),
        ]
        yield Unit(f"c{closure.sequence}", rows)


@dataclass(frozen=True, slots=True)
class _Hanging:
    """What hangs on an account's acts in one component.

    Attributes:
        first: Digest of the first of those acts, 32 bytes; empty if there is none.
        hanging: The acts that hang on them, and why.
    """

    first: bytes
    hanging: tuple[tuple[Act, str], ...]


def _hanging(
    chronicle: Chronicle, acts: Sequence[Act], connected: Collection[bytes], signer: bytes, since: int
) -> _Hanging:
    """Replay a component with and without the account's acts."""
    whole, without = Custody(), Custody()
    first, hanging = b"", []
    taken = []
    for act in acts:
        standing = standing_of(chronicle.accounts[act.signer])
        whole.apply(act.record, act.digest, act.signer, standing, act.accepted_at)
        if act.signer == signer and act.accepted_at >= since:
            first = first or act.digest
            continue
        then = standing.as_of(act.accepted_at)
        refusal = without.append(act.record, act.digest, act.signer, then, act.accepted_at)
        if refusal:
            hanging.append((act, f"without them {_BECAUSE.get(refusal, f'it is {refusal.name}')}"))
        else:
            taken.append(act)
    known = _found(whole, connected)
    odd = {
        record: sentence
        for (_, record), sentence in _found(without, connected).items()
        if (_, record) not in known
    }
    hanging += [(act, f"without them: {odd[act.digest]}") for act in taken if act.digest in odd]
    return _Hanging(first, tuple(sorted(hanging, key=lambda each: each[0].sequence)))


def _found(custody: Custody, connected: Collection[bytes]) -> dict[tuple[str, bytes], str]:
    """What is odd by kind and record; a finding of the record's own consignment tells it best."""
    found: dict[tuple[str, bytes], str] = {}
    for consignment in sorted(connected):
        for finding in custody.findings(consignment):
            found.setdefault((finding.kind.value, finding.record), finding.sentence)
    return found


def _hanging_on_closure(chronicle: Chronicle, closure: Closure) -> list[tuple[Act | Closure, str]]:
    """Later closings of the manifests that came of it, and decisions on those manifests."""
    made = {closure.successor} - {None}
    found: list[tuple[Act | Closure, str]] = []
    for later in chronicle.closures_of(closure.consignment):
        if later.former in made:
            found.append((later, "it closes a manifest that was put in its place by it"))
            made |= {later.successor} - {None}
    try:
        acts, _ = chronicle.connected(closure.consignment)
    except (NotFound, TooMuchConnected):  # a manifest of what was never opened, or is in too much
        return found
    found += [
        (act, "it decides on a manifest that was put in its place by it")
        for act in acts
        if act.record.kind in _DECISIONS and act.record.subject in made
    ]
    return found


def _signed_row(event: Act | Closure, since: int, why: tuple[Cited, ...]) -> Row:
    facts = {
        "relation": "signed",
        **_event_facts(event),
        "because": None,
        "manifest": _manifest(event),
        "since": when(since),
    }
    said = f"It signed the {facts['kind']} on consignment {short(_consignment(event))}, taken at {facts['time']}."
    return Row(said, facts, (cite(event), *why))


def _hanging_row(event: Act | Closure, because: str, since: int) -> Row:
    facts = {
        "relation": "hangs on it",
        **_event_facts(event),
        "because": because,
        "manifest": _manifest(event),
        "since": when(since),
    }
    said = (
        f"On that hangs the {facts['kind']} of {facts['account']} on consignment {short(_consignment(event))}, taken at "
        f"{facts['time']}: {because.removesuffix('.')}."
    )
    return Row(said, facts, (cite(event),))


def _consignment(event: Act | Closure) -> bytes:
    return event.record.consignment if isinstance(event, Act) else event.consignment


def _manifest(event: Act | Closure) -> str | None:
    if isinstance(event, Closure):
        return hexed(event.former)
    return hexed(event.record.subject) if event.record.kind in _DECISIONS else None


def _event_facts(event: Act | Closure) -> dict[str, object]:
    return {
        "kind": kind_name(event.record.kind) if isinstance(event, Act) else _CLOSING[event.kind],
        "consignment": hexed(_consignment(event)),
        "record": hexed(event.digest),
        "account": checksummed(event.signer),
        "time": when(event.accepted_at if isinstance(event, Act) else event.closed_at),
    }


def say_signed_since(asked: Asked, rows: list[Row], is_all: bool) -> str:
    """The answer in words."""
    signed = [row for row in rows if row.facts["relation"] == "signed"]
    name = checksummed(asked.account or b"")
    of = "" if asked.since is not None else ", from when its revocation counts"
    if not rows:
        since = "the second from which its revocation counts" if asked.since is None else when(asked.since)
        return f"Account {name} signed no custody record and closed no manifest since {since}."
    hanging = len(rows) - len(signed)
    return (
        f"Account {name} signed {counted(signed, 'record', 'records')} since {rows[0].facts['since']}{of}; "
        f"{counted(hanging, 'act hangs', 'acts hang')} on {'it' if len(signed) == 1 else 'them'}."
    )
