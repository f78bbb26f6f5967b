"""The feed: every event once, as it is told of what is here, in the order in which it happened.

What the chain's events tell is made anew with the chain's tables; what is told of our own records follows from their rows.
When something became final or was refused is by the worker's clock then, and only its order is **not** told twice. What is
not kept any more (`ledger.rows.feed`) is not missed: of its time and blocks only what stands is looked at.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from sqlalchemy import Table

from ledger import events
from ledger import tables as t
from ledger.audit.fsck.found import Checked, Corruption, differing
from ledger.rows.custody import decode_custody
from ledger.store import Session

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
    forgotten = checked.session.feed_rows.forgotten().event
    expected, block = forgotten + 1, 0
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
            if checked.session.first(t.feed, reverts=row.id) is None:
                yield checked.of("changed", "feed", key, "No block carries it, and it was not taken back.")
    last = checked.session.last_told()
    if last != expected - 1:
        what = f"The newest event is said to be {last}, and is {expected - 1}."
        yield checked.of("changed", "feed_state", {"id": 1}, what)
    if checked.session.told_final() > checked.cursor:
        what = f"It is said to be told what is final up to block {checked.session.told_final()}, which was not read."
        yield checked.of("changed", "feed_state", {"id": 1}, what)


def _reversal(checked: Checked, row: Any, kind: str) -> Iterator[Corruption]:
    if row.reverts is not None and row.reverts <= checked.session.feed_rows.forgotten().event:
        return  # what it takes back is not kept any more
    former = None if row.reverts is None else checked.session.first(t.feed, id=row.reverts)
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
    sides: tuple[Iterator[tuple[int, list[_Told]]], ...] = (
        _grouped(checked.chain, checked.through, _BY_THE_CHAIN) if checked.is_anew else iter(()),
        _grouped(checked.session, checked.through, None),
        _anchored(checked, must=True),
        _anchored(checked, must=False),
    )
    at = [next(side, None) for side in sides]
    while any(each is not None for each in at):
        number = min(each[0] for each in at if each is not None)
        now = [each[1] if each is not None and each[0] == number else [] for each in at]
        at = [
            next(side, None) if each is not None and each[0] == number else each
            for each, side in zip(at, sides, strict=True)
        ]
        by_chain, stands, anchored, allowed = now
        if not checked.is_anew:
            by_chain = [each for each in stands if each["kind"] in _BY_THE_CHAIN]
        should = by_chain + anchored
        if number <= final:
            should += [_final(each) for each in should if each["kind"] in events.FINAL]
            allowed = allowed + [_final(each) for each in allowed]
        yield from _held(checked, number, should, stands, allowed)


def _grouped(
    session: Session, through: int, kinds: Iterable[str] | None
) -> Iterator[tuple[int, list[_Told]]]:
    """The events of each block, in order."""
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


def _anchored(checked: Checked, *, must: bool) -> Iterator[tuple[int, list[_Told]]]:
    """By block: that our manifests are anchored, as must be told; or those of a former epoch, as may be told.

    Of a former epoch it need not be: what was read anew after a restart is not told again.
    """
    log = checked.session.first(t.log)
    if log is None:
        return
    order = (t.chain_heads.c.epoch, t.chain_heads.c.size)
    heads = (
        head
        for head in checked.chain.every(t.chain_heads, *order, administration=checked.administration)
        if head.block_number <= checked.through
    )
    before = (0, 0)
    for number, group in groupby(heads, key=lambda head: int(head.block_number)):
        found: list[_Told] = []
        for head in group:
            first = before[1] if before[0] == head.epoch else 0
            before = head.epoch, head.size
            is_foreign = head.size > log.sequenced or (
                log.foreign_from is not None and head.size >= log.foreign_from
            )
            if (head.epoch == log.epoch) == must and not (must and is_foreign):
                found += [
                    _made(
                        events.of_manifest(
                            _ANCHORED,
                            row,
                            head.anchored_at,
                            number,
                            size=head.size,
                            transaction=head.transaction_hash,
                        )
                    )
                    for row in checked.session.manifests_at(head.epoch, first, head.size)
                ]
        yield number, found


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
        if pair is None and number <= checked.session.feed_rows.forgotten().block:
            continue  # it is not kept any more, or may be not
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
    yield from _in_order(checked, _ACCEPTED, t.manifests, map(_manifest_accepted, manifests))
    custody = checked.session.every(t.custody, t.custody.c.position)
    yield from _in_order(checked, _RECORD_ACCEPTED, t.custody, map(_record_accepted, custody))
    for row in checked.session.every(t.custody, t.custody.c.position, state="refused"):
        yield from _refused(checked, "record.refused", row)
    for row in checked.session.every(t.manifests, t.manifests.c.epoch, closing="refused"):
        yield from _refused(checked, "manifest.refused", row)


def _manifest_accepted(row: Any) -> _Told:
    return _made(events.of_manifest(_ACCEPTED, row, row.accepted_at))


def _record_accepted(row: Any) -> _Told:
    record = decode_custody(row.body)
    return _made(events.of_custody(_RECORD_ACCEPTED, record, row.digest, row.accepted_at, row.second))


def _in_order(checked: Checked, kind: str, table: Table, ours: Iterator[_Told]) -> Iterator[Corruption]:
    """Walk both sides, each in the order of acceptance; memory holds one event of each."""
    theirs = (_told(row) for row in checked.session.every(t.feed, t.feed.c.id, kind=kind))
    our, their = next(ours, None), next(theirs, None)
    forgotten_at = (
        checked.session.feed_rows.forgotten().at
    )  # what was told up to then may not be kept any more
    while our is not None or their is not None:
        if our is not None and (their is None or their["subject"] != our["subject"]):
            row = checked.session.first(t.feed, kind=kind, subject=our["subject"])
            if row is None:
                key = {"kind": kind, "subject": our["subject"]}
                if our["at"] > forgotten_at:
                    yield checked.of("missing", "feed", key, "The record was accepted, and nobody was told.")
                our = next(ours, None)
                continue
        if their is not None and (our is None or their["subject"] != our["subject"]):
            if checked.session.first(table, digest=their["subject"]) is None:
                what = f"It was told to be accepted (event {their['id']}), and is not there."
                yield checked.of("missing", table.name, {"digest": their["subject"]}, what)
                their = next(theirs, None)
                continue
        if our is not None and their is not None:
            if our["subject"] != their["subject"]:
                key = {"digest": our["subject"]}
                what = f"Event {their['id']} tells of another where it should be told to be accepted."
                yield checked.of("out of order", table.name, key, what)
            elif _same(our) != _same(their):
                mine = {name: value for name, value in our.items() if name != "id"}
                what = f"Against the record's row: {differing(mine, their)}."
                yield checked.of("changed", "feed", {"id": their["id"]}, what)
        our, their = next(ours, None), next(theirs, None)


def _refused(checked: Checked, kind: str, row: Any) -> Iterator[Corruption]:
    digest = row.digest
    told = list(checked.session.every(t.feed, t.feed.c.id, kind=kind, subject=digest))
    taken_back = list(checked.session.every(t.feed, t.feed.c.id, kind=kind + events.REVERTED, subject=digest))
    if len(told) - len(taken_back) < 1 and row.accepted_at > checked.session.feed_rows.forgotten().at:
        key = {"kind": kind, "subject": digest}
        yield checked.of("missing", "feed", key, "The record is refused, and nobody was told.")
