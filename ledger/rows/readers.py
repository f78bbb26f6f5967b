"""Who has signed in to read."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, delete, insert, select

from ledger import tables as t
from ledger.rows.statements import Statements


class ReaderRows(Statements):
    """Challenges that were used, and the sessions they opened."""

    def spend_challenge(self, nonce: str, expires_at: int, now: int) -> bool:
        """Note that a challenge was used; False if it was before. Those that have expired are forgotten."""
        self._connection.execute(delete(t.spent_challenges).where(t.spent_challenges.c.expires_at <= now))
        if self._one(select(t.spent_challenges).where(t.spent_challenges.c.nonce == nonce)) is not None:
            return False
        self._connection.execute(insert(t.spent_challenges).values(nonce=nonce, expires_at=expires_at))
        return True

    def add_session(self, token: bytes, account: bytes, expires_at: int, now: int, most: int) -> None:
        """Keep a session by the SHA-256 of its token; expired ones go, and an account's oldest above so many."""
        self._connection.execute(delete(t.sessions).where(t.sessions.c.expires_at <= now))
        mine = (
            select(t.sessions.c.token)
            .where(t.sessions.c.account == account)
            .order_by(t.sessions.c.expires_at.desc())
            .offset(most - 1)
            .limit(most)
        )
        for row in self._all(mine):
            self.end_session(row.token)
        self._connection.execute(
            insert(t.sessions).values(token=token, account=account, expires_at=expires_at)
        )

    def session_of(self, token: bytes) -> Row[Any] | None:
        """The session of a token's SHA-256."""
        return self._one(select(t.sessions).where(t.sessions.c.token == token))

    def end_session(self, token: bytes) -> None:
        """Revoke a session."""
        self._connection.execute(delete(t.sessions).where(t.sessions.c.token == token))
