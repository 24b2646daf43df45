"""Members, invitations and roles of a store, and the people of the whole installation, over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query

from ferrata.access.documents import (
    ChangedRoleDocument,
    EndedDocument,
    ExplanationDocument,
    InvitationDocument,
    InvitationsDocument,
    InviteDocument,
    LinkDocument,
    MadeRoleDocument,
    MemberDocument,
    MembersDocument,
    NewRoleDocument,
    PeopleDocument,
    PersonChangeDocument,
    PersonDocument,
    RoleChangeDocument,
    SessionDocument,
    SessionsDocument,
    StoreRoleDocument,
    StoreRolesDocument,
    rights_named,
)
from ferrata.access.http import needs
from ferrata.access.schemas import Principal, Right
from ferrata.access.service import Access

Reader = Annotated[Principal, Depends(needs(Right.MEMBERS_READ))]
Keeper = Annotated[Principal, Depends(needs(Right.MEMBERS_MANAGE))]
Administrator = Annotated[Principal, Depends(needs(Right.ACCESS_MANAGE))]
StoreId = Annotated[str, Path(alias="storePublicId", max_length=80, description="The store's public id.")]
PersonId = Annotated[str, Path(alias="personId", max_length=80)]
RoleName = Annotated[str, Path(max_length=80)]
CONFLICT: dict[int | str, dict[str, Any]] = {409: {"description": "Something stands against it; `code` says what."}}


def router(access: Access) -> APIRouter:
    routes = APIRouter(prefix="/api", tags=["people"])
    _add_members(routes, access)
    _add_invitations(routes, access)
    _add_roles(routes, access)
    _add_people(routes, access)
    return routes


def _add_members(routes: APIRouter, access: Access) -> None:
    base = "/store/{storePublicId}/members"

    @routes.get(base)
    async def members(store_id: StoreId, _who: Reader) -> MembersDocument:
        """Who has a role in this store."""
        return MembersDocument(members=[MemberDocument.of(member) for member in await access.members.all(store_id)])

    @routes.patch(base + "/{personId}", responses=CONFLICT)
    async def change_member(store_id: StoreId, person_id: PersonId, given: RoleChangeDocument, who: Keeper) -> MemberDocument:
        """Give a member another role. Tokens that they made here and that may do more are revoked, unless `keepTokens`."""
        changed = await access.members.change_role(store_id, person_id, given.role, by=who, keep_tokens=given.keep_tokens)
        return MemberDocument.of(changed)

    @routes.delete(base + "/{personId}", status_code=204, responses=CONFLICT)
    async def remove_member(
        store_id: StoreId,
        person_id: PersonId,
        who: Keeper,
        keep_tokens: Annotated[bool, Query(alias="keepTokens")] = False,
    ) -> None:
        """Remove a member. What they could do ends at once; tokens that they made here are revoked, unless `keepTokens`."""
        await access.members.remove(store_id, person_id, by=who, keep_tokens=keep_tokens)


def _add_invitations(routes: APIRouter, access: Access) -> None:
    base = "/store/{storePublicId}/invitations"

    @routes.get(base)
    async def invitations(store_id: StoreId, _who: Reader) -> InvitationsDocument:
        """The invitations to this store, newest first. Their links are not told again."""
        return InvitationsDocument(invitations=[InvitationDocument.of(link) for link in await access.invitations.all(store_id)])

    @routes.post(base, status_code=201, responses=CONFLICT)
    async def invite(store_id: StoreId, given: InviteDocument, who: Keeper) -> InvitationDocument:
        """Invite somebody, by a link that is good for one use and seven days.

        It is mailed where a mail server is set up; else, or with `handOver`, it is in the answer: hand it over yourself.
        """
        made = await access.invitations.invite(store_id, given.email, given.role, by=who)
        return InvitationDocument.of(made.link, await access.letters.hand(made, by_mail=not given.hand_over))

    @routes.delete(base + "/{invitationId}", status_code=204)
    async def withdraw(
        store_id: StoreId, invitation_id: Annotated[str, Path(alias="invitationId", max_length=80)], who: Keeper
    ) -> None:
        """Withdraw an open invitation."""
        await access.invitations.withdraw(store_id, invitation_id, by=who)


def _add_roles(routes: APIRouter, access: Access) -> None:
    base = "/store/{storePublicId}/roles"

    @routes.get(base)
    async def roles(store_id: StoreId, _who: Reader) -> StoreRolesDocument:
        """The roles of this store: those that every store has, and its own."""
        return StoreRolesDocument(roles=[StoreRoleDocument.of(role) for role in await access.roles.all(store_id)])

    @routes.post(base, status_code=201, responses=CONFLICT)
    async def create_role(store_id: StoreId, given: NewRoleDocument, who: Keeper) -> MadeRoleDocument:
        """Make a role of this store. It cannot exceed your own. `warnings` name rights for which its level does not suffice."""
        made = await access.roles.create(store_id, given.name, rights_named(given.rights), given.level, by=who)
        return MadeRoleDocument.of(made)

    @routes.patch(base + "/{role}", responses=CONFLICT)
    async def change_role(store_id: StoreId, role: RoleName, given: ChangedRoleDocument, who: Keeper) -> MadeRoleDocument:
        """Change what a role of this store may do. `warnings` as when it is made."""
        rights = None if given.rights is None else rights_named(given.rights)
        return MadeRoleDocument.of(await access.roles.change(store_id, role, rights=rights, level=given.level, by=who))

    @routes.delete(base + "/{role}", status_code=204, responses=CONFLICT)
    async def remove_role(store_id: StoreId, role: RoleName, who: Keeper) -> None:
        """Remove a role of this store that nobody has."""
        await access.roles.remove(store_id, role, by=who)

    @routes.get("/store/{storePublicId}/explain")
    async def explain(
        store_id: StoreId,
        _who: Keeper,
        subject: Annotated[str, Query(alias="who", max_length=320, description="E-mail address or id of a member.")],
        right: Annotated[str, Query(max_length=80, description="A right, such as connections:manage or manage_integrations.")],
    ) -> ExplanationDocument:
        """Why a member may or may not do something in this store, with every step of the decision."""
        return ExplanationDocument.of(await access.explain(subject, right, store_id, within=store_id))


def _add_people(routes: APIRouter, access: Access) -> None:
    person = "/people/{personId}"

    @routes.get("/people")
    async def people(_who: Administrator) -> PeopleDocument:
        """Everybody who may sign in, with their role in the whole installation."""
        return PeopleDocument(people=[PersonDocument.model_validate(each) for each in await access.people.all()])

    @routes.post("/people/invitations", status_code=201, responses=CONFLICT)
    async def invite(given: InviteDocument, who: Administrator) -> InvitationDocument:
        """Invite somebody to the whole installation: as administrator, reader or member."""
        made = await access.invitations.invite(None, given.email, given.role, by=who)
        return InvitationDocument.of(made.link, await access.letters.hand(made, by_mail=not given.hand_over))

    @routes.patch(person, responses=CONFLICT)
    async def change_person(person_id: PersonId, given: PersonChangeDocument, who: Administrator) -> PersonDocument:
        """Give a person another role in the whole installation. They sign in again."""
        await access.people.set_role(person_id, given.role, by=who)
        return PersonDocument.model_validate(await access.people.by_id(person_id))

    @routes.delete(person, status_code=204, responses=CONFLICT)
    async def remove_person(
        person_id: PersonId, who: Administrator, keep_tokens: Annotated[bool, Query(alias="keepTokens")] = False
    ) -> None:
        """Remove a person. Their sessions end, and tokens that they made are revoked, unless `keepTokens`."""
        await access.people.remove(person_id, by=who, keep_tokens=keep_tokens)

    @routes.post(person + "/new-password", status_code=201)
    async def offer_new_password(
        person_id: PersonId, who: Administrator, hand_over: Annotated[bool, Query(alias="handOver")] = False
    ) -> LinkDocument:
        """A link with which this person chooses a new password, good for one use and a day.

        It is mailed to them where a mail server is set up; else, or with `handOver`, it is in the answer: hand it over yourself.
        """
        made = await access.resets.offer(person_id, by=who)
        return LinkDocument.of(made.link, await access.letters.hand(made, by_mail=not hand_over))

    @routes.get(person + "/sessions")
    async def sessions(person_id: PersonId, who: Administrator) -> SessionsDocument:
        """Where this person is signed in, the last used first."""
        await access.people.by_id(person_id)
        return SessionsDocument(sessions=[SessionDocument.of(each, who) for each in await access.sessions.all(person_id)])

    @routes.delete(person + "/sessions")
    async def end_sessions(person_id: PersonId, who: Administrator) -> EndedDocument:
        """Sign this person out everywhere."""
        found = await access.sessions.all((await access.people.by_id(person_id)).id)
        for session in found:
            await access.sessions.end(session.id, actor=who.actor)
        return EndedDocument(ended=len(found))

    @routes.get("/access/explain")
    async def explain(
        _who: Administrator,
        subject: Annotated[
            str, Query(alias="who", max_length=320, description="A person's address or id; a token's id or name.")
        ],
        right: Annotated[str, Query(max_length=80, description="A right, such as connections:manage or manage_integrations.")],
        store: Annotated[str | None, Query(max_length=80, description="The store that is asked about.")] = None,
    ) -> ExplanationDocument:
        """Why somebody may or may not do something, with every step of the decision."""
        return ExplanationDocument.of(await access.explain(subject, right, store))
