"""Generate `ledger/audit/report/map_data/` from the reference data that lies beside the project: outlines, and where places are.

    python scripts/build_map_data.py            write the files
    python scripts/build_map_data.py --check    exit 1 if a file is not what would be written (skipped, and said so,
                                                where the reference data is missing)

A place gets a position that its sources agree on within a degree; UN/LOCODE's own register has gross errors (a port of
Brazil in the ocean), so where a port register contradicts it and no third agrees, the place gets none. Nothing is guessed.
"""

from __future__ import annotations

import csv
import gzip
import json
import lzma
import math
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "conformance"
TARGET = ROOT / "ledger" / "audit" / "report" / "map_data"
_ALIKE_DEGREES = 1.0
_NAMED = (
    "146B"  # ports, airports, inland clearance depots, border crossings: the others are shown by their code
)
Position = tuple[float, float]  # latitude, longitude in degrees


def _land() -> str:
    """Outlines of the land, a ring a line: pairs of longitude and latitude in hundredths of a degree."""
    world = json.loads((SHARED / "9-map/world-atlas/land-110m.json").read_text(encoding="utf-8"))
    (scale_x, scale_y), (move_x, move_y) = world["transform"]["scale"], world["transform"]["translate"]
    arcs = []
    for arc in world["arcs"]:
        x = y = 0
        points = []
        for step_x, step_y in arc:
            x, y = x + step_x, y + step_y
            points.append((round((x * scale_x + move_x) * 100), round((y * scale_y + move_y) * 100)))
        arcs.append(points)
    rings = []
    for shape in world["objects"]["land"]["geometries"]:
        for polygon in shape["arcs"] if shape["type"] == "MultiPolygon" else [shape["arcs"]]:
            for ring in polygon:
                points = []
                for number in ring:
                    arc = arcs[number] if number >= 0 else arcs[~number][::-1]
                    points += arc if not points else arc[1:]
                rings.append(" ".join(f"{x},{y}" for x, y in _unrolled(points)))
    return "\n".join(rings) + "\n"


def _unrolled(ring: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """A ring that goes on over the date line instead of jumping back; one around the pole is closed along it."""
    found = [ring[0]]
    for x, y in ring[1:]:
        before = found[-1][0]
        found.append((x + round((before - x) / 36_000) * 36_000, y))
    if found[-1][0] != found[0][0]:
        found += [(found[-1][0], -9_000), (found[0][0], -9_000), found[0]]
    return found


def _register() -> dict[str, tuple[Position | None, str]]:
    """UN/LOCODE's own position of each place, if it has one, and its name if it is one that is named."""
    found: dict[str, tuple[Position | None, str]] = {}
    with gzip.open(SHARED / "2-codes/unlocode/locodes.csv.gz", "rt", encoding="utf-8") as stream:
        for row in csv.reader(stream):
            if len(row) != 12 or not row[2] or row[0].upper() == "X":
                continue
            text = re.fullmatch(r"(\d\d)(\d\d)([NS]) (\d{3})(\d\d)([EW])", row[10].strip())
            position = None
            if text is not None:
                latitude = (int(text[1]) + int(text[2]) / 60) * (1 if text[3] == "N" else -1)
                longitude = (int(text[4]) + int(text[5]) / 60) * (1 if text[6] == "E" else -1)
                if abs(latitude) <= 90 and abs(longitude) <= 180:
                    position = (latitude, longitude)
            is_named = any(function in row[6] for function in _NAMED)
            found.setdefault(row[1] + row[2], (position, row[3].strip() if is_named else ""))
    return found


def _port_registers() -> list[dict[str, Position]]:
    """Positions by the World Port Index, and by searoute's list of ports."""
    index: dict[str, Position] = {}
    with (SHARED / "2-codes/world-port-index/wpi.csv").open(encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            index.setdefault(
                row["UN/LOCODE"].replace(" ", ""), (float(row["Latitude"]), float(row["Longitude"]))
            )
    ports: dict[str, Position] = {}
    shapes = json.loads((SHARED / "9-map/searoute-ports/ports.geojson").read_text(encoding="utf-8"))
    for shape in shapes["features"]:
        longitude, latitude = shape["geometry"]["coordinates"]
        ports.setdefault(shape["properties"].get("port") or "", (latitude, longitude))
    return [index, ports]


def _are_alike(one: Position, other: Position) -> bool:
    across = ((one[1] - other[1] + 180) % 360 - 180) * math.cos(math.radians(one[0]))
    return math.hypot(one[0] - other[0], across) <= _ALIKE_DEGREES


def _agreed(positions: list[Position]) -> Position | None:
    """The first position, if nothing contradicts it; else the first that another confirms; else none."""
    if len(positions) == 1:
        return positions[0]
    for position in positions:
        if sum(_are_alike(position, other) for other in positions) >= 2:
            return position
    return None


def _places() -> str:
    """A place a line: code, latitude and longitude in hundredths of a degree, name; tabs between."""
    registers = _port_registers()
    lines = []
    for code, (own, name) in sorted(_register().items()):
        known = [own] if own is not None else []
        known += [register[code] for register in registers if code in register]
        position = _agreed(known) if known else None
        if position is None and not name:
            continue
        place = ("", "") if position is None else (str(round(each * 100)) for each in position)
        lines.append("\t".join((code, *place, re.sub(r"\s+", " ", name))))
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Write or check the files; see the module docstring."""
    if not SHARED.is_dir():
        print(f"skipped: the reference data is not at {SHARED}")
        return 0
    stale = []
    land, places = TARGET / "land.txt", TARGET / "places.tsv.xz"
    for path, text in ((land, _land()), (places, _places())):
        is_packed = path.suffix == ".xz"
        there = path.read_bytes() if path.exists() else b""
        if (lzma.decompress(there) if is_packed and there else there) == text.encode():
            continue
        stale.append(path.name)
        if "--check" not in arguments:
            path.write_bytes(
                lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME) if is_packed else text.encode()
            )
    if "--check" not in arguments:
        print(f"{len(stale)} files written to {TARGET}")
        return 0
    if stale:
        print(f"not current: {', '.join(stale)}; run scripts/build_map_data.py")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
