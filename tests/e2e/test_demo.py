"""`make demo`, `make up` and `make down`, run as anyone would run them: by their scripts, in folders of their own."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
DEMO = [sys.executable, str(ROOT / "scripts" / "demo.py")]
SYSTEM = [sys.executable, str(ROOT / "scripts" / "system.py")]
LONGEST_SECONDS = (
    480  # on a machine that does other things too; the demonstration itself takes about one minute
)

SCENES = (
    "Three administrations found a network",
    "Manifests are lodged",
    "Cargo arrives at Felixstowe",
    "Under control",
    "Released, cleared, delivered",
    "A seizure",
    "Into one container",
    "The file that travels with the cargo",
    "Singapore looks the container up",
    "Out of the container",
    "The auditor believes nobody",
    "Six things that must not work",
    "What was done",
)
REFUSALS = (
    "a changed manifest",
    "a release while held",
    "a handover by someone who is not the custodian",
    "a record signed by a revoked officer",
    "a shortened log",
    "a second opening of a consignment",
)
SAID = (
    "the consignment is on hold by SG; a release is possible once the hold is lifted",
    "OFFER is for the party in charge, NL:MAASLINE",
    "may not do this: it was revoked at",
    "a log only grows",
    "is not shown to extend the last one",
    "this consignment was opened before",
    "what was given leads to",
    "VALID: the record stands in GB's log, and the chain keeps that head.",
    "In the charge of NL:MAASLINE. 3 consignments inside.",
)


def run(command: list[str], **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | more,
        capture_output=True,
        text=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )


def said(text: str) -> str:
    """What was printed, without the lines and frames it was broken into."""
    return " ".join(re.sub(r"[│╭╮╰╯─┃━]", " ", text).split())


def processes_of(folder: Path) -> list[str]:
    """Command lines of the processes that work in a folder, told by their arguments or their settings."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
            words = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if state != "Z" and int(process.name) != os.getpid() and f"{folder}/".encode() in words:
            found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


def wait_until_gone(folder: Path, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while processes_of(folder):
        assert time.monotonic() < deadline, processes_of(folder)
        time.sleep(0.2)


def test_the_demonstration_tells_every_scene_refuses_six_things_and_ends_all_it_started(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "demo"
    ended = run([*DEMO, "--folder", str(folder)], COLUMNS="118")
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    told = said(ended.stdout)
    for number, title in enumerate(SCENES, 1):
        assert f"{number} {title}" in told
    for number, title in enumerate(REFUSALS, 1):
        assert f"Refused {number} of 6: {title}" in told
    for sentence in SAID:
        assert sentence.casefold() in told.casefold()
    for what, count in (("kinds of custody record, of 17", 17), ("refusals, nothing changed", 6)):
        assert f"{what} {count}" in told
    for counted in (
        "manifests amended 1",
        "manifests withdrawn 1",
        "shipments seized 1",
        "released for transit 5",
    ):
        assert counted in told
    assert processes_of(folder) == []
    secret = re.search(r'"secret": "(0x[0-9a-f]{64})"', ended.stdout)
    assert secret is None, "the secret of a document was printed"


def heeds_interruptions() -> None:
    """A shell that starts the tests in the background has them ignore ctrl-C, and so whatever they start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_demonstration_that_is_interrupted_or_killed_leaves_no_process_behind(
    tmp_path: Path, how: signal.Signals
) -> None:
    folder = tmp_path / "demo"
    process = subprocess.Popen(
        [*DEMO, "--folder", str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=heeds_interruptions,
    )
    deadline = time.monotonic() + LONGEST_SECONDS
    while not (folder / "sg" / "process.json").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    assert processes_of(folder)
    process.send_signal(how)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == (130 if how == signal.SIGINT else -how), output.decode()
    wait_until_gone(folder)


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("four years of work")
    ended = run([*DEMO, "--folder", str(tmp_path)])
    assert ended.returncode == 1
    assert "something else than a demonstration" in said(ended.stdout)
    assert (tmp_path / "thesis.txt").read_text() == "four years of work"


def test_up_leaves_a_system_that_answers_a_second_up_uses_it_and_down_ends_exactly_it(tmp_path: Path) -> None:
    folder = tmp_path / "up"
    bystander = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)", f"{folder}/bystander"]
    )
    try:
        first = run([*SYSTEM, "up", "--folder", str(folder)])
        assert first.returncode == 0, first.stdout + first.stderr
        assert "Founded anew" in said(first.stdout)
        urls = sorted(set(re.findall(r"http://127\.0\.0\.1:\d+", first.stdout)))
        chain_url = json.loads((folder / "profile.json").read_text())["rpc_url"]
        assert len(urls) == 4 and chain_url in urls
        for url in urls:
            if url != chain_url:
                assert httpx.get(f"{url}/readyz").json()["ready"] is True

        second = run([*SYSTEM, "up", "--folder", str(folder)])
        assert second.returncode == 0, second.stdout + second.stderr
        assert "It runs already" in said(second.stdout)
        assert sorted(set(re.findall(r"http://127\.0\.0\.1:\d+", second.stdout))) == urls

        lines = [line.strip() for line in second.stdout.splitlines() if line.startswith("  ")]
        commands = [line for line in lines if line.startswith(("export ", ".venv/bin/cargo-ledger "))]
        assert len(commands) == 6
        copied = run(["bash", "-euc", "\n".join(commands)])
        assert copied.returncode == 0, copied.stdout + copied.stderr
        assert "On hold by GB" in copied.stdout and "May not go: it is on hold." in copied.stdout

        stopped = run([*SYSTEM, "down", "--folder", str(folder)])
        assert stopped.returncode == 0, stopped.stdout + stopped.stderr
        assert said(stopped.stdout).count("Stopped ") == 4
        wait_until_gone(folder / "gb")
        assert bystander.poll() is None, "down ended a process that it did not start"

        again = run([*SYSTEM, "down", "--folder", str(folder)])
        assert again.returncode == 0 and "Nothing runs" in said(again.stdout)

        third = run([*SYSTEM, "up", "--folder", str(folder)])
        assert third.returncode == 0, third.stdout + third.stderr
        assert "the chain goes on from its state" in said(third.stdout)
        copied = run(["bash", "-euc", "\n".join([*commands[:2], commands[-1]])])
        assert "On hold by GB" in copied.stdout, (
            "what was recorded before is gone: " + copied.stdout + copied.stderr
        )
    finally:
        bystander.kill()
        bystander.wait()
        run([*SYSTEM, "down", "--folder", str(folder)])
