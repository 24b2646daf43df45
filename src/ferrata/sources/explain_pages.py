"""The page that explains: a message on the left, every call to Klaviyo that it would make on the right."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from starlette.requests import Request
from starlette.responses import Response

from ferrata.access.http import needs, store_of
from ferrata.access.schemas import Principal, Right
from ferrata.infra.errors import Rejected
from ferrata.kit.clock import Clock
from ferrata.sources.contract import Received
from ferrata.sources.explain_view import view
from ferrata.sources.mapping import told
from ferrata.sources.pages import PATH, tabs
from ferrata.sources.service import Sources
from ferrata.ui.render import Pages
from ferrata.ui.routes import page_routes

TEMPLATE = "sources/explain.html"
LONGEST_TEXT = 200_000

Keeper = Annotated[Principal, Depends(needs(Right.SOURCES_MANAGE))]
Store = Annotated[str, Depends(store_of)]
Kind = Annotated[str, Path(max_length=32)]


def router(pages: Pages, sources: Sources, clock: Clock) -> APIRouter:
    routes = page_routes()

    @routes.get(f"{PATH}/{{kind}}/explain", response_model=None)
    async def ask(request: Request, kind: Kind, who: Keeper, store_id: Store) -> Response:
        """Empty, or with a message that is kept."""
        named, text = request.query_params.get("message"), ""
        if named:
            text = (await sources.message(store_id, kind, named)).message.body.decode(errors="replace")
        return await shown(request, kind, who, store_id, text)

    @routes.post(f"{PATH}/{{kind}}/explain", response_model=None)
    async def explain(request: Request, kind: Kind, who: Keeper, store_id: Store) -> Response:
        return await shown(request, kind, who, store_id, str((await request.form()).get("body", ""))[:LONGEST_TEXT])

    async def shown(request: Request, kind: str, who: Principal, store_id: str, text: str) -> Response:
        source = sources.configurations.source(kind)
        values: dict[str, Any] = {"views": [], "explanation": None, "fault": None}
        if text.strip():
            try:
                configuration = await sources.configurations.draft(store_id, kind, None, None)
                received = Received(body=text.encode(), at=clock.now(), trusted=True)
                found = await sources.explainer.explain(configuration, received)
                values |= {"explanation": found, "views": [view(each, index) for index, each in enumerate(found.messages)]}
            except Rejected as error:
                values["fault"] = told(error.message, error.problems)
        return pages.page(request, TEMPLATE, kind=kind, title=source.title, tabs=tabs(kind, who), text=text, **values)

    return routes
