"""A typed client of the HTTP service: every route one method, and the signing that a trader or an officer does.

What this decides: which digest a record must name as `previous`, how a document is committed to, when a request is sent
again. What it leaves to the service and the chain: who may do what. Private keys stay here; the service sees
signatures. Writes are safe to repeat, since the service knows them by id or digest: so a request that got no answer,
429 or 503, is sent again until `retry_seconds` are over.

Reading needs a session where the service says so (401): a client with a key then signs in by itself, renews the session
before it ends, and ends it with `disconnect`. It signs in only to the address that it talks to, on the chain that the
service states, which must be the caller's profile's if there is one.
"""

from __future__ import annotations

from ledger.calling.connection import Asking
from ledger.calling.custody import CustodyCalls
from ledger.calling.looking_up import LookUps
from ledger.calling.manifests import ManifestCalls
from ledger.calling.webhooks import WebhooksClient


class LedgerClient(ManifestCalls, CustodyCalls, LookUps):
    """A client of one administration's service, for one account.

    Safe to use from several threads; the steps of one account on one consignment must still come one after the other.

    Args:
        base_url: Address of the service, e.g. `http://127.0.0.1:8400`.
        key: Private key that signs records and signs in, 32 bytes, or what opens it when it is first needed; without it
            only reading works, where it is open.
        timeout_seconds: Longest wait for one answer.
        profile: The chain as the caller knows it; nothing is signed for a service that follows another.
        retry_seconds: How long a request that got no answer, or 503, is sent again; 0 sends it once.
        public_url: Where the service says people reach it, if that is not `base_url`: what is signed in to.
        transport: Another way to reach the service, e.g. `httpx.WSGITransport`; for tests.

    Raises:
        ServiceError: By every method: the service answered with a problem; `status`, `detail` and `problem` have it.
        ServiceUnavailable: By every method: there was no answer in time, or 503 until the end.
    """

    @property
    def webhooks(self) -> WebhooksClient:
        """Webhooks: events sent to an address of yours. They are your account's, so a key is needed."""
        return WebhooksClient(Asking(self))
