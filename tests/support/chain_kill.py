"""`kill -9` of the development chain, at a moment at which what it keeps is a chain.

A node's database is whole whenever its process ends. anvil's file is not: it is written in place, so that it may be cut off,
and of blocks first and accounts after, with nothing that keeps a block from being made between: then the contracts have
counted events that no block holds, for ever (six kills of six, with blocks that take long to make). So anvil is halted, and
let go on for a moment while its file is like that.
"""

import json
import os
import signal
import time
from pathlib import Path

from ledger import devchain

WAIT_SECONDS = 20
EMPTY_CODE = ("", "0x")


def kill(chain):
    """Kill the chain's process, and wait until it is gone."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        os.kill(chain.pid, signal.SIGSTOP)
        _until_halted(chain.pid)
        if _is_whole(chain.folder / "state.json"):
            os.kill(chain.pid, signal.SIGKILL)
            while devchain.status(chain.folder) is not None or not devchain.is_free(chain.port):
                assert time.monotonic() < deadline, f"port {chain.port} is not let go of"
                time.sleep(0.001)
            return
        os.kill(chain.pid, signal.SIGCONT)
        assert time.monotonic() < deadline, f"anvil's {chain.folder}/state.json is never whole"
        time.sleep(0.05)


def _until_halted(pid):
    """A signal is not heard at once by every thread."""
    while any(
        (task / "stat").read_text().rpartition(")")[2].split()[0] != "T"
        for task in Path(f"/proc/{pid}/task").iterdir()
    ):
        time.sleep(0.001)


def _is_whole(file):
    """Whether accounts have sent as many transactions as are in the blocks."""
    try:
        state = json.loads(file.read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    sent = sum(each["nonce"] for each in state["accounts"].values() if each["code"] in EMPTY_CODE)
    return sent == len(state["transactions"])
