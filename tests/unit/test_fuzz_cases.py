"""What fuzzing began from and what it found, fed to the same checks again."""

import runpy
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
CASES = PROJECT / "tests" / "vectors" / "fuzz"
TARGETS = runpy.run_path(str(PROJECT / "scripts" / "fuzz_targets.py"))["TARGETS"]
FILES = sorted(file for target in TARGETS for file in (CASES / target).iterdir())


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_a_fuzzing_case_raises_only_our_errors_and_breaks_no_promise(file):
    TARGETS[file.parent.name](file.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_each_target_has_cases_to_begin_from(target):
    assert any(file.parent.name == target for file in FILES)
