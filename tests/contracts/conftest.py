"""A network of three administrations, its people, and the gas snapshot.

Everything here is for the whole session: Ape takes every test back to this state. Tests under `ape test` only.
"""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ape
import pytest
import rlp
from coincurve import PrivateKey

from ledger.core.records import Domain, Enrolment, Role, keccak

GAS_SNAPSHOT = Path(__file__).parent / "gas_snapshot.json"
GAS_TOLERANCE = 0.02
YEAR = 365 * 86400  # seconds


def party_bytes(text: str) -> bytes:
    """16 bytes of a party in text, unchecked, so that tests can make bad ones."""
    administration, _, organisation = text.partition(":")
    return administration.encode().ljust(8, b"\0") + organisation.encode().ljust(8, b"\0")


@dataclass(frozen=True)
class Actor:
    """A person or machine with one key; enrolled or not."""

    account: Any  # an Ape test account, funded only if it sends transactions
    party: bytes

    @property
    def address(self) -> str:
        return self.account.address

    @property
    def address_bytes(self) -> bytes:
        return bytes.fromhex(self.address[2:])

    @property
    def administration(self) -> bytes:
        return self.party[:8]

    def sign(self, digest: bytes) -> bytes:
        key = PrivateKey(bytes.fromhex(self.account.private_key.removeprefix("0x")))
        signature = key.sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes([signature[64] + 27])


@dataclass(frozen=True)
class Network:
    """The three contracts of one deployment, and who governs."""

    registry: Any  # AdministrationRegistry
    log: Any  # ManifestLog
    ledger: Any  # ConsignmentLedger
    genesis_hash: bytes
    chain_id: int
    deployer: Any
    origin_governor: Actor
    transit_governor: Actor
    destination_governor: Actor

    def domain(self, contract: Any) -> Domain:
        return Domain(self.chain_id, bytes.fromhex(contract.address[2:]))

    def enrol(self, governor: Actor, actor: Actor, roles: int, valid_until: int | None = None) -> Any:
        """Enrol `actor` for its party, with its own signature; valid for a year if not said."""
        if valid_until is None:
            valid_until = ape.chain.pending_timestamp + YEAR
        enrolment = Enrolment(actor.address_bytes, actor.party, roles, valid_until)
        signature = actor.sign(enrolment.digest(self.domain(self.registry)))
        return self.registry.enrol(
            actor.address, actor.party, roles, valid_until, signature, sender=governor.account
        )


@dataclass(frozen=True)
class People:
    """Enrolled accounts, by what they do. SG is the origin, AE the transit, NL the destination."""

    origin_officer: Actor
    origin_sequencer: Actor
    auditor: Actor
    exporter: Actor
    carrier: Actor
    agency_officer: Actor
    transit_officer: Actor
    destination_officer: Actor
    destination_sequencer: Actor
    importer: Actor


def predicted_address(deployer: str, nonce: int) -> str:
    """The address that a deployment by this account at this nonce will have."""
    return "0x" + keccak(rlp.encode([bytes.fromhex(deployer[2:]), nonce]))[12:].hex()


@pytest.fixture(scope="session")
def fund() -> Callable[[Any], Any]:
    def fund(account: Any) -> Any:
        account.balance = 10**20
        return account

    return fund


@pytest.fixture(scope="session")
def new_actor(accounts, fund) -> Callable[..., Actor]:
    """Make a person with a key nobody else has; funded if it sends transactions."""

    def new_actor(party: str = "", *, sends: bool = False) -> Actor:
        account = accounts.generate_test_account()
        return Actor(fund(account) if sends else account, party_bytes(party))

    return new_actor


@pytest.fixture(scope="session")
def deploy_registry(project) -> Callable[..., Any]:
    """Deploy a registry alone, for tests of founding and of quorums; its sisters are addresses of nothing."""

    def deploy_registry(deployer: Any, founders: list[tuple[bytes, str]], **changes: Any) -> Any:
        given = {"genesis": b"\1" * 32, "log": "0x" + "2" * 40, "ledger": "0x" + "3" * 40} | changes
        return deployer.deploy(
            project.AdministrationRegistry, given["genesis"], given["log"], given["ledger"], founders
        )

    return deploy_registry


@pytest.fixture(scope="session")
def network(project, chain, new_actor) -> Network:
    """A fresh deployment by a fresh key, each contract told where the others will be."""
    deployer = new_actor(sends=True).account
    governors = [new_actor(code, sends=True) for code in ("SG", "AE", "NL")]
    genesis_hash = bytes(chain.provider.get_block(0).hash)
    registry_at, log_at, ledger_at = (predicted_address(deployer.address, nonce) for nonce in range(3))
    founders = [(governor.administration, governor.address) for governor in governors]
    registry = deployer.deploy(project.AdministrationRegistry, genesis_hash, log_at, ledger_at, founders)
    log = deployer.deploy(project.ManifestLog, genesis_hash, registry_at, ledger_at)
    ledger = deployer.deploy(project.ConsignmentLedger, genesis_hash, registry_at, log_at)
    return Network(registry, log, ledger, genesis_hash, chain.chain_id, deployer, *governors)


