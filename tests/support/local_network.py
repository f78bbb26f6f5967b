"""A real network for the tests of the service: a development chain, its contracts, and people by their roles."""

import secrets
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from ledger import devchain
from ledger.config import ChainProfile, LedgerConfig
from ledger.core.records import Role
from ledger.core.signatures import account_of
from ledger.deployment import Governance, consent, deploy

YEAR = 365 * 86_400
# who is who: party and roles; governors and relayers are enrolled as nothing
ENROLLED = {
    "sequencer": ("SG", Role.SEQUENCER),
    "exporter": ("SG:ACME01", Role.TRADER),
    "carrier": ("SG:CARR01", Role.TRADER),
    "officer": ("SG", Role.OFFICER),
    "auditor": ("SG", Role.AUDITOR),
    "foreign_sequencer": ("NL", Role.SEQUENCER),
    "foreign_officer": ("NL", Role.OFFICER),
    "importer": ("NL:IMPO01", Role.TRADER),
}
NOT_ENROLLED = ("governor", "foreign_governor", "transit_governor", "relayer", "foreign_relayer", "stranger")


@dataclass(frozen=True)
class Network:
    """Administrations SG, NL and AE on one development chain; `keys` are private keys by role."""

    folder: Path
    chain: devchain.DevChain
    profile: ChainProfile
    keys: dict[str, bytes] = field(repr=False)

    def address(self, role: str) -> str:
        return account_of(self.keys[role])

    def party(self, role: str) -> str:
        return ENROLLED[role][0]

    def config(self, database: Path, administration: str = "SG", promise_seconds: int = 60) -> LedgerConfig:
        ours = administration == "SG"
        return LedgerConfig(
            administration=administration,
            database_url=f"sqlite:///{database}",
            profile=self.profile,
            sequencer_key=self.keys["sequencer" if ours else "foreign_sequencer"],
            relayer_key=self.keys["relayer" if ours else "foreign_relayer"],
            promise_seconds=promise_seconds,
        )

    def governance(self, role: str = "governor") -> Governance:
        """What a governor does; the caller closes it."""
        return Governance(self.profile, self.keys[role])

    def enrol(self, key: bytes, party: str, roles: int, governor: str = "governor") -> str:
        """Enrol another account; the address is returned."""
        until = int(time.time()) + YEAR
        address = account_of(key)
        agreed = consent(self.profile, key, party, roles, until)
        with closing(self.governance(governor)) as governance:
            governance.enrol(address, party, roles, until, agreed)
        return address


def begin(folder: Path, *, block_seconds: int = 0) -> Network:
    """Start a chain in a folder and found a network on it; it ends with this process."""
    chain = devchain.start(folder / "chain", block_seconds=block_seconds, lifetime="parent")
    keys = {role: secrets.token_bytes(32) for role in (*ENROLLED, *NOT_ENROLLED)}
    founders = {"SG": "governor", "NL": "foreign_governor", "AE": "transit_governor"}
    seats = {code: account_of(keys[role]) for code, role in founders.items()}
    profile = deploy(chain.url, seats, block_seconds=block_seconds)
    network = Network(folder, chain, profile, keys)
    for role in ("sequencer", "relayer", "foreign_sequencer", "foreign_relayer"):
        devchain.fund(chain.url, network.address(role))
    for role, (party, roles) in ENROLLED.items():
        network.enrol(keys[role], party, roles, founders[party[:2]])
    return network


def end(network: Network) -> None:
    devchain.stop(network.chain.folder)
