"""The file that keeps a lodged manifest's secrets (`NAME.lodged.json`): for its owner alone, written before sending."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ledger.cli import files
from ledger.cli.files import UnusableFile
from ledger.cli.options import bytes32
from ledger.cli.service import ServiceSigner
from ledger.core import documents
from ledger.errors import LedgerError, ServiceUnavailable

if TYPE_CHECKING:
    from ledger.calling.manifests import LodgedManifest

SCHEMA = "cargo-lodged/1"


class Kept:
    """The file that holds a manifest's secrets: written before anything is sent, so that no answer can be lost."""

    def __init__(
        self,
        path: Path,
        session: ServiceSigner,
        secret: bytes | None,
        consignment_key: bytes | None,
        reference: str | None,
    ) -> None:
        self.path = path
        self.secret = secret or secrets.token_bytes(documents.SECRET_BYTES)
        self.consignment_key = consignment_key
        self._session = session
        self._reference = reference
        if path.exists():
            self._go_on()

    def _go_on(self) -> None:
        """Take the secrets of a sending that got no answer; any other file of this name is left alone."""
        content = files.read_object(self.path, "a file that `cargo-ledger manifest lodge` keeps")
        if (
            content.get("schema") != SCHEMA
            or content.get("id") is not None
            or content.get("reference") != self._reference
        ):
            files.require_new(self.path)
        try:
            self.secret = bytes32(content["secret"])
            key = content["consignment_key"]
            self.consignment_key = None if key is None else bytes32(key)
        except (KeyError, TypeError, AttributeError, typer.BadParameter):
            raise UnusableFile(
                str(self.path), "its secret or consignment key is missing or malformed"
            ) from None

    def send(self, lodge: Callable[[], LodgedManifest], *, root: bytes, **facts: Any) -> LodgedManifest:
        """Keep the secrets, send, and keep the answer; a refusal leaves no file."""
        was_there = self.path.exists()
        content: dict[str, Any] = {
            "schema": SCHEMA,
            "id": None,
            "manifest_root": "0x" + root.hex(),
            "secret": "0x" + self.secret.hex(),
            "reference": self._reference,
            "consignment_key": None if self.consignment_key is None else "0x" + self.consignment_key.hex(),
            **facts,
        }
        files.replace(self.path, content)
        try:
            with self._session.out.progress("sending the manifest"):
                lodged = lodge()
        except ServiceUnavailable:
            raise  # it may have arrived: the file stays, and the same command goes on with it
        except LedgerError:
            if not was_there:
                self.path.unlink()
            raise
        content |= {
            "id": "0x" + lodged.id.hex(),
            "consignment": "0x" + lodged.consignment.hex(),
            "party": self._session.party,
            "digest": lodged.answer.digest,
            "promise": json.loads(lodged.answer.promise.model_dump_json()),
        }
        files.replace(self.path, content)
        return lodged


def default_path(file: Path) -> Path:
    """Where the secrets of a manifest are kept if nobody says: beside nothing else, in the present folder."""
    return Path("manifest.lodged.json") if str(file) == "-" else Path(f"{file.stem}.lodged.json")


def read_lodged(path: Path) -> dict[str, Any]:
    """Read what opens a consignment: `consignment`, `manifest_root`, `consignment_key`, all hex, and `reference`.

    Raises:
        UnusableFile: It is no such file, or its manifest opens no consignment.
    """
    content = files.read_object(path, "the file that `cargo-ledger manifest lodge` kept")
    wanted = ("consignment", "manifest_root", "consignment_key", "reference")
    if content.get("schema") != SCHEMA:
        raise UnusableFile(str(path), "it is no file that `cargo-ledger manifest lodge` kept")
    if content.get("id") is None:
        raise UnusableFile(
            str(path), "its manifest got no answer yet; run the same `manifest lodge` again first"
        )
    if not all(isinstance(content.get(name), str) for name in wanted):
        raise UnusableFile(
            str(path), "it holds no consignment key: this manifest does not open a consignment"
        )
    if not all(re.fullmatch("0x[0-9a-f]{64}", content[name]) for name in wanted[:3]):
        raise UnusableFile(str(path), "its consignment, manifest root or key is malformed")
    return content
