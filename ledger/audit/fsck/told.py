"""The feed: every event once, as it is told of what is here, in the order in which it happened.

What the chain's events tell is made anew with the chain's tables; what is told of our own records follows from their rows.
When something became final or was refused is by the worker's clock then, and only its order is **not** told twice.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from ledger import events
from ledger import tables as t
from ledger.audit.fsck.found import Checked, Corruption, differing
from ledger.store import Session, decode_custody

_COLUMNS = (
    "kind",
    "at",
    "administration",
    "party",
    "consignment",
    "second",
    "subject",
    "block_number",
    "facts",
)
_BY_THE_CHAIN = frozenset((*events.OF_CONTRACTS.values(), *events.CUSTODY.values()))
_LATER = frozenset(events.FINAL.values())  # `at` is the time of whatever block was newest then
_ANCHORED, _ACCEPTED, _RECORD_ACCEPTED = "manifest.anchored", "manifest.accepted", "record.accepted"
_Told = dict[str, Any]


def check(checked: Checked) -> Iterator[Corruption]:
    """Ids, reversals, what the chain tells, what our own records tell."""
    yield from _ids(checked)
    yield from _of_blocks(checked)
    yield from _accepted(checked)


def _ids(checked: Checked) -> Iterator[Corruption]:
    """Ids without a gap up to the one that is noted, known kinds, and reversals of what they name."""
    expected, block = 1, 0
    for row in checked.session.every(t.feed, t.feed.c.id):
        key = {"id": row.id}
        if row.id != expected:
            yield checked.of("missing", "feed", {"id": expected}, f"The event before {row.id} is not there.")
        expected = row.id + 1
        if row.kind in _BY_THE_CHAIN and row.block_number is not None and row.block_number <= checked.cursor:
            if row.block_number < block:
                what = f"It tells of block {row.block_number} behind what tells of block {block}."
                yield checked.of("out of order", "feed", key, what, row.block_number)
            block = max(block, row.block_number)
        kind = row.kind.removesuffix(events.REVERTED)
        if kind not in events.KINDS:
            yield checked.of("changed", "feed", key, f"Nothing is told as {str(row.kind)[:60]!r}.")
        elif row.kind != kind or row.reverts is not None:
            yield from _reversal(checked, row, kind)
        elif row.block_number is None and (kind in _BY_THE_CHAIN or kind in events.FINAL or kind in _LATER):
            if next(checked.session.every(t.feed, reverts=row.id), None) is None:
                yield checked.of("changed", "feed", key, "No block carries it, and it was not taken back.")
    last = checked.session.last_told()
    if last != expected - 1:
        what = f"The newest event is said to be {last}, and is {expected - 1}."
        yield checked.of("changed", "feed_state", {"id": 1}, what)
    if checked.session.told_final() > checked.cursor:
        what = f"It is said to be told what is final up to block {checked.session.told_final()}, which was not read."
        yield checked.of("changed", "feed_state", {"id": 1}, what)


def _reversal(checked: Checked, row: Any, kind: str) -> Iterator[Corruption]:
    former = None if row.reverts is None else next(checked.session.every(t.feed, id=row.reverts), None)
    if (
        former is None
        or row.kind != kind + events.REVERTED
        or (former.kind, former.subject) != (kind, row.subject)
        or former.id >= row.id
        or row.block_number is not None
        or former.block_number is not None
    ):
        yield checked.of(
            "changed", "feed", {"id": row.id}, f"It takes back event {row.reverts}, which is not so."
        )


# --- what blocks tell


def _of_blocks(checked: Checked) -> Iterator[Corruption]:
    """Block by block: what the chain's events tell, which manifests a head is the first to cover, what is final."""
    final = checked.session.told_final()
    anchored = _anchored(checked)
    ours = _grouped(checked.chain, checked.through, _BY_THE_CHAIN if checked.is_anew else ())
    theirs = _grouped(checked.session, checked.through, None)
    our, their = next(ours, None), next(theirs, None)
    while our is not None or their is not None or anchored:
        number = min(
            each
            for each in (our and our[0], their and their[0], min(anchored, default=None))
            if each is not None
        )
        should: list[_Told] = []
        stands: list[_Told] = []
        if our is not None and our[0] == number:
            should = our[1]
            our = next(ours, None)
        if their is not None and their[0] == number:
            stands = their[1]
            their = next(theirs, None)
        if not checked.is_anew:
            should = [each for each in stands if each["kind"] in _BY_THE_CHAIN]
        expected, allowed = anchored.pop(number, ([], []))
        should = should + expected
        if number <= final:
            should += [_final(each) for each in should if each["kind"] in events.FINAL]
            allowed += [_final(each) for each in allowed]
        yield from _held(checked, number, should, stands, allowed)


