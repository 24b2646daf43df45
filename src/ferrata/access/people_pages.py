"""Settings, People: who may sign in, and where they are signed in now."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import Response

from ferrata.access.http import needs
from ferrata.access.schemas import Principal, Right, Role
from ferrata.access.service import Access
from ferrata.infra.errors import NotFound, Rejected
from ferrata.ui.flash import Flash, redirect_saying
from ferrata.ui.render import Pages

PEOPLE = "/ui/settings/people"
_Managing = Annotated[Principal, Depends(needs(Right.ACCESS_MANAGE))]


def router(pages: Pages, access: Access) -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    async def people_page(request: Request, status_code: int = 200, **values: object) -> Response:
        people = await access.people.all()
        context = {
            "people": people,
            "sessions": await access.sessions.all(),
            "names": {person.id: person.name for person in people},
            "roles": [(role.value, role.value.capitalize()) for role in Role],
            "errors": {},
            "email": "",
            "name": "",
        }
        return pages.page(request, "access/people.html", status_code=status_code, **(context | values))

    @routes.get(PEOPLE)
    async def list_people(request: Request, who: _Managing) -> Response:
        return await people_page(request, own_session=who.session_id)

    @routes.post(PEOPLE)
    async def create_person(
        request: Request,
        who: _Managing,
        *,
        email: Annotated[str, Form()] = "",
        name: Annotated[str, Form()] = "",
        password: Annotated[str, Form()] = "",
        role: Annotated[Role, Form()] = Role.READER,
    ) -> Response:
        try:
            person = await access.people.create(email, name, password, role, actor=who.actor)
        except Rejected as error:
            errors = {problem.path: problem.message for problem in error.problems} or {"email": error.message}
            values = {"errors": errors, "email": email, "name": name, "own_session": who.session_id}
            return await people_page(request, error.status, **values)
        return redirect_saying(PEOPLE, Flash(f"{person.name} can sign in now. Hand over the password in person."))

    @routes.get(PEOPLE + "/{person_id}/remove")
    async def ask_to_remove(request: Request, person_id: str, _who: _Managing) -> Response:
        person = next((person for person in await access.people.all() if person.id == person_id), None)
        if person is None:
            raise NotFound("There is no such person.")
        return pages.page(
            request,
            "access/confirm.html",
            heading=f"Remove {person.name}?",
            happens=f"{person.email} is signed out everywhere at once and cannot sign in any more. Tokens stay as they are.",
            action=request.url.path,
            verb="Remove this person",
            back=PEOPLE,
        )

    @routes.post(PEOPLE + "/{person_id}/remove")
    async def remove_person(person_id: str, who: _Managing) -> Response:
        await access.people.remove(person_id, actor=who.actor)
        return redirect_saying(PEOPLE, Flash("That person cannot sign in any more."))

    @routes.post("/ui/settings/sessions/{session_id}/end")
    async def end_session(session_id: str, who: _Managing) -> Response:
        await access.sessions.end(session_id, actor=who.actor)
        return redirect_saying(PEOPLE, Flash("That session has ended."))

    return routes
