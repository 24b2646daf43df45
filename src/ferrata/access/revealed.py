"""A secret that is shown once, on the page after the form that made it: loading that page again shows nothing and makes nothing.

Between the two it lies encrypted in the browser of the one who made it, for a minute, and in no table.
"""

import json
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ferrata.access.schemas import Principal
from ferrata.infra.crypto import SecretBox, Undecryptable
from ferrata.kit.clock import Clock

COOKIE = "ferrata_revealed"
_SHOWN_FOR = timedelta(minutes=1)


class Revealed:
    def __init__(self, box: SecretBox, clock: Clock, *, secure: bool) -> None:
        self._box = box
        self._clock = clock
        self._secure = secure

    def redirect(self, url: str, who: Principal, what: dict[str, str]) -> Response:
        """303 to ``url``, the one page that may read it."""
        until = self._clock.now() + _SHOWN_FOR
        sealed = self._box.seal(json.dumps([until.isoformat(), what]), row=_row(url, who))
        response = RedirectResponse(url, status_code=303)
        age = int(_SHOWN_FOR.total_seconds())
        response.set_cookie(COOKIE, sealed, max_age=age, path=url, httponly=True, samesite="strict", secure=self._secure)
        return response

    def read(self, request: Request, who: Principal) -> dict[str, str] | None:
        """What waits for this page, or None; whatever else stands in the cookie is ignored."""
        sealed = request.cookies.get(COOKIE)
        if not sealed:
            return None
        try:
            until, what = json.loads(self._box.open(sealed, row=_row(request.url.path, who)))
        except Undecryptable:  # another page's, somebody else's, or invented
            return None
        return dict(what) if self._clock.now() < datetime.fromisoformat(until) else None

    def forget(self, request: Request, response: Response) -> Response:
        if COOKIE in request.cookies:
            response.delete_cookie(COOKIE, path=request.url.path, httponly=True, samesite="strict", secure=self._secure)
            response.headers["Cache-Control"] = "no-store"
        return response


def _row(url: str, who: Principal) -> str:
    return f"revealed/{who.session_id or who.id}{url}"
