"""One connection to a service: requests, what is sent again, signing in."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

import httpx
import orjson
from pydantic import BaseModel, ValidationError

from ledger.config import ChainProfile
from ledger.core import signatures
from ledger.errors import (
    ChainMismatch,
    InvalidKey,
    ServiceError,
    ServiceUnavailable,
)
from ledger.messages import (
    ChainView,
    ChallengeRequest,
    ChallengeView,
    SessionRequest,
    SessionView,
    to_hex,
)
from ledger.sign_in import SignInMessage, Site, digest

_RENEW_SECONDS = 60  # a session that ends sooner is renewed
_GOODBYE_SECONDS = 2  # longest wait for the answer to a sign-out
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0
POLL_SECONDS = 0.2
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class _Session:
    """A sign-in: what a request shows, and from when on (monotonic seconds) a new one is needed."""

    headers: Mapping[str, str] = field(repr=False)
    renew_at: float


class Connection:
    """A connection to a service, for one account; its arguments and errors are those of `ledger.client.LedgerClient`."""

    def __init__(
        self,
        base_url: str,
        *,
        key: bytes | Callable[[], bytes] | None = None,
        timeout_seconds: float = 30,
        profile: ChainProfile | None = None,
        retry_seconds: float = 10,
        public_url: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._key = key
        self._profile = profile
        self._retry_seconds = retry_seconds
        self._public_url = public_url or self.base_url
        self._session: _Session | None = None
        self._signing_in = threading.Lock()
        self._chain: ChainView | None = None
        self._http = httpx.Client(
            base_url=self.base_url, timeout=timeout_seconds, transport=transport, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.disconnect()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_url!r}, key hidden)"

    def disconnect(self) -> None:
        """End the session, if there is one, and close the connections; `close` closes a consignment."""
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(httpx.HTTPError):  # then it ends by itself
                self._http.delete("/v1/sessions/current", headers=session.headers, timeout=_GOODBYE_SECONDS)
        self._http.close()

    @property
    def address(self) -> str:
        """The account's address, checksummed.

        Raises:
            InvalidKey: The client has no key.
        """
        return signatures.account_of(self._require_key())

    def chain(self) -> ChainView:
        """Read which chain the service follows, and how far it has read."""
        return self._get("/v1/chain", ChainView)

    def sign_in(self) -> SessionView:
        """Sign in with the key, as reading does by itself where it is needed; the former session stays as it is.

        Raises:
            InvalidKey: The client has no key.
            InvalidSignIn: What the service asks to sign is for another site, chain or account; it is not signed.
            ChainMismatch: The service follows another chain than the caller's profile.
        """
        asked = time.monotonic()
        chain = self._require_chain()
        request = ChallengeRequest(address=self.address)
        text = self._post("/v1/sessions/challenge", request, ChallengeView).message
        message = SignInMessage.parse(text)
        message.require(Site.of(self._public_url), chain.chain_id, self.address)
        signature = to_hex(signatures.sign(digest(text), self._require_key()))
        session = self._post("/v1/sessions", SessionRequest(message=text, signature=signature), SessionView)
        lasts = session.expires_at.timestamp() - message.issued_at  # both by the service's clock
        self._session = _Session(
            {"authorization": f"Bearer {session.token}"}, asked + max(lasts - _RENEW_SECONDS, lasts / 2)
        )
        return session

    def _current_session(self) -> _Session | None:
        """The session to show, renewed if it is about to end."""
        session = self._session
        if session is None or time.monotonic() < session.renew_at:
            return session
        return self._new_session(session)

    def _new_session(self, former: _Session | None) -> _Session | None:
        """Another session than the one that is of no use (any more); one sign-in for all threads that need it."""
        with self._signing_in:
            if self._session is former:
                self.sign_in()
            return self._session

    def _require_key(self) -> bytes:
        if self._key is None:
            raise InvalidKey("of this client", "there is none; give one to sign with")
        if not isinstance(self._key, bytes):
            self._key = self._key()
        return self._key

    def _require_chain(self) -> ChainView:
        if self._chain is None:
            chain = self.chain()
            if self._profile is not None:
                _require_same_chain(self._profile, chain)
            self._chain = chain
        return self._chain

    def _get(self, path: str, model: type[_Model], query: Mapping[str, Any] | None = None) -> _Model:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        response = self._send("GET", path, params=given)
        return parsed_model(model, parsed_json(response.content, self.base_url), self.base_url)

    def _evidence(self, path: str, show: Iterable[str]) -> bytes:
        response = self._send("GET", path, params={"show": [*show]})
        parsed_json(response.content, self.base_url)  # a proxy's page is no evidence file
        return response.content

    def _post(self, path: str, body: BaseModel | None, model: type[_Model]) -> _Model:
        sent: dict[str, Any] = {}
        if body is not None:
            sent = {"content": to_json(body), "headers": {"content-type": "application/json"}}
        response = self._send("POST", path, **sent)
        return parsed_model(model, parsed_json(response.content, self.base_url), self.base_url)

    def _send(
        self,
        method: str,
        path: str,
        *,
        accept: tuple[int, ...] = (),
        retry: bool = True,
        stream: bool = False,
        **request: Any,
    ) -> httpx.Response:
        """Send a request, again while there is no answer, 429 or 503; raise for a problem.

        A streamed answer is not read yet, and the caller closes it.
        """
        deadline = time.monotonic() + (self._retry_seconds if retry else 0)
        pause = FIRST_PAUSE_SECONDS
        session = self._current_session() if _is_read(method, path) else None
        may_sign_in = self._key is not None and _is_read(method, path)
        while True:
            try:
                built = self._http.build_request(method, path, **request)
                built.headers.update({} if session is None else session.headers)
                response = self._http.send(built, stream=stream)
                if stream and not response.is_success:
                    response.read()
                if response.status_code == 401 and may_sign_in:
                    may_sign_in = False  # what is refused with a new session stays so
                    session = self._new_session(session)
                    continue
                if response.status_code not in (429, 503) or response.status_code in accept:
                    break
                reason = str(_detail(response).get("detail"))
                if response.status_code == 429:
                    pause = max(pause, _retry_after(response))
            except httpx.InvalidURL as error:
                raise ServiceUnavailable(self.base_url, str(error)) from None
            except httpx.HTTPError as error:
                reason = str(error) or type(error).__name__
            if time.monotonic() + pause > deadline:
                raise ServiceUnavailable(self.base_url, reason)
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        if response.is_success or response.status_code in accept:
            return response
        raise problem_of(_detail(response), response.status_code)

    def _wait(
        self, read: Callable[[], _Model], is_there: Callable[[_Model], bool], sentence: str, seconds: float
    ) -> _Model:
        deadline = time.monotonic() + seconds
        while True:
            view = read()
            if is_there(view):
                return view
            if time.monotonic() > deadline:
                raise ServiceUnavailable(self.base_url, f"{sentence}, after {seconds:g} seconds")
            time.sleep(POLL_SECONDS)


class Asking:
    """How the parts of a client that stand on their own ask."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, path: str, model: type[_Model], query: Mapping[str, Any] | None = None) -> _Model:
        """GET a message."""
        return self._connection._get(path, model, query)

    def post(self, path: str, body: BaseModel | None, model: type[_Model]) -> _Model:
        """POST a message, or nothing, for a message."""
        return self._connection._post(path, body, model)

    def delete(self, path: str) -> None:
        """DELETE something."""
        self._connection._send("DELETE", path)


