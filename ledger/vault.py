"""Documents and keys at rest: each sealed under a key of its own, which is wrapped by a key from the settings.

AES-256-GCM by `cryptography`. The associated data binds an object to its administration, kind, id, version and root, so
that a ciphertext can't be moved to another place or an older one put back; nothing is given out before it is
authenticated. Wrapping keys rotate: what is new is wrapped by the file's first key, `rewrap` moves an old object over
without touching its content, and every object says which key wraps it. The file is read again whenever it changes, so
that no process has to be started again.

Why a key an object and not one for all: destroying the wrapped data key destroys the object, wherever its bytes are.

Why keys and nonces are drawn from the system's random numbers *and* from what they protect: a machine that is restored
from a snapshot, or copied while it runs, draws the same numbers again; the same key and nonce then come out for the same
content only, which gives nothing away.

What may be looked up (trade references, container and seal numbers) is kept as an HMAC under an index key, which is an
object of this vault itself: equal terms can be told, the terms can't be read.
"""

from __future__ import annotations

import hmac
import logging
import os
import re
import secrets
import stat
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.config import LedgerConfig, write_atomically
from ledger.errors import InvalidProfile, ObjectDamaged, StoreError, WrappingKeyMissing

SETTING = "LEDGER_WRAPPING_KEYS_FILE"
KEY_BYTES = 32
DATA_KEY_BYTES = 60  # wrapped: nonce, key, tag
_NONCE_BYTES = 12
_MAX_FILE_BYTES = 64 * 1024
_FORMAT = b"cargo-ledger/sealed/1"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted object.

    Attributes:
        wrapping_key: Name of the key that wraps the data key.
        data_key: The data key under it: nonce, then ciphertext with tag; 60 bytes.
        body: The content under the data key: nonce, then ciphertext with tag; 28 bytes longer than the content.
    """

    wrapping_key: str
    data_key: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object belongs; it opens nowhere else.

    Attributes:
        kind: What it is, in words: `document`, `consignment` …
        id: What it is found by, e.g. the digest of a record.
        root: The root that a document leads to; empty for what has none.
        version: Goes up when the object is written again.
    """

    kind: str
    id: bytes
    root: bytes = b""
    version: int = 0

    def bound(self, administration: str) -> bytes:
        """The associated data, each part with its length before it."""
        parts = (
            _FORMAT,
            administration.encode(),
            self.kind.encode(),
            self.id,
            self.root,
            self.version.to_bytes(8, "big"),
        )
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


