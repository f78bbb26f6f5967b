"""As what this service is known to those who sign in."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request

from api.settings import Settings, is_loopback
from ledger.errors import InvalidSignIn
from ledger.sign_in import Site


def site_of(request: Request) -> Site:
    """The site that a request's challenge is for: LEDGER_PUBLIC_URL, or without one this machine as it was asked for.

    Raises:
        InvalidSignIn: There is no public address in the settings, and the request does not name this machine.
    """
    settings: Settings = request.app.state.settings
    if settings.public_url is not None:
        return Site.of(settings.public_url)
    asked_for = Site.of(f"http://{request.headers.get('host', '')}")
    if not is_loopback(urlsplit(asked_for.uri).hostname or ""):
        raise InvalidSignIn(
            "this service does not know its public address: its operator sets LEDGER_PUBLIC_URL"
        )
    return asked_for
