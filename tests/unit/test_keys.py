"""Key files: what opens, what is refused, and that no text ever shows a private key."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from eth_account import Account

from ledger import keys
from ledger.errors import InvalidKey

SIGNER_KEY = bytes.fromhex("11" * 32)
SIGNER = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"  # formats-example.json


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def test_a_key_opens_with_its_password(folder: Path) -> None:
    address = keys.create(folder, "officer", "harbour", private_key=SIGNER_KEY, light=True)
    opened = keys.load(folder / "officer", "harbour")
    assert (opened.name, opened.address, opened.private) == ("officer", SIGNER, SIGNER_KEY)
    assert address == SIGNER


def test_a_counter_that_begins_with_a_zero_is_written_whole_as_geth_reads_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "eth_keyfile.keyfile.Random.get_random_bytes", lambda count: b"\0" * 2 + b"\7" * (count - 2)
    )
    keys.create(folder, "officer", "harbour", private_key=SIGNER_KEY, light=True)
    written = json.loads((folder / "officer.json").read_text())
    assert written["crypto"]["cipherparams"]["iv"] == "0000" + "07" * 14
    assert keys.load(folder / "officer", "harbour").private == SIGNER_KEY


def test_another_password_is_refused(folder: Path) -> None:
    keys.create(folder, "officer", "harbour", light=True)
    with pytest.raises(InvalidKey, match="the password does not open it"):
        keys.load(folder / "officer.json", "Harbour")


def test_a_password_beyond_ascii_opens_in_any_wallet(folder: Path) -> None:
    keys.create(folder, "officer", "hafen-größe-港", private_key=SIGNER_KEY, light=True)
    content = json.loads(keys.path_of(folder, "officer").read_text())
    assert bytes(Account.decrypt(content, "hafen-größe-港")) == SIGNER_KEY
    assert keys.load(folder / "officer", "hafen-größe-港").private == SIGNER_KEY


def test_a_file_made_by_a_wallet_opens(folder: Path) -> None:
    folder.mkdir()
    path = keys.path_of(folder, "wallet")
    path.write_text(json.dumps(Account.encrypt(SIGNER_KEY, "word", kdf="pbkdf2", iterations=2)))
    path.chmod(0o600)
    assert keys.load(path, "word").address == SIGNER


def test_the_password_is_asked_for_only_once_the_file_is_there(folder: Path) -> None:
    def never() -> str:
        raise AssertionError("asked for a password of a missing file")

    with pytest.raises(InvalidKey, match="there is no file"):
        keys.load(folder / "missing", never)


def test_every_key_is_fresh_and_uses_the_full_derivation(folder: Path) -> None:
    first = keys.create(folder, "first", "word")
    second = keys.create(folder, "second", "word", light=True)
    assert first != second
    contents = [json.loads(keys.path_of(folder, name).read_text()) for name in ("first", "second")]
    assert [content["crypto"]["kdfparams"]["n"] for content in contents] == [262_144, 4_096]
    assert [content.get("purpose") for content in contents] == [None, "development"]
    assert keys.load(folder / "first", "word").address == first


def test_files_are_for_their_owner_alone(folder: Path) -> None:
    keys.create(folder, "officer", "word", light=True)
    assert keys.path_of(folder, "officer").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.name != "posix", reason="file modes")
@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660])
def test_a_file_that_others_can_read_is_refused(folder: Path, mode: int) -> None:
    keys.create(folder, "officer", "word", light=True)
    path = keys.path_of(folder, "officer")
    path.chmod(mode)
    with pytest.raises(InvalidKey, match="chmod 600"):
        keys.load(path, "word")


def test_a_name_is_never_overwritten(folder: Path) -> None:
    address = keys.create(folder, "officer", "word", light=True)
    with pytest.raises(InvalidKey, match="exists already"):
        keys.create(folder, "officer", "word", light=True)
    assert keys.load(folder / "officer", "word").address == address


@pytest.mark.parametrize(
    "name", ["", "../officer", "a/b", ".hidden", "a" * 65, "a b", "officer.json", "hafen\n"]
)
def test_a_name_that_is_no_plain_file_name_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(InvalidKey, match="its name must be"):
        keys.create(folder, name, "word", light=True)
    assert not folder.exists()


def test_an_empty_password_is_refused(folder: Path) -> None:
    with pytest.raises(InvalidKey, match="password is empty"):
        keys.create(folder, "officer", "", light=True)


@pytest.mark.parametrize("private", [bytes(32), b"\xff" * 32, b"\x01" * 31, b""])
def test_a_private_key_off_the_curve_is_refused(folder: Path, private: bytes) -> None:
    with pytest.raises(
        InvalidKey,
        match=r"The key officer cannot be used: (a private key is 32 bytes|it is zero or not below)",
    ):
        keys.create(folder, "officer", "word", private_key=private, light=True)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"version": 3, "crypto": {}, "address": "0x' + b"11" * 20 + b'"}',
        b'{"version": 3, "crypto": 7, "address": "0x' + b"11" * 20 + b'"}',
        b'{"version": 4, "crypto": {}, "address": "0x' + b"11" * 20 + b'"}',
        b'{"version": 3, "crypto": {"kdf": "scrypt", "kdfparams": {"n": "x"}}, "address": "0x'
        + b"11" * 20
        + b'"}',
        b'{"version": 3, "crypto": {"kdf": "rot13", "kdfparams": {}}, "address": "0x' + b"11" * 20 + b'"}',
        b" " * 100_000,
    ],
    ids=lambda value: str(value[:12]),
)
def test_what_is_no_key_file_is_refused_by_name(folder: Path, content: bytes) -> None:
    folder.mkdir()
    path = keys.path_of(folder, "odd")
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(InvalidKey, match=r"The key odd cannot be used: .* is no key file of version 3"):
        keys.load(path, "word")
    assert keys.list(folder) == [] or b"crypto" in content


def test_a_folder_instead_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "odd.json").mkdir()
    with pytest.raises(InvalidKey, match="cannot be read: Is a directory"):
        keys.load(tmp_path / "odd.json", "word")


def test_a_file_that_asks_for_too_much_memory_is_refused_before_it_is_spent(folder: Path) -> None:
    keys.create(folder, "officer", "word", light=True)
    path = keys.path_of(folder, "officer")
    content = json.loads(path.read_text())
    content["crypto"]["kdfparams"]["n"] = 1 << 30
    path.write_text(json.dumps(content))
    with pytest.raises(InvalidKey, match="more than 1 GiB"):
        keys.load(path, "word")


def test_a_file_that_names_another_account_is_refused(folder: Path) -> None:
    keys.create(folder, "officer", "word", light=True)
    path = keys.path_of(folder, "officer")
    content = json.loads(path.read_text())
    content["address"] = SIGNER
    path.write_text(json.dumps(content))
    with pytest.raises(InvalidKey, match="names another account"):
        keys.load(path, "word")


def test_the_list_is_by_name_with_checksummed_addresses(folder: Path) -> None:
    keys.create(folder, "zebra", "word", private_key=SIGNER_KEY, light=True)
    other = keys.create(folder, "alpha", "word", light=True)
    assert keys.list(folder) == [("alpha", other), ("zebra", SIGNER)]
    assert keys.address_of(folder / "zebra") == SIGNER
    assert keys.list(folder / "nothing") == []


def test_no_text_shows_the_private_key(folder: Path) -> None:
    keys.create(folder, "officer", "word", private_key=SIGNER_KEY, light=True)
    opened = keys.load(folder / "officer", "word")
    assert "11" * 8 not in repr(opened) + str(opened) + keys.path_of(folder, "officer").read_text()
    assert repr(SIGNER_KEY)[2:-1] not in repr(opened)


@pytest.mark.parametrize(
    ("content", "word"),
    [(b"harbour\n", "harbour"), (b"harbour\r\n", "harbour"), (b" two words ", " two words ")],
)
def test_a_password_file_is_its_text_without_the_line_end(tmp_path: Path, content: bytes, word: str) -> None:
    (tmp_path / "word").write_bytes(content)
    assert keys.read_password(tmp_path / "word") == word


@pytest.mark.parametrize(
    ("content", "rule"), [(b"", "is empty"), (b"\n", "is empty"), (b"\xff", "no UTF-8 text")]
)
def test_an_unusable_password_file_is_refused(tmp_path: Path, content: bytes, rule: str) -> None:
    (tmp_path / "word").write_bytes(content)
    with pytest.raises(InvalidKey, match=rule):
        keys.read_password(tmp_path / "word")
