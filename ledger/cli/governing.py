"""What commands need that work on the chain itself: its profile, and the key of a governor or an account."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class ChainReader:
    """A command that reads the chain.

    Attributes:
        profile: The chain it reads.
        out: Where its answer goes.
    """

    profile: ChainProfile
    out: Output

    def chain(self) -> Chain:
        """The chain, once it has shown that it is the profile's."""
        from ledger.chain import Chain

        with self.out.progress("asking the chain"):
            chain = Chain(self.profile)
            chain.require_identity()
        return chain


@dataclass(frozen=True, slots=True)
class ChainSigner(ChainReader):
    """A command that signs with a key of this machine.

    Attributes:
        key: The opened key.
    """

    key: keys.Key

    def governance(self) -> Governance:
        """What the key's account may do if it is a governor's."""
        from ledger.deployment import Governance

        with self.out.progress("asking the chain"):
            return Governance(self.profile, self.key.private)


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