def _is_read(method: str, path: str) -> bool:
    """Whether a request may need a session: a token is shown nowhere else."""
    if method == "GET":
        return path.startswith("/v1/") and path != "/v1/chain"
    return path == "/v1/accompanying-files" or path.startswith("/v1/webhooks")


def _retry_after(response: httpx.Response) -> float:
    text = response.headers.get("retry-after", "")
    return float(text) if text.isdecimal() else 0.0


def _require_same_chain(profile: ChainProfile, chain: ChainView) -> None:
    pairs = (
        ("the chain id", profile.chain_id, chain.chain_id),
        ("the genesis hash", to_hex(profile.genesis_hash), chain.genesis_hash),
        ("AdministrationRegistry", profile.registry.lower(), chain.administration_registry.lower()),
        ("ManifestLog", profile.manifest_log.lower(), chain.manifest_log.lower()),
        ("ConsignmentLedger", profile.consignment_ledger.lower(), chain.consignment_ledger.lower()),
    )
    for what, expected, found in pairs:
        if expected != found:
            raise ChainMismatch(what, expected, found)


def to_json(body: BaseModel) -> bytes:
    """A message as it is sent."""
    return body.model_dump_json(exclude_none=True).encode()


def parsed_json(content: bytes, url: str) -> dict[str, Any]:
    """An answer of the service at `url` as an object; ServiceUnavailable if it is none."""
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise ServiceUnavailable(url, "its answer is no JSON object; is this the address of a cargo ledger?")
    return value


def parsed_model(model: type[_Model], value: dict[str, Any], url: str) -> _Model:
    """An answer of the service at `url` as a message; ServiceUnavailable if it is another."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise ServiceUnavailable(
            url, f"its answer is not what this version expects: {place or 'all of it'}"
        ) from None


def _detail(response: httpx.Response) -> dict[str, Any]:
    try:
        value = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        value = None
    return value if isinstance(value, dict) else {"detail": f"it answered {response.status_code}"}


def problem_of(problem: dict[str, Any], status: int | None = None) -> ServiceError:
    """The error for a problem that the service answered."""
    number = problem.get("status", status)
    return ServiceError(
        number if isinstance(number, int) else 0,
        str(problem.get("title", "")),
        str(problem.get("detail", "")),
        problem,
    )
