"""The development chain keeps its history, stopped or killed as often as one likes."""

import os
import signal
import time
from contextlib import closing

import httpx
import pytest

from ledger import devchain
from ledger.chain import Node


@pytest.mark.parametrize("end", ["stopped", "killed"])
def test_a_chain_that_is_started_again_and_again_keeps_its_first_blocks_and_the_time(tmp_path, end):
    """Anvil makes its genesis block anew at each start; from the third on it used to take the newer one."""
    first = None
    for _ in range(4):
        chain = devchain.start(tmp_path, block_seconds=0, lifetime="parent")
        for _ in range(2):
            httpx.post(chain.url, json={"jsonrpc": "2.0", "id": 1, "method": "evm_mine", "params": []})
        with closing(Node(chain.url)) as node:
            blocks = [node.block(number).hash for number in (0, 1, 2)]
            assert abs(node.head().timestamp - time.time()) < 30
        first = first or blocks
        assert blocks == first
        time.sleep(1.5)  # the state is written every second
        if end == "stopped":
            devchain.stop(tmp_path)
        else:
            os.kill(chain.pid, signal.SIGKILL)
            os.waitpid(chain.pid, 0)
