"""A disk that is full, read-only or out of inodes: nobody is told that something was accepted which was not, and it heals by itself."""

import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import httpx
import postgres
import pytest
from posting import Posting, exhaust, fill, is_ready, mounted, seconds_until
from service_process import ServiceProcess
from typer.testing import CliRunner

from ledger.cli.main import app
from ledger.client import LedgerClient
from ledger.errors import InvalidProfile
from ledger.vault import add_wrapping_key

HEALS_SECONDS = 30
DATABASE = {f"ledger.db{end}" for end in ("", "-wal", "-shm", ".turn", ".worker", ".wrapping-keys")}


@contextmanager
def posting(network, folder, database, **changes):
    """The service with a database, and who posts to it."""
    service = ServiceProcess(network, folder, LEDGER_DATABASE_URL=database, **changes)
    try:
        service.start("--create")
        with LedgerClient(service.url, key=network.keys["exporter"], retry_seconds=0) as client:
            seconds_until(lambda: is_ready(service.url), 60)
            yield Posting(client), service
    finally:
        service.stop()


@contextmanager
def posting_to_postgresql(network, folder, name, data_folder=None):
    """The service with a database of a cluster of its own: who posts to it, and the cluster; skipped where there is no PostgreSQL."""
    cluster = postgres.begin(data_folder)
    if cluster is None:
        pytest.skip(postgres.MISSING)
    try:
        keys = folder / "wrapping-keys"
        add_wrapping_key(keys)
        changes = {"LEDGER_WRAPPING_KEYS_FILE": str(keys)}
        with posting(network, folder, cluster.create(name), **changes) as (life, service):
            yield life, service, cluster
    finally:
        postgres.end(cluster)


def require_healed(life, service, refused):
    """What was refused is taken within half a minute, and nothing that was promised is lost."""
    seconds_until(lambda: life.post(refused) == 202, HEALS_SECONDS)
    seconds_until(lambda: is_ready(service.url), HEALS_SECONDS)
    life.require_all_there()
    life.client.wait_for_manifest(life.accepted[-1], timeout_seconds=60)


@pytest.mark.row("B16")
@pytest.mark.row("D7")
def test_a_full_disk_refuses_loses_nothing_is_told_and_heals(founded, anvil, tmp_path):
    with mounted(tmp_path / "disk", "size=12m") as disk:
        with posting(founded, tmp_path, f"sqlite:///{disk / 'ledger.db'}") as (life, service):
            assert life.post() == 202
            ballast = fill(disk)
            seconds_until(lambda: "make room" in httpx.get(f"{service.url}/readyz", trust_env=False).text, 20)
            refused = life.until_refused()
            # one more may find room that the log has given back: it has to be there in the end, as every other
            assert {life.post() for _ in range(5)} <= {202, 503}
            seconds_until(lambda: not is_ready(service.url), 20)
            ballast.unlink()
            require_healed(life, service, refused)
            assert {each.name for each in disk.iterdir()} <= DATABASE


