"""How errors are told: as JSON to programs; to people as a page, or by leading them to the sign-in."""

from collections.abc import Callable
from urllib.parse import quote, urlsplit

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ferrata.access.http import refusal
from ferrata.infra.errors import FerrataError
from ferrata.infra.http.negotiation import wants_page
from ferrata.infra.http.problems import Answer, answer_for, problem_response
from ferrata.infra.http.request_ids import request_id
from ferrata.ui.render import Pages

log = structlog.get_logger()


class Teller:
    """Called with any error, gives its answer; ``note`` is told of each before."""

    def __init__(self, pages: Pages, note: Callable[[Exception, Request], None]) -> None:
        self._pages = pages
        self._note = note

    def attach(self, app: FastAPI) -> None:
        for kind in (FerrataError, HTTPException, RequestValidationError):
            app.add_exception_handler(kind, self._handle)

    def __call__(self, error: Exception, request: Request) -> Response:
        answer = answer_for(error, request)
        self._note(error, request)
        if isinstance(error, FerrataError) and answer.status >= 500:
            log.warning("http.refused", code=answer.code, error=error.message, path=request.url.path)
        return self._page(answer, request) if wants_page(request) else problem_response(answer, request)

    async def _handle(self, request: Request, error: Exception) -> Response:
        if isinstance(error, RequestValidationError):  # the framework reads a body before it asks who sent it
            return self(await refusal(request) or error, request)
        return self(error, request)

    def _page(self, answer: Answer, request: Request) -> Response:
        if answer.status == 401:
            wanted = _wanted_page(request)
            return RedirectResponse(f"/sign-in?next={quote(wanted, safe='/')}" if wanted else "/sign-in", status_code=303)
        number = request_id(request.scope)
        page = self._pages.page(request, "entry/error.html", status_code=answer.status, answer=answer, request_id=number)
        page.headers.update(dict(answer.headers))
        return page


def _wanted_page(request: Request) -> str:
    """The page to come back to after signing in; after a form that was refused, the page that it stood on."""
    if request.method == "GET":
        return request.url.path + (f"?{request.url.query}" if request.url.query else "")
    try:
        referrer = urlsplit(request.headers.get("referer", ""))
    except ValueError:  # no address at all
        return ""
    return referrer.path if referrer.netloc == request.headers.get("host") else ""
