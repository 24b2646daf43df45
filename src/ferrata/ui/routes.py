"""The routes of pages behind the sign-in: before each, the application gathers what stands around the page.

Dependencies that are given when routers are included make FastAPI build every route a second time, half of what a start costs;
given when the router is made, they cost nothing.
"""

from fastapi import APIRouter, Depends
from starlette.requests import Request


async def gather_frame(request: Request) -> None:
    """Asks ``app.state.frame``, which leaves the page's chrome in ``request.state.chrome``."""
    await request.app.state.frame(request)


def page_routes() -> APIRouter:
    """An empty router for pages that stand in the frame of the signed in."""
    return APIRouter(include_in_schema=False, dependencies=[Depends(gather_frame)])
