"""Refuses addresses that no database can be asked about, before anything is."""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ferrata.infra.errors import Rejected
from ferrata.infra.http.problems import answer_for, problem_response


class UnfitAddress(Rejected):
    """An address must not contain the character U+0000."""

    code = "unfit_address"


class FitAddresses:
    """Answers 400 to a path or query that holds U+0000: PostgreSQL keeps no such text, so no engine is asked for it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and ("\0" in scope["path"] or b"%00" in scope["query_string"]):
            request = Request(scope)
            await problem_response(answer_for(UnfitAddress(), request), request)(scope, receive, send)
            return
        await self._app(scope, receive, send)
