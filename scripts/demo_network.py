"""A network of three administrations on this machine: found it, enrol its people, run its services.

Used by `make demo`, which ends with everything it started, and by `make up`, which leaves it running. Every part is the
real one: the development chain, the three contracts, encrypted key files, one `python -m api` an administration with a
database of its own. What is there already is used again, so that a founding that was interrupted goes on.
"""

from __future__ import annotations

import dataclasses
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import processes
from processes import CannotStart
from validators import Validators

from ledger import devchain, keys
from ledger.chain import Chain
from ledger.client import LedgerClient
from ledger.config import ChainProfile, write_atomically
from ledger.core.identifiers import Party
from ledger.core.records import Role
from ledger.deployment import Governance, consent, deploy
from ledger.errors import ChainMismatch
from ledger.vault import add_wrapping_key

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 120  # for a service to say that it is ready; it takes 5 on an idle machine with 2 cores
ENROLLED_DAYS = 365
PORTS = {"SG": 8401, "NL": 8402, "GB": 8403}  # where `make up` looks first

Lifetime = Literal["detached", "parent"]
Advance = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Administration:
    """A customs administration of the demonstration.

    Attributes:
        code: Its code, as in `SG`.
        name: Its name in words.
        place: The checkpoint where its officers work, a UN/LOCODE.
    """

    code: str
    name: str
    place: str


@dataclass(frozen=True, slots=True)
class Person:
    """Someone whom an administration enrols.

    Attributes:
        name: Name of the key.
        party: For whom the account acts.
        role: What it may do.
        task: What that is, in words.
    """

    name: str
    party: str
    role: Role
    task: str

    @property
    def administration(self) -> str:
        """Code of the administration that enrols."""
        return self.party.partition(":")[0]


ADMINISTRATIONS = (
    Administration("GB", "United Kingdom", "GBFXT"),
    Administration("NL", "Netherlands", "NLRTM"),
    Administration("SG", "Singapore", "SGSIN"),
)
PEOPLE = (
    Person("officer-gb", "GB", Role.OFFICER, "officer at Felixstowe"),
    Person("thames", "GB:THAMES", Role.TRADER, "exporter"),
    Person("pennine", "GB:PENNINE", Role.TRADER, "importer"),
    Person("auditor-gb", "GB", Role.AUDITOR, "auditor"),
    Person("sequencer-gb", "GB", Role.SEQUENCER, "anchors the log"),
    Person("sequencer-gb-spare", "GB", Role.SEQUENCER, "anchors the log when the first cannot"),
    Person("officer-nl", "NL", Role.OFFICER, "officer at Rotterdam"),
    Person("inspector-nvwa", "NL:NVWA", Role.OFFICER, "inspector of the food and product safety authority"),
    Person("maasline", "NL:MAASLINE", Role.TRADER, "carrier"),
    Person("sequencer-nl", "NL", Role.SEQUENCER, "anchors the log"),
    Person("officer-sg", "SG", Role.OFFICER, "officer at Singapore"),
    Person("officer-sg-left", "SG", Role.OFFICER, "officer at Singapore, about to leave"),
    Person("merlion", "SG:MERLION", Role.TRADER, "importer"),
    Person("auditor-sg", "SG", Role.AUDITOR, "auditor"),
    Person("sequencer-sg", "SG", Role.SEQUENCER, "anchors the log"),
)


@dataclass(frozen=True, slots=True)
class Service:
    """A running service.

    Attributes:
        administration: Whose it is.
        pid: Its process.
        url: Its address.
    """

    administration: str
    pid: int
    url: str


class DevelopmentNodes:
    """What the network runs on by default: the development chain, one process."""

    def __init__(self, folder: Path, lifetime: Lifetime) -> None:
        self.folder = folder
        self.lifetime = lifetime

    def start(self) -> str:
        """Start it, or find it running; returns its JSON-RPC address."""
        return devchain.start(self.folder, lifetime=self.lifetime).url

    def deploy(self, founders: Mapping[str, str]) -> ChainProfile:
        """Deploy the contracts with these governors, by administration."""
        return deploy(self.start(), founders)

    def fund(self, *accounts: str) -> None:
        """Give accounts what their transactions cost."""
        for account in accounts:
            devchain.fund(self.start(), account)

    def is_running(self) -> bool:
        """Whether it runs."""
        return devchain.status(self.folder) is not None

    def stop(self) -> list[str]:
        """End it; what was ended, in words."""
        chain = devchain.status(self.folder)
        return (
            [f"the chain (process {chain.pid})"] if chain is not None and devchain.stop(self.folder) else []
        )


