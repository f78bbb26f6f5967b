"""The development chain: one anvil process with its state on disk, started and stopped by one call.

It is for one machine and for tests: no seals, no finality, its accounts are worth nothing. The state is written every
second, so a `kill -9` may lose the last blocks, as a reorganisation would; the indexer and the sender live with that. What
they do not live with: anvil writes its blocks and its accounts one after the other, and killed while it makes blocks it may
come back with accounts that are ahead. The contracts then count events that no block holds; found the chain anew.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx

from ledger.config import write_atomically
from ledger.errors import ChainUnavailable, InvalidProfile

CHAIN_ID = 31337
GAS_LIMIT = 60_000_000  # gas a block: 300 custody records at the constant 200,000
START_SECONDS = 20
_PR_SET_PDEATHSIG = 1
_EXITING = 4  # a process's flag PF_EXITING, proc(5)

Lifetime = Literal["detached", "parent"]


@dataclass(frozen=True, slots=True)
class DevChain:
    """A running development chain.

    Attributes:
        folder: Where its state, log and pid are kept.
        pid: Its process.
        port: Its port on 127.0.0.1.
    """

    folder: Path
    pid: int
    port: int

    @property
    def url(self) -> str:
        """Its JSON-RPC address."""
        return f"http://127.0.0.1:{self.port}"


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Whether nobody listens on a port of 127.0.0.1 at this moment."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def die_with_parent() -> None:
    """Ask the kernel to end this process when the one that started it ends (Linux; elsewhere nothing happens)."""
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    except (AttributeError, OSError):
        return


def start(
    folder: Path | str,
    *,
    port: int | None = None,
    block_seconds: int = 1,
    states_in_memory: int = 0,
    lifetime: Lifetime = "detached",
) -> DevChain:
    """Start the chain of this folder, or find it running already.

    Args:
        folder: Kept between runs: `state.json`, `anvil.log`, `process.json`.
        port: A port of 127.0.0.1; without one, the last one of this folder if it is free, else any free one.
        block_seconds: Seconds between blocks; 0 makes a block for each transaction.
        states_in_memory: States of so many newest blocks are kept, none on disk. Without it anvil keeps about 500 there
            and the others on disk, from which it answers wrongly about blocks that replaced others.
        lifetime: `detached` outlives the caller, `parent` ends with the *thread* that started it (the kernel's rule).

    Raises:
        ChainUnavailable: It did not answer within 20 seconds.
        InvalidProfile: There is no anvil, or the folder cannot be written to.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "starting.lock").open("a")
    except OSError as error:
        raise InvalidProfile(str(folder), error.strerror or "it cannot be written to") from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two chains on one state would each overwrite the other's
        return status(folder) or _start(folder, port, block_seconds, states_in_memory, lifetime)


def _start(
    folder: Path, port: int | None, block_seconds: int, states_in_memory: int, lifetime: Lifetime
) -> DevChain:
    port = port or _last_free_port(folder) or free_port()
    genesis_time = _genesis_time(folder)
    command = [
        str(_anvil()), "--host", "127.0.0.1", "--port", str(port), "--chain-id", str(CHAIN_ID),
        "--hardfork", "london", "--base-fee", "0", "--gas-limit", str(GAS_LIMIT), "--accounts", "1",
        "--disable-default-create2-deployer", "--disable-min-priority-fee", "--no-request-size-limit",
        "--order", "fifo",
        "--state", str(folder / "state.json"), "--state-interval", "1",
        # a restarted anvil makes a genesis block anew, beside the one in its state, and then takes either of them
        "--timestamp", str(genesis_time),
    ]  # fmt: skip
    if block_seconds:
        command += ["--block-time", str(block_seconds)]
    if states_in_memory:
        command += ["--prune-history", str(states_in_memory)]
    ends_with_us: Callable[[], None] | None = die_with_parent if lifetime == "parent" else None
    with (folder / "anvil.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603  the command is built from constants and numbers above
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=ends_with_us,
        )
    chain = DevChain(folder, process.pid, port)
    # Noted before it answers: if we die now, the next start finds it instead of starting a second one.
    noted = {"pid": process.pid, "port": port, "block_seconds": block_seconds, "genesis_time": genesis_time}
    text = json.dumps(noted)
    write_atomically(folder / "process.json", text)
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and not _answers(chain.url):
        if time.monotonic() > deadline:
            process.kill()
        time.sleep(0.05)
    if process.poll() is not None:
        raise ChainUnavailable(chain.url, f"the development chain did not start; see {folder / 'anvil.log'}")
    _ask(chain.url, "evm_setTime", [int(time.time())], 10.0)  # its clock began at the genesis block's time
    process.returncode = 0  # it is left to run: without this, Python warns that nobody waits for it
    return chain


