"""Every route says here what it needs: ``Depends(needs(Right.X))``, ``@guarded(Right.X)`` or ``Depends(public)``.

A route that says nothing is refused when the application is put together.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Protocol

from fastapi import Security
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from ferrata.access.cookies import Cookies
from ferrata.access.errors import OtherStore, UnknownToken
from ferrata.access.schemas import Browser, Principal, Right
from ferrata.access.service import Access
from ferrata.infra.errors import Problem, Rejected, Unauthenticated

STORE_HEADER = "Ferrata-Store"
STORE_COOKIE = "ferrata_store"
_BEARER = HTTPBearer(auto_error=False, description="A token made with `ferrata tokens create` or under Settings, Tokens.")
_SECRETS_IN_QUERY = frozenset({"apikey", "api_key", "token", "access_token", "key", "password"})
Endpoint = Callable[[Request], Awaitable[Response]]
_NOTHING: Any = object()


class ChooseStore(Protocol):
    async def __call__(self, named: str | None) -> str:
        """The id of the store that is named, else of the only or first one. Raises NotFound."""


@dataclass(frozen=True, slots=True)
class Gate:
    """What the dependencies below stand on: put at ``app.state.gate`` by whoever builds the application."""

    access: Access
    cookies: Cookies
    choose_store: ChooseStore


def gate_of(request: Request) -> Gate:
    gate: Gate = request.app.state.gate
    return gate


async def principal(request: Request) -> Principal:
    """Who is asking, by bearer token or else by session cookie; found once for each request.

    Raises:
        Unauthenticated: nobody is.
        UnknownToken: the token is not, or no longer, good. A session beside it does not help.
        Rejected: a secret stands in the address, where every log on the way would keep it.
    """
    found: Principal | None = getattr(request.state, "principal", None)
    if found is None:
        if request.scope["query_string"]:
            _refuse_secrets_in(request.query_params.keys())
        found = await _authenticated(request)
        request.state.principal = found
    return found


async def _authenticated(request: Request) -> Principal:
    gate = gate_of(request)
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme:
        found = await gate.access.authenticate_token(secret.strip()) if scheme.lower() == "bearer" else None
        if found is None:
            raise UnknownToken
        return found
    cookie = gate.cookies.session(request)
    found = await gate.access.authenticate_session(cookie) if cookie else None
    if found is None:
        raise Unauthenticated
    return found


def _refuse_secrets_in(names: Iterable[str]) -> None:
    for name in names:
        if name.lower() in _SECRETS_IN_QUERY:
            sentence = f"{name} must not stand in the address, where logs keep it: send it as a header, and make a new one"
            raise Rejected(problems=(Problem(name, sentence),))


async def store_of(request: Request) -> str:
    """The id of the store that this request is about.

    A token for one store decides it. Otherwise the header ``Ferrata-Store``, the query's ``store`` or, on pages, the last
    choice does, and failing these the only or first store.

    Raises:
        OtherStore: the token is for another store than the one named.
        NotFound: there is no such store.
    """
    who = await principal(request)
    named = request.headers.get(STORE_HEADER)
    if not named and request.scope["query_string"]:
        named = request.query_params.get("store")
    if who.store_id is not None:
        if named and named != who.store_id:
            raise OtherStore(f"This token belongs to the store {who.store_id!r}.")
        return who.store_id
    if not named and who.kind == "person":
        named = request.cookies.get(STORE_COOKIE)
    return await gate_of(request).choose_store(named or None)


class Needs:
    """A dependency: gives the principal, if it has the right."""

    def __init__(self, right: Right) -> None:
        self.right = right

    async def __call__(
        self, request: Request, _bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)] = None
    ) -> Principal:
        who = await principal(request)
        who.require(self.right)
        return who


def needs(right: Right) -> Needs:
    return Needs(right)


def public() -> None:
    """A dependency that does nothing but say: this route answers everybody."""


def guarded(right: Right) -> Callable[[Endpoint], Endpoint]:
    """For plain Starlette routes, which have no dependencies."""

    def around(endpoint: Endpoint) -> Endpoint:
        async def checked(request: Request) -> Response:
            (await principal(request)).require(right)
            return await endpoint(request)

        checked.right = right  # type: ignore[attr-defined]  # read by declared_rights
        checked.__doc__ = endpoint.__doc__
        return checked

    return around


def open_to_all(endpoint: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """The same declaration as ``public`` for plain Starlette routes."""
    declared = partial(endpoint)
    declared.right = None  # type: ignore[attr-defined]  # read by declared_rights
    return declared


class Undeclared(Exception):
    """A route says neither which right it needs nor that it is public."""


def declared_rights(routes: Sequence[BaseRoute]) -> Iterator[tuple[RouteContext, Right | None]]:
    """Every route with the right that it needs; None where it is public.

    Raises:
        Undeclared: a route says nothing, or several things.
    """
    for route in iter_route_contexts(routes):
        said: set[Right | None] = set()
        if isinstance(route.original_route, APIRoute):
            calls = [dependency.call for dependency in route.dependant.dependencies]
            said |= {call.right for call in calls if isinstance(call, Needs)} | {None for call in calls if call is public}
        elif (plain := getattr(route.endpoint, "right", _NOTHING)) is not _NOTHING:
            said.add(plain)
        if len(said) != 1:
            raise Undeclared(f"{route.path} declares {len(said)} rights instead of one")
        yield route, said.pop()


def browser_of(request: Request) -> Browser:
    address = request.client.host if request.client else "unknown"
    return Browser(address, request.headers.get("user-agent", "")[:200], gate_of(request).cookies.known_browser(request))
