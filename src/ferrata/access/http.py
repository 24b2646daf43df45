"""Every route says here what it needs: ``Depends(needs(Right.X))``, ``@guarded(Right.X)`` or ``Depends(public)``.

A right is asked for in the store that the route is about: the one in its path, else in the header, the query or, on pages, the
last choice. The order is that of the seeds: who is asking (401), may they, there (403), and only then what there is (404).
A route that says nothing is refused when the application is put together.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, Protocol

from fastapi import Security
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from ferrata.access.cookies import Cookies
from ferrata.access.errors import NoStore, OtherStore, UnknownToken
from ferrata.access.schemas import Browser, Principal, Right
from ferrata.access.service import Access
from ferrata.infra.errors import FerrataError, NotFound, Problem, Rejected, Unauthenticated

STORE_HEADER = "Ferrata-Store"
STORE_COOKIE = "ferrata_store"
STORE_IN_PATH = ("storePublicId", "store", "store_id")
"""A route whose path has one of these places is about the store that stands there."""
_BEARER = HTTPBearer(auto_error=False, description="A token made with `ferrata tokens create` or under Settings, Tokens.")
_KEYS = frozenset({"apikey", "api_key", "password"})
_SECRETS_IN_QUERY = _KEYS | {"token", "access_token", "key"}
Endpoint = Callable[[Request], Awaitable[Response]]
PRINCIPAL, STORE, ASKED = "ferrata.principal", "ferrata.store", "ferrata.asked_right"
"""Kept in the scope of a request: what was found out once. (``request.state`` costs more than the question.)"""
KNOWN: Literal["known"] = "known"
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

    Its rights are those that hold everywhere; for a decision about a store take what ``needs`` hands over.

    Raises:
        Unauthenticated: nobody is.
        UnknownToken: the token is not, or no longer, good. A session beside it does not help.
        Rejected: a secret stands in the address, where every log on the way would keep it, or there are two tokens.
    """
    found = known_principal(request)
    if found is None:
        if request.scope["query_string"]:
            _refuse_secrets_in(request.query_params.keys())
        found = await _authenticated(request)
        request.scope[PRINCIPAL] = found
    return found


def known_principal(request: Request) -> Principal | None:
    """Who is asking, if that was found out already."""
    found: Principal | None = request.scope.get(PRINCIPAL)
    return found


async def _authenticated(request: Request) -> Principal:
    gate = gate_of(request)
    given = request.headers.getlist("authorization")
    if len(given) > 1:
        raise Rejected("There are two Authorization headers. Which of them counts is not for us to guess: send one.")
    scheme, _, secret = given[0].partition(" ") if given else ("", "", "")
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
            place = "in the body of a POST" if name.lower() in _KEYS else "in the Authorization header"
            sentence = f"{name} must not stand in the address, where logs keep it: make a new one, and send that {place}"
            raise Rejected(problems=(Problem(name, sentence),))


def named_store(request: Request) -> str | None:
    """The store that this request names: in its path, else in the header ``Ferrata-Store``, else in the query."""
    if places := request.path_params:
        for place in STORE_IN_PATH:
            if place in places:
                return str(places[place])
    named = request.headers.get(STORE_HEADER)
    if not named and request.scope["query_string"]:
        named = request.query_params.get("store")
    return named or None


async def store_of(request: Request) -> str:
    """The id of the store that this request is about.

    A token for one store decides it. Otherwise the path, the header ``Ferrata-Store``, the query's ``store`` or, on pages, the
    last choice does, and failing these the only or first store, among those in which the person has a role.

    Raises:
        OtherStore: it is about a store where this token or person has no business, be there such a store or not.
        NoStore: this person has a role in no store yet.
        NotFound: there is no such store.
    """
    found: str | None = request.scope.get(STORE)
    if found is None:
        found = request.scope[STORE] = await _chosen(request)
    return found


