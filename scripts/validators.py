"""A permissioned chain of four validators on this machine: geth, Clique, blocks of a second, real reorganisations.

Each validator is a process with a folder, keys and ports of its own. They are peered first and seal then; a network that
stalls (Clique can, when equal halves sealed side by side) is noticed and woken. Gas is free in effect: the price is a few
wei of a money that the genesis block gives to one key, the treasury, which hands it out.

What is driven here goes over each node's IPC socket; HTTP serves reading and transactions alone.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import processes
from eth_account import Account
from processes import CannotStart

from ledger import devchain, keys
from ledger.chain import Node
from ledger.config import ChainProfile, write_atomically
from ledger.core.signatures import account_of
from ledger.deployment import deploy
from ledger.exporting import CLIQUE_EPOCH

COUNT = 4
CHAIN_ID = 31338
BLOCK_SECONDS = 1
GAS_LIMIT = 50_000_000  # more, and two cores no longer keep blocks of a second
GAS_PRICE = (
    10**9
)  # wei, the most a sender offers: the base fee begins at 0 and rises by a wei for a block over half full
_TREASURY = 10**60
_GIFT = 10**24
_START_SECONDS = 60
_STALL_SECONDS = (
    20  # on a busy machine a block may be some seconds late; sealing that stalled never comes back
)
_TRIES = 5
_SERVED = re.compile(r"HTTP server started +endpoint=127\.0\.0\.1:(\d+).*Unlocked account", re.DOTALL)

Lifetime = Literal["detached", "parent"]


class NotAsked(CannotStart):
    """A validator refused what it was asked over its socket."""


class Validators:
    """The validators of one folder, whether they run or not.

    Args:
        folder: Kept between runs: `genesis.json`, `treasury`, and for each validator a folder `1` to `4`.
        geth: The program.
        lifetime: `parent` ends every process with this one; `detached` leaves them running.
        apis: What is served over HTTP beside what a service needs: `debug` for an auditor's own node, never for others,
            since it also sets a chain back.
    """

    def __init__(
        self, folder: Path, geth: Path, lifetime: Lifetime = "detached", apis: Sequence[str] = ()
    ) -> None:
        self.folder = folder.resolve()
        self.geth = geth
        self.lifetime = lifetime
        self._apis = apis
        self._treasury = threading.Lock()  # who gives waits until the former gift's nonce is used

    # --- what is in the folder

    @property
    def folders(self) -> list[Path]:
        """Each validator's folder."""
        return [self.folder / str(n) for n in range(1, COUNT + 1)]

    @cached_property
    def addresses(self) -> list[str]:
        """Each validator's account, checksummed, in the order in which they take turns."""
        return [keys.address_of(keys.path_of(folder / "keystore", "validator")) for folder in self.folders]

    @property
    def url(self) -> str:
        """JSON-RPC address of the first validator."""
        return self.url_of(0)

    def url_of(self, place: int) -> str:
        """JSON-RPC address of a validator, by its place from 0."""
        return f"http://127.0.0.1:{(self.folders[place] / 'http.port').read_text()}"

    # --- starting

    def start(self, advance: Callable[[int], None] = lambda validators: None) -> str:
        """Start what does not run, and return when all seal together.

        Args:
            advance: Called with the number of validators started since it was called last.

        Returns:
            JSON-RPC address of the first validator.

        Raises:
            CannotStart: A validator ended or did not answer, or they seal no blocks together.
        """
        if not (self.folder / "genesis.json").exists():
            self._create()
        for place, folder in enumerate(self.folders):
            if processes.running(folder) is None:
                self._run(place)
        for place in range(COUNT):
            self._wait_for_answer(place)
            advance(1)
        self._peer(itertools.combinations(range(COUNT), 2))
        for place in range(COUNT):
            self.ask(place, "miner_start")
        self.require_progress()
        return self.url

    def start_again(self, *places: int) -> None:
        """Start validators that were stopped, peer them with those that run, and let them seal."""
        for place in places:
            self._run(place)
        for place in places:
            self._wait_for_answer(place)
        self.join([place for place, folder in enumerate(self.folders) if processes.running(folder)])
        for place in places:
            self.ask(place, "miner_start")

    def _create(self) -> None:
        treasury, password = secrets.token_bytes(32), secrets.token_hex(16)
        in_turn = sorted(
            (secrets.token_bytes(32) for _ in self.folders), key=lambda key: account_of(key).lower()
        )
        for folder, key in zip(self.folders, in_turn, strict=True):
            (folder / "keystore").mkdir(mode=0o700, parents=True)
            keys.create(folder / "keystore", "validator", password, private_key=key, light=True)
            write_atomically(folder / "password", password + "\n", mode=0o600)
            write_atomically(folder / "nodekey", secrets.token_hex(32), mode=0o600)
        write_atomically(self.folder / "treasury", treasury.hex(), mode=0o600)
        text = json.dumps(genesis(self.addresses, {account_of(treasury): _TREASURY}), indent=2)
        write_atomically(self.folder / "genesis.json", text + "\n")  # last: it says that the folder is whole

    def _run(self, place: int) -> None:
        folder = self.folders[place]
        if not (folder / "data" / "geth" / "chaindata").exists():
            self._found(folder)
        ports = [self._port(folder / name) for name in ("http.port", "peers.port")]
        command = [
            str(self.geth), "--datadir", "data", "--keystore", "keystore", "--networkid", str(CHAIN_ID),
            "--nodekey", "nodekey", "--port", str(ports[1]), "--nodiscover", "--nat", "none",
            "--netrestrict", "127.0.0.0/8", "--maxpeers", "25",
            "--http", "--http.addr", "127.0.0.1", "--http.port", str(ports[0]),
            "--http.api", ",".join(("eth", "net", "web3", "clique", "txpool", *self._apis)), "--http.vhosts", "localhost",
            "--authrpc.addr", "127.0.0.1", "--authrpc.port", "0", "--ipcpath", "ipc/geth",
            "--syncmode", "full", "--gcmode", "archive", "--cache", "64",
            "--unlock", self.addresses[place], "--password", "password", "--allow-insecure-unlock",
            "--miner.etherbase", self.addresses[place], "--miner.gasprice", "1",
            "--miner.gaslimit", str(GAS_LIMIT), "--rpc.txfeecap", "0", "--rpc.gascap", str(GAS_LIMIT),
        ]  # fmt: skip
        (folder / "ipc" / "geth").unlink(missing_ok=True)
        with (folder / "geth.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=devchain.die_with_parent if self.lifetime == "parent" else None,
            )
        processes.note(folder, process.pid)
        process.returncode = 0  # it is left to run: without this, Python warns that nobody waits for it

    def _found(self, folder: Path) -> None:
        done = subprocess.run(
            [self.geth, "--datadir", "data", "init", "../genesis.json"],
            cwd=folder,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise CannotStart("A validator", f"its genesis block is not taken: {done.stderr[-500:]}")

    def _port(self, note: Path) -> int:
        """The port of the last run while it is free, else any free one."""
        former = int(note.read_text()) if note.exists() else 0
        return former if former and devchain.is_free(former) else 0

    def _wait_for_answer(self, place: int) -> None:
        folder = self.folders[place]
        deadline = time.monotonic() + _START_SECONDS
        while True:
            served = _SERVED.search(_text(folder / "geth.log"))
            if served is not None:
                break
            if processes.running(folder) is None or time.monotonic() > deadline:
                raise CannotStart(f"Validator {place + 1}", processes.last_line(folder / "geth.log"))
            time.sleep(0.05)
        write_atomically(folder / "http.port", served[1])
        write_atomically(folder / "peers.port", self._enode(place).rpartition(":")[2].partition("?")[0])

    def _enode(self, place: int) -> str:
        return str(self.ask(place, "admin_nodeInfo")["enode"])

    # --- sealing together

    def join(self, places: Sequence[int] = range(COUNT)) -> None:
        """Peer validators with one another, after they were separated; they may take ten seconds to compare chains.

        Each of a pair is told of the other: a node that has dialled another does not do so again for 35 seconds.
        """
        self._peer(itertools.permutations(places, 2))

    def _peer(self, pairs: Iterable[tuple[int, int]]) -> None:
        for here, there in pairs:
            self.ask(here, "admin_addPeer", self._enode(there))

    def separate(self, one: Sequence[int], other: Sequence[int]) -> None:
        """Take every connection between two sides away; each side goes on as far as its signers may.

        Raises:
            CannotStart: They stay connected.
        """
        pairs = [*itertools.product(one, other), *itertools.product(other, one)]
        for _ in range(_TRIES):  # a connection that was being made is not there to be taken away
            for here, there in pairs:
                self.ask(here, "admin_removePeer", self._enode(there))
            if not any(self._enode_id(there) in self._peers(here) for here, there in pairs):
                return
        raise CannotStart("The separation", "the validators stay connected")

    def _peers(self, place: int) -> set[str]:
        return {_id(peer["enode"]) for peer in self.ask(place, "admin_peers")}

    def _enode_id(self, place: int) -> str:
        return _id(self._enode(place))

    def require_progress(self) -> None:
        """Wait until all validators follow one chain that grows; wake them if it does not.

        Raises:
            CannotStart: It does not grow however often they are woken.
        """
        for _ in range(_TRIES):
            if self._progresses():
                return
            self._wake()
        heads = ", ".join(str(self.head_of(place)[0]) for place in range(COUNT))
        raise CannotStart(
            "The network", f"its validators seal no blocks together; they are at blocks {heads}."
        )

    def _progresses(self) -> bool:
        start = max(self.head_of(place)[0] for place in range(COUNT))
        deadline = time.monotonic() + _STALL_SECONDS
        while time.monotonic() < deadline:
            heads = [self.head_of(place) for place in range(COUNT)]
            if min(number for number, _ in heads) > start + 1 and self._common() > start:
                return True
            time.sleep(0.2)
        return False

    def _common(self) -> int:
        """The newest block that all have."""
        number = min(self.head_of(place)[0] for place in range(COUNT))
        while len({self.block_hash(place, number) for place in range(COUNT)}) > 1:
            number -= 1
        return number

    def _wake(self) -> None:
        """Take the blocks of equal branches away on all nodes but the heaviest, which they then follow.

        Branches of equal weight never give way to one another, and who sealed one may not seal its next block.
        """
        heaviest = max(range(COUNT), key=lambda place: self.head_of(place)[1])
        common = self._common()
        for place in range(COUNT):
            self.ask(place, "miner_stop")
        for place in range(COUNT):
            if place != heaviest and self.head_of(place)[0] > common:
                self.ask(place, "debug_setHead", hex(common))
        for place in range(COUNT):
            self.ask(place, "miner_start")

    def head_of(self, place: int) -> tuple[int, int]:
        """A validator's newest block: its number, and the weight (total difficulty) of its chain."""
        block = self.ask(place, "eth_getBlockByNumber", "latest", False)
        return int(block["number"], 16), int(block["totalDifficulty"], 16)

    def block_hash(self, place: int, number: int) -> str:
        """The hash of a block on a validator's present chain, 0x hex."""
        return str(self.ask(place, "eth_getBlockByNumber", hex(number), False)["hash"])

    # --- what is on it

    def deploy(self, founders: Mapping[str, str]) -> ChainProfile:
        """Deploy the contracts, and give each governor what its transactions cost.

        Args:
            founders: Governor's address by administration, at least 3.

        Returns:
            The profile that pins them and the validators.
        """
        return deploy(
            self.url,
            founders,
            kind="clique",
            validators=self.addresses,
            block_seconds=BLOCK_SECONDS,
            gas_price_wei=GAS_PRICE,
            fund=lambda deployer: self.fund(deployer, *founders.values()),
        )

    def fund(self, *accounts: str) -> None:
        """Give accounts what their transactions cost."""
        key = bytes.fromhex((self.folder / "treasury").read_text())
        with self._treasury, closing(Node(self.url)) as node:
            nonce = node.nonce(account_of(key))
            sent = []
            for place, account in enumerate(accounts):
                transaction = {
                    "type": 2,
                    "chainId": CHAIN_ID,
                    "nonce": nonce + place,
                    "to": account,
                    "value": _GIFT,
                    "gas": 21_000,
                    "maxFeePerGas": GAS_PRICE,
                    "maxPriorityFeePerGas": 1,
                }
                signed = Account.sign_transaction(transaction, key)
                node.submit(bytes(signed.raw_transaction), bytes(signed.hash))
                sent.append(bytes(signed.hash))
            for transaction_hash in sent:
                node.wait(transaction_hash)

    # --- ending

    def is_running(self) -> bool:
        """Whether all of them run."""
        return all(processes.running(folder) for folder in self.folders)

    def stop(self, *places: int) -> list[str]:
        """End the validators, or those at some places: exactly the processes that were started for this folder.

        Returns:
            What was ended, in words.
        """
        chosen = [self.folders[place] for place in places] if places else self.folders
        return [f"validator {folder.name} (process {pid})" for folder, pid in processes.end(chosen).items()]

    # --- asking

    def ask(self, place: int, method: str, *parameters: Any) -> Any:
        """Ask a validator over its socket.

        Raises:
            NotAsked: It does not run, or refused.
        """
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        try:
            answer = json.loads(b"".join(_exchange(self.folders[place], json.dumps(request).encode())))
        except (OSError, ValueError) as error:
            raise NotAsked(f"What validator {place + 1} was asked ({method})", str(error)) from None
        if "error" in answer:
            raise NotAsked(f"What validator {place + 1} was asked ({method})", answer["error"]["message"])
        return answer["result"]


def genesis(validators: Sequence[str], money: dict[str, int]) -> dict[str, Any]:
    """The genesis block: London rules, Clique, no base fee.

    Args:
        validators: Checksummed addresses of the first signers.
        money: Wei by address.
    """
    forks = (
        "homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "petersburg", "istanbul",
        "berlin", "london",
    )  # fmt: skip
    listed = b"".join(sorted(bytes.fromhex(each[2:]) for each in validators))
    return {
        "config": {
            "chainId": CHAIN_ID,
            **{f"{fork}Block": 0 for fork in forks},
            "clique": {"period": BLOCK_SECONDS, "epoch": CLIQUE_EPOCH},
        },
        "difficulty": "0x1",
        "gasLimit": hex(GAS_LIMIT),
        "baseFeePerGas": "0x0",
        "timestamp": hex(int(time.time())),
        "extraData": "0x" + (bytes(32) + listed + bytes(65)).hex(),
        "alloc": {address: {"balance": hex(wei)} for address, wei in money.items()},
    }


def _exchange(folder: Path, request: bytes) -> Iterator[bytes]:
    """Ask a node over its socket; by its folder's descriptor, since a socket's path has room for 107 bytes."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            connection.connect(f"/proc/self/fd/{descriptor}/ipc/geth")
            connection.sendall(request)
            while True:
                part = connection.recv(1 << 16)
                yield part
                if not part or part.endswith(b"\n"):
                    return
    finally:
        os.close(descriptor)


def _id(enode: str) -> str:
    """What a node is known by among its peers: its public key."""
    return enode.partition("//")[2].partition("@")[0]


def _text(log: Path) -> str:
    return log.read_text(errors="replace") if log.exists() else ""
