"""A real network for the tests of the service: a chain, its contracts, and people by their roles."""

import secrets
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from validators import Validators

from ledger import devchain
from ledger.config import ChainProfile, LedgerConfig
from ledger.core.records import Role
from ledger.core.signatures import account_of
from ledger.deployment import Governance, consent, deploy
from ledger.vault import add_wrapping_key

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
SENDERS = ("sequencer", "relayer", "foreign_sequencer", "foreign_relayer")  # they pay for transactions
NOT_ENROLLED = ("governor", "foreign_governor", "transit_governor", "relayer", "foreign_relayer", "stranger")


@dataclass(frozen=True)
class Network:
    """Administrations SG, NL and AE on one chain; `keys` are private keys by role."""

    folder: Path
    chain: devchain.DevChain | Validators
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
            relayer_keys=(self.keys["relayer" if ours else "foreign_relayer"],),
            promise_seconds=promise_seconds,
            wrapping_keys_file=self.wrapping_keys(),
        )

    def wrapping_keys(self) -> Path | None:
        """A file of wrapping keys, which only a development chain does without."""
        if self.profile.kind == "development":
            return None
        path = self.folder / "wrapping-keys"
        if not path.exists():
            add_wrapping_key(path)
        return path

    def governance(self, role: str = "governor") -> Governance:
        """What a governor does; the caller closes it."""
        return Governance(self.profile, self.keys[role])

    def enrol(self, key: bytes, party: str, roles: int, governor: str = "governor") -> str:
        """Enrol another account; the address is returned."""
        enrolment = self.enrolment(key, party, roles)
        with closing(self.governance(governor)) as governance:
            governance.enrol(*enrolment)
        return enrolment[0]

    def enrolment(self, key: bytes, party: str, roles: int) -> tuple[str, str, int, int, bytes]:
        """What a governor puts on chain, with the account's consent."""
        until = int(time.time()) + YEAR
        return account_of(key), party, roles, until, consent(self.profile, key, party, roles, until)


def begin(folder: Path, *, block_seconds: int = 0, validators: Validators | None = None) -> Network:
    """Found a network on a chain that is started in a folder, or on validators that run; it ends with this process."""
    keys = {role: secrets.token_bytes(32) for role in (*ENROLLED, *NOT_ENROLLED)}
    founders = {"SG": "governor", "NL": "foreign_governor", "AE": "transit_governor"}
    seats = {code: account_of(keys[role]) for code, role in founders.items()}
    senders = [account_of(keys[role]) for role in SENDERS]
    if validators is not None:
        network = Network(folder, validators, validators.deploy(seats), keys)
        validators.fund(*senders)
    else:
        chain = devchain.start(
            folder / "chain", block_seconds=block_seconds, states_in_memory=100_000, lifetime="parent"
        )
        network = Network(folder, chain, deploy(chain.url, seats, block_seconds=block_seconds), keys)
        for sender in senders:
            devchain.fund(chain.url, sender)
    for code, governor in founders.items():
        of_it = [role for role, (party, _) in ENROLLED.items() if party[:2] == code]
        with closing(network.governance(governor)) as governance:
            list(governance.enrol_all([network.enrolment(keys[role], *ENROLLED[role]) for role in of_it]))
    return network


def end(network: Network) -> None:
    if isinstance(network.chain, devchain.DevChain):
        devchain.stop(network.chain.folder)
