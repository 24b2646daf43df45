"""Settings, Members and Roles: who is what in this store, who is invited, what each role may do, and why."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import Response

from ferrata.access.documents import rights_named
from ferrata.access.http import needs, note_refusal, store_of
from ferrata.access.revealed import Revealed
from ferrata.access.roles import EVERYWHERE, SAID, level_for, right_named
from ferrata.access.schemas import STORE_RIGHTS, Principal, Right, StoreRole
from ferrata.access.service import Access
from ferrata.infra.errors import FerrataError, NotFound, Problem, Rejected
from ferrata.kit.clock import Clock
from ferrata.ui.flash import Flash, redirect_saying
from ferrata.ui.render import Pages
from ferrata.ui.routes import page_routes

MEMBERS, ROLES = "/ui/settings/members", "/ui/settings/roles"
_Reading = Annotated[Principal, Depends(needs(Right.MEMBERS_READ))]
_Managing = Annotated[Principal, Depends(needs(Right.MEMBERS_MANAGE))]
_Text = Annotated[str, Form()]
_NONE: Mapping[str, str] = MappingProxyType({})


def router(pages: Pages, access: Access, clock: Clock, revealed: Revealed) -> APIRouter:
    routes = page_routes()
    _add_members(routes, pages, access, clock=clock, revealed=revealed)
    _add_member(routes, pages, access)
    _add_roles(routes, pages, access)
    return routes


def _add_members(routes: APIRouter, pages: Pages, access: Access, *, clock: Clock, revealed: Revealed) -> None:
    async def members_page(
        request: Request, who: Principal, status_code: int = 200, faults: Mapping[str, str] = _NONE, email: str = ""
    ) -> Response:
        store_id = await store_of(request)
        invited = await access.invitations.all(store_id)
        values = {
            "members": await access.members.all(store_id),
            "open": [link for link in invited if link.is_open(clock.now())],
            "own_id": who.id,
            "roles": [(role.name, role.name) for role in await _givable(access, store_id, who)],
            "may_manage": who.may(Right.MEMBERS_MANAGE),
            "invited": revealed.read(request, who),
            "faults": faults,
            "email": email,
            "mails": access.letters.is_possible,
        }
        page = pages.page(request, "access/members.html", status_code=status_code, **values)
        return revealed.forget(request, page)

    @routes.get(MEMBERS)
    async def list_members(request: Request, who: _Reading) -> Response:
        return await members_page(request, who)

    @routes.post(MEMBERS)
    async def invite(request: Request, who: _Managing, email: _Text = "", role: _Text = "viewer") -> Response:
        try:
            made = await access.invitations.invite(await store_of(request), email, role, by=who)
        except Rejected as error:
            note_refusal(request, error)
            return await members_page(request, who, error.status, _faults(error, "email"), email)
        handed = await access.letters.hand(made)
        if handed.url is None:
            return redirect_saying(MEMBERS, Flash(f"The invitation was mailed to {made.link.email}."))
        return revealed.redirect(MEMBERS, who, {"email": made.link.email, "url": handed.url, "why": handed.why or ""})

    @routes.post(MEMBERS + "/invitations/{invitation_id}/withdraw")
    async def withdraw(request: Request, invitation_id: str, who: _Managing) -> Response:
        link = await access.invitations.withdraw(await store_of(request), invitation_id, by=who)
        return redirect_saying(MEMBERS, Flash(f"The invitation of {link.email} is withdrawn; its link is not good any more."))


def _add_member(routes: APIRouter, pages: Pages, access: Access) -> None:
    async def member_page(
        request: Request, who: Principal, person_id: str, status_code: int = 200, faults: Mapping[str, str] = _NONE
    ) -> Response:
        store_id = await store_of(request)
        member = await access.members.one(store_id, person_id)
        role = next((role for role in await access.roles.all(store_id) if role.name == member.role), EVERYWHERE["viewer"])
        asked = request.query_params.get("right", "")
        right = right_named(asked)
        values = {
            "member": member,
            "role": role,
            "roles": [(each.name, each.name) for each in await _givable(access, store_id, who)],
            "rights": [(each.value, each.value) for each in sorted(Right)],
            "asked": right or Right.CONNECTIONS_MANAGE,
            "explained": await access.explain(member.email, right, store_id, within=store_id) if right else None,
            "is_higher": role.level > who.level,
            "tokens": await access.members.tokens_made_by(store_id, person_id),
            "faults": faults,
        }
        return pages.page(request, "access/member.html", status_code=status_code, **values)

    @routes.get(MEMBERS + "/{person_id}")
    async def show_member(request: Request, person_id: str, who: _Managing) -> Response:
        return await member_page(request, who, person_id)

    @routes.post(MEMBERS + "/{person_id}/role")
    async def change_role(request: Request, person_id: str, who: _Managing, role: _Text = "") -> Response:
        try:
            member = await access.members.change_role(await store_of(request), person_id, role, by=who)
        except NotFound:
            raise
        except Rejected as error:
            note_refusal(request, error)
            return await member_page(request, who, person_id, error.status, _faults(error, "role"))
        return redirect_saying(MEMBERS, Flash(f"{member.name} is {member.role} from now on."))

    @routes.post(MEMBERS + "/{person_id}/remove")
    async def remove(request: Request, person_id: str, who: _Managing, keep_tokens: Annotated[bool, Form()] = False) -> Response:
        try:
            member = await access.members.remove(await store_of(request), person_id, by=who, keep_tokens=keep_tokens)
        except NotFound:
            raise
        except Rejected as error:
            note_refusal(request, error)
            return await member_page(request, who, person_id, error.status, _faults(error, "remove"))
        return redirect_saying(MEMBERS, Flash(f"{member.name} has no role in this store any more."))


def _add_roles(routes: APIRouter, pages: Pages, access: Access) -> None:
    async def roles_page(
        request: Request,
        who: Principal,
        status_code: int = 200,
        faults: Mapping[str, str] = _NONE,
        entered: StoreRole | None = None,
    ) -> Response:
        roles = await access.roles.all(await store_of(request))
        values = {
            "roles": roles,
            "rights": sorted(STORE_RIGHTS),
            "levels": {right.value: level_for(right) for right in STORE_RIGHTS if level_for(right)},
            "said": SAID,
            "may_manage": who.may(Right.MEMBERS_MANAGE),
            "choosable": sorted(STORE_RIGHTS & who.rights),
            "level": who.level,
            "faults": faults,
            "entered": entered or StoreRole("", 50, frozenset()),
        }
        return pages.page(request, "access/roles.html", status_code=status_code, **values)

    @routes.get(ROLES)
    async def list_roles(request: Request, who: _Reading) -> Response:
        return await roles_page(request, who)

    @routes.post(ROLES)
    async def create_role(
        request: Request,
        who: _Managing,
        name: _Text = "",
        level: _Text = "50",
        right: Annotated[list[str], Form()] = [],  # noqa: B006 - FastAPI makes its own
    ) -> Response:
        """Make a role, or, where this store has one of this name, change it."""
        store_id, number = await store_of(request), _level(level)
        entered = StoreRole(name.strip(), number, rights_named(right))
        own = {role.name for role in await access.roles.all(store_id) if role.id}
        try:
            if entered.name in own:
                await access.roles.change(store_id, entered.name, rights=entered.rights, level=number, by=who)
            else:
                await access.roles.create(store_id, entered.name, entered.rights, number, by=who)
        except Rejected as error:
            note_refusal(request, error)
            return await roles_page(request, who, error.status, _faults(error, "name"), entered)
        return redirect_saying(ROLES, Flash(f"The role {entered.name} holds {len(entered.rights)} rights from now on."))

    @routes.post(ROLES + "/{role}/remove")
    async def remove_role(request: Request, role: str, who: _Managing) -> Response:
        try:
            await access.roles.remove(await store_of(request), role, by=who)
        except NotFound:
            raise
        except Rejected as error:
            note_refusal(request, error)
            return await roles_page(request, who, error.status, _faults(error, "name"))
        return redirect_saying(ROLES, Flash(f"The role {role} is removed."))


async def _givable(access: Access, store_id: str, who: Principal) -> list[StoreRole]:
    """The roles that this person may give."""
    every = await access.roles.all(store_id)
    return [role for role in every if role.level <= who.level and role.effective <= who.rights]


def _level(text: str) -> int:
    if not (text.strip().isascii() and text.strip().isdecimal() and len(text.strip()) <= 3):
        raise Rejected(problems=(Problem("level", "level must be a whole number from 1 to 99"),))
    return int(text)


def _faults(error: FerrataError, otherwise: str) -> dict[str, str]:
    return {problem.path: problem.message for problem in error.problems} or {otherwise: error.message}