class Network:
    """The network of one folder.

    The folder holds `chain/`, `keys/` with the password of all of them, `profile.json`, and for each administration a
    folder with its database, its service's log and the process that runs it.

    Args:
        folder: Where all of it is kept.
        lifetime: `parent` ends every process with this one, however it ends; `detached` leaves them running.
        nodes: What it runs on: by default a development chain.
    """

    def __init__(self, folder: Path, lifetime: Lifetime, nodes: Validators | None = None) -> None:
        self.folder = folder.resolve()
        self.lifetime = lifetime
        self.nodes = nodes or DevelopmentNodes(self.folder / "chain", lifetime)
        self.services: dict[str, Service] = {}
        self._clients: dict[tuple[str, str | None], LedgerClient] = {}

    # --- where things are

    @property
    def profile_path(self) -> Path:
        """The chain profile."""
        return self.folder / "profile.json"

    @property
    def key_folder(self) -> Path:
        """The folder of all keys."""
        return self.folder / "keys"

    @property
    def password_path(self) -> Path:
        """The file with the password of all keys."""
        return self.key_folder / "password"

    def folder_of(self, administration: str) -> Path:
        """An administration's own folder."""
        return self.folder / administration.lower()

    @cached_property
    def password(self) -> str:
        """The password of all keys: made on first use, since a demonstration has nobody to ask."""
        if not self.password_path.exists():
            self.key_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self.password_path, secrets.token_hex(16) + "\n", mode=0o600)
        return keys.read_password(self.password_path)

    def key(self, name: str) -> keys.Key:
        """The key of this name; made if it is not there."""
        if not keys.path_of(self.key_folder, name).exists():
            keys.create(self.key_folder, name, self.password, light=True)
        return keys.load(self.key_folder / name, self.password)

    @cached_property
    def profile(self) -> ChainProfile:
        """The profile of the running chain."""
        return ChainProfile.load(self.profile_path)

    @cached_property
    def chain(self) -> Chain:
        """The chain itself, asked without any service between."""
        return Chain(self.profile)

    def close(self) -> None:
        """Close the connection to the chain; it is opened again when it is asked."""
        if "chain" in self.__dict__:
            self.__dict__.pop("chain").close()

    # --- founding

    def found(self) -> bool:
        """Start the chain, and deploy the contracts with the governors as founders if it is new.

        Returns:
            Whether it was new.

        Raises:
            CannotStart: The folder holds another chain's state than its profile says.
        """
        url = self.nodes.start()
        is_new = not self.profile_path.exists()
        if is_new:
            founders = {each.code: self.key(governor_name(each.code)).address for each in ADMINISTRATIONS}
            profile = self.nodes.deploy(founders)
        else:
            profile = dataclasses.replace(ChainProfile.load(self.profile_path), rpc_url=url)
        try:
            with closing(Chain(profile)) as chain:
                chain.require_identity()
        except ChainMismatch as error:
            reason = f"{error} Move {self.folder} away to begin anew."
            raise CannotStart("The chain", reason) from None
        profile.save(self.profile_path)
        return is_new

    def enrol(self, people: Iterable[Person] = PEOPLE, advance: Advance = lambda name: None) -> int:
        """Enrol everyone who is not enrolled yet; the governors work side by side, and none waits for each enrolment.

        Args:
            people: Whom.
            advance: Called with the key's name of each person who is enrolled.

        Returns:
            How many were new.
        """
        waiting = [each for each in people if not self._is_enrolled(each)]
        for each in people:
            if each not in waiting:
                advance(each.name)
        by_governor = {
            each.code: [person for person in waiting if person.administration == each.code]
            for each in ADMINISTRATIONS
        }
        with ThreadPoolExecutor(len(by_governor)) as governors:
            for done in [governors.submit(self._enrol, *each, advance) for each in by_governor.items()]:
                done.result()
        return len(waiting)

    def _is_enrolled(self, person: Person) -> bool:
        party, *_ = self.chain.view("AdministrationRegistry", "account", self.key(person.name).address)
        return any(bytes(party))

    def _enrol(self, administration: str, people: list[Person], advance: Advance) -> None:
        valid_until = int(time.time()) + ENROLLED_DAYS * 86_400
        accounts = [self.key(person.name) for person in people]
        enrolments = [
            (
                account.address,
                person.party,
                int(person.role),
                valid_until,
                consent(self.profile, account.private, person.party, person.role, valid_until),
            )
            for account, person in zip(accounts, people, strict=True)
        ]
        governor = self.key(governor_name(administration)).private
        with closing(Governance(self.profile, governor)) as governance:
            for person, _ in zip(people, governance.enrol_all(enrolments), strict=True):
                advance(person.name)

    # --- services

    def serve(self, advance: Advance = lambda code: None) -> list[str]:
        """Start each administration's service that does not run yet, and wait until all follow the chain.

        Args:
            advance: Called with the code of each administration whose service is ready.

        Returns:
            The codes of those that were started now.

        Raises:
            CannotStart: A service ended, or was not ready in time; the sentence names its log.
        """
        started = self.start_services()
        for each in ADMINISTRATIONS:
            self.services[each.code] = self._wait_for_address(each.code)
        for each in ADMINISTRATIONS:
            self._wait_until_ready(each.code)
            advance(each.code)
        return started

    def fund_services(self) -> None:
        """Give the keys that send transactions what those cost."""
        self.nodes.fund(
            *(
                self.key(f"{purpose}-{each.code.lower()}").address
                for each in ADMINISTRATIONS
                for purpose in ("sequencer", "relayer")
            )
        )

    def start_services(self) -> list[str]:
        """Start each administration's service that does not run, without waiting; returns the codes of those."""
        started = [each.code for each in ADMINISTRATIONS if self._pid(each.code) is None]
        if started:
            self.fund_services()
        for code in started:
            self._start(code)
        return started

    def settings(self, code: str) -> dict[str, str]:
        """What the environment says to an administration's service, but its port."""
        folder = self.folder_of(code)
        return {
            "LEDGER_ADMINISTRATION": code,
            "LEDGER_DATABASE_URL": f"sqlite:///{folder / 'ledger.sqlite3'}",
            "LEDGER_PROFILE": str(self.profile_path),
            "LEDGER_HOST": "127.0.0.1",
            "LEDGER_SEQUENCER_KEY_FILE": str(keys.path_of(self.key_folder, f"sequencer-{code.lower()}")),
            "LEDGER_RELAYER_KEY_FILES": str(keys.path_of(self.key_folder, f"relayer-{code.lower()}")),
            "LEDGER_KEY_PASSWORD_FILE": str(self.password_path),
            "LEDGER_OPEN_READING": "true",  # this is one machine, whatever chain runs on it
            **self._wrapping_keys(folder),
        }

    def _wrapping_keys(self, folder: Path) -> dict[str, str]:
        """Where documents at rest are sealed under keys of their own; a development chain does without."""
        if self.profile.kind == "development":
            return {}
        path = folder / "wrapping-keys"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            add_wrapping_key(path)
        return {"LEDGER_WRAPPING_KEYS_FILE": str(path)}

    def _start(self, code: str) -> None:
        folder = self.folder_of(code)
        folder.mkdir(parents=True, exist_ok=True)
        port = self._port(code)
        settings = self.settings(code) | {"LEDGER_PORT": str(port)}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")}
        with (folder / "address").open("wb") as out, (folder / "service.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "api", "--create"],
                cwd=ROOT,
                env=inherited | settings,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                start_new_session=True,  # ctrl-C is ours to answer: services end in order
                preexec_fn=devchain.die_with_parent if self.lifetime == "parent" else None,
            )
        processes.note(folder, process.pid)

    def _port(self, code: str) -> int:
        if self.lifetime == "parent":
            return 0  # any free one: two demonstrations never meet
        return next((port for port in self._wanted_ports(code) if devchain.is_free(port)), 0)

    def _wanted_ports(self, code: str) -> Iterator[int]:
        former = self._printed_address(code)
        if former is not None:
            yield int(former.rpartition(":")[2])
        yield PORTS[code]

    def _wait_for_address(self, code: str) -> Service:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            service = self.running(code)
            if service is not None:
                return service
            if self._pid(code) is None:
                break
            time.sleep(0.05)
        raise CannotStart(f"The service of {code}", processes.last_line(self.folder_of(code) / "service.log"))

    def _printed_address(self, code: str) -> str | None:
        """The address that the service printed as it became ready."""
        try:
            found = re.search(r"http://[0-9.]+:\d+", (self.folder_of(code) / "address").read_text())
        except OSError:
            return None
        return found[0] if found else None

    def _wait_until_ready(self, code: str) -> None:
        client = self.client(code)
        deadline = time.monotonic() + START_SECONDS
        while True:
            readiness = client.readiness()
            if readiness.ready:
                return
            if time.monotonic() > deadline:
                raise CannotStart(f"The service of {code}", "; ".join(readiness.reasons))
            time.sleep(0.1)

    def client(self, administration: str, name: str | None = None) -> LedgerClient:
        """A client of an administration's service, for a person's key or only to read."""
        there = self._clients.get((administration, name))
        if there is None:
            key = None if name is None else self.key(name).private
            there = LedgerClient(self.services[administration].url, key=key, profile=self.profile)
            self._clients[administration, name] = there
        return there

    # --- what runs, and ending it

    def running(self, code: str) -> Service | None:
        """An administration's service that runs for this folder and has been ready, or None."""
        pid, url = self._pid(code), self._printed_address(code)
        return None if pid is None or url is None else Service(code, pid, url)

    def _pid(self, code: str) -> int | None:
        return processes.running(self.folder_of(code))

    def stop(self) -> list[str]:
        """End the services, then the chain: exactly those that were started for this folder.

        Returns:
            What was ended, in words.
        """
        services = {self.folder_of(each.code): each.code for each in ADMINISTRATIONS}
        ended = [
            f"the service of {services[folder]} (process {pid})"
            for folder, pid in processes.end(services).items()
        ]
        return ended + self.nodes.stop()


def governor_name(administration: str) -> str:
    """Name of a governor's key."""
    return f"governor-{administration.lower()}"


def party_of(text: str) -> bytes:
    """A party's 16 bytes."""
    return Party.parse(text).to_bytes()
