"""What a production chain's service refuses to start with: each is how a first run goes wrong, and one sentence."""

from __future__ import annotations

from urllib.parse import urlsplit

from api.settings import Settings, is_loopback
from ledger.core.signatures import account_of
from ledger.errors import InvalidKey, InvalidProfile
from ledger.keys import DEVELOPMENT_ACCOUNTS

_DEVELOPMENT_CHAIN_IDS = (1337, 31337)


def require_fit_for_production(settings: Settings) -> None:
    """Refuse settings of a development chain on any other; a development chain takes them all.

    That no wrapping keys are set, and that others can read a key file, is refused where those files are opened.

    Raises:
        InvalidProfile: The chain id is a development chain's, the node is reached unencrypted beyond this machine, or
            nobody could sign in.
        InvalidKey: A key is one that everybody has.
    """
    profile = settings.profile
    if profile.kind == "development":
        return
    if profile.chain_id in _DEVELOPMENT_CHAIN_IDS:
        raise InvalidProfile(
            "LEDGER_PROFILE",
            f"chain id {profile.chain_id} is a development chain's; a network of its own has another",
        )
    node = urlsplit(profile.rpc_url)
    if node.scheme != "https" and not is_loopback(node.hostname or ""):
        raise InvalidProfile(
            "LEDGER_PROFILE",
            f"the node at {node.hostname} is reached without encryption; use https, or a node on this machine",
        )
    if settings.public_url is None and not settings.reading_is_open:
        raise InvalidProfile(
            "LEDGER_PUBLIC_URL",
            "it is not set; it is where people reach the service, and what they sign in to",
        )
    if settings.public_url is not None:
        site = urlsplit(settings.public_url)
        if site.scheme != "https" and not is_loopback(site.hostname or ""):
            raise InvalidProfile("LEDGER_PUBLIC_URL", "tokens would travel unencrypted; it must be https")
    for name, key in (
        ("sequencer", settings.config.sequencer_key),
        *(("relayer", key) for key in settings.config.relayer_keys),
    ):
        if key is not None and account_of(key) in DEVELOPMENT_ACCOUNTS:
            raise InvalidKey(
                name, "it is a development chain's, which everybody has; make one with `key new`"
            )
