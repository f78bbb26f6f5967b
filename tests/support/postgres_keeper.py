"""The keeper of a test run's own PostgreSQL cluster: a program that starts it, says where it is, and ends it.

The cluster has a socket in a temporary folder and no TCP. It ends as soon as the pipe on the keeper's standard input
closes, which happens when the test run ends, `kill -9` too; if the keeper itself is killed, the kernel ends the server.
A line on that input ends the server as a crash does (`stop`) or starts it again (`start`); the keeper says when it is done.
PostgreSQL refuses root: started by root, it runs as `postgres` or `nobody`.
"""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
START_SECONDS = 60
_LOCALE = {"LC_ALL": "C.UTF-8"}


def keep() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the test run, and that ends us
    folder = Path(tempfile.mkdtemp(prefix="cargo-ledger-pg-"))
    server = None
    try:
        become = _other_user(folder)
        _run([*become, str(BINARIES[-1] / "initdb"), "-D", str(folder / "data"), *_INITDB])
        server = _start(become, folder)
        print(folder, flush=True)
        for command in sys.stdin:
            if command == "stop\n":
                server.send_signal(signal.SIGQUIT)
                server.wait(START_SECONDS)
            else:
                server = _start(become, folder)
            print("done", flush=True)
    finally:
        if server is not None:
            server.send_signal(signal.SIGQUIT)  # nobody wants it whole
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(START_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)
    return 0


_INITDB = (
    "--username=cargo",
    "--auth=trust",
    "--no-instructions",
    "--encoding=UTF8",
    "--locale=C.UTF-8",
    "--no-sync",
)
_DIES_WITH_US = ("setpriv", "--pdeathsig", "QUIT")


def _start(become: list[str], folder: Path) -> subprocess.Popen[bytes]:
    server = subprocess.Popen(
        [*become, *_DIES_WITH_US, str(BINARIES[-1] / "postgres"), "-D", str(folder / "data")]
        + [part for setting in _settings(folder) for part in ("-c", setting)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | _LOCALE,
        start_new_session=True,
    )
    _wait_for(server, folder)
    return server


def _settings(folder: Path) -> list[str]:
    """As in production where it matters (fsync and synchronous_commit are on by themselves); reachable by nobody else."""
    return [
        "listen_addresses=",
        f"unix_socket_directories={folder}",
        "unix_socket_permissions=0700",
        "shared_buffers=64MB",
        "autovacuum_naptime=10s",
        f"log_directory={folder}",
        "logging_collector=on",
    ]


def _other_user(folder: Path) -> list[str]:
    if os.getuid() != 0:
        return []
    names = {each.pw_name: each for each in pwd.getpwall()}
    user = names.get("postgres") or names["nobody"]
    os.chown(folder, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _wait_for(server: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    asking = [str(BINARIES[-1] / "pg_isready"), "-q", "-h", str(folder)]
    while subprocess.run(asking).returncode != 0:
        assert server.poll() is None and time.monotonic() < deadline, "the server does not start"
        time.sleep(0.05)


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | _LOCALE)


if __name__ == "__main__":
    sys.exit(keep())