async def _chosen(request: Request) -> str:
    who = await principal(request)
    named, choose = named_store(request), gate_of(request).choose_store
    if who.store_id is not None:
        if named and named != who.store_id:
            raise OtherStore(f"This token belongs to the store {who.store_id!r}.")
        return await choose(who.store_id)
    if who.kind == "person" and not who.rights:
        return await choose(_seated(who, named, request.cookies.get(STORE_COOKIE)))
    if named is None and who.kind == "person" and (chosen := request.cookies.get(STORE_COOKIE)):
        try:
            return await choose(chosen)
        except NotFound:  # a cookie of another installation, or of a store that is gone
            return await choose(None)
    return await choose(named)


def _seated(who: Principal, named: str | None, last: str | None) -> str:
    if named:
        if named not in who.seats:
            raise OtherStore(f"You are not a member of a store {named!r}. Its owners and admins can invite you.")
        return named
    if not who.seats:
        raise NoStore
    return last if last is not None and last in who.seats else min(who.seats)


async def authorized(request: Request, right: Right | None) -> Principal:
    """Who is asking, once they have the right in the store that the request is about; None: whoever is known.

    Raises:
        Unauthenticated, UnknownToken, Rejected: as ``principal`` does.
        LacksRight, OtherStore, NoStore: 403.
        NotFound: the store in the path is not there; told only to those whose right holds in every store.
    """
    who = await principal(request)
    return who if right is None else await _allowed(request, who, right)


async def _allowed(request: Request, who: Principal, right: Right) -> Principal:
    if who.kind == "person" and (who.seats or not who.rights):
        # A stranger hears the same of a foreign store and of one that is not there.
        named = named_store(request) if who.rights else None
        who = who.within(named or await store_of(request))
    who.require(right)
    request.scope[ASKED] = right  # a stream asks for it again
    if who.store_id is not None or not request.path_params.keys().isdisjoint(STORE_IN_PATH):
        await store_of(request)
    return who


class Needs:
    """A dependency: gives the principal, if it has the right. ``right`` None: whoever is signed in or has a token."""

    def __init__(self, right: Right | None) -> None:
        self.right = right

    async def __call__(
        self, request: Request, _bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)] = None
    ) -> Principal:
        return await authorized(request, self.right)


async def refusal(request: Request) -> FerrataError | None:
    """What stands against this request before its content is looked at: strangers do not learn what a route would take."""
    dependant = getattr(request.scope.get("route"), "dependant", None)
    for dependency in dependant.dependencies if dependant else ():
        if isinstance(dependency.call, Needs):
            try:
                await authorized(request, dependency.call.right)
            except FerrataError as error:
                return error
    return None


def needs(right: Right) -> Needs:
    return Needs(right)


def known() -> Needs:
    """For what everybody may do who is signed in or has a token: their own session and password."""
    return Needs(None)


def public() -> None:
    """A dependency that does nothing but say: this route answers everybody."""


def guarded(right: Right) -> Callable[[Endpoint], Endpoint]:
    """For plain Starlette routes, which have no dependencies."""

    def around(endpoint: Endpoint) -> Endpoint:
        async def checked(request: Request) -> Response:
            await authorized(request, right)
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


def declared_rights(routes: Sequence[BaseRoute]) -> Iterator[tuple[RouteContext, Right | Literal["known"] | None]]:
    """Every route with the right that it needs; ``KNOWN`` where being known is enough, None where it is public.

    Raises:
        Undeclared: a route says nothing, or several things.
    """
    for route in iter_route_contexts(routes):
        said: set[Right | Literal["known"] | None] = set()
        if isinstance(route.original_route, APIRoute):
            calls = [dependency.call for dependency in route.dependant.dependencies]
            said |= {call.right or KNOWN for call in calls if isinstance(call, Needs)} | {
                None for call in calls if call is public
            }
        elif (plain := getattr(route.endpoint, "right", _NOTHING)) is not _NOTHING:
            said.add(plain)
        if len(said) != 1:
            raise Undeclared(f"{route.path} declares {len(said)} rights instead of one")
        yield route, said.pop()


def note_refusal(request: Request, error: Exception) -> None:
    """For pages that show an error themselves: if it is a refusal, it is in the audit all the same."""
    request.app.state.note(error, request)


def browser_of(request: Request) -> Browser:
    address = request.client.host if request.client else "unknown"
    return Browser(address, request.headers.get("user-agent", "")[:200], gate_of(request).cookies.known_browser(request))
