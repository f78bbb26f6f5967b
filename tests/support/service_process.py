"""`python -m api` as a process of its own, and its worker."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
from local_network import Network
from running_service import settings_for

from ledger.vault import add_wrapping_key

PROJECT = Path(__file__).parents[2]
START_SECONDS = 120


class ServiceProcess:
    """The service of an administration as processes; `url` once it has said that it is ready.

    It may be killed and started again as often as one likes; it keeps its port.
    """

    def __init__(self, network: Network, folder: Path, administration: str = "SG", **changes: str) -> None:
        settings = settings_for(network, folder, administration)
        profile = folder / "profile.json"
        network.profile.save(profile)
        self.log = folder / "service.log"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")},
            "LEDGER_ADMINISTRATION": administration,
            "LEDGER_DATABASE_URL": settings.database_url,
            "LEDGER_PROFILE": str(profile),
            "LEDGER_PORT": "0",
            "LEDGER_SEQUENCER_KEY_FILE": str(settings.sequencer_key_file),
            "LEDGER_RELAYER_KEY_FILES": ",".join(map(str, settings.relayer_key_files)),
            "LEDGER_KEY_PASSWORD_FILE": str(settings.key_password_file),
            "LEDGER_OPEN_READING": "true",
            **(
                {"LEDGER_WRAPPING_KEYS_FILE": str(settings.wrapping_keys_file)}
                if settings.wrapping_keys_file
                else {}
            ),
            **changes,
        }
        self.process: subprocess.Popen[str] | None = None
        self.url = ""

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it until it ends by itself."""
        return subprocess.run(
            [sys.executable, "-m", "api", *arguments],
            cwd=PROJECT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
        )

    def start(self, *arguments: str) -> None:
        """Start it, and wait for its line."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "api", *arguments],
                cwd=PROJECT,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], START_SECONDS)
        line = self.process.stdout.readline() if ready else ""
        assert "http://" in line, self.log.read_text()[-3000:]
        self.url = next(word for word in line.split() if word.startswith("http://"))
        self.environment["LEDGER_PORT"] = self.url.rpartition(":")[2]

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def worker(self, seconds: float = 10) -> int:
        """The worker's pid; waits until there is one."""
        deadline = time.monotonic() + seconds
        while not (found := self._children(b"worker")):
            assert time.monotonic() < deadline, "there is no worker"
            time.sleep(0.02)
        return found[0]

    def api_processes(self) -> list[int]:
        """The pids of the processes that answer, where there are several; those that run now."""
        return self._children(b"--listening")

    def _children(self, argument: bytes) -> list[int]:
        found = []
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                with contextlib.suppress(OSError):
                    arguments = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
                    if is_running(int(child)) and argument in arguments:
                        found.append(int(child))
        return found

    def kill(self) -> None:
        """`kill -9` of the API."""
        os.kill(self.pid, signal.SIGKILL)
        self._reap()

    def wait(self) -> int:
        """Wait until it has ended by itself; its exit status."""
        return self._reap()

    def stop(self) -> int:
        """Ask it to end; its exit status."""
        if self.process is None or self.process.poll() is not None:
            return 0
        self.process.terminate()
        return self._reap()

    def _reap(self) -> int:
        assert self.process is not None and self.process.stdout is not None
        status = self.process.wait(40)
        self.process.stdout.close()
        return status


def wait_until_ready(url: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while (answer := httpx.get(f"{url}/readyz", trust_env=False, timeout=30)).status_code != 200:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.1)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(pid: int, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while is_running(pid):
        assert time.monotonic() < deadline, f"process {pid} goes on"
        time.sleep(0.02)


@contextlib.contextmanager
def on_postgres(network: Network, database_url: str, *arguments: str) -> Iterator[ServiceProcess]:
    """The service of SG on a new database of PostgreSQL, started with these arguments; it ends at the end."""
    keys = network.folder / "wrapping-keys"
    add_wrapping_key(keys)
    service = ServiceProcess(
        network, network.folder, LEDGER_DATABASE_URL=database_url, LEDGER_WRAPPING_KEYS_FILE=str(keys)
    )
    try:
        service.start("--create", *arguments)
        yield service
    finally:
        service.stop()
