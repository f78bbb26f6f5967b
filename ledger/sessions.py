"""Signing in to read: challenges, and the sessions that they are exchanged for.

A challenge is kept nowhere: its nonce holds an HMAC over the whole text, under a key that every process of the service
has and nobody else. So a stranger who asks for a million of them writes nothing, and what comes back is byte for byte
what was given out, or refused. What is written, once the signature is that of an account which may read: that the nonce
is spent, and the SHA-256 of the token; who reads the database can use neither.

A token says only whose it is. What its account may read is asked of the registry, as indexed, at every request.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import replace

from ledger import views
from ledger.core import signatures
from ledger.core.identifiers import Party
from ledger.errors import InvalidSignIn, NotPermitted, SignerMismatch
from ledger.membership import Membership
from ledger.messages import ChallengeView, SessionView, from_hex, time_of
from ledger.reading import Reader, reader_of
from ledger.sign_in import SignInMessage, Site, digest
from ledger.store import Session, Store

CHALLENGE_SECONDS = 300
SESSION_SECONDS = 900
MAX_SESSIONS = 100  # of one account at a time; one more ends the one that would end first
_RANDOM_BYTES = 16  # of a nonce; as many of the HMAC follow


class Sessions:
    """The sessions of one administration's service. Thread-safe.

    Args:
        store: The database.
        administration: Whose service.
        chain_id: The chain that it follows.
        members: Gives the registry as a session of the store has it.
        require_caught_up: Raises ChainUnread where the registry is not read to its end.
        now: The time, Unix seconds.
    """

    def __init__(
        self,
        store: Store,
        administration: Party,
        chain_id: int,
        members: Callable[[Session], Membership],
        require_caught_up: Callable[[Session, str, str], None],
        now: Callable[[], int],
    ) -> None:
        self._store = store
        self._administration = administration
        self._chain_id = chain_id
        self._members = members
        self._require_caught_up = require_caught_up
        self._now = now

    def challenge(self, address: str, site: Site) -> ChallengeView:
        """Issue a text that an account signs to be let read; it is taken once, for five minutes.

        Whether the account is enrolled is **not** looked at: that would tell strangers who is.

        Args:
            address: 20 bytes as hex.
            site: As what this service is known.
        """
        now = self._now()
        message = SignInMessage(
            site,
            signatures.checksummed(from_hex(address)),
            f"Read the cargo ledger of {self._administration}.",
            self._chain_id,
            secrets.token_hex(_RANDOM_BYTES),
            now,
            now + CHALLENGE_SECONDS,
        )
        message = self._stamped(message)
        return ChallengeView(message=message.to_text(), expires_at=time_of(message.expires_at))

    def sign_in(self, text: str, signature: bytes) -> SessionView:
        """Give a token for 15 minutes of reading to whoever signed a challenge of this service.

        Args:
            text: The challenge's text.
            signature: EIP-191 signature, 65 bytes.

        Raises:
            InvalidSignIn: The text is malformed, was not issued here, is expired, or was used already.
            InvalidSignature, SignerMismatch: The account that it names did not sign it.
            NotPermitted: The account is not enrolled here, is revoked or expired, or has no role that reads.
            ChainUnread: The account is not known, and the registry is not read to its end yet.
        """
        now = self._now()
        message = SignInMessage.parse(text)
        if not hmac.compare_digest(self._stamped(message).to_text().encode(), text.encode()):
            raise InvalidSignIn("it was not issued here; ask for a challenge, and sign it as it is")
        if now >= message.expires_at:
            raise InvalidSignIn("it has expired; ask for a new challenge")
        signer = signatures.recover_address(digest(text), signature)
        if signatures.checksummed(signer) != message.address:
            raise SignerMismatch(message.address, signatures.checksummed(signer))
        with self._store.read() as session:  # a stranger makes nobody wait for the writers' turn
            self._require_reader(session, signer, now)
        token = secrets.token_urlsafe(32)
        with self._store.write() as session:
            self._require_reader(session, signer, now)
            if not session.spend_challenge(message.nonce, message.expires_at, now):
                raise InvalidSignIn("it was used already; ask for a new challenge")
            session.add_session(_hashed(token), signer, now + SESSION_SECONDS, now, MAX_SESSIONS)
            account = self._members(session).accounts[signer]
        view = views.account(account)
        return SessionView(
            token=token,
            expires_at=time_of(now + SESSION_SECONDS),
            account=view.address,
            party=view.party,
            roles=view.roles,
        )

    def reader(self, token: str) -> Reader | None:
        """Who reads with a token, as the registry has the account now; None if the token is of no use (any more)."""
        now = self._now()
        with self._store.read() as session:
            row = session.session_of(_hashed(token))
            if row is None or now >= row.expires_at:
                return None
            return self._reader(session, row.account, now)

    def reader_by_account(self, session: Session, address: str) -> Reader | None:
        """Who reads by an account, as the registry has it now; None if it may read nothing (any more)."""
        return self._reader(session, from_hex(address), self._now())

    def end(self, token: str) -> None:
        """Revoke a token; one that is of no use is none the worse."""
        with self._store.write() as session:
            session.end_session(_hashed(token))

    def _stamped(self, message: SignInMessage) -> SignInMessage:
        """The message with the nonce that this service gives it; only the random half of its own nonce is looked at."""
        bare = replace(message, nonce=message.nonce[: 2 * _RANDOM_BYTES])
        stamp = self._store.stamp("challenge", bare.to_text())[:_RANDOM_BYTES]
        return replace(bare, nonce=bare.nonce + stamp.hex())

    def _reader(self, session: Session, address: bytes, now: int) -> Reader | None:
        membership = self._members(session)
        code = self._administration.administration_bytes
        return reader_of(membership.account(address), membership, code, now)

    def _require_reader(self, session: Session, address: bytes, now: int) -> None:
        if self._reader(session, address, now) is not None:
            return
        name = signatures.checksummed(address)
        if self._members(session).account(address) is None:
            self._require_caught_up(session, "account", name)
        raise NotPermitted(
            name,
            f"it is not enrolled with {self._administration}, or no longer, or has no role that reads; its governor "
            "enrols accounts",
        )


def _hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