class WrappingKeys:
    """The wrapping keys of a file: a line each, `name hex`, the newest first; `#` begins a comment.

    New objects are wrapped by the first; the others stay as long as something is wrapped by them. When the file has
    changed into one that cannot be used, the log says so and the keys read before stay in use.

    Args:
        path: The file; nobody but its owner may read it.

    Raises:
        InvalidProfile: It is missing, readable by others, or a line is malformed. The sentence never holds a key.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._state: object = None
        self._held = _Held("", {})
        self._state = _state_of(path)
        self._held = _read(path)

    @property
    def newest(self) -> str:
        """The name of the key that wraps what is new."""
        self._follow()
        return self._held.newest

    def get(self, name: str) -> AESGCM | None:
        """The key of a name, or None if the file has none."""
        key = self._held.keys.get(name)
        if key is None:
            self._follow()
            key = self._held.keys.get(name)
        return key

    def _follow(self) -> None:
        state = _state_of(self.path)
        if state == self._state:
            return
        try:
            self._held = _read(self.path)
        except InvalidProfile as error:
            _logger.error("The wrapping keys read before stay in use. %s", error)
        self._state = state


@dataclass(frozen=True, slots=True)
class _Held:
    newest: str
    keys: dict[str, AESGCM] = field(repr=False)


class Vault:
    """Seals and opens one administration's objects. Thread-safe.

    Args:
        administration: Its code, bound to every object.
        keys: Its wrapping keys.

    Attributes:
        keys: Its wrapping keys.
        index_key: 32 bytes under which terms are looked up; empty until the store has it from the database.
    """

    def __init__(self, administration: str, keys: WrappingKeys) -> None:
        self._administration = administration
        self.keys = keys
        self.index_key = b""

    def seal(self, place: Place, content: bytes) -> Sealed:
        """Encrypt content, any bytes, under a data key of its own."""
        bound = place.bound(self._administration)
        data_key = _drawn(bound, content)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        body = nonce + AESGCM(data_key).encrypt(nonce, content, bound)
        name, wrapped = self._wrap(data_key, bound)
        return Sealed(name, wrapped, body)

    def open(self, place: Place, sealed: Sealed) -> bytes:
        """Decrypt an object.

        Raises:
            ObjectDamaged: A bit of it was changed, or it is another place's.
            WrappingKeyMissing: The file has not the key that wraps it.
        """
        bound = place.bound(self._administration)
        data_key = self._unwrap(place, sealed, bound)
        try:
            return AESGCM(data_key).decrypt(sealed.body[:_NONCE_BYTES], sealed.body[_NONCE_BYTES:], bound)
        except (InvalidTag, ValueError):
            raise ObjectDamaged(place.kind, place.id) from None

    def rewrap(self, place: Place, sealed: Sealed) -> Sealed:
        """Wrap an object's data key by the newest wrapping key; its body stays and is **not** checked.

        Raises:
            ObjectDamaged: The data key was changed, or is another place's.
            WrappingKeyMissing: The file has not the key that wraps it.
        """
        bound = place.bound(self._administration)
        name, wrapped = self._wrap(self._unwrap(place, sealed, bound), bound)
        return Sealed(name, wrapped, sealed.body)

    def term(self, kind: str, value: str) -> bytes:
        """What stands in the database for a term that can be looked up, 32 bytes."""
        if not self.index_key:
            raise StoreError("Nothing can be looked up before the database's index key is opened.")
        return hmac.digest(self.index_key, kind.encode() + b"\0" + value.encode("utf-8"), "sha256")

    def _wrap(self, data_key: bytes, bound: bytes) -> tuple[str, bytes]:
        name = self.keys.newest
        wrapping_key = self.keys.get(name)
        if wrapping_key is None:  # the file changed between the two questions
            return self._wrap(data_key, bound)
        nonce = _drawn(bound, data_key)[:_NONCE_BYTES]
        return name, nonce + wrapping_key.encrypt(nonce, data_key, bound)

    def _unwrap(self, place: Place, sealed: Sealed, bound: bytes) -> bytes:
        wrapping_key = self.keys.get(sealed.wrapping_key)
        if wrapping_key is None:
            raise WrappingKeyMissing(sealed.wrapping_key, place.kind, place.id)
        try:
            return wrapping_key.decrypt(sealed.data_key[:_NONCE_BYTES], sealed.data_key[_NONCE_BYTES:], bound)
        except (InvalidTag, ValueError):
            raise ObjectDamaged(place.kind, place.id) from None


def open_vault(config: LedgerConfig, database: Path | None) -> Vault:
    """The vault of a ledger.

    Args:
        config: Whose, and where its wrapping keys are. On a development chain they may be left out: a file is then made
            beside the database.
        database: The database's file, if it is one.

    Raises:
        InvalidProfile: There are no wrapping keys, or they cannot be used.
    """
    path = config.wrapping_keys_file
    if path is None:
        if config.profile.kind != "development" or database is None:
            raise InvalidProfile(
                SETTING,
                "it is not set: name a file of wrapping keys, `python -m api --new-wrapping-key` makes it",
            )
        path = database.with_name(database.name + ".wrapping-keys")
        if not path.exists():
            _make(path)
    return Vault(config.administration, WrappingKeys(path))


def add_wrapping_key(path: Path) -> str:
    """Put a new key before those of a file, or make the file; returns the key's name.

    From now on it wraps what is new, in running processes too; `rewrap` moves over what is old.

    Raises:
        InvalidProfile: The file is there and cannot be used, or cannot be written.
    """
    if not path.exists():
        return _make(path)
    text = _text(path)
    _parse(path, text)
    name, line = _new_line()
    try:
        write_atomically(path, line + text, mode=0o600)
        _sync_folder(path)
    except OSError as error:
        raise InvalidProfile(str(path), f"it cannot be written: {error.strerror}") from None
    return name


def _make(path: Path) -> str:
    """Make a file with one key, whole and durable, or leave the one that somebody else has made meanwhile."""
    name, line = _new_line()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(
                    "# Wrapping keys of the cargo ledger, the newest first. Keep a copy elsewhere.\n" + line
                )
                file.flush()
                os.fsync(file.fileno())
            os.link(temporary, path)
        finally:
            Path(temporary).unlink(missing_ok=True)
        _sync_folder(path)
    except FileExistsError:
        return _read(path).newest
    except OSError as error:
        raise InvalidProfile(str(path), f"it cannot be written: {error.strerror}") from None
    return name


def _sync_folder(path: Path) -> None:
    """Make a new name in a folder durable: keys that are lost take every object with them."""
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _new_line() -> tuple[str, str]:
    name = f"{datetime.now(UTC):%Y-%m-%d}-{secrets.token_hex(3)}"
    return name, f"{name} {secrets.token_hex(KEY_BYTES)}\n"


def _read(path: Path) -> _Held:
    keys = _parse(path, _text(path))
    return _Held(next(iter(keys)), {name: AESGCM(key) for name, key in keys.items()})


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise InvalidProfile(str(path), f"the wrapping keys cannot be read: {error.strerror}") from None
    if stat.S_IMODE(mode) & 0o077:
        raise InvalidProfile(str(path), f"others can read the wrapping keys; run `chmod 600 {path}`")
    try:
        return data.decode("ascii") if len(data) <= _MAX_FILE_BYTES else ""
    except UnicodeDecodeError:
        raise InvalidProfile(str(path), "this is no file of wrapping keys") from None


def _parse(path: Path, text: str) -> dict[str, bytes]:
    keys: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            name, digits = words
            key = bytes.fromhex(digits)
        except ValueError:
            raise InvalidProfile(str(path), f"line {number} is not `name hex`") from None
        if not _NAME.fullmatch(name) or name in keys or len(key) != KEY_BYTES:
            raise InvalidProfile(
                str(path),
                f"line {number} needs a name that no other line has, and {KEY_BYTES} bytes of key as hex",
            )
        keys[name] = key
    if not keys:
        raise InvalidProfile(str(path), "it holds no wrapping key")
    return keys


def _state_of(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _drawn(*about: bytes) -> bytes:
    """32 bytes that nobody can guess, and that differ for different things even if random numbers come twice."""
    framed = b"".join(len(part).to_bytes(8, "big") + part for part in about)
    return hmac.digest(secrets.token_bytes(KEY_BYTES), framed, "sha256")
