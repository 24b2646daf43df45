"""The control API at `/_sandbox/`: what a test, or a person, changes and asks outside of Klaviyo's API.

It shares the port but not the rules of the API: no rate windows, no faults, no journal. With a control token it wants
`Authorization: Bearer <token>`, or the cookie that the page sets when it is opened with `?token=<token>`.
"""

import secrets
from http import HTTPStatus

import msgspec
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from klaviyo_sandbox.control import faulting, metrics, page, people, recording, tenancy, turning
from klaviyo_sandbox.control.answers import problem
from klaviyo_sandbox.faults import UnusableRule
from klaviyo_sandbox.sandbox import Sandbox


def create_router(sandbox: Sandbox) -> Router:
    """Routes of the control API and the page for people."""
    parts = (page, turning, faulting, recording, tenancy, people, metrics)
    routes = [route for part in parts for route in part.routes(sandbox)]
    return Router([Mount("/_sandbox", routes=routes, middleware=[Middleware(_Guard, sandbox=sandbox)])])


class _Guard:
    """Asks for the token, keeps foreign pages out, and turns unusable input into 400 answers."""

    def __init__(self, app: ASGIApp, sandbox: Sandbox) -> None:
        self._app = app
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = self._refusal(Request(scope))
        if response is not None:
            await response(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        except (msgspec.MsgspecError, UnusableRule, LookupError, ValueError) as error:
            await problem(HTTPStatus.BAD_REQUEST, str(error))(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        if request.headers.get("sec-fetch-site") == "cross-site" and request.method != "GET":
            return problem(HTTPStatus.FORBIDDEN, "Other sites may not control the sandbox.")
        token = self._sandbox.control_token
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        candidates = (given, request.cookies.get(page.COOKIE, ""), request.query_params.get("token", ""))
        if token is None or any(secrets.compare_digest(candidate.encode(), token.encode()) for candidate in candidates):
            return None
        return problem(HTTPStatus.UNAUTHORIZED, "Send the control token as Authorization: Bearer <token>.")
