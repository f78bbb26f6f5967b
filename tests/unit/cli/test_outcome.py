"""How a command ends, whatever happens in it: an exit code and one sentence, never a trace."""

import json

import pytest
import typer

from ledger import errors
from ledger.cli import outcome
from ledger.cli.outcome import Exit
from ledger.cli.service import Ambiguous


def raising(error):
    def command():
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidDocument("/a", "it is wrong"), Exit.REFUSED),
        (errors.NotFound("manifest", "0x12"), Exit.REFUSED),
        (errors.ServiceError(409, "refused", "It is held."), Exit.REFUSED),
        (errors.ChainMismatch("the chain id", 1, 2), Exit.REFUSED),
        (errors.BlockNotFinal(9, 1, 8), Exit.USAGE),
        (errors.InvalidKey("officer", "it is wrong"), Exit.USAGE),
        (errors.InvalidProfile("profile.json", "it is wrong"), Exit.USAGE),
        (errors.ChainUnavailable("http://127.0.0.1:1", "refused"), Exit.UNREACHABLE),
        (errors.ServiceUnavailable("http://127.0.0.1:1", "refused"), Exit.UNREACHABLE),
        (OSError(28, "No space left on device", "proof.json"), Exit.REFUSED),
        (typer.BadParameter("it is wrong"), Exit.USAGE),
        (ZeroDivisionError("a secret in a text"), Exit.REFUSED),
        (KeyboardInterrupt(), 130),
        (typer.Abort(), 130),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_every_error_has_its_code_and_one_sentence(capsys, error, code, as_json):
    assert outcome.run(raising(error), as_json=as_json) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err
    if as_json:
        told = json.loads(said.err)["error"]
        assert told["exit_code"] == code
        assert told["message"]
        assert told["kind"]
    else:
        assert said.err.startswith("Error: ")
        assert said.err.rstrip().endswith((".", "?"))


def test_every_error_class_of_the_library_is_unreachable_usage_or_refused():
    def below(parent):
        for child in parent.__subclasses__():
            yield child
            yield from below(child)

    unreachable = {each for each in below(errors.LedgerError) if issubclass(each, outcome._UNREACHABLE)}
    assert unreachable == {errors.ChainUnavailable, errors.ServiceUnavailable}


def test_a_defect_is_said_without_the_text_it_may_have_from_a_document(capsys):
    outcome.run(raising(ZeroDivisionError("a secret in a text")), as_json=False)
    said = capsys.readouterr().err
    assert "a secret in a text" not in said
    assert "ZeroDivisionError in test_outcome.py, line" in said
    assert "CARGO_LEDGER_TRACE=1" in said


def test_a_defect_can_be_traced_by_who_asks_for_it(monkeypatch):
    monkeypatch.setenv("CARGO_LEDGER_TRACE", "1")
    with pytest.raises(ZeroDivisionError):
        outcome.run(raising(ZeroDivisionError()), as_json=False)


def test_facts_of_an_error_are_told_to_programs_and_keys_never(capsys):
    outcome.run(raising(errors.InvalidDocument("/a", "it is wrong")), as_json=True)
    told = json.loads(capsys.readouterr().err)["error"]
    assert (told["pointer"], told["rule"]) == ("/a", "it is wrong")
    outcome.run(raising(errors.DigestMismatch("The root", bytes(32), b"\1" * 32)), as_json=True)
    assert json.loads(capsys.readouterr().err)["error"]["found"] == "0x" + "01" * 32
    outcome.run(raising(Ambiguous("manifest", "ucr:1", ["0x12", "0x34"])), as_json=True)
    assert json.loads(capsys.readouterr().err)["error"]["ids"] == ["0x12", "0x34"]
    problem = {"status": 409, "refusal": "HELD"}
    outcome.run(raising(errors.ServiceError(409, "refused", "It is held.", problem)), as_json=True)
    assert json.loads(capsys.readouterr().err)["error"]["problem"] == problem


def test_an_interruption_that_typer_has_caught_is_said_too(capsys):
    assert outcome.run(lambda: 130, as_json=False) == 130
    assert capsys.readouterr().err == "Error: Stopped on request; what was sent before stays sent.\n"


def test_done_is_0_and_a_command_s_own_code_is_kept():
    assert outcome.run(lambda: None, as_json=False) == 0
    assert outcome.run(lambda: 3, as_json=False) == 3


def test_an_error_s_text_cannot_write_to_the_terminal(capsys):
    outcome.run(raising(errors.NotFound("manifest", "\x1b[2J\u202e")), as_json=False)
    said = capsys.readouterr().err
    assert "\x1b[2J" not in said
    assert "\u202e" not in said
