"""What commands need that work on the chain itself: its profile, and the key of a governor or an account."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

from ledger import keys
from ledger.cli.opening import open_key
from ledger.cli.options import (
    DEFAULT_KEY_FOLDER,
    JsonOption,
    KeyFolderOption,
    KeyOption,
    PasswordFileOption,
    ProfileOption,
)
from ledger.cli.output import Output
from ledger.config import ChainProfile

if TYPE_CHECKING:
    from ledger.chain import Chain
    from ledger.deployment import Governance


class ChainReader:
    """A command that reads the chain.

    Attributes:
        profile: The chain it reads.
        out: Where its answer goes.
    """

    def __init__(self, profile: ChainProfile, out: Output) -> None:
        self.profile = profile
        self.out = out
        self._opened = ExitStack()

    def chain(self) -> Chain:
        """The chain, once it has shown that it is the profile's."""
        from ledger.chain import Chain

        chain = self._opened.enter_context(closing(Chain(self.profile)))
        with self.out.progress("asking the chain"):
            chain.require_identity()
        return chain

    def close(self) -> None:
        """Close what was opened; `options.using` does that when the command ends."""
        self._opened.close()


class ChainSigner(ChainReader):
    """A command that signs with a key of this machine.

    Attributes:
        key: The opened key.
    """

    def __init__(self, profile: ChainProfile, out: Output, key: keys.Key) -> None:
        super().__init__(profile, out)
        self.key = key

    def governance(self) -> Governance:
        """What the key's account may do if it is a governor's."""
        from ledger.deployment import Governance

        with self.out.progress("asking the chain"):
            governance = Governance(self.profile, self.key.private)
        return self._opened.enter_context(closing(governance))


def chain_reader(*, profile: ProfileOption, as_json: JsonOption = False) -> ChainReader:
    """Options of a command that reads the chain."""
    return ChainReader(ChainProfile.load(profile), Output(as_json))


def chain_signer(
    *,
    profile: ProfileOption,
    key: KeyOption,
    key_folder: KeyFolderOption = DEFAULT_KEY_FOLDER,
    password_file: PasswordFileOption = None,
    as_json: JsonOption = False,
) -> ChainSigner:
    """Options of a command that signs and works on the chain."""
    read: Path = profile
    return ChainSigner(ChainProfile.load(read), Output(as_json), open_key(key, key_folder, password_file))
