"""A PostgreSQL cluster of a test run's own, gone with the run however it ends; see `postgres_keeper`."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import postgres_keeper
import psycopg
from postgres_keeper import BINARIES, START_SECONDS

from ledger.store import Store
from ledger.tables import METADATA

MISSING = "PostgreSQL is not installed (Debian's package `postgresql`); as root, `make test` installs it"


@dataclass(frozen=True)
class Cluster:
    """A running server."""

    folder: Path
    keeper: subprocess.Popen[str]

    def url(self, name: str) -> str:
        return f"postgresql://cargo@/{name}?host={self.folder}"

    def create(self, name: str) -> str:
        """Make an empty database; its URL is returned."""
        self.run(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def drop(self, name: str) -> None:
        self.run(f'DROP DATABASE "{name}" WITH (FORCE)')

    def run(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def empty_ledger(self) -> str:
        """The URL of a ledger's database without a row: the same one each time, since making one takes a second."""
        url = self.url("ledger")
        with psycopg.connect(self.url("postgres")) as connection:
            there = connection.execute("SELECT 1 FROM pg_database WHERE datname = 'ledger'").fetchone()
        if there is None:
            Store(self.create("ledger"), create=True).close()
        with psycopg.connect(url) as connection:
            connection.execute("SET lock_timeout = '10s'")  # a test left a writer behind
            for table in METADATA.sorted_tables:
                connection.execute(
                    f"DELETE FROM {table.name}"
                )  # a truncation waits for the disk, for each table
        return url

    def server(self) -> int:
        """The server's process id."""
        return int((self.folder / "data" / "postmaster.pid").read_text().split()[0])

    def processes(self) -> list[int]:
        """The process ids of the server and of all that serve for it."""
        server = self.server()
        children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
        return [server, *map(int, children)]

    def stop_server(self) -> None:
        """End the server as a crash would."""
        self._tell("stop")

    def start_server(self) -> None:
        """Start it again after `stop_server`; it recovers."""
        self._tell("start")

    def _tell(self, command: str) -> None:
        assert self.keeper.stdin is not None and self.keeper.stdout is not None
        self.keeper.stdin.write(command + "\n")
        self.keeper.stdin.flush()
        assert self.keeper.stdout.readline() == "done\n", f"the keeper did not {command} the server"


def begin(where: Path | None = None) -> Cluster | None:
    """Start a cluster, in a folder of a folder if one is given; None where PostgreSQL is not installed."""
    if not BINARIES:
        return None
    keeper = subprocess.Popen(
        [sys.executable, postgres_keeper.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | ({} if where is None else {"TMPDIR": str(where)}),
    )
    assert keeper.stdout is not None
    line = keeper.stdout.readline().strip()
    assert line.startswith("/"), "the cluster did not start"
    return Cluster(Path(line), keeper)


def end(cluster: Cluster) -> None:
    assert cluster.keeper.stdin is not None and cluster.keeper.stdout is not None
    cluster.keeper.stdin.close()
    cluster.keeper.wait(START_SECONDS)
    cluster.keeper.stdout.close()
