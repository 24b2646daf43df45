"""The cookies of a signed-in browser. ``__Host-`` binds them to this host, wherever pages are reached by https."""

from starlette.requests import Request
from starlette.responses import Response

from ferrata.access.schemas import SignedIn
from ferrata.access.sessions import KNOWN_FOR


class Cookies:
    def __init__(self, *, secure: bool) -> None:
        self._secure = secure
        prefix = "__Host-" if secure else ""
        self._session = f"{prefix}ferrata_session"
        self._known = f"{prefix}ferrata_known"

    def session(self, request: Request) -> str | None:
        return request.cookies.get(self._session)

    def known_browser(self, request: Request) -> str | None:
        return request.cookies.get(self._known)

    def set(self, response: Response, signed_in: SignedIn) -> None:
        age = signed_in.session_expires_at
        self._put(response, self._session, signed_in.session_secret, expires=age.strftime("%a, %d %b %Y %H:%M:%S GMT"))
        self._put(response, self._known, signed_in.browser_secret, max_age=int(KNOWN_FOR.total_seconds()))

    def clear(self, response: Response) -> None:
        response.delete_cookie(self._session, path="/", secure=self._secure, httponly=True, samesite="lax")

    def _put(self, response: Response, name: str, value: str, *, expires: str | None = None, max_age: int | None = None) -> None:
        response.set_cookie(
            name, value, expires=expires, max_age=max_age, path="/", secure=self._secure, httponly=True, samesite="lax"
        )
