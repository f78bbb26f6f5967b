"""The short way to `POST /v1/manifests`, which is most of what a service is asked.

The framework takes twice as long for one such request as all that is done for it: it looks through every router, and puts
body, dependencies and answer together anew each time. This route does the same for this one operation; what the operation
takes, does and answers is declared where all are, in `api.routes.manifests`, and that is called.
"""

from __future__ import annotations

from fastapi import Response
from pydantic import ValidationError
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from api.bodies import StrictRequest, require_media_type, require_parameters
from api.limits import counting
from api.problems import INVALID_REQUEST, Problem, invalid_fields
from api.routes import manifests
from ledger.messages import ManifestSubmission

_PATH = "/v1/manifests"
_OPERATION = next(
    route for route in manifests.router.routes if getattr(route, "endpoint", None) is manifests.lodge
)
_MISSING = {"loc": (), "msg": "Field required"}


class Lodging(BaseRoute):
    """A route that takes this one operation, and nothing else."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether a request is for it."""
        is_it = scope["type"] == "http" and scope["method"] == "POST" and scope["path"] == _PATH
        return (Match.FULL, {"route": _OPERATION}) if is_it else (Match.NONE, {})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer it.

        Raises:
            Problem, LedgerError: It is refused; the application answers that as everywhere.
        """
        request = StrictRequest(scope, receive)
        require_media_type(request, "application/json")
        require_parameters(request, {})
        try:
            body = await request.body()
        except ClientDisconnect:
            raise Problem(INVALID_REQUEST, "The connection was closed before the body ended.") from None
        if not body:
            raise invalid_fields([_MISSING], ())
        try:
            submission = ManifestSubmission.model_validate(await request.json())
        except ValidationError as error:
            raise invalid_fields(error.errors(), ()) from None
        said = Response(status_code=202)
        state = request.app.state
        answer = await manifests.lodge(submission, state.grouping, counting(state.accounts), said)
        content = answer.model_dump_json()
        await Response(content, said.status_code, media_type="application/json")(scope, receive, send)
