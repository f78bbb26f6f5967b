"""A profile is what its file says, or one sentence about what is wrong with the file."""

import json
import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.config import ChainProfile, LedgerConfig, write_atomically
from ledger.core.records import Domain
from ledger.errors import InvalidKey, InvalidProfile

PROFILE = ChainProfile(
    kind="qbft",
    rpc_url="https://node.example:8545/path",
    chain_id=1337,
    genesis_hash=b"\x11" * 32,
    registry="0x5FbDB2315678afecb367f032d93F642f64180aa3",
    manifest_log="0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512",
    consignment_ledger="0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0",
    code_hashes={
        name: "0x" + "ab" * 32 for name in ("AdministrationRegistry", "ManifestLog", "ConsignmentLedger")
    },
    deployment_block=7,
    block_seconds=2,
    confirmations=0,
    gas_price_wei=0,
    validators=("0x1111111111111111111111111111111111111111", "0x5FbDB2315678afecb367f032d93F642f64180aa3"),
)
MISSING = object()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "profile.json"
    PROFILE.save(path)
    return path


def test_a_profile_comes_out_of_its_file_as_it_went_in(file):
    assert ChainProfile.load(file) == PROFILE
    assert PROFILE.registry_domain == Domain(1337, bytes.fromhex(PROFILE.registry[2:]))
    assert PROFILE.log_domain.contract == bytes.fromhex(PROFILE.manifest_log[2:])
    assert PROFILE.consignments_domain.contract == bytes.fromhex(PROFILE.consignment_ledger[2:])
    assert PROFILE.address_of("ManifestLog") == PROFILE.manifest_log


def test_addresses_may_be_written_in_one_case(file):
    lower = json.loads(file.read_text().replace(PROFILE.registry, PROFILE.registry.lower()))
    file.write_text(json.dumps(lower))
    assert ChainProfile.load(file) == PROFILE


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("kind",), "mainnet", "kind must be one of"),
        (("kind",), "development", "the profile has 'validators', which is not known"),
        (("validators",), MISSING, "the profile lacks validators"),
        (("validators",), [], "validators must be a list of 1 to 1000"),
        (("validators",), {"0x" + "11" * 20: 1}, "validators must be a list"),
        (("validators",), ["0x11"], "validator 1 must be 20 bytes"),
        (("validators",), ["0x" + "22" * 20, "0x" + "11" * 20], "validators must ascend"),
        (("validators",), ["0x" + "22" * 20] * 2, "validators must ascend, each once"),
        (("kind",), ["qbft"], "kind must be one of"),
        (("schema",), "cargo-chain-profile/2", "schema must be"),
        (("chain_id",), "1337", "chain_id must be a whole number"),
        (("chain_id",), 0, "chain_id must be a whole number of at least 1"),
        (("chain_id",), True, "chain_id must be"),
        (("chain_id",), 1.5, "chain_id must be"),
        (("deployment_block",), 0, "deployment_block must be a whole number of at least 1"),
        (("confirmations",), -1, "confirmations must be"),
        (("gas_price_wei",), 2**63, "gas_price_wei must be"),
        (("genesis_hash",), "0x11", "genesis_hash must be 32 bytes"),
        (("genesis_hash",), "11" * 32, "genesis_hash must be 32 bytes"),
        (("genesis_hash",), 5, "genesis_hash must be 32 bytes"),
        (("contracts", "ManifestLog"), "0x" + "zz" * 20, "ManifestLog must be 20 bytes"),
        (
            ("contracts", "ManifestLog"),
            "e7f1725E7734CE288F8367e1Bb143E90bb3F051200",
            "ManifestLog must be 20 bytes",
        ),
        (("contracts",), [], "contracts must be an object"),
        (("contracts", "Other"), "0x", "contracts has 'Other', which is not known"),
        (("code_hashes", "ManifestLog"), None, "code hash of ManifestLog must be 32 bytes"),
        (("code_hashes", "ManifestLog"), MISSING, "code_hashes lacks ManifestLog"),
        (("rpc_url",), "ftp://x", "rpc_url must be an http"),
        (("rpc_url",), "http://", "rpc_url must be an http"),
        (("rpc_url",), "http://x:port", "rpc_url must be an http"),
        (("rpc_url",), 5, "rpc_url must be an http"),
        (("block_seconds",), MISSING, "the profile lacks block_seconds"),
        (("note",), "hello", "the profile has 'note', which is not known"),
    ],
    ids=str,
)
def test_a_field_that_is_wrong_is_named(file, path, value, words):
    data = json.loads(file.read_text())
    inner = data
    for part in path[:-1]:
        inner = inner[part]
    if value is MISSING:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    file.write_text(json.dumps(data))
    with pytest.raises(InvalidProfile) as caught:
        ChainProfile.load(file)
    assert words in str(caught.value) and str(file) in str(caught.value)


@given(
    st.binary(max_size=64)
    | st.text(max_size=64).map(str.encode)
    | st.sampled_from([b"[]", b"5", b"null", b'"x"', b"[" * 90_000])
)
def test_whatever_a_file_holds_is_a_profile_or_one_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("profile") / "profile.json"
    path.write_bytes(data)
    with pytest.raises(InvalidProfile):
        ChainProfile.load(path)


def test_a_file_that_is_missing_says_what_makes_one(tmp_path):
    with pytest.raises(InvalidProfile, match="chain up"):
        ChainProfile.load(tmp_path / "none.json")
    with pytest.raises(InvalidProfile):
        ChainProfile.load(tmp_path)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "file.json"
    write_atomically(path, "old", mode=0o600)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def fail(*_):
        raise OSError("no space")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [each.name for each in path.parent.iterdir()] == ["file.json"]


def _config(**changes):
    given = {
        "administration": "SG",
        "database_url": "sqlite:///x",
        "profile": PROFILE,
        "sequencer_key": b"\x01" * 32,
        "relayer_keys": (b"\x02" * 32,),
    }
    return LedgerConfig(**(given | changes))


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"administration": "SG:ACME01"}, InvalidProfile, "is a party, not an administration"),
        ({"administration": "sg"}, InvalidProfile, "2 to 8 of A-Z and 0-9"),
        ({"administration": ""}, InvalidProfile, "2 to 8"),
        ({"promise_seconds": 0}, InvalidProfile, "at least 1"),
        ({"sequencer_key": bytes(32)}, InvalidKey, "sequencer"),
        ({"relayer_keys": (b"\xff" * 32,)}, InvalidKey, "relayer"),
        ({"relayer_keys": (b"\x02" * 32, b"\x01" * 31)}, InvalidKey, "relayer"),
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_refused(changes, error, words):
    _config()
    _config(sequencer_key=None, relayer_keys=())
    with pytest.raises(error, match=words):
        _config(**changes)


def test_no_key_is_ever_shown():
    config = _config(sequencer_key=bytes.fromhex("ab" * 32), database_url="postgresql://u:PLANTED@h/d")
    for text in (repr(config), str(config), f"{config}"):
        assert "ab" * 8 not in text and "\\xab" not in text and "PLANTED" not in text
    with pytest.raises(InvalidKey) as caught:
        _config(relayer_keys=(b"\xff" * 32,))
    assert "ff" * 8 not in str(caught.value) and "\\xff" not in str(caught.value)