@pytest.mark.row("B16")
@pytest.mark.row("D7")
def test_a_full_disk_of_postgresql_refuses_loses_nothing_and_heals(founded, anvil, tmp_path):
    """Data and journal of a cluster on one small disk."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # the server is another user's
        with (
            mounted(Path(folder) / "disk", "size=200m,mode=1777") as disk,
            posting_to_postgresql(founded, tmp_path, "full", disk) as (life, service, _),
        ):
            assert life.post() == 202
            ballast = fill(disk)
            refused = life.until_refused()
            assert {life.post() for _ in range(3)} == {503}
            ballast.unlink()
            require_healed(life, service, refused)


@pytest.mark.row("D7")
def test_a_disk_that_turns_read_only_refuses_loses_nothing_and_heals(founded, anvil, tmp_path):
    """As a file system does that met an error: no byte goes into what is open for writing any more."""
    database, log = tmp_path / "ledger.db", tmp_path / "strace"
    calls = "pwrite64,write,ftruncate,fallocate,fsync,fdatasync,unlink,unlinkat"
    with posting(founded, tmp_path, f"sqlite:///{database}") as (life, service):
        assert life.post() == 202
        paths = [word for end in ("", "-wal", "-journal") for word in ("-P", f"{database}{end}")]
        faults = ["-e", f"trace={calls}", "-e", f"inject={calls}:error=EROFS"]
        processes = ["-p", str(service.pid), "-p", str(service.worker())]
        command = ["strace", "-f", "-q", "-y", *paths, *faults, "-o", str(log), *processes]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracing:
            try:
                seconds_until(lambda: tracing.poll() is not None or life.post() != 202, 30)
                if tracing.poll() is not None:
                    pytest.skip(f"strace may not attach here: {tracing.stderr.read()}")
                refused = life.new()
                assert [life.post(refused) for _ in range(3)] == [503] * 3
                seconds_until(lambda: not is_ready(service.url), 20)
            finally:
                tracing.terminate()
        assert "EROFS" in log.read_text() and "(INJECTED)" in log.read_text()
        require_healed(life, service, refused)


@pytest.mark.row("D7")
def test_a_disk_of_postgresql_that_turns_read_only_refuses_loses_nothing_and_heals(founded, anvil, tmp_path):
    """The server ends itself over the first byte of its journal that it cannot write, and is started again by its operator."""
    with posting_to_postgresql(founded, tmp_path, "read_only") as (life, service, cluster):
        assert life.post() == 202
        log, calls = tmp_path / "strace", "pwrite64,pwritev,pwritev2,ftruncate,fallocate"
        faults = ["-e", f"trace={calls}", "-e", f"inject={calls}:error=EROFS"]
        processes = [word for process in cluster.processes() for word in ("-p", str(process))]
        command = ["strace", "-f", "-q", "-y", *faults, "-o", str(log), *processes]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracing:
            try:
                seconds_until(lambda: tracing.poll() is not None or life.post() != 202, 60)
                if tracing.poll() is not None and not log.read_text():
                    pytest.skip(f"strace may not attach here: {tracing.stderr.read()}")
                refused = life.new()
                assert [life.post(refused) for _ in range(3)] == [503] * 3
                seconds_until(lambda: not is_ready(service.url), 20)
            finally:
                tracing.terminate()
        assert "EROFS" in log.read_text() and "(INJECTED)" in log.read_text()
        cluster.stop_server()
        cluster.start_server()
        require_healed(life, service, refused)


@pytest.mark.row("D7")
def test_a_disk_without_inodes_or_read_only_refuses_a_start_and_loses_nothing(founded, anvil, tmp_path):
    with mounted(tmp_path / "disk", "size=20m,nr_inodes=16") as disk:
        with posting(founded, tmp_path, f"sqlite:///{disk / 'ledger.db'}") as (life, service):
            assert life.post() == 202
            taken = exhaust(disk)
            assert [life.post() for _ in range(20)] == [202] * 20  # it needs none while it runs
            assert service.stop() == 0
            taken += exhaust(disk)  # what the database's journal had
            require_one_sentence(service.run())
            for each in taken:
                each.unlink()
            subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
            require_one_sentence(service.run())
            subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
            service.start()
            seconds_until(lambda: is_ready(service.url), 60)
            life.require_all_there()
            assert {each.name for each in disk.iterdir()} <= DATABASE


def require_one_sentence(ended):
    assert ended.returncode == 2, ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1 and "Traceback" not in ended.stderr, ended.stderr


@pytest.mark.row("D7")
@pytest.mark.parametrize("trouble", ["full", "read-only", "no inode"])
def test_what_writes_a_file_says_so_in_one_sentence_and_leaves_no_part_of_it(founded, tmp_path, trouble):
    """Wrapping keys, key files, trust files, exports: what was there before stays as it was."""
    with mounted(tmp_path / "disk", "size=64k,nr_inodes=8") as disk:
        wrapping_keys = disk / "wrapping-keys"
        add_wrapping_key(wrapping_keys)
        (disk / "keys").mkdir(mode=0o700)
        kept = wrapping_keys.read_bytes()
        match trouble:
            case "full":
                fill(disk)
            case "no inode":
                exhaust(disk)
            case "read-only":
                subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        there = {*disk.rglob("*")}
        with pytest.raises(InvalidProfile, match="cannot be written"):
            add_wrapping_key(wrapping_keys)
        with pytest.raises(InvalidProfile, match="cannot be written"):
            add_wrapping_key(disk / "keys" / "first-wrapping-key")
        profile, password = tmp_path / "profile.json", tmp_path / "password"
        founded.profile.save(profile)
        password.write_text("a password\n")
        for arguments in (
            ["key", "new", "one", "--key-folder", disk / "keys", "--password-file", password],
            ["trust", "init", "--profile", profile, "--administration", "SG", "--out", disk / "trust.json"],
            ["audit", "export", "--profile", profile, "--out", disk / "chain.ndjson"],
        ):
            said = CliRunner().invoke(app, [*map(str, arguments)])
            assert said.exit_code != 0, arguments
            assert "Traceback" not in said.stderr and said.stderr.strip(), arguments
            assert not isinstance(said.exception, OSError), (arguments, said.exception)
            assert {*disk.rglob("*")} == there, arguments
        assert wrapping_keys.read_bytes() == kept
