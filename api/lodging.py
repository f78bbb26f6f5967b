"""The short way to `POST /v1/manifests`, which is most of what a service is asked.

The framework takes twice as long for one such request as all that is done for it: it looks through every router, and puts
body, dependencies and answer together anew each time. This does the same for this one operation; what the operation
takes, does and answers is declared where all are, in `api.routes.manifests`.
"""

from __future__ import annotations

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from api import headers
from api.bodies import StrictRequest, read_body, require_media_type, require_parameters
from api.limits import counting
from api.problems import INVALID_REQUEST, Problem, invalid_fields, problem_of
from api.routes import manifests
from ledger.errors import LedgerError
from ledger.messages import ManifestSubmission

_PATH = "/v1/manifests"
_JSON = "application/json"
_OPERATION = next(
    route for route in manifests.router.routes if getattr(route, "endpoint", None) is manifests.lodge
)
_MISSING = {"loc": (), "msg": "Field required"}


class Lodging:
    """ASGI middleware inside of all limits: answers this one operation, and hands on everything else.

    Args:
        app: What answers everything else.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != _PATH:
            await self.app(scope, receive, send)
            return
        scope["route"] = _OPERATION
        try:
            status, content = await _lodge(scope, receive)
        except Problem as problem:
            await problem.to_response()(scope, receive, send)
        except RequestValidationError as error:
            await invalid_fields(error.errors()).to_response()(scope, receive, send)
        except LedgerError as error:
            await problem_of(error).to_response()(scope, receive, send)
        else:
            head = [(b"content-length", str(len(content)).encode()), (b"content-type", _JSON.encode())]
            await send({"type": "http.response.start", "status": status, "headers": head})
            await send({"type": "http.response.body", "body": content})


async def _lodge(scope: Scope, receive: Receive) -> tuple[int, bytes]:
    """The status and content of the answer.

    Raises:
        Problem, RequestValidationError, LedgerError: The request is refused.
    """
    if headers.first(scope, b"content-type") != _JSON:
        require_media_type(StrictRequest(scope), _JSON)
    if scope["query_string"]:
        require_parameters(StrictRequest(scope), {})
    body = await _body(receive)
    if not body:
        raise invalid_fields([_MISSING], ())
    value = await read_body(body)
    try:
        submission = ManifestSubmission.model_validate(value)
    except ValidationError as error:
        raise invalid_fields(error.errors(), ()) from None
    state = scope["app"].state
    answer, is_new = await state.grouping.lodge(submission, counting(state.accounts))
    return 202 if is_new else 200, answer.model_dump_json().encode()


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Problem(INVALID_REQUEST, "The connection was closed before the body ended.")
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)
