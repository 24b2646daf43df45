"""Settings, People: who may sign in, what they are in the whole installation, and where they are signed in now."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import Response

from ferrata.access.http import needs
from ferrata.access.revealed import Revealed
from ferrata.access.schemas import Principal, Right, Role
from ferrata.access.service import Access
from ferrata.infra.errors import NotFound, Rejected
from ferrata.kit.clock import Clock
from ferrata.ui.flash import Flash, redirect_saying
from ferrata.ui.render import Pages
from ferrata.ui.routes import page_routes

PEOPLE = "/ui/settings/people"
ROLE_WORDS = (
    (Role.MEMBER.value, "Member - has roles in stores alone"),
    (Role.READER.value, "Reader - sees every store"),
    (Role.ADMINISTRATOR.value, "Administrator - everything"),
)
_Managing = Annotated[Principal, Depends(needs(Right.ACCESS_MANAGE))]
_Text = Annotated[str, Form()]
_NONE: Mapping[str, str] = MappingProxyType({})


def router(pages: Pages, access: Access, clock: Clock, revealed: Revealed) -> APIRouter:
    routes = page_routes()

    async def people_page(
        request: Request, who: Principal, status_code: int = 200, errors: Mapping[str, str] = _NONE, email: str = ""
    ) -> Response:
        people = await access.people.all()
        values = {
            "people": people,
            "sessions": await access.sessions.all(),
            "names": {person.id: person.name for person in people},
            "roles": ROLE_WORDS,
            "errors": errors,
            "email": email,
            "own_session": who.session_id,
            "mails": access.letters.is_possible,
            "shown": revealed.read(request, who),
            "open": [link for link in await access.invitations.all(None) if link.is_open(clock.now())],
        }
        return revealed.forget(request, pages.page(request, "access/people.html", status_code=status_code, **values))

    @routes.get(PEOPLE)
    async def list_people(request: Request, who: _Managing) -> Response:
        return await people_page(request, who)

    @routes.post(PEOPLE)
    async def invite(request: Request, who: _Managing, email: _Text = "", role: _Text = Role.MEMBER.value) -> Response:
        try:
            made = await access.invitations.invite(None, email, role, by=who)
        except Rejected as error:
            errors = {problem.path: problem.message for problem in error.problems} or {"email": error.message}
            return await people_page(request, who, error.status, errors, email)
        handed = await access.letters.hand(made)
        if handed.url is None:
            return redirect_saying(PEOPLE, Flash(f"The invitation was mailed to {made.link.email}."))
        title = f"Hand this link to {made.link.email}: it is shown this once"
        return revealed.redirect(PEOPLE, who, {"title": title, "url": handed.url, "why": handed.why or ""})

    @routes.post(PEOPLE + "/invitations/{invitation_id}/withdraw")
    async def withdraw(invitation_id: str, who: _Managing) -> Response:
        link = await access.invitations.withdraw(None, invitation_id, by=who)
        return redirect_saying(PEOPLE, Flash(f"The invitation of {link.email} is withdrawn; its link is not good any more."))

    @routes.post("/ui/settings/sessions/{session_id}/end")
    async def end_session(session_id: str, who: _Managing) -> Response:
        await access.sessions.end(session_id, actor=who.actor)
        return redirect_saying(PEOPLE, Flash("That session has ended."))

    _add_person(routes, pages, access, revealed)
    return routes


def _add_person(routes: APIRouter, pages: Pages, access: Access, revealed: Revealed) -> None:
    async def person_page(request: Request, person_id: str, status_code: int = 200, fault: str | None = None) -> Response:
        person = await access.people.by_id(person_id)
        seats = sorted((await access.members.seats_of(person_id)).items())
        tokens = await access.members.tokens_made_by(None, person_id)
        values = {"person": person, "seats": seats, "roles": ROLE_WORDS, "fault": fault, "tokens": tokens}
        values["mails"] = access.letters.is_possible
        return pages.page(request, "access/person.html", status_code=status_code, **values)

    @routes.get(PEOPLE + "/{person_id}")
    async def show_person(request: Request, person_id: str, _who: _Managing) -> Response:
        return await person_page(request, person_id)

    @routes.post(PEOPLE + "/{person_id}/role")
    async def change_role(request: Request, person_id: str, who: _Managing, role: Annotated[Role, Form()]) -> Response:
        try:
            await access.people.set_role(person_id, role, by=who)
        except NotFound:
            raise
        except Rejected as error:
            return await person_page(request, person_id, error.status, error.message)
        return redirect_saying(PEOPLE, Flash(f"They are {role} from now on, and sign in again."))

    @routes.post(PEOPLE + "/{person_id}/new-password")
    async def offer_password(person_id: str, who: _Managing) -> Response:
        made = await access.resets.offer(person_id, by=who)
        handed = await access.letters.hand(made)
        if handed.url is None:
            return redirect_saying(PEOPLE, Flash(f"A link to a new password was mailed to {made.link.email}."))
        title = f"Hand this link to {made.link.email}, who chooses a new password with it: it is shown this once"
        return revealed.redirect(PEOPLE, who, {"title": title, "url": handed.url, "why": handed.why or ""})

    @routes.post(PEOPLE + "/{person_id}/remove")
    async def remove_person(
        request: Request, person_id: str, who: _Managing, keep_tokens: Annotated[bool, Form()] = False
    ) -> Response:
        try:
            await access.people.remove(person_id, by=who, keep_tokens=keep_tokens)
        except NotFound:
            raise
        except Rejected as error:
            return await person_page(request, person_id, error.status, error.message)
        return redirect_saying(PEOPLE, Flash("That person cannot sign in any more."))
