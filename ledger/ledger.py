"""One administration's ledger: what its people lodge and sign, what it reads from the chain, what it answers.

`Ledger` wires store, chain and rules and holds no rule of its own about formats or custody. Every method is blocking and
may be called from many threads; a write is durable when it returns. The registry on chain says who may act: this view of
it follows the indexed blocks, and the contracts judge again.

Where a method takes a `reader`, it answers what that reader may see, and what it may not see as if it were not there; see
`ledger.reading`. Without one it answers everything: for programs of the administration's own.
"""

from __future__ import annotations

from ledger.config import LedgerConfig
from ledger.serving.accompanying import Accompanying
from ledger.serving.feed import Feed
from ledger.serving.logs_and_members import LogsAndMembers
from ledger.serving.operating import Operating
from ledger.serving.recording import Recording
from ledger.serving.working import Working


class Ledger(Recording, Accompanying, LogsAndMembers, Feed, Operating, Working):
    """One administration's ledger.

    Args:
        config: Administration, database, chain and keys.
        create: Make the database if it is not there.

    Raises:
        StoreError: The database is missing, or is another administration's or chain's.
    """

    @classmethod
    def open(cls, config: LedgerConfig, *, create: bool = False) -> Ledger:
        """Open the ledger of a configuration."""
        return cls(config, create=create)
