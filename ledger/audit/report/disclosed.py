"""The papers that an auditor holds, as a report uses them: what each record's details show, and what could not be used.

Only roots count: a paper's root is computed from what it shows (`ledger.audit.papers`), and what is shown belongs to the
custody records that commit to that very root. Nothing else in a file is believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ledger.audit.papers import Reading
from ledger.core.leaves import LeafValue

_LISTS = ("seals", "containers")


@dataclass
class Disclosed:
    """What papers show.

    Attributes:
        details: Members of details by the root that a record commits to (32 bytes): texts, and lists of texts.
        references: Trade references by consignment id (32 bytes).
        files: How many files were read.
        refused: The files that were not used, and why.
    """

    details: dict[bytes, Mapping[str, object]] = field(default_factory=dict)
    references: Mapping[bytes, str] = field(default_factory=dict)
    files: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)


def disclosed(reading: Reading) -> Disclosed:
    """What the papers show that were read."""
    return Disclosed(
        {root: _members(held.fields) for root, held in reading.papers.held.items()},
        reading.papers.references,
        reading.files,
        [(each.file, each.rule.removesuffix(".")) for each in reading.passed_over],
    )


def _members(fields: Mapping[str, LeafValue]) -> dict[str, object]:
    """The texts right below the root, and the lists of texts there."""
    members: dict[str, object] = {}
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
