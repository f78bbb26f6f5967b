"""Help is enough without the README: every command has an example that names real options, and speaks to programs."""

import re
import shlex
import subprocess
import sys

import pytest
import typer.main

from ledger.audit import questions
from ledger.cli.main import GROUPS, app

ROOT = typer.main.get_command(app)
CONTEXT = typer.Context(ROOT, info_name="cargo-ledger")
COMMANDS = {
    (group, name): command
    for group in GROUPS
    for name, command in ROOT.get_command(CONTEXT, group).commands.items()
}
EXPECTED = {
    "manifest": "check commit disclose verify-disclosure lodge amend withdraw erase show prove verify-inclusion",
    "consignment": "open arrive depart inspect seal remark offer accept decline take hold lift release clear consolidate "
    "deconsolidate close show accompany load",
    "evidence": "export verify absent qr",
    "trust": "init show",
    "audit": "replay export compare fsck ask joint split promise verify-split report event",
    "import": "hmrc-cds send",
    "webhook": "register list remove rotate enable dead replay",
    "key": "new list",
    "account": "show consent enrol revoke",
    "administration": "show propose approve",
    "chain": "up status down",
}


def test_the_commands_are_those_of_the_design():
    found = {group: {name for of, name in COMMANDS if of == group} for group in GROUPS}
    assert found == {group: set(names.split()) for group, names in EXPECTED.items()}


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_help_an_example_and_json(cargo_ledger, path):
    result = cargo_ledger(*path, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout
    assert "Examples:" in result.stdout
    assert (
        f"$ cargo-ledger {' '.join(path)}" in result.stdout
        or f"cargo-ledger {' '.join(path)}" in result.stdout
    )
    assert len(COMMANDS[path].help.splitlines()[0]) > 20


def test_the_help_of_ask_says_what_each_question_takes():
    told = {line.partition(":")[0].strip(): line for line in COMMANDS["audit", "ask"].help.split("\n\n")}
    for name, question in questions.QUESTIONS.items():
        takes = {each.replace("over_seconds", "over-hours") for each in question.takes()}
        assert set(re.findall(r"--([a-z-]+)", told[name])) == takes


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_example_names_options_that_its_command_has(path):
    command = COMMANDS[path]
    known = {name for parameter in command.params for name in parameter.opts + parameter.secondary_opts}
    lines = [line for line in command.epilog.splitlines() if line.lstrip().startswith("$ ")]
    assert lines
    for line in lines:
        words = shlex.split(line.split("  (")[0].replace("$ ", "").replace("\\", ""))
        used = {word for word in words if word.startswith("--")}
        assert used <= known, line


def test_the_root_s_help_has_groups_exit_codes_environment_and_an_example(cargo_ledger):
    said = cargo_ledger("--help").stdout
    for group in GROUPS:
        assert re.search(rf"^│ {group} ", said, re.MULTILINE)
    for words in (
        "Exit codes: 0 done or VALID",
        "CARGO_LEDGER_SERVICE",
        "CARGO_LEDGER_PASSWORD_FILE",
        "Example",
    ):
        assert words in said


def test_hold_and_show_say_what_hmrc_and_the_eu_call_it(cargo_ledger):
    for command in ("hold", "show", "release"):
        said = " ".join(cargo_ledger("consignment", command, "--help").stdout.split())
        assert '"under control"' in said, command


def test_a_group_alone_shows_its_help(cargo_ledger):
    result = cargo_ledger("manifest")
    assert result.exit_code == 2
    assert "verify-disclosure" in result.output


def test_no_option_takes_a_password_or_a_private_key():
    for path, command in COMMANDS.items():
        for parameter in command.params:
            assert parameter.name not in ("password", "private_key"), path


def test_a_pure_command_loads_neither_the_chain_s_libraries_nor_the_service_s():
    program = (
        "import sys, ledger.cli.main, typer.main\n"
        "root = typer.main.get_command(ledger.cli.main.app)\n"
        "root.get_command(None, 'manifest')\n"
        "print([name for name in ('web3', 'httpx', 'eth_account', 'sqlalchemy', 'jsonschema', 'rich')"
        " if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"
