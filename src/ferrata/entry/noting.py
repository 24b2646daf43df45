"""Notes in the audit who was refused what: every 401 and 403, and whatever else an error says is a refusal."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog
from starlette.requests import Request

from ferrata.access.errors import OtherStore
from ferrata.access.http import STORE, known_principal, named_store
from ferrata.audit.schemas import SOMEBODY, Actor, Refused
from ferrata.audit.service import Audit
from ferrata.infra.errors import FerrataError, NotFound, Transient
from ferrata.infra.http.request_ids import caller_of, request_id
from ferrata.kit.clock import Clock

_TOKEN_HINT = 8  # as much of a token as its list shows
_MOST_ASKED_AT_ONCE = 100
FindStore = Callable[[str], Awaitable[object]]
log = structlog.get_logger()


class Noting:
    """Called with any error that is told. ``find_store`` raises NotFound for what is no store.

    What a stranger tries at a store is its people's business too. Whether there is such a store is looked up beside the answer,
    which does not wait for it: so not even its time tells.
    """

    def __init__(self, audit: Audit, clock: Clock, find_store: FindStore) -> None:
        self._audit = audit
        self._clock = clock
        self._find_store = find_store
        self._asking: set[asyncio.Task[None]] = set()

    def __call__(self, error: Exception, request: Request) -> None:
        if not isinstance(error, FerrataError) or not error.is_refusal:
            return
        who = known_principal(request)
        caller = caller_of(request.scope)
        refused = Refused(
            actor=who.actor if who else _stranger(request),
            code=error.code,
            target=f"{request.method} {_route(request)}",
            at=self._clock.now(),
            store_id=(who.store_id or request.scope.get(STORE)) if who else None,  # of a person, where they have a role
            detail={"message": error.message},
            request_id=request_id(request.scope),
            address=caller.address,
            via=caller.via,
        )
        self._audit.refused(refused)
        named = named_store(request) if isinstance(error, OtherStore) else None
        if named and len(self._asking) < _MOST_ASKED_AT_ONCE:
            asking = asyncio.create_task(self._note_there(refused, named))
            self._asking.add(asking)
            asking.add_done_callback(self._asking.discard)

    async def settled(self) -> None:
        """Return once everything is noted."""
        await asyncio.gather(*self._asking)

    async def _note_there(self, refused: Refused, named: str) -> None:
        try:
            await self._find_store(named)
        except NotFound:
            return
        except Transient as error:
            log.warning("audit.store_not_looked_up", error=error.message)
            return
        self._audit.refused(replace(refused, store_id=named))


def _stranger(request: Request) -> Actor:
    """Nobody that is known; of a token that is not good, its first characters, by which people find it in the list."""
    secret = request.headers.get("authorization", "").partition(" ")[2].strip()
    if secret.startswith("frt_") and secret.isascii() and secret.isprintable():
        return Actor("unknown", "", f"a token {secret[:_TOKEN_HINT]}…")
    return SOMEBODY


def _route(request: Request) -> str:
    """The route's own path, so that thousands of ids are one kind of attempt."""
    path = getattr(request.scope.get("route"), "path", None)
    return path if isinstance(path, str) else str(request.scope["path"])