def _grouped(
    session: Session, through: int, kinds: Iterable[str] | None
) -> Iterator[tuple[int, list[_Told]]]:
    """The events of each block, in order."""
    if kinds == ():
        return
    rows = (
        row
        for row in session.every(t.feed, t.feed.c.block_number, t.feed.c.id)
        if row.block_number is not None
        and row.block_number <= through
        and (kinds is None or row.kind in kinds)
    )
    for number, group in groupby(rows, key=lambda row: int(row.block_number)):
        yield number, [_told(row) for row in group]


def _told(row: Any) -> _Told:
    told = {name: getattr(row, name) for name in _COLUMNS} | {"id": row.id}
    try:
        told["facts"] = json.loads(row.facts)
    except ValueError:
        told["facts"] = {"no JSON": row.facts}
    return told


def _made(row: Mapping[str, Any]) -> _Told:
    """An event as `ledger.events` makes it, in the form in which it stands."""
    facts = json.loads(json.dumps(row["facts"], default=lambda value: "0x" + value.hex()))
    return {name: row[name] for name in _COLUMNS} | {"facts": facts, "id": None}


def _final(each: _Told) -> _Told:
    return each | {"kind": events.FINAL[each["kind"]], "at": None, "id": None}


def _anchored(checked: Checked) -> dict[int, tuple[list[_Told], list[_Told]]]:
    """By block: that our manifests are anchored, as must be told, and as may be told.

    Of a former epoch it need not be: what was read anew after a restart is not told again.
    """
    found: dict[int, tuple[list[_Told], list[_Told]]] = {}
    log = next(checked.session.every(t.log, t.log.c.id), None)
    if log is None:
        return found
    before = (0, 0)
    order = (t.chain_heads.c.epoch, t.chain_heads.c.size)
    for head in checked.chain.every(t.chain_heads, *order, administration=checked.administration):
        first = before[1] if before[0] == head.epoch else 0
        before = head.epoch, head.size
        is_foreign = head.epoch == log.epoch and (
            head.size > log.sequenced or (log.foreign_from is not None and head.size >= log.foreign_from)
        )
        if head.block_number > checked.through or head.size - first > _MOST_LEAVES or is_foreign:
            continue
        block = checked.chain.block(head.block_number)
        at = head.anchored_at if block is None else block.timestamp
        for row in checked.session.manifests_at(head.epoch, first, head.size):
            told = _made(
                events.of_manifest(
                    _ANCHORED, row, at, head.block_number, size=head.size, transaction=head.transaction_hash
                )
            )
            must, may = found.setdefault(head.block_number, ([], []))
            (must if row.epoch == log.epoch else may).append(told)
    return found


_MOST_LEAVES = 10_000_000


def _held(
    checked: Checked, number: int, should: list[_Told], stands: list[_Told], allowed: list[_Told]
) -> Iterator[Corruption]:
    """One block's events against those that stand there."""
    left = Counter(map(_same, should))
    spare = Counter(map(_same, allowed))
    extra: list[_Told] = []
    order: list[str] = []
    for each in stands:
        same = _same(each)
        if left[same]:
            left[same] -= 1
            if each["kind"] in _BY_THE_CHAIN:
                order.append(same)
        elif spare[same]:
            spare[same] -= 1
        else:
            extra.append(each)
    missing = [each for each in should if left[_same(each)] and not left.subtract((_same(each),))]
    for each in missing:
        pair = next((other for other in extra if _about(other) == _about(each)), None) or next(
            (other for other in extra if other["subject"] == each["subject"]), None
        )
        if pair is None:
            what = f"The chain tells {each['kind']} of 0x{each['subject'].hex()}."
            key = {"block_number": number, "kind": each["kind"], "subject": each["subject"]}
            yield checked.of("missing", "feed", key, what, number)
            continue
        extra.remove(pair)
        ours = {name: value for name, value in each.items() if name != "id" and value is not None}
        what = differing(ours, pair) or "It is another than the chain tells."
        yield checked.of("changed", "feed", {"id": pair["id"]}, what + ".", number)
    for each in extra:
        yield checked.of("extra", "feed", {"id": each["id"]}, "Nothing in that block tells it.", number)
    wanted = [_same(each) for each in should if each["kind"] in _BY_THE_CHAIN]
    if not missing and not extra and order != wanted:
        key = {"block_number": number}
        yield checked.of("out of order", "feed", key, "Its events stand in another order.", number)


