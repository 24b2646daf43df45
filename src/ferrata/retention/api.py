"""Retention over HTTP: what is due, a run by hand, and the history. Paths and first members are those of seed systems."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from starlette.requests import Request

from ferrata.access.http import STORE_HEADER, needs, store_of
from ferrata.access.schemas import Principal, Right
from ferrata.infra.http.links import link_header
from ferrata.retention.documents import CleanupDocument, RunDocument, RunsDocument, StatisticsDocument
from ferrata.retention.schemas import Trigger
from ferrata.retention.service import Retention

Reader = Annotated[Principal, Depends(needs(Right.RETENTION_READ))]
Keeper = Annotated[Principal, Depends(needs(Right.RETENTION_MANAGE))]


async def _one_store_or_all(request: Request, who: Principal) -> str | None:
    """The token's store; for a token of all stores the one that is named, else all of them."""
    named = request.headers.get(STORE_HEADER) or request.query_params.get("store")
    return await store_of(request) if who.store_id or named else None


def router(retention: Retention) -> APIRouter:
    routes = APIRouter(prefix="/cleanup", tags=["cleanup"])

    @routes.get("/stats")
    async def statistics(request: Request, who: Reader) -> StatisticsDocument:
        """How much is kept and how much of it is due."""
        store_id = await _one_store_or_all(request, who)
        found = await retention.statistics(store_id)
        latest = (await retention.runs(store_id, limit=1)).rows
        return StatisticsDocument(
            **{name: getattr(found, name) for name in StatisticsDocument.model_fields if hasattr(found, name)},
            attempt_retention_days=retention.policy.attempt_days,
            counter_retention_days=retention.policy.counter_days,
            last_run=RunDocument.of(latest[0]) if latest else None,
        )

    @routes.post("/manual", status_code=200)
    async def clean_up(request: Request, who: Keeper, dry_run: Annotated[bool, Query(alias="dryRun")] = False) -> CleanupDocument:
        """Delete what is due, now. Events that are not delivered yet, and dead letters, stay whatever their age."""
        store_id = await _one_store_or_all(request, who)
        if dry_run:
            return CleanupDocument.preview(await retention.preview(store_id), await retention.statistics(store_id))
        return CleanupDocument.of(await retention.clean_up(store_id, trigger=Trigger.MANUAL, actor=who.actor))

    @routes.get("/runs")
    async def runs(
        request: Request,
        response: Response,
        who: Reader,
        cursor: str | None = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> RunsDocument:
        """Past runs, the newest first."""
        page = await retention.runs(await _one_store_or_all(request, who), cursor, limit)
        response.headers.update(link_header(request, page))
        return RunsDocument(runs=[RunDocument.of(run) for run in page.rows], next_cursor=page.next_cursor)

    return routes
