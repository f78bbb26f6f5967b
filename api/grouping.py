"""Group commit: what several requests want to lodge at the same time is written in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool

from ledger.errors import LedgerError
from ledger.ledger import Ledger
from ledger.messages import ManifestAccepted, ManifestSubmission
from ledger.serving.preparing import Prepared

_MOST = 500  # in one transaction, which keeps other writers waiting


class Grouping:
    """Lodges manifests that come in single requests together. Used on one event loop.

    One transaction is written at a time; while it is, the next group gathers. So a disk that takes 10 ms to make
    something durable takes thousands a second, and one manifest alone waits for nobody.

    Args:
        ledger: Where to lodge.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._waiting: list[tuple[Prepared, asyncio.Future[tuple[ManifestAccepted, bool] | LedgerError]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def lodge(
        self, submission: ManifestSubmission, count: Callable[[bytes, int], None]
    ) -> tuple[ManifestAccepted, bool]:
        """As `Ledger.lodge`, with those of other requests.

        Args:
            submission: What to lodge.
            count: Told the account that signed it, and 1; raises if that is to wait.
        """
        if submission.document is None:
            prepared = self._ledger.prepare(submission)  # takes less than going to a thread
        else:
            prepared = await run_in_threadpool(self._ledger.prepare, submission)
        count(prepared.signer, 1)
        mine: asyncio.Future[tuple[ManifestAccepted, bool] | LedgerError]
        mine = asyncio.get_running_loop().create_future()
        self._waiting.append((prepared, mine))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        answer = await mine
        if isinstance(answer, LedgerError):
            raise answer
        return answer

    async def _write(self) -> None:
        """Write groups until nobody waits. Who has gone meanwhile is written all the same, and told nothing."""
        while self._waiting:
            group, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
            try:
                answers = await run_in_threadpool(self._ledger.lodge_prepared, [one for one, _ in group])
                for (_, waiting), answer in zip(group, answers, strict=True):
                    if not waiting.done():
                        waiting.set_result(answer)
            except Exception as error:
                for _, waiting in group:
                    if not waiting.done():
                        waiting.set_exception(error)
        self._writing = None
