"""The page of the audit: who did what, in sentences, with what stood there before and after."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from ferrata.access.http import needs
from ferrata.access.schemas import Principal, Right
from ferrata.audit.schemas import AuditFilter, Record
from ferrata.audit.sentences import changes, risk_of, sentence
from ferrata.audit.service import Audit
from ferrata.infra.http.links import next_url
from ferrata.ui.addresses import address, day_begins, day_ends
from ferrata.ui.render import Pages
from ferrata.ui.routes import page_routes

PATH = "/ui/audit"
TEMPLATE = "trail/list.html"
RECORDS_ON_A_PAGE = 50
Reader = Annotated[Principal, Depends(needs(Right.AUDIT_READ))]


class Asked(BaseModel):
    """The filters as they stand in the address."""

    actor: str = Query("", max_length=120)
    action: str = Query("", max_length=64)
    target: str = Query("", max_length=160)
    about: str = Query("", max_length=32)
    outcome: str = Query("", max_length=8)
    since: str = Query("", max_length=40)
    until: str = Query("", max_length=40)

    def given(self) -> dict[str, str]:
        return {name: value for name, value in self.model_dump().items() if value}


@dataclass(frozen=True, slots=True)
class Row:
    record: Record
    sentence: str
    risk: str
    changes: list[tuple[str, Any, Any]]


def router(pages: Pages, audit: Audit) -> APIRouter:
    routes = page_routes()

    @routes.get(PATH)
    async def records(request: Request, who: Reader, asked: Annotated[Asked, Query()]) -> Response:
        cursor = request.query_params.get("cursor")
        filter_ = _filter(pages, request, asked, who)
        page = await audit.page(filter_, cursor, RECORDS_ON_A_PAGE)
        given = asked.given()
        span = {
            "since": filter_.since.isoformat() if filter_.since else "",
            "until": filter_.until.isoformat() if filter_.until else "",
            "refused": {True: "true", False: "false", None: ""}[filter_.refused],
        }
        kept = {"actor": asked.actor, "action": asked.action, "target": asked.target, "store": filter_.store_id}
        return pages.page(
            request,
            TEMPLATE,
            rows=[_row(record) for record in page.rows],
            asked=asked,
            active=len(given),
            actions=[("", "All"), *((name, name) for name in await audit.actions())],
            everywhere=who.store_id is None,
            head=await audit.head(),
            newer_url=address(PATH, given) if cursor else None,
            older_url=next_url(request, page.next_cursor),
            export_url=address("/api/audit/export", kept, format="csv", **span),
        )

    return routes


def _filter(pages: Pages, request: Request, asked: Asked, who: Principal) -> AuditFilter:
    zone = pages.zone(request)
    return AuditFilter(
        actor=asked.actor.strip() or None,
        action=asked.action or None,
        target=asked.target.strip() or None,
        store_id=who.store_id or asked.about.strip() or None,
        since=day_begins("since", asked.since, zone),
        until=day_ends("until", asked.until, zone),
        refused={"refused": True, "done": False}.get(asked.outcome),
    )


def _row(record: Record) -> Row:
    return Row(record, sentence(record), risk_of(record.action, record.outcome), changes(record.before, record.after))
