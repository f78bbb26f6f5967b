"""What a client reads of logs, registry and events, and asks the service to judge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import httpx

from ledger.calling.arguments import (
    Id,
    PartyLike,
    to_hex32,
)
from ledger.calling.connection import Connection, parsed_json, parsed_model
from ledger.errors import (
    ServiceError,
)
from ledger.messages import (
    AccountView,
    Administrations,
    AdministrationView,
    AuditAnswer,
    ConsistencyView,
    EventView,
    HeadView,
    LeafView,
    Leaves,
    PartyView,
    Readiness,
    VerdictView,
    VerificationRequest,
)


class LookUps(Connection):
    """What a client reads of logs, registry and events, and asks the service to judge."""

    def head(self, administration: str) -> HeadView:
        """Read the newest tree head of an administration's log."""
        return self._get(f"/v1/log/{administration}/head", HeadView)

    def consistency(self, administration: str, first_size: int) -> ConsistencyView:
        """Read the proof that the newest tree head extends the one of `first_size` leaves."""
        return self._get(f"/v1/log/{administration}/consistency", ConsistencyView, {"first": first_size})

    def leaves(self, administration: str, start: int = 0, count: int = 1000) -> list[LeafView]:
        """Read up to 1,000 leaves of the log, from index `start`."""
        query = {"start": start, "count": count}
        return self._get(f"/v1/log/{administration}/leaves", Leaves, query).leaves

    def audit(
        self,
        question: str,
        *,
        consignment: Id | None = None,
        at: datetime | None = None,
        account: str | None = None,
        party: PartyLike | None = None,
        record: Id | None = None,
        since: datetime | None = None,
        container: str | None = None,
        over_seconds: int | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> AuditAnswer:
        """Ask what an auditor asks: see `cargo-ledger audit ask --help`; for customs' own auditors.

        Times need a zone. A long answer has `more`: ask again with it as `after`.
        """
        given = {
            "consignment": None if consignment is None else to_hex32(consignment),
            "at": None if at is None else at.isoformat(),
            "account": account,
            "party": None if party is None else str(party),
            "record": None if record is None else to_hex32(record),
            "since": None if since is None else since.isoformat(),
            "container": container,
            "over_seconds": over_seconds,
            "limit": limit,
            "after": after,
        }
        query = {name: value for name, value in given.items() if value is not None}
        return self._get(f"/v1/audit/{question}", AuditAnswer, query)

    def all_leaves(self, administration: str, start: int = 0, page: int = 1000) -> Iterator[LeafView]:
        """Read the leaves of the log from index `start` to its end: the next `page` of them when they are needed."""
        while leaves := self.leaves(administration, start, page):
            yield from leaves
            start = leaves[-1].index + 1

    def administrations(self) -> list[AdministrationView]:
        """Read all administrations of the registry."""
        return self._get("/v1/administrations", Administrations).administrations

    def party(self, party: PartyLike) -> PartyView:
        """Read a party and the accounts that act for it."""
        return self._get(f"/v1/parties/{party}", PartyView)

    def account(self, address: str) -> AccountView:
        """Read an account as the registry has it."""
        return self._get(f"/v1/accounts/{address}", AccountView)

    def events(
        self,
        *,
        after: int | None = None,
        kinds: Iterable[str] = (),
        consignment: Id | None = None,
        administration: str | None = None,
    ) -> Iterator[EventView]:
        """Follow what happens, without end: each event once, in order, over connections that break too.

        Args:
            after: Id of the last event that was seen; without it from now on, 0 for all that are kept.
            kinds: Kinds, or what several begin with; their reversals come too.
            consignment: Only what is about this one.
            administration: Only this one's.

        Raises:
            ServiceUnavailable: There was no connection for as long as requests are sent again.
            ServiceError: Status 410: some behind `after` are not kept any more. `problem["newest"]` is the place to go on
                from, once what is followed was read anew.
        """
        query: dict[str, Any] = {"kind": [*kinds], "administration": administration}
        query["consignment"] = None if consignment is None else to_hex32(consignment)
        given = {name: value for name, value in query.items() if value}
        while True:
            headers = {} if after is None else {"last-event-id": str(after)}
            response = self._send("GET", "/v1/events", params=given, headers=headers, stream=True)
            try:
                for line in response.iter_lines():
                    name, _, value = line.partition(": ")
                    if name == "data":
                        event = parsed_model(
                            EventView, parsed_json(value.encode(), self.base_url), self.base_url
                        )
                        after = event.id
                        yield event
                    elif name == "id" and value.isdecimal():
                        after = int(value)
            except httpx.HTTPError:
                continue  # it broke; what was seen is not sent again
            finally:
                response.close()

    def readiness(self) -> Readiness:
        """Read whether the service can do its job now; an unready one answers too."""
        response = self._send("GET", "/readyz", accept=(503,), retry=False)
        answer = parsed_json(response.content, self.base_url)
        stated = {name: value for name, value in answer.items() if name in Readiness.model_fields}
        return parsed_model(
            Readiness, stated, self.base_url
        )  # an unready one comes as a problem with the same members

    def is_alive(self) -> bool:
        """Whether the service's process answers; `readiness` says whether it can do its job."""
        try:
            return self._send("GET", "/healthz", retry=False).is_success
        except ServiceError:
            return False

    def metrics(self) -> str:
        """Read the metrics, in Prometheus's text format."""
        return self._send("GET", "/metrics").text

    def verify(self, evidence: bytes, trust: bytes, *, now: int | None = None) -> VerdictView:
        """Have the service judge an evidence file; `ledger.core.verify.verify` does it without one.

        Args:
            evidence: The file's bytes.
            trust: The trust file's bytes.
            now: Unix seconds to judge as of; by default the service's clock.

        Raises:
            ServiceError: The trust file can't be read, or both are over 2 MiB.
        """
        request = VerificationRequest(
            evidence=evidence.decode("utf-8", "replace"), trust=trust.decode("utf-8", "replace"), now=now
        )
        return self._post("/v1/verify", request, VerdictView)
