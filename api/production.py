"""What a production chain's service refuses to start with: each is how a first run goes wrong, and one sentence."""

from __future__ import annotations

from urllib.parse import urlsplit

from api.settings import Settings, is_loopback
from ledger.core.signatures import account_of
from ledger.errors import InvalidKey, InvalidProfile

_DEVELOPMENT_CHAIN_IDS = (1337, 31337)
#: The accounts of the mnemonic that anvil and Hardhat start with: everybody has their keys.
DEVELOPMENT_ACCOUNTS = frozenset(
    {
        "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
        "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
        "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
        "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
        "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65",
        "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc",
        "0x976EA74026E726554dB657fA54763abd0C3a0aa9",
        "0x14dC79964da2C08b23698B3D3cc7Ca32193d9955",
        "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f",
        "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720",
    }
)


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
