"""Make docs/audit-report.png, the picture of an audit report in README.md, from two months of trade that the tests write.

    .venv/bin/python scripts/report_picture.py

Needs Chromium (scripts/chromium). Left: the verdict and the findings; right: a consignment that was held, and the map.
The chain was written and never mined; four QBFT validators of the tests seal it.
"""

import io
import os
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from PIL import Image, ImageOps
from playwright.sync_api import Locator, sync_playwright

PROJECT = Path(__file__).resolve().parents[1]
PICTURE = PROJECT / "docs" / "audit-report.png"
COLUMN, GAP, HEIGHT = 780, 20, 980  # pixels
MARGIN = 16
COLOURS = 96


def written(folder: Path) -> Path:
    """A report, made by the command that people use."""
    sys.path.insert(0, str(PROJECT / "tests" / "support"))
    chain, _ = import_module("audited_trade").trade(is_shown=True, is_sealed=True)
    chain.write(folder / "chain.audit", folder / "papers")
    (folder / "sg.trust.json").write_bytes(chain.trust.encode())
    command = str(Path(sys.executable).with_name("cargo-ledger"))
    words = ["audit", "report", "chain.audit", "--trust", "sg.trust.json", "--documents", "papers"]
    made = subprocess.run([command, *words], cwd=folder, capture_output=True, text=True)
    if made.returncode != 0:  # VALID
        raise SystemExit(made.stderr)
    return folder / "audit-report.html"


def shot(of: Locator) -> Image.Image:
    """A part of the page."""
    return Image.open(io.BytesIO(of.screenshot())).convert("RGB")


def _colour(of: Image.Image, x: int) -> tuple[int, int, int]:
    """The colour of a pixel of the first row."""
    red, green, blue = of.crop((x, 0, x + 1, 1)).tobytes()
    return red, green, blue


def card(of: Image.Image) -> Image.Image:
    """A part on a sheet of its own."""
    return ImageOps.expand(of, ((COLUMN - of.width) // 2, MARGIN), _colour(of, of.width - 1))


def column(parts: list[Image.Image], paper: tuple[int, int, int]) -> Image.Image:
    """Parts below each other; what is below the picture's end is cut."""
    image, y = Image.new("RGB", (COLUMN, HEIGHT), paper), 0
    for part in parts:
        image.paste(part, (0, y))
        y += part.height + GAP
    return image


def main() -> None:
    """Make the picture."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        report = written(Path(folder))
        chromium = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": COLUMN + 40, "height": HEIGHT}, color_scheme="light")
        page.goto(report.as_uri())
        held = page.locator("article", has_text="Held by EG, NL.").first
        left = [shot(page.locator(each)) for each in ("header", "section.first", "#findings")]
        right = [card(shot(held.locator(".head"))), shot(page.locator("#passages"))]
        browser.close()
    paper = _colour(left[0], 0)
    image = Image.new("RGB", (2 * COLUMN + 3 * GAP, HEIGHT + 2 * GAP), paper)
    for place, parts in enumerate((left, right)):
        image.paste(column(parts, paper), (GAP + place * (COLUMN + GAP), GAP))
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
    print(f"{PICTURE.relative_to(PROJECT)}: {PICTURE.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main()
