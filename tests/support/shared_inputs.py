"""The real inputs and public vectors that lie beside the project."""

import os
from pathlib import Path

import pytest

CONFORMANCE = Path(__file__).resolve().parents[3] / "shared" / "conformance"


def conformance() -> Path:
    """The folder; a missing one fails under CI and skips, with a line, anywhere else."""
    if not CONFORMANCE.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"the shared inputs are not at {CONFORMANCE}")
        pytest.skip(f"the shared inputs are not at {CONFORMANCE}")
    return CONFORMANCE
