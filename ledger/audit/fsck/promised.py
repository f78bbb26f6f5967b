"""Promises that were broken: a leaf that no head on chain covered when its time was up.

Found is what is broken still. What was anchored after its time, and what a restart of the log took over into the next
epoch, cannot be mended any more, and nothing here is wrong by it: it is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ledger import tables as t
from ledger.audit.fsck.found import Checked, Corruption
from ledger.core.findings import time_text


def check(checked: Checked, log: Any) -> Iterator[Corruption]:
    """Every promise whose time was up at the last block that both sides have."""
    block = checked.chain.block(checked.through) or checked.session.block(checked.through)
    if block is None:
        checked.unchecked.append(
            f"Whether promises were kept: the time of block {checked.through} is not there."
        )
        return
    late, moved, heads = 0, 0, _Heads(checked)
    for row in checked.session.every(t.manifests, t.manifests.c.epoch, t.manifests.c.log_index):
        if row.anchor_by >= block.timestamp:
            continue
        if row.promise_epoch != row.epoch:
            moved += 1
            continue
        if row.epoch == log.epoch and log.foreign_from is not None and row.log_index >= log.foreign_from - 1:
            continue  # that the heads there are another tree's is told
        head = heads.covering(row.epoch, row.log_index)
        if head is None:
            what = (
                f"The promise given for it is broken: index {row.promise_index} of epoch {row.promise_epoch} was to be "
                f"anchored by {time_text(row.anchor_by)}, and no head up to block {checked.through} "
                f"({time_text(block.timestamp)}) covers it."
            )
            yield checked.of("missing", "manifests", {"digest": row.digest}, what)
        elif head.anchored_at > row.anchor_by:
            late += 1
    if late:
        checked.notes.append(
            f"{late} promises were kept late: a head covers the leaf, after the promised time."
        )
    if moved:
        checked.notes.append(
            f"{moved} leaves were promised in an epoch that was restarted before a head covered them; the next one has them."
        )


class _Heads:
    """The first head that covers an index, asked for in the order of the log."""

    def __init__(self, checked: Checked) -> None:
        self._checked = checked
        self._epoch = -1
        self._heads: Iterator[Any] = iter(())
        self._head: Any = None

    def covering(self, epoch: int, index: int) -> Any:
        """The head, or None."""
        if epoch != self._epoch:
            self._epoch = epoch
            self._heads = self._checked.chain.every(
                t.chain_heads,
                t.chain_heads.c.size,
                administration=self._checked.administration,
                epoch=epoch,
            )
            self._head = next(self._heads, None)
        while self._head is not None and self._head.size <= index:
            self._head = next(self._heads, None)
        if self._head is not None and self._head.block_number > self._checked.through:
            return None
        return self._head
