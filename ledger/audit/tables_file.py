"""The decoded events as Parquet, for whoever wants to look with DuckDB, Polars or a spreadsheet.

Two files beside an export: `NAME.records.parquet`, one row a custody record, and `NAME.events.parquet`, one row for every
other event. Ids, digests and addresses are 0x hex, times UTC; parties and kinds are words. They prove nothing: the export does.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import orjson
import pyarrow
from pyarrow import parquet

from ledger.audit.checking import Checked, custody_record
from ledger.core.findings import kind_name, party_text
from ledger.core.records import ZERO16, ZERO32

_TIME = pyarrow.timestamp("s", tz="UTC")
_WORD = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
_RECORDS = pyarrow.schema(
    [
        ("sequence", pyarrow.uint64()),
        ("block", pyarrow.uint64()),
        ("accepted_at", _TIME),
        ("consignment", pyarrow.string()),
        ("kind", _WORD),
        ("party", _WORD),
        ("signer", _WORD),
        ("digest", pyarrow.string()),
        ("previous", pyarrow.string()),
        ("subject", pyarrow.string()),
        ("details", pyarrow.string()),
        ("counterpart", _WORD),
        ("other", pyarrow.string()),
        ("observed_at", pyarrow.uint64()),
        ("expires_at", pyarrow.uint64()),
    ]
)
_EVENTS = pyarrow.schema(
    [
        ("contract", _WORD),
        ("sequence", pyarrow.uint64()),
        ("name", _WORD),
        ("block", pyarrow.uint64()),
        ("at", _TIME),
        ("sender", pyarrow.string()),
        ("arguments", pyarrow.string()),
    ]
)


def beside(export: Path) -> tuple[Path, Path]:
    """The two files beside an export."""
    return export.with_name(f"{export.name}.records.parquet"), export.with_name(
        f"{export.name}.events.parquet"
    )


class Tables:
    """Writes both files as an export is made; use it as a context. They appear when they are whole."""

    def __init__(self, export: Path) -> None:
        """Begin both files."""
        self._files = [(each, each.with_name(f".{each.name}.part")) for each in beside(export)]
        (_, records), (_, events) = self._files
        self._records = parquet.ParquetWriter(records, _RECORDS, compression="zstd")
        self._events = parquet.ParquetWriter(events, _EVENTS, compression="zstd")

    def __enter__(self) -> Tables:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._records.close()
        self._events.close()
        for path, partial in self._files:
            if error is None:
                partial.replace(path)
            else:
                partial.unlink()

    def see(self, outcome: Checked) -> None:
        """Write a chunk's events."""
        rows = [_record(row) for row in outcome.custody_rows()]
        if rows:
            self._records.write_table(pyarrow.Table.from_pylist(rows, _RECORDS))
        if outcome.happenings:
            events = [
                {
                    "contract": event.contract,
                    "sequence": event.sequence,
                    "name": event.name,
                    "block": event.block,
                    "at": event.time,
                    "sender": None if event.sender is None else "0x" + event.sender.hex(),
                    "arguments": orjson.dumps(
                        {
                            name: "0x" + value.hex() if isinstance(value, bytes) else value
                            for name, value in event.values.items()
                        }
                    ).decode(),
                }
                for event in outcome.happenings
            ]
            self._events.write_table(pyarrow.Table.from_pylist(events, _EVENTS))


def _record(row: bytes) -> dict[str, Any]:
    record = custody_record(row)
    return {
        "sequence": int.from_bytes(row[:8], "big"),
        "block": int.from_bytes(row[8:16], "big"),
        "accepted_at": int.from_bytes(row[16:24], "big"),
        "consignment": "0x" + record.consignment.hex(),
        "kind": kind_name(record.kind),
        "party": party_text(record.party),
        "signer": "0x" + row[64:84].hex(),
        "digest": "0x" + row[32:64].hex(),
        "previous": _hex(record.previous),
        "subject": _hex(record.subject),
        "details": _hex(record.details),
        "counterpart": None if record.counterpart == ZERO16 else party_text(record.counterpart),
        "other": _hex(row[84:116]),
        "observed_at": record.observed_at,
        "expires_at": record.expires_at,
    }


def _hex(data: bytes) -> str | None:
    return None if data == ZERO32 else "0x" + data.hex()
