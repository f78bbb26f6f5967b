"""The socket that the API listens on, and the line that says so."""

from __future__ import annotations

import socket

from api.settings import Settings
from ledger.errors import InvalidProfile

UNREAD_MILLISECONDS = 30_000


def listen(settings: Settings) -> socket.socket:
    """Listen where the settings say.

    Raises:
        InvalidProfile: The address or port cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=2048)
        # whoever takes nothing of an answer for so long is gone, and what is kept for them with it
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MILLISECONDS)
        return listener
    except OSError as error:
        where = f"{settings.host}, port {settings.port}"
        raise InvalidProfile(where, f"it cannot be listened on: {error.strerror or error}") from None


def say_ready(settings: Settings, listener: socket.socket) -> None:
    """Print where the service is."""
    host, port = listener.getsockname()[:2]
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    where = f"The cargo ledger of {settings.administration} is at {address}"
    print(f"{where} ({address}/openapi.json lists its routes).", flush=True)
