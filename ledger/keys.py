"""Private keys at rest: one encrypted file a key (Web3 Secret Storage, version 3), in one folder, for its owner alone.

Any Ethereum wallet can read these files. What is not decided here: who may act with a key; the registry does that.
A key file that others on the machine can read is refused, as ssh refuses it: the password may be weak.

eth-keyfile costs 0.4 s to import, so it is imported where a key is made or opened.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ledger.config import write_atomically
from ledger.core.signatures import account_of, checksummed
from ledger.errors import InvalidKey

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ADDRESS = re.compile(r"(0x)?[0-9a-fA-F]{40}")
_CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_MAX_FILE_BYTES = 64 * 1024  # a key file has about 500; more is some other file
_SCRYPT_N = 262_144  # about one second and 256 MiB, once a key: what wallets use
_SCRYPT_N_LIGHT = 4_096  # about 15 ms: for keys of a development chain, worth nothing
_MAX_SCRYPT_MEMORY = 1 << 30  # bytes, 128 * n * r: a file can't ask for more
_MAX_PBKDF2_ROUNDS = 10_000_000
#: The accounts of the mnemonic that anvil and Hardhat start with: everybody has their keys.
DEVELOPMENT_ACCOUNTS = frozenset(
    {
        "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
        "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
        "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
        "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65",
        "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc",
        "0x976EA74026E726554dB657fA54763abd0C3a0aa9",
        "0x14dC79964da2C08b23698B3D3cc7Ca32193d9955",
        "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f",
        "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720",
    }
)


@dataclass(frozen=True, slots=True)
class Key:
    """An opened key. Its text never shows the private part.

    Attributes:
        name: The file's name without `.json`.
        address: Checksummed address of the account.
        private: Private key, 32 bytes.
    """

    name: str
    address: str
    private: bytes = field(repr=False)


def create(
    folder: Path | str, name: str, password: str, *, private_key: bytes | None = None, light: bool = False
) -> str:
    """Make a key file; an existing one is never overwritten.

    Args:
        folder: Made with mode 0700 if missing.
        name: 1 to 64 of A-Z, a-z, 0-9, `.`, `_`, `-`, not beginning with a sign.
        password: At least one character; its strength is **not** judged.
        private_key: 32 bytes to keep; without it a random one.
        light: A cheap key derivation, for development chains; the file says so (`"purpose": "development"`).

    Returns:
        Checksummed address of the account.

    Raises:
        InvalidKey: The name, the password or the private key is unusable, or the file is there already.
    """
    from eth_keyfile.keyfile import create_keyfile_json

    _require_name(name)
    if not password:
        raise InvalidKey(name, "its password is empty; give one of at least one character")
    private_key = _random_private_key() if private_key is None else private_key
    address = _address(name, private_key)
    path = path_of(folder, name)
    if path.exists():
        raise InvalidKey(name, f"{path} exists already; choose another name")
    work = _SCRYPT_N_LIGHT if light else _SCRYPT_N
    content = create_keyfile_json(private_key, password.encode(), kdf="scrypt", iterations=work)  # type: ignore[arg-type]
    counter = content["crypto"]["cipherparams"]
    counter["iv"] = counter["iv"].zfill(
        32
    )  # eth-keyfile drops zeros in front, and geth then can't read the file
    content = {"address": address, **{k: v for k, v in content.items() if k != "address"}}
    if light:
        content["purpose"] = "development"
    try:
        Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, json.dumps(content, indent=2) + "\n", mode=0o600)
    except OSError as error:
        raise InvalidKey(name, f"{path} cannot be written: {error.strerror}") from None
    return address


def load(path: Path | str, password: str | Callable[[], str]) -> Key:
    """Open a key file.

    Args:
        path: The file, or its folder and the key's name without `.json`.
        password: The password, or what asks for it once the file has been found and looks right.

    Raises:
        InvalidKey: The file is missing, readable by others, no key file, or the password does not open it.
    """
    from eth_keyfile.keyfile import decode_keyfile_json

    path = _file(Path(path))
    name = path.name.removesuffix(".json")
    content = _read(path, name)
    if stat.S_IMODE(path.stat().st_mode) & 0o077 and os.name == "posix":
        raise InvalidKey(name, f"others on this machine can read {path}; run `chmod 600 {path}`")
    _require_bounded_work(content, name)
    word = password() if callable(password) else password
    try:
        private = decode_keyfile_json(content, word.encode())  # type: ignore[arg-type]
    except ValueError as error:
        if str(error) == "MAC mismatch":
            raise InvalidKey(name, "the password does not open it; check the password") from None
        raise InvalidKey(name, f"{path} is no key file of version 3") from None
    except (
        Exception
    ):  # eth-keyfile lets KeyError, TypeError, AssertionError and Crypto's own out for a malformed file
        raise InvalidKey(name, f"{path} is no key file of version 3") from None
    address = _address(name, private)
    if content["address"].lower().removeprefix("0x") != address[2:].lower():
        raise InvalidKey(name, f"{path} names another account than the key in it; the file was changed")
    return Key(name, address, private)


def list(folder: Path | str) -> Sequence[tuple[str, str]]:
    """The keys of a folder, by name: (name, checksummed address), without opening them.

    The addresses are what the files say; only `load` checks them. Files that are no key files are left out. A folder
    that is missing has no keys.
    """
    found = []
    for path in sorted(Path(folder).glob("*.json")):
        name = path.name.removesuffix(".json")
        try:
            found.append((name, _checksummed(_read(path, name)["address"])))
        except InvalidKey:
            continue
    return found


def path_of(folder: Path | str, name: str) -> Path:
    """The file that a key of this name has in a folder, whether or not it exists."""
    return Path(folder) / f"{name}.json"


def address_of(path: Path | str) -> str:
    """The address that a key file names, without opening it; only `load` checks it.

    Raises:
        InvalidKey: The file is missing or no key file.
    """
    path = _file(Path(path))
    return _checksummed(_read(path, path.name.removesuffix(".json"))["address"])


def read_password(path: Path | str) -> str:
    """Read a password from a file: its text without the line end.

    Raises:
        InvalidKey: The file cannot be read, is no text, or is empty.
    """
    try:
        text = Path(path).read_bytes()[:4096].decode()
    except OSError as error:
        raise InvalidKey("password", f"the password file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidKey("password", f"the password file {path} is no UTF-8 text") from None
    word = text.removesuffix("\n").removesuffix("\r")
    if not word:
        raise InvalidKey("password", f"the password file {path} is empty")
    return word


def _require_name(name: str) -> None:
    if not _NAME.fullmatch(name) or name.endswith(".json"):
        raise InvalidKey(
            repr(name[:80]),
            "its name must be 1 to 64 letters, digits, dots, dashes or underscores, without .json",
        )


def _file(path: Path) -> Path:
    return path if path.suffix == ".json" or path.is_file() else path.with_name(path.name + ".json")


def _read(path: Path, name: str) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise InvalidKey(
            name, f"there is no file {path}; `cargo-ledger key list` shows what there is"
        ) from None
    except OSError as error:
        raise InvalidKey(name, f"{path} cannot be read: {error.strerror}") from None
    try:
        content = json.loads(data) if len(data) <= _MAX_FILE_BYTES else None
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or "crypto" not in content or content.get("version") != 3:
        raise InvalidKey(name, f"{path} is no key file of version 3")
    if not isinstance(content.get("address"), str) or not _ADDRESS.fullmatch(content["address"]):
        raise InvalidKey(name, f"{path} names no account address")
    return content


def _require_bounded_work(content: dict[str, Any], name: str) -> None:
    try:
        numbers = content["crypto"]["kdfparams"]
        scrypt_memory = (
            128 * int(numbers.get("n", 0)) * int(numbers.get("r", 0)) * max(1, int(numbers.get("p", 1)))
        )
        bounded = scrypt_memory <= _MAX_SCRYPT_MEMORY and int(numbers.get("c", 0)) <= _MAX_PBKDF2_ROUNDS
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InvalidKey(name, "it is no key file of version 3") from None
    if not bounded:
        raise InvalidKey(name, "its key derivation asks for more than 1 GiB or ten million rounds")


def _random_private_key() -> bytes:
    return (1 + secrets.randbelow(_CURVE_ORDER - 1)).to_bytes(32, "big")


def _address(name: str, private_key: bytes) -> str:
    try:
        return account_of(private_key)
    except InvalidKey as error:
        raise InvalidKey(name, error.rule) from None


def _checksummed(address: str) -> str:
    return checksummed(bytes.fromhex(address.removeprefix("0x")))
