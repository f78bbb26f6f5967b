"""The README's own lines, typed as they stand there, do what it says."""

import re
import shlex
from contextlib import ExitStack
from pathlib import Path

import pytest
import running_service
from typer.testing import CliRunner

from ledger import keys
from ledger.cli.main import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PASSWORD = "a password of a test"
NEEDS_INPUT_OF_ONES_OWN = ("declarations/", "imported/", "0x…")


def lines_of(section):
    text = README.split(f"## {section}\n")[1].split("\n## ")[0]
    return [line.strip() for line in text.splitlines() if line.startswith("    cargo-ledger ")]


@pytest.fixture
def desk(network, tmp_path, monkeypatch):
    """A folder with the keys that the README names, a running service, and the demonstration's data."""
    for role in ("exporter", "officer"):
        keys.create(tmp_path / "keys", role, PASSWORD, private_key=network.keys[role], light=True)
    (tmp_path / "password").write_text(PASSWORD + "\n")
    network.profile.save(tmp_path / "profile.json")
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARGO_LEDGER_KEYS", "keys")
    monkeypatch.setenv("CARGO_LEDGER_PASSWORD_FILE", "password")
    with ExitStack() as running:
        settings = running_service.settings_for(network, tmp_path, "SG")
        running.enter_context(running_service.working(settings))
        service = running.enter_context(running_service.serving(network, settings))
        monkeypatch.setenv("CARGO_LEDGER_SERVICE", service.url)
        yield


def test_every_line_of_the_three_users_works(desk):
    lines = lines_of("How each does their job")
    runnable = [line for line in lines if not any(part in line for part in NEEDS_INPUT_OF_ONES_OWN)]
    assert len(runnable) >= 9
    said = {}
    for line in runnable:
        result = CliRunner().invoke(app, shlex.split(line)[1:], prog_name="cargo-ledger")
        assert result.exit_code == 0, f"{line}\n{result.output}"
        said[line] = result.output
    shown = next(output for line, output in said.items() if " consignment show " in line)
    assert "documents missing" in shown and "May not go" in " ".join(shown.split())
    assert "VALID" in next(output for line, output in said.items() if "verify-inclusion" in line)


def test_what_the_readme_names_is_there():
    for target in re.findall(r"`make (\w+)`", README):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), target
    for path in re.findall(r"^    ([a-z]+/(?:[a-z]+/)?)  ", README, re.MULTILINE):
        assert (ROOT / path).is_dir(), path
    from api.settings import Settings

    for name in re.findall(r"`LEDGER_([A-Z_]+)`", README):
        assert name.lower() in Settings.model_fields, name
