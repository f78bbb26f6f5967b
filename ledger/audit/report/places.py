"""Where places are, and the outlines of the land: what the map of the passages is drawn on.

Positions are those that UN/LOCODE and two registers of ports agree on (`map_data/SOURCES.md`). A place that none of them
knows, or on which they contradict each other, has no position: it is never guessed.
"""

from __future__ import annotations

import lzma
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files

_DATA = files("ledger.audit.report") / "map_data"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a place.

    Attributes:
        name: Its name in UN/LOCODE, or "".
        position: Latitude and longitude in degrees, or None.
    """

    name: str
    position: tuple[float, float] | None


def look_up(codes: Iterable[str]) -> dict[str, Known]:
    """What is known of the places with these UN/LOCODEs; those that are not listed are left out."""
    wanted = frozenset(codes)
    if not wanted:
        return {}
    found = {}
    for line in lzma.decompress((_DATA / "places.tsv.xz").read_bytes()).decode().splitlines():
        code, latitude, longitude, name = line.split("\t")
        if code in wanted:
            found[code] = Known(name, (int(latitude) / 100, int(longitude) / 100) if latitude else None)
    return found


def outlines() -> list[list[tuple[float, float]]]:
    """The outlines of the land: rings of longitude and latitude in degrees."""
    text = (_DATA / "land.txt").read_text(encoding="ascii")
    return [
        [(int(x) / 100, int(y) / 100) for x, y in (point.split(",") for point in line.split())]
        for line in text.splitlines()
    ]
