"""`audit event`: who signed, with which key, whether that is so, and the block that the event hangs on."""

import dataclasses
import json

import pytest
import written_chain
from sealed_headers import ADDRESSES
from typer.testing import CliRunner
from written_chain import DAY, HOUR, START, WrittenChain

from ledger.audit import event as events
from ledger.cli.main import app
from ledger.core.records import CustodyKind as K
from ledger.core.records import keccak
from ledger.core.signatures import recover_key, sign
from ledger.errors import ChainViolation, NotFound

STRANGER = b"\x77" * 32


def chain():
    made = WrittenChain(("SG",), {"exporter": "SG:ACME01", "officer": "SG"})
    opened = made.consignment("exporter", START + DAY)
    return made, made.record(K.HOLD, "officer", opened, START + DAY + HOUR, {"reason": "X-ray"})


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """What the command says of an event of a chain that was written into an export."""
    monkeypatch.setenv("COLUMNS", "200")

    def shown(made, block, log=0, code=0, words=()):
        path = tmp_path / "chain.audit"
        if not path.exists():
            made.write(path)
        command = ["audit", "event", str(path), "--block", str(block), "--log", str(log), *words]
        result = CliRunner().invoke(app, command, prog_name="cargo-ledger")
        assert result.exit_code == code, result.output
        return json.loads(result.stdout) if "--json" in words else result.stdout

    return shown


def test_an_event_says_who_signed_with_which_key_and_what_it_hangs_on(shown):
    made, digest = chain()
    told = shown(made, 3, words=["--json"])
    signed, officer = told["signed"], made._known["officer"]
    assert (signed["digest"], signed["what"], signed["verifies"]) == (
        "0x" + digest.hex(),
        "the custody record",
        True,
    )
    assert bytes.fromhex(signed["account"][2:]) == officer.address
    key = bytes.fromhex(signed["public_key"][2:])
    assert keccak(key)[12:] == officer.address
    assert recover_key(digest, bytes.fromhex(signed["signature"][2:])) == key
    assert told["block_hash"] == told["hangs_on"]["hash"] and told["hangs_on"]["receipts"] == 1
    assert told["values"]["kind"] == "HOLD" and told["values"]["subject"] is None
    text = shown(made, 3)
    assert f"The signature of the custody record verifies: {signed['account']} made it." in text
    assert "Nobody seals the blocks of a development chain" in text
    assert "cargo-ledger audit ask allowed " in text and "cargo-ledger audit replay " in text
    assert f"--record 0x{digest.hex()} --trust FILE" in text


def test_a_signature_by_another_than_the_event_says_is_said_with_both_and_ends_with_1(shown, monkeypatch):
    monkeypatch.setattr(written_chain, "sign", lambda digest, _key: sign(digest, STRANGER))
    made, _ = chain()
    told = shown(made, 3, code=1, words=["--json"])
    assert not told["signed"]["verifies"]
    officer = told["values"]["signer"]
    assert told["signed"]["account"] != officer
    assert f"does NOT verify: {told['signed']['account']} made it, and the event says {officer}." in shown(
        made, 3, code=1
    )


def test_a_signature_that_nobody_can_have_made_is_said(shown, monkeypatch):
    monkeypatch.setattr(written_chain, "sign", lambda digest, key: sign(digest, key)[:64] + b"\x05")
    made, _ = chain()
    told = shown(made, 3, code=1, words=["--json"])
    assert (told["signed"]["account"], told["signed"]["public_key"]) == (None, None)
    assert "does NOT verify: v must be 27 or 28, not 5." in shown(made, 3, code=1)


def test_an_event_that_nothing_signed_is_shown_with_says_so(shown):
    made, _ = chain()
    assert "Nothing signed is shown with this event" in shown(made, 1)
    assert shown(made, 1, words=["--json"])["signed"] is None


def test_what_is_not_there_and_a_block_that_does_not_hold_are_sentences(shown):
    made, _ = chain()
    for block, log, instead in ((3, 9, "that block has log 0"), (99, 0, r"there are \d+ to \d+")):
        with pytest.raises(NotFound, match=rf" here; {instead}.*\.$"):
            events.show(made, block, log)
        shown(made, block, log, code=1)
    altered = Altered(made)
    with pytest.raises(ChainViolation, match="Block 3 "):
        events.show(altered, 3, 0)


class Altered:
    """A source whose third block shows one receipt with another bit."""

    def __init__(self, made):
        self.network, self.last = made.network, made.last
        self._made = made

    def chunks(self, first):
        for chunk in self._made.chunks(first):
            if chunk.first == 3:
                data = bytearray(chunk.data)
                data[-20] ^= 1
                chunk = dataclasses.replace(chunk, data=bytes(data))
            yield chunk


def test_of_a_sealed_block_it_says_who_sealed_it(shown):
    made = WrittenChain(("SG",), {"exporter": "SG:ACME01"}, is_sealed=True)
    made.consignment("exporter", START + DAY)
    assert shown(made, 2, words=["--json"])["hangs_on"]["sealed_by"] == ADDRESSES[:3]
    text = shown(made, 2)
    assert "3 sealed it. Whether a trust file names them" in text and ADDRESSES[2] in text
