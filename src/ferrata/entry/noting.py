"""Notes in the audit who was refused what: every 401 and 403, and whatever else an error says is a refusal."""

from starlette.requests import Request

from ferrata.access.http import STORE, known_principal
from ferrata.audit.schemas import SOMEBODY, Actor, Refused
from ferrata.audit.service import Audit
from ferrata.infra.errors import FerrataError
from ferrata.infra.http.request_ids import caller_of, request_id
from ferrata.kit.clock import Clock

_TOKEN_HINT = 8  # as much of a token as its list shows


class Noting:
    """Called with any error that is told."""

    def __init__(self, audit: Audit, clock: Clock) -> None:
        self._audit = audit
        self._clock = clock

    def __call__(self, error: Exception, request: Request) -> None:
        if not isinstance(error, FerrataError) or not error.is_refusal:
            return
        who = known_principal(request)
        caller = caller_of(request.scope)
        self._audit.refused(
            Refused(
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
        )


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
