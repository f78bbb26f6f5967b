"""The report as PDF, printed by a Chromium that is installed; it is given no network and runs nothing of the page's."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from ledger.cli.outcome import CommandError

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_SECONDS = 300


class NotPrinted(CommandError):
    """Chromium did not make a PDF; the HTML file is there.

    Attributes:
        browser: Path of the program.
        why: What it said.
    """

    def __init__(self, browser: str, why: str) -> None:
        self.browser = browser
        self.why = why
        super().__init__(f"{browser} made no PDF: {why}. The HTML file is whole: print it from a browser.")


def browser() -> str | None:
    """Path of an installed Chromium, or None."""
    return next((path for path in map(shutil.which, _NAMES) if path), None)


def print_page(page: Path, target: Path, chromium: str) -> None:
    """Print an HTML file into a new PDF.

    Args:
        page: The file.
        target: Where to; it is there whole or not at all.
        chromium: `browser()`.

    Raises:
        NotPrinted: Chromium failed, or took over five minutes.
    """
    with tempfile.TemporaryDirectory(prefix="cargo-report-") as folder:
        made = Path(folder) / "report.pdf"
        command = [
            chromium,
            "--headless",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={folder}/profile",
            "--no-pdf-header-footer",
            f"--print-to-pdf={made}",
            page.absolute().as_uri(),
        ]
        if os.geteuid() == 0:
            command.insert(1, "--no-sandbox")  # Chromium refuses root its sandbox; the page runs no script
        try:
            done = subprocess.run(  # noqa: S603  our own words
                command, capture_output=True, timeout=_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotPrinted(chromium, str(error)) from None
        if done.returncode or not made.exists() or made.read_bytes()[:5] != b"%PDF-":
            lines = done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
            raise NotPrinted(chromium, f"it ended with {done.returncode}: {lines[-1][:200]}")
        partial = target.with_name(target.name + ".partial")
        shutil.move(made, partial)
        partial.replace(target)