def _same(each: _Told) -> str:
    kept = {
        name: "0x" + value.hex() if isinstance(value, bytes) else value
        for name, value in each.items()
        if name != "id" and not (name == "at" and each["kind"] in _LATER)
    }
    return json.dumps(kept, sort_keys=True)


def _about(each: _Told) -> tuple[Any, ...]:
    return each["kind"], each["subject"]


# --- what our own records tell


def _accepted(checked: Checked) -> Iterator[Corruption]:
    """That each record was told to be accepted, in the order in which it was; and each refusal once it is one."""
    manifests = checked.session.every(t.manifests, t.manifests.c.promise_epoch, t.manifests.c.promise_index)
    yield from _in_order(
        checked,
        _ACCEPTED,
        "manifests",
        (_made(events.of_manifest(_ACCEPTED, row, row.accepted_at)) for row in manifests),
    )
    custody = checked.session.every(t.custody, t.custody.c.position)
    yield from _in_order(checked, _RECORD_ACCEPTED, "custody", map(_record_accepted, custody))
    for row in checked.session.every(t.custody, t.custody.c.position, state="refused"):
        yield from _refused(checked, "record.refused", row.digest)
    for row in checked.session.every(t.manifests, t.manifests.c.epoch, closing="refused"):
        yield from _refused(checked, "manifest.refused", row.digest)


def _record_accepted(row: Any) -> _Told:
    record = decode_custody(row.body)
    return _made(events.of_custody(_RECORD_ACCEPTED, record, row.digest, row.accepted_at, row.second))


def _in_order(checked: Checked, kind: str, table: str, ours: Iterator[_Told]) -> Iterator[Corruption]:
    """Walk both sides: each is in the order of acceptance, so that one that is behind on a side is missing on the other."""
    theirs = (_told(row) for row in checked.session.every(t.feed, t.feed.c.id, kind=kind))
    said = {each["subject"]: each for each in theirs}
    places = {subject: place for place, subject in enumerate(said)}
    last = -1
    for our in ours:
        their = said.pop(our["subject"], None)
        if their is None:
            key = {"kind": kind, "subject": our["subject"]}
            yield checked.of("missing", "feed", key, "The record was accepted, and nobody was told.")
            continue
        if _same(our) != _same(their):
            mine = {name: value for name, value in our.items() if name != "id"}
            what = differing(mine, their) or "It is told otherwise."
            yield checked.of("changed", "feed", {"id": their["id"]}, f"Against the record's row: {what}.")
        if places[our["subject"]] < last:
            key = {"digest": our["subject"]}
            yield checked.of(
                "out of order", table, key, "It was told to be accepted before the one before it."
            )
        last = max(last, places[our["subject"]])
    for subject, their in said.items():
        what = f"It was told to be accepted (event {their['id']}), and is not there."
        yield checked.of("missing", table, {"digest": subject}, what)


def _refused(checked: Checked, kind: str, digest: bytes) -> Iterator[Corruption]:
    told = list(checked.session.every(t.feed, t.feed.c.id, kind=kind, subject=digest))
    taken_back = list(checked.session.every(t.feed, t.feed.c.id, kind=kind + events.REVERTED, subject=digest))
    if len(told) - len(taken_back) < 1:
        key = {"kind": kind, "subject": digest}
        yield checked.of("missing", "feed", key, "The record is refused, and nobody was told.")
