"""The service of SG on a network, whole: the application on a socket of loopback, its worker beside it."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from local_network import Network

from api.app import create_app
from api.serving import PROTOCOL
from api.settings import Settings
from ledger import keys
from ledger.client import LedgerClient
from ledger.ledger import Ledger

PASSWORD = "a password of a test"


@dataclass(frozen=True)
class Service:
    network: Network
    settings: Settings
    app: object
    url: str

    def client(self, role: str | None = None, **options) -> LedgerClient:
        """A client that signs as this role; the caller disconnects it."""
        return LedgerClient(self.url, key=None if role is None else self.network.keys[role], **options)


def settings_for(network: Network, folder: Path, administration: str = "SG", **changes) -> Settings:
    """Settings with real key files, as the environment would give them."""
    ours = administration == "SG"
    password_file = folder / "password"
    password_file.write_text(PASSWORD + "\n")
    for name, role in (("sequencer", ""), ("relayer", "")):
        role = name if ours else f"foreign_{name}"
        if not (folder / f"{name}.json").exists():
            keys.create(folder, name, PASSWORD, private_key=network.keys[role], light=True)
    given = {
        "administration": administration,
        "database_url": f"sqlite:///{folder / 'ledger.db'}",
        "profile": network.profile,
        "sequencer_key_file": folder / "sequencer.json",
        "relayer_key_files": (folder / "relayer.json",),
        "key_password_file": password_file,
        "port": 0,
        "open_reading": True,  # on a local network of validators too
        "wrapping_keys_file": network.wrapping_keys(),
        "webhook_networks": "127.0.0.0/8",  # where the receivers of tests are
    }
    return Settings(**(given | changes))


@contextlib.contextmanager
def working(settings: Settings) -> Iterator[None]:
    """A worker in a thread; it makes the database if it is not there."""
    ledger = Ledger.open(settings.config, create=True)
    stop = threading.Event()
    thread = threading.Thread(target=ledger.run_worker, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        ledger.close()


@contextlib.contextmanager
def serving(network: Network, settings: Settings) -> Iterator[Service]:
    """The application on a free port."""
    listener = socket.create_server((settings.host, 0))
    app = create_app(settings)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            **PROTOCOL,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            timeout_graceful_shutdown=5,
        )
    )
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        yield Service(network, settings, app, f"http://127.0.0.1:{listener.getsockname()[1]}")
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
