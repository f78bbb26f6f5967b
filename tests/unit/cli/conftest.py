"""Run the command line as a shell would, without a process: its output, its errors, its exit code."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ledger.cli.main import app

EXAMPLE = json.loads((Path(__file__).parents[2] / "vectors" / "formats-example.json").read_text())


@pytest.fixture
def example():
    """`formats-example.json`: every format worked through by an independent implementation."""
    return EXAMPLE


@pytest.fixture(autouse=True)
def shell(tmp_path, monkeypatch):
    """A folder of its own, and nothing of the tester's environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("SERVICE", "PROFILE", "KEYS", "KEY", "PASSWORD_FILE", "TRACE"):
        monkeypatch.delenv(f"CARGO_LEDGER_{name}", raising=False)


@pytest.fixture
def cargo_ledger():
    """`cargo_ledger("manifest", "check", "x.json")`: the result has exit_code, stdout and stderr."""

    def call(*arguments, given=None):
        return CliRunner().invoke(
            app, [str(each) for each in arguments], input=given, prog_name="cargo-ledger"
        )

    return call


@pytest.fixture
def document(tmp_path, example):
    """The example's manifest as a file."""
    path = tmp_path / "invoice.json"
    path.write_text(json.dumps(example["document"]))
    return path
