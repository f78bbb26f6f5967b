"""The development chain starts once, is found again, keeps its state and is the only thing that is stopped."""

import json
import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from ledger import devchain
from ledger.errors import ChainUnavailable, InvalidProfile


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder whose chain, if one runs, is stopped at the end."""
    folder = tmp_path_factory.mktemp("chain")
    yield folder
    devchain.stop(folder)


def ask(chain, method, *params):
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
    return httpx.post(chain.url, json=request, trust_env=False).json()["result"]


def test_a_chain_starts_once_whoever_starts_it_and_is_found_again(folder):
    with ThreadPoolExecutor(4) as pool:
        started = list(pool.map(lambda _: devchain.start(folder, block_seconds=0), range(4)))
    assert len({(chain.pid, chain.port) for chain in started}) == 1
    assert devchain.status(folder) == started[0]
    assert int(ask(started[0], "eth_chainId"), 16) == devchain.CHAIN_ID


def test_a_chain_keeps_its_state_and_its_port_over_a_stop(folder):
    chain = devchain.start(folder, block_seconds=0)
    address = "0x" + "12" * 20
    devchain.fund(chain.url, address, 77)
    ask(chain, "anvil_mine", "0x5")
    genesis = ask(chain, "eth_getBlockByNumber", "0x0", False)["hash"]
    assert devchain.stop(folder) is True
    assert devchain.status(folder) is None
    assert devchain.stop(folder) is False
    again = devchain.start(folder, block_seconds=0)
    assert again.pid != chain.pid and again.port == chain.port
    assert int(ask(again, "eth_getBalance", address, "latest"), 16) == 77
    assert int(ask(again, "eth_blockNumber"), 16) >= 5
    assert ask(again, "eth_getBlockByNumber", "0x0", False)["hash"] == genesis


def test_a_chain_that_was_killed_is_noticed_and_starts_again(folder):
    chain = devchain.start(folder, block_seconds=0)
    os.kill(chain.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while devchain.status(folder) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert devchain.start(folder, block_seconds=0).pid != chain.pid


def test_a_process_that_only_has_the_noted_number_is_left_alone(tmp_path):
    (tmp_path / "process.json").write_text(json.dumps({"pid": os.getpid(), "port": 1, "block_seconds": 1}))
    assert devchain.status(tmp_path) is None
    assert devchain.stop(tmp_path) is False
    for text in ("", "[]", "{}", '{"pid": "x", "port": 1}', "\xff"):
        (tmp_path / "process.json").write_text(text)
        assert devchain.status(tmp_path) is None


def test_a_port_that_somebody_else_listens_on_is_told_and_no_process_is_left(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(ChainUnavailable, match="did not start"):
            devchain.start(tmp_path / "chain", port=taken.getsockname()[1])
    assert devchain.status(tmp_path / "chain") is None


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidProfile):
        devchain.start(tmp_path / "file" / "chain")


def test_a_chain_of_a_parent_ends_with_the_thread_that_started_it(tmp_path):
    started = []
    thread = threading.Thread(
        target=lambda: started.append(devchain.start(tmp_path, block_seconds=0, lifetime="parent"))
    )
    thread.start()
    thread.join()
    deadline = time.monotonic() + 10
    while devchain.status(tmp_path) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert started


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://["])
def test_funding_where_no_development_chain_is_is_told(url):
    with pytest.raises(ChainUnavailable):
        devchain.fund(url, "0x" + "12" * 20)


def test_no_proxy_of_the_environment_stands_between(folder, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    chain = devchain.start(folder, block_seconds=0)
    devchain.fund(chain.url, "0x" + "13" * 20)
