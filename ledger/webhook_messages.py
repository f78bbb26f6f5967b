"""What a webhook's receiver is sent, after Standard Webhooks: a body, an id that every attempt has, and signatures. Pure.

The signed text is `id.timestamp.body`; neither id nor timestamp holds a full stop. Each secret that holds has its
signature in the header, so that a receiver may change to the next secret whenever it likes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

SECRET_BYTES = 32
_SECRET_PREFIX = "whsec_"  # noqa: S105  what a secret begins with
_FORMAT = b"cargo-ledger/webhook-message/1"


def secret_text(secret: bytes) -> str:
    """A secret as its owner is shown it: `whsec_` and base64."""
    return _SECRET_PREFIX + base64.b64encode(secret).decode()


def message_id(webhook: bytes, event: int, kind: str, subject: bytes, at: int) -> str:
    """The id of a webhook's message about an event: the same in every attempt, and of no other event.

    The number of an event alone would not do: a ledger that is restored from a backup gives it out again.
    """
    parts = (webhook, event.to_bytes(8, "big"), kind.encode(), subject, at.to_bytes(8, "big"))
    framed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return "msg_" + hashlib.sha256(_FORMAT + framed).hexdigest()[:32]


def headers_of(message: str, timestamp: int, body: bytes, secrets: Sequence[bytes]) -> dict[str, str]:
    """The headers of one attempt.

    Args:
        message: The message's id.
        timestamp: When it is sent, Unix seconds; a receiver refuses what is over five minutes old.
        body: Its bytes.
        secrets: Those that hold, the newest first.
    """
    signed = f"{message}.{timestamp}.".encode() + body
    signatures = (base64.b64encode(hmac.digest(secret, signed, "sha256")).decode() for secret in secrets)
    return {
        "content-type": "application/json",
        "user-agent": "cargo-ledger",
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
