"""The documents that an auditor holds: evidence files and disclosures, each checked against what it says it is of.

Only roots count. A disclosure's root is computed from what it shows, and what is shown belongs to the custody records that
commit to that very root; nothing else in a file is believed. A trade reference is taken from an evidence file if it leads,
with the key and the opener, to the consignment's id. What can't be read is told, with the reason, and never used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from ledger.core import evidence as evidence_file
from ledger.core.disclosures import Disclosure
from ledger.core.evidence import Evidence, Part, Shown, Whole
from ledger.core.leaves import LeafValue
from ledger.core.records import ZERO32, blind, consignment_id
from ledger.errors import LedgerError

_MOST_BYTES = 16 << 20
_LISTS = ("seals", "containers")


@dataclass
class Disclosed:
    """What a folder of documents shows.

    Attributes:
        details: Members of details by the root that a record commits to (32 bytes): texts, and lists of texts.
        references: Trade references by consignment id.
        files: How many files were read.
        refused: The files that were not used, and why.
    """

    details: dict[bytes, Mapping[str, object]] = field(default_factory=dict)
    references: dict[bytes, str] = field(default_factory=dict)
    files: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)


def read_folder(folder: Path, progress: Callable[[int], None] | None = None) -> Disclosed:
    """Read every `*.json` in a folder and below it.

    Args:
        folder: Where the documents are.
        progress: Told of each file done.
    """
    found = Disclosed()
    for path in sorted(folder.rglob("*.json")):
        if not path.is_file():
            continue
        found.files += 1
        try:
            _read(path, found)
        except (LedgerError, ValueError, RecursionError) as error:
            found.refused.append((str(path.relative_to(folder)), str(error).removesuffix(".")))
        except OSError as error:
            found.refused.append((str(path.relative_to(folder)), error.strerror or "it can't be read"))
        if progress is not None:
            progress(1)
    return found


def _read(path: Path, found: Disclosed) -> None:
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError("it is over 16 MiB")
    try:
        content = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise ValueError("it is no JSON") from None
    names = set(content) if isinstance(content, dict) else set()
    if "schema" in names and content["schema"] == evidence_file.SCHEMA:
        _take_evidence(Evidence.decode(data), found)
    elif names == {"leaves", "fields", "siblings"}:
        _take(Part(Disclosure.from_json(data)), found)
    else:
        raise ValueError("it is neither an evidence file nor a disclosure")


def _take_evidence(evidence: Evidence, found: Disclosed) -> None:
    for taken in evidence.custody:
        if taken.details is not None and taken.record.details != ZERO32:
            _take(taken.details, found)
    opening = evidence.opening
    if opening is not None:
        derived = consignment_id(opening.party, blind(evidence.consignment_key, evidence.reference))
        if derived == evidence.consignment:
            found.references[derived] = evidence.reference


def _take(shown: Whole | Part, found: Disclosed) -> None:
    root = shown.root
    # two disclosures of one document may show different fields
    found.details[root] = {**found.details.get(root, {}), **_members(shown)}


def _members(shown: Shown) -> dict[str, object]:
    """The texts right below the root, and the lists of texts there."""
    members: dict[str, object] = {}
    fields: Mapping[str, LeafValue] = shown.fields
    for pointer, value in fields.items():
        name, _, rest = pointer.removeprefix("/").partition("/")
        if not rest and isinstance(value, str):
            members[name] = value
        elif name in _LISTS and not rest and value == []:
            members[name] = []
        elif name in _LISTS and rest.isdecimal() and isinstance(value, str):
            listed = members.setdefault(name, [])
            if isinstance(listed, list):
                listed.append(value)
    return members
