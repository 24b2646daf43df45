"""``/health``, ``/health/live``, ``/health/ready`` for people, containers and load balancers; ``/metrics`` for Prometheus.

They answer everybody, and say more to those who have the right. They never ask Klaviyo more than once a minute.
"""

import hmac
from typing import Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ferrata.access.errors import OtherStore
from ferrata.access.http import principal, public
from ferrata.access.schemas import Principal, Right
from ferrata.health.documents import readiness_document, report_document
from ferrata.health.metrics import Metrics
from ferrata.health.schemas import Level
from ferrata.health.service import Health
from ferrata.infra.errors import FerrataError

NOT_KEPT = {"Cache-Control": "no-store"}

_NEEDED = {"description": "Where a token for figures is set: that one, or one with the right metrics:read, is needed."}
FIGURES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {}, "application/openmetrics-text": {}}},
    401: _NEEDED,
    403: _NEEDED,
}


def router(health: Health, metrics: Metrics, metrics_token: str | None) -> APIRouter:
    """``metrics_token``: what /metrics asks for; None: nothing."""
    routes = APIRouter(tags=["health"], dependencies=[Depends(public)])

    @routes.get("/health", response_model=None, responses={503: {"description": "Ferrata cannot do its duty."}})
    async def whole(request: Request) -> Response:
        """How everything fares: healthy, degraded (200) or down (503). Without the right health:read only levels are told."""
        report = await health.report()
        return _answer(report_document(report, await _whoever(request)), is_good=report.level is not Level.DOWN)

    @routes.get("/health/live", response_model=None)
    async def live() -> Response:
        """Whether this process is alive: if it does not answer, restart it."""
        return _answer({"status": "live"}, is_good=True)

    @routes.get("/health/ready", response_model=None, responses={503: {"description": "Give it no requests yet."}})
    async def ready(request: Request) -> Response:
        """Whether this process may be given requests: schema current, database writable, and, where it delivers, delivering."""
        readiness = await health.readiness()
        return _answer(readiness_document(readiness, await _whoever(request)), is_good=readiness.is_ready)

    @routes.get("/metrics", response_model=None, responses=FIGURES)
    async def exposed(request: Request) -> Response:
        """Figures in the text format of Prometheus."""
        if metrics_token is not None and not _carries(request, metrics_token):
            who = await principal(request)
            who.require(Right.METRICS_READ)
            if who.store_id is not None:
                raise OtherStore("The figures are of every store, and this token belongs to one.")
        body, media_type = await metrics.exposition(request.headers.get("accept", ""))
        return Response(body, media_type=media_type, headers=NOT_KEPT)

    return routes


async def _whoever(request: Request) -> Principal | None:
    """Who is asking, if that can be found out: health is told to nobody in particular too, also while the database is away."""
    try:
        return await principal(request)
    except FerrataError:
        return None


def _carries(request: Request, token: str) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())


def _answer(document: dict[str, Any], *, is_good: bool) -> Response:
    return JSONResponse(document, 200 if is_good else 503, headers=NOT_KEPT)