@pytest.fixture(scope="session")
def people(network, new_actor) -> People:
    origin, transit, destination = (
        network.origin_governor,
        network.transit_governor,
        network.destination_governor,
    )
    people = People(
        origin_officer=new_actor("SG"),
        origin_sequencer=new_actor("SG", sends=True),
        auditor=new_actor("SG"),
        exporter=new_actor("SG:ACME01"),
        carrier=new_actor("SG:CARRIER1"),
        agency_officer=new_actor("SG:FOODSAFE"),
        transit_officer=new_actor("AE"),
        destination_officer=new_actor("NL"),
        destination_sequencer=new_actor("NL", sends=True),
        importer=new_actor("NL:IMPORT01"),
    )
    network.enrol(origin, people.origin_officer, Role.OFFICER)
    network.enrol(origin, people.origin_sequencer, Role.SEQUENCER)
    network.enrol(origin, people.auditor, Role.AUDITOR)
    network.enrol(origin, people.exporter, Role.TRADER)
    network.enrol(origin, people.carrier, Role.TRADER)
    network.enrol(origin, people.agency_officer, Role.OFFICER)
    network.enrol(transit, people.transit_officer, Role.OFFICER)
    network.enrol(destination, people.destination_officer, Role.OFFICER)
    network.enrol(destination, people.destination_sequencer, Role.SEQUENCER)
    network.enrol(destination, people.importer, Role.TRADER)
    return people


@pytest.fixture(scope="session")
def stranger(people, new_actor) -> Actor:
    """Somebody with a key and gas, whom no administration enrolled."""
    return new_actor(sends=True)


@pytest.fixture(scope="session", autouse=True)
def _network_stands_before_any_test(stranger):
    """Ape goes back to the state after the session's fixtures; one that came late would cost a new start."""


@pytest.fixture
def registry(network):
    return network.registry


@pytest.fixture
def log(network):
    return network.log


@pytest.fixture
def ledger(network):
    return network.ledger


@pytest.fixture
def origin_governor(network) -> Actor:
    return network.origin_governor


@pytest.fixture
def transit_governor(network) -> Actor:
    return network.transit_governor


@pytest.fixture
def destination_governor(network) -> Actor:
    return network.destination_governor


@pytest.fixture
def origin_officer(people) -> Actor:
    return people.origin_officer


@pytest.fixture
def origin_sequencer(people) -> Actor:
    return people.origin_sequencer


@pytest.fixture
def auditor(people) -> Actor:
    return people.auditor


@pytest.fixture
def exporter(people) -> Actor:
    return people.exporter


@pytest.fixture
def carrier(people) -> Actor:
    return people.carrier


@pytest.fixture
def agency_officer(people) -> Actor:
    return people.agency_officer


@pytest.fixture
def transit_officer(people) -> Actor:
    return people.transit_officer


@pytest.fixture
def destination_officer(people) -> Actor:
    return people.destination_officer


@pytest.fixture
def destination_sequencer(people) -> Actor:
    return people.destination_sequencer


@pytest.fixture
def importer(people) -> Actor:
    return people.importer


@pytest.fixture
def suspend(network) -> Callable[[Actor], None]:
    """Suspend the administration of a governor, by the two others."""

    def suspend(governor: Actor) -> None:
        everyone = [network.origin_governor, network.transit_governor, network.destination_governor]
        proposer, second = (other for other in everyone if other != governor)
        network.registry.proposeSuspension(governor.administration, sender=proposer.account)
        proposal = network.registry.proposalId(2, governor.administration, "0x" + "0" * 40)
        network.registry.approve(proposal, sender=second.account)

    return suspend


class GasSnapshot:
    """Gas of the acts that matter, kept in `gas_snapshot.json`; UPDATE_GAS=1 rewrites it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def compare(self, act: str, gas: float) -> None:
        """Fail if the act's gas is more than 2 % off the kept figure, in either direction."""
        kept = json.loads(self._path.read_text()) if self._path.exists() else {}
        if os.environ.get("UPDATE_GAS") == "1":
            self._path.write_text(json.dumps(kept | {act: gas}, indent=1, sort_keys=True) + "\n")
            return
        assert act in kept, f"no gas kept of {act!r}: run once with UPDATE_GAS=1"
        assert abs(gas - kept[act]) <= GAS_TOLERANCE * kept[act], (
            f"{act!r} costs {gas} gas, the snapshot says {kept[act]}: find out why, or run with UPDATE_GAS=1"
        )


@pytest.fixture(scope="session")
def gas_snapshot() -> GasSnapshot:
    return GasSnapshot(GAS_SNAPSHOT)
