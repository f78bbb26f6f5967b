"""What of a file of prepared records was sent: kept beside it (`NAME.sent.json`), for its owner alone (mode 0600).

A record's signed bytes are kept before they are sent and until there is an answer. So after a broken connection the same
bytes go out again, which the service knows by their digest, and nothing is stated twice. The file also holds what its
owner must keep: the consignment's key and the secret of each manifest.

    {"schema": "cargo-sent/1", "records_digest": "0x…", "chain": {…},
     "facts": {"consignment": "0x…", "consignment_key": "0x…", "reference": "ducr:…"},
     "records": {"1": {"state": "settled", "kind": "LODGE", "digest": "0x…", "id": "0x…", "secret": "0x…", …}}}

Two runs at once on one file are **not** kept apart.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from ledger.config import write_atomically
from ledger.errors import InvalidPreparedRecord

SCHEMA = "cargo-sent/1"

SentState = Literal["sending", "sent", "settled", "refused"]


def default_path(file: Path) -> Path:
    """Where it is kept if nobody says: beside the file of records."""
    return file.with_name(f"{file.stem}.sent.json")


class Sent:
    """The kept file; every change is on the disk before the call returns.

    Attributes:
        path: Where it is.
        facts: `consignment`, `consignment_key` and `reference`, as far as they are known; hex and text.

    Args:
        path: Where it is, or will be with the first change.
        file: The file of prepared records.
        chain: What tells the chain from others.

    Raises:
        InvalidPreparedRecord: There is something else at `path`: no such file, one of other records, or of another chain.
    """

    def __init__(self, path: Path, file: Path, chain: dict[str, Any]) -> None:
        self.path = path
        self._head = {
            "schema": SCHEMA,
            "records_digest": "0x" + sha256(file.read_bytes()).hexdigest(),
            "chain": chain,
        }
        self.facts: dict[str, str] = {}
        self._records: dict[str, dict[str, Any]] = {}
        if path.exists():
            self._read()

    def _read(self) -> None:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            head = {name: content[name] for name in self._head}
            self._records = {number: {**record} for number, record in content["records"].items()}
            self.facts = {name: str(value) for name, value in content["facts"].items()}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            rule = "it is no file that a sending kept; move it away, or name another with --out"
            raise InvalidPreparedRecord(str(self.path), None, rule) from None
        for name, what in (
            ("records_digest", "the records are not those"),
            ("chain", "the chain is not that"),
        ):
            if head[name] != self._head[name]:
                rule = f"{what} of which it keeps what was sent; name another file with --out to begin anew"
                raise InvalidPreparedRecord(str(self.path), None, rule)

    def state(self, number: int) -> SentState | None:
        """How far a record has got; None before anything was signed."""
        state: SentState | None = self._records.get(str(number), {}).get("state")
        return state

    def of(self, number: int) -> dict[str, Any]:
        """What is kept of a record: `digest`, `id`, `manifest_root`, `secret`, and `submission` while it is sent."""
        return self._records.get(str(number), {})

    def keep(self, number: int, state: SentState, **facts: Any) -> None:
        """Keep a record's state with these facts; a fact that is None is forgotten."""
        record = {**self.of(number), **facts, "state": state}
        self._records[str(number)] = {name: value for name, value in record.items() if value is not None}
        self.save()

    def save(self) -> None:
        """Write it whole."""
        content = {**self._head, "facts": self.facts, "records": self._records}
        write_atomically(self.path, json.dumps(content, ensure_ascii=False, indent=1) + "\n", mode=0o600)
