"""Control of the sandbox as a whole: state, switches, clock, rate windows, outage."""

from datetime import datetime
from typing import Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from klaviyo_sandbox.control.answers import answer, body, problem
from klaviyo_sandbox.outage import Mode
from klaviyo_sandbox.sandbox import Sandbox


class ClockChange(msgspec.Struct, forbid_unknown_fields=True):
    """Move the clock: `set` (RFC 3339 or seconds since 1970), then `advance` by seconds, then run at `scale`."""

    set: datetime | float | None = None
    advance: float | None = None
    scale: float | None = None


class LimitsChange(msgspec.Struct, forbid_unknown_fields=True):
    """Change the rate windows; `owner_scales` keys are `account:<id>` and `installation:<id>`."""

    scale: float | None = None
    owner_scales: dict[str, float] | None = None
    neighbour_share: float | None = None
    reset: bool = False


class Consumption(msgspec.Struct, forbid_unknown_fields=True):
    """Requests that a neighbour makes in the present windows of an owner and operation."""

    operation: str
    requests: int
    owner: str


class OutageStart(msgspec.Struct, forbid_unknown_fields=True):
    """An outage of so many real seconds."""

    seconds: float
    mode: Mode = "reset"


def routes(sandbox: Sandbox) -> list[Route]:
    """Routes of this part."""

    async def state(_request: Request) -> Response:
        return answer(sandbox.summary())

    async def reset(_request: Request) -> Response:
        sandbox.reset()
        return answer(sandbox.summary())

    async def switches(request: Request) -> Response:
        if request.method == "POST":
            sandbox.switch(**await body(request, dict[str, Any]))
        return answer(sandbox.switches)

    async def clock(request: Request) -> Response:
        if request.method == "POST":
            _turn(sandbox, await body(request, ClockChange))
        return answer(_clock(sandbox))

    async def limits(request: Request) -> Response:
        if request.method == "POST":
            _resize(sandbox, await body(request, LimitsChange))
        return answer(sandbox.summary()["limits"])

    async def consume(request: Request) -> Response:
        asked = await body(request, Consumption)
        operation = sandbox.operations.by_id.get(asked.operation)
        if operation is None:
            return problem(404, f"There is no operation {asked.operation}.")
        sandbox.limits.consume(asked.owner, operation, asked.requests, sandbox.clock.timestamp())
        return answer(sandbox.summary()["limits"])

    async def outage(request: Request) -> Response:
        if request.method == "DELETE":
            sandbox.outage.end()
            return answer({"outage": None})
        asked = await body(request, OutageStart)
        sandbox.outage.begin(asked.mode, asked.seconds)
        return answer({"outage": asked})

    return [
        Route("/state", state, methods=["GET"]),
        Route("/reset", reset, methods=["POST"]),
        Route("/switches", switches, methods=["GET", "POST"]),
        Route("/clock", clock, methods=["GET", "POST"]),
        Route("/limits", limits, methods=["GET", "POST"]),
        Route("/limits/consume", consume, methods=["POST"]),
        Route("/outage", outage, methods=["POST", "DELETE"]),
    ]


def _turn(sandbox: Sandbox, asked: ClockChange) -> None:
    clock = sandbox.clock
    if asked.set is not None:
        clock.set(asked.set.timestamp() if isinstance(asked.set, datetime) else asked.set)
    if asked.advance is not None:
        clock.advance(asked.advance)
    if asked.scale is not None:
        clock.run_at(asked.scale)
    sandbox.catch_up()


def _clock(sandbox: Sandbox) -> dict[Literal["timestamp", "now", "scale"], Any]:
    clock = sandbox.clock
    return {"timestamp": clock.timestamp(), "now": clock.now(), "scale": clock.scale}


def _resize(sandbox: Sandbox, asked: LimitsChange) -> None:
    limits = sandbox.limits
    if asked.neighbour_share is not None and not 0 <= asked.neighbour_share <= 1:
        raise ValueError("neighbour_share must lie between 0 and 1")
    if any(scale <= 0 for scale in (asked.scale, *(asked.owner_scales or {}).values()) if scale is not None):
        raise ValueError("a scale must be positive")
    if asked.scale is not None:
        limits.scale = asked.scale
    if asked.owner_scales is not None:
        limits.owner_scales = asked.owner_scales
    if asked.neighbour_share is not None:
        limits.neighbour_share = asked.neighbour_share
    if asked.reset:
        limits.forget()
