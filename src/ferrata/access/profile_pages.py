"""Your profile: what you may do and where, your password, and the browsers in which you are signed in."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import Response

from ferrata.access.http import known, note_refusal
from ferrata.access.schemas import Principal
from ferrata.access.service import Access
from ferrata.infra.errors import Forbidden, Rejected
from ferrata.ui.flash import Flash, redirect_saying
from ferrata.ui.render import Pages
from ferrata.ui.routes import page_routes

PROFILE = "/ui/profile"
_Known = Annotated[Principal, Depends(known())]


def router(pages: Pages, access: Access) -> APIRouter:
    routes = page_routes()

    async def profile_page(request: Request, who: Principal, status_code: int = 200, error: Rejected | None = None) -> Response:
        person = await access.people.by_id(_person(who))
        faults = {problem.path: problem.message for problem in error.problems} if error else {}
        values = {
            "person": person,
            "seats": sorted(who.seats.items()),
            "sessions": await access.sessions.all(person.id),
            "own_session": who.session_id,
            "faults": faults or ({"old_password": error.message} if error else {}),
        }
        return pages.page(request, "access/profile.html", status_code=status_code, **values)

    @routes.get(PROFILE)
    async def show(request: Request, who: _Known) -> Response:
        return await profile_page(request, who)

    @routes.post(PROFILE + "/password")
    async def change_password(
        request: Request, who: _Known, old_password: Annotated[str, Form()] = "", password: Annotated[str, Form()] = ""
    ) -> Response:
        try:
            await access.resets.change_own(who, old_password, password)
        except Forbidden:
            raise
        except Rejected as error:
            note_refusal(request, error)
            return await profile_page(request, who, error.status, error)
        return redirect_saying(PROFILE, Flash("Your password is changed. You are signed out everywhere but here."))

    @routes.post(PROFILE + "/sessions/{session_id}/end")
    async def end_session(session_id: str, who: _Known) -> Response:
        await access.sessions.end_own(who, session_id)
        return redirect_saying(PROFILE, Flash("That session has ended."))

    @routes.post(PROFILE + "/sessions/end")
    async def end_others(who: _Known) -> Response:
        _person(who)
        ended = await access.sessions.end_others(who)
        return redirect_saying(
            PROFILE, Flash("You are signed in here alone." if ended else "You were signed in here alone already.")
        )

    return routes


def _person(who: Principal) -> str:
    if who.kind != "person":
        raise Forbidden("Only people have a profile.")
    return who.id
