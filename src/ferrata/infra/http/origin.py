"""Refuses what another site makes a browser send: the second lock beside cookies that are ``SameSite=Lax``.

Browsers say where a request comes from in ``Sec-Fetch-Site`` or, the older ones, in ``Origin``. Programs say neither and carry
no cookies that were not given to them, so they pass.
"""

from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from ferrata.infra.errors import Forbidden
from ferrata.infra.http.problems import answer_for, problem_response

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class CrossSite(Forbidden):
    """This request was made by another site. Open the page here and do it again."""

    code = "cross_site"


def is_cross_site(scope: Scope, own_origin: str | None) -> bool:
    """Whether a browser says that another origin than ours made this request, and it would change something.

    ``own_origin`` is the configured public address (``https://host``), if there is one; the Host header's origin counts too.
    """
    headers = Headers(scope=scope)
    if scope["method"] in _SAFE or headers.get("authorization", "").lower().startswith("bearer "):
        return False
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and origin != own_origin and _host_of(origin) != (headers.get("host") or None)


def _host_of(origin: str) -> str:
    """As the header Host names it; empty for what is no origin."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


class SameOrigin:
    """Answers 403 to requests that change something and come from another site; ``note`` is told of each."""

    def __init__(self, app: ASGIApp, own_origin: str | None, note: Callable[[Exception, Request], None]) -> None:
        self._app = app
        self._own_origin = own_origin
        self._note = note

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and is_cross_site(scope, self._own_origin):
            request, error = Request(scope), CrossSite()
            self._note(error, request)
            await problem_response(answer_for(error, request), request)(scope, receive, send)
            return
        await self._app(scope, receive, send)