def status(folder: Path | str) -> DevChain | None:
    """The running chain of this folder, or None."""
    folder = Path(folder)
    noted = _noted(folder)
    if noted is None or not _is_anvil(noted.pid, folder):
        return None
    return noted


def stop(folder: Path | str) -> bool:
    """Stop exactly the process that was started for this folder; its state is written first.

    Returns:
        Whether there was one.
    """
    chain = status(folder)
    if chain is None:
        return False
    _signal(chain.pid, signal.SIGTERM)
    deadline = time.monotonic() + START_SECONDS
    while _is_anvil(chain.pid, chain.folder):
        if time.monotonic() > deadline:
            _signal(chain.pid, signal.SIGKILL)
            break
        time.sleep(0.05)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(chain.pid, os.WNOHANG)  # if it was started by this very process
    return True


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has ended by itself
        os.kill(pid, number)


def fund(url: str, address: str, wei: int = 10**24) -> None:
    """Give an account of the development chain what its transactions cost there.

    Raises:
        ChainUnavailable: The node refused: it is no development chain.
    """
    answer = _ask(url, "anvil_setBalance", [address, hex(wei)], 10.0)
    if "error" in answer:
        raise ChainUnavailable(url, "it is no development chain, accounts there are not funded by us")


def _ask(url: str, method: str, params: Sequence[str | int], seconds: float) -> dict[str, object]:
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    try:
        # not through a proxy of the environment: the chain is on this machine
        answer = httpx.post(url, json=request, timeout=seconds, trust_env=False).json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise ChainUnavailable(url, str(error) or type(error).__name__) from None
    if not isinstance(answer, dict):
        raise ChainUnavailable(url, f"its answer to {method} is no JSON-RPC answer")
    return answer


def _anvil() -> Path:
    for folder in (Path(__file__).parents[1], Path.cwd()):
        for native in sorted((folder / "node_modules" / "@foundry-rs").glob("anvil-*/bin/anvil")):
            return native
    found = shutil.which("anvil")
    if found is None:
        raise InvalidProfile("anvil", "the development chain's program is missing; `make setup` installs it")
    return Path(found)


def _noted(folder: Path) -> DevChain | None:
    try:
        noted = json.loads((folder / "process.json").read_text())
        return DevChain(folder, int(noted["pid"]), int(noted["port"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _genesis_time(folder: Path) -> int:
    """The time of this folder's genesis block, Unix seconds; now for a new folder."""
    try:
        return int(json.loads((folder / "process.json").read_text())["genesis_time"])
    except (OSError, ValueError, KeyError, TypeError):
        return int(time.time())


def _is_anvil(pid: int, folder: Path) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        threads = len(os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return False
    if int(stat[6]) & _EXITING:  # its arguments are gone, its port is free when its last thread has ended
        return stat[0] != "Z" or threads > 1
    return str(folder / "state.json").encode() in arguments


def _last_free_port(folder: Path) -> int | None:
    noted = _noted(folder)
    return noted.port if noted is not None and is_free(noted.port) else None


def _answers(url: str) -> bool:
    try:
        return bool(_ask(url, "eth_chainId", [], 2.0).get("result"))
    except ChainUnavailable:
        return False
