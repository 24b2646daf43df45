"""A token and whoever made it: it never outlives or outranks them, and what it made ends with it."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from ferrata.access.schemas import AT_THE_SERVER, Right, Role, Token
from ferrata.audit.schemas import AuditFilter
from ferrata.kit.clock import MovedClock
from tests.access.people import person, sign_in, signed_in
from tests.doors import Doors

pytestmark = pytest.mark.anyio
MEMBERS, ROLES, INVITATIONS = (f"/api/store/default/{what}" for what in ("members", "roles", "invitations"))
NEW = {"name": "Nora", "password": "a long enough password"}
KEEPER = (Right.TOKENS_MANAGE, Right.MEMBERS_MANAGE, Right.DELIVERY_READ, Right.EVENTS_READ)


async def told(answer: Any, status: int, code: str | None = None) -> Any:
    assert answer.status_code == status, answer.text
    document = answer.json() if answer.content else {}
    assert code is None or document["code"] == code, document
    return document


def bearer(document: dict[str, Any]) -> dict[str, str]:
    return {"authorization": f"Bearer {document['token']}"}


async def is_good(doors: Doors, document: dict[str, Any]) -> bool:
    return (await doors.client.get("/api/session", headers=bearer(document))).status_code == 200


async def ending(doors: Doors, clock: MovedClock, *rights: Right) -> tuple[Token, dict[str, str]]:
    """A token that ends in an hour, made at the server."""
    end = clock.now() + timedelta(hours=1)
    created = await doors.wiring.access.tokens.create(
        "short", actor=AT_THE_SERVER.actor, store_id="default", rights=frozenset(rights or KEEPER), expires_at=end
    )
    return created.token, {"authorization": f"Bearer {created.secret}"}


class TestATokenMadeWithAToken:
    async def test_ends_when_that_one_does_and_cannot_be_asked_to_end_later(self, doors: Doors, clock: MovedClock) -> None:
        maker, headers = await ending(doors, clock)
        wanted: dict[str, Any] = {"name": "child", "rights": ["delivery:read"]}
        child = await told(await doors.client.post("/api/tokens", json=wanted, headers=headers), 201)
        assert maker.expires_at and child["expiresAt"] == maker.expires_at.isoformat().replace("+00:00", "Z")
        assert child["madeWith"] == maker.id
        later = wanted | {"expiresAt": (maker.expires_at + timedelta(seconds=1)).isoformat()}
        refused = await told(await doors.client.post("/api/tokens", json=later, headers=headers), 400)
        assert "must not lie after" in refused["errors"][0]["message"]
        clock.advance(3_600)
        assert not await is_good(doors, child)

    async def test_stays_at_its_end_however_often_it_renews_itself(self, doors: Doors, clock: MovedClock) -> None:
        maker, headers = await ending(doors, clock)
        renewed = {"id": maker.id}
        for _ in range(3):
            renewed = await told(await doors.client.post(f"/api/tokens/{renewed['id']}/rotate", json={}, headers=headers), 201)
            headers = bearer(renewed)
        clock.advance(3_600)
        assert not await is_good(doors, renewed)

    async def test_renews_none_that_ends_later_than_it(self, doors: Doors, clock: MovedClock) -> None:
        owner = await signed_in(doors, "Olga", default="owner")
        endless = await told(await owner.post("/api/tokens", json={"name": "endless", "rights": ["delivery:read"]}), 201)
        _, headers = await ending(doors, clock)
        answer = await doors.client.post(f"/api/tokens/{endless['id']}/rotate", json={}, headers=headers)
        await told(answer, 403, "above_yourself")
        assert await is_good(doors, endless)

    async def test_invites_nobody_for_longer_than_it_lives(self, doors: Doors, clock: MovedClock) -> None:
        await doors.wiring.access.roles.create("default", "reader", frozenset({Right.EVENTS_READ}), 10, by=AT_THE_SERVER)
        maker, headers = await ending(doors, clock)
        answer = await doors.client.post(INVITATIONS, json={"email": "nora@example.com", "role": "reader"}, headers=headers)
        invited = await told(answer, 201)
        assert maker.expires_at and invited["expiresAt"] == maker.expires_at.isoformat().replace("+00:00", "Z")

    async def test_is_no_administrator_s_equal_because_it_manages_people(self, doors: Doors) -> None:
        mira = await person(doors, "Mira", Role.ADMINISTRATOR)
        rita = await person(doors, "Rita")
        headers = await doors.token(Right.ACCESS_MANAGE, store_id=None)
        for method, path, body in (
            ("PATCH", f"/api/people/{rita.id}", {"role": "administrator"}),
            ("PATCH", f"/api/people/{mira.id}", {"role": "member"}),
            ("POST", f"/api/people/{mira.id}/new-password", None),
            ("DELETE", f"/api/people/{mira.id}", None),
            ("POST", "/api/people/invitations", {"email": "eve@example.com", "role": "administrator"}),
        ):
            await told(await doors.client.request(method, path, json=body, headers=headers), 403, "above_yourself")
        await told(await doors.client.post(f"/api/people/{rita.id}/new-password", headers=headers), 201)


class TestRevokingAToken:
    async def test_ends_what_was_made_with_it_at_any_remove(self, doors: Doors, clock: MovedClock) -> None:
        owner = await signed_in(doors, "Olga", default="owner")
        await told(await owner.post(ROLES, json={"name": "reader", "level": 10, "rights": ["events:read"]}), 201)
        first = await told(await owner.post("/api/tokens", json={"name": "first", "rights": list(KEEPER)}), 201)
        wanted = {"name": "second", "rights": ["tokens:manage", "members:manage", "delivery:read", "events:read"]}
        second = await told(await doors.client.post("/api/tokens", json=wanted, headers=bearer(first)), 201)
        path = f"/api/tokens/{second['id']}/rotate"
        third = await told(await doors.client.post(path, json={}, headers=bearer(second)), 201)
        invitation = {"email": "eve@example.com", "role": "reader"}
        invited = await told(await doors.client.post(INVITATIONS, json=invitation, headers=bearer(third)), 201)
        other = await told(await owner.post("/api/tokens", json={"name": "other", "rights": ["delivery:read"]}), 201)
        assert (await owner.delete(f"/api/tokens/{first['id']}")).status_code == 204
        clock.advance(2)
        assert [await is_good(doors, each) for each in (first, second, third, other)] == [False, False, False, True]
        assert (await doors.browser().post(invited["url"].removeprefix("http://ferrata.test"), data=NEW)).status_code == 404
        noted = (await doors.wiring.audit.page(AuditFilter(action="access.key_revoked"))).rows
        assert [record.before["name"] for record in noted] == ["second", "second", "first"]

    async def test_keeps_what_was_made_with_it_if_that_is_asked_for(self, doors: Doors, clock: MovedClock) -> None:
        owner = await signed_in(doors, "Olga", default="owner")
        await told(await owner.post(ROLES, json={"name": "reader", "level": 10, "rights": ["events:read"]}), 201)
        first = await told(await owner.post("/api/tokens", json={"name": "first", "rights": list(KEEPER)}), 201)
        wanted = {"name": "second", "rights": ["delivery:read"]}
        second = await told(await doors.client.post("/api/tokens", json=wanted, headers=bearer(first)), 201)
        invitation = {"email": "nora@example.com", "role": "reader"}
        invited = await told(await doors.client.post(INVITATIONS, json=invitation, headers=bearer(first)), 201)
        assert (await owner.delete(f"/api/tokens/{first['id']}?keepMade=true")).status_code == 204
        clock.advance(2)
        assert [await is_good(doors, each) for each in (first, second)] == [False, True]
        assert (await doors.browser().post(invited["url"].removeprefix("http://ferrata.test"), data=NEW)).status_code == 303
        joined = (await doors.wiring.audit.page(AuditFilter(action="access.member_added"))).rows[0]
        assert (joined.actor.kind, joined.actor.name) == ("person", "Olga")

    async def test_leaves_nothing_behind_that_it_makes_at_that_moment(self, doors: Doors) -> None:
        access = doors.wiring.access
        for number in range(5):
            wanted = {"name": "child", "rights": ["delivery:read"]}
            keeper = await access.tokens.create(
                f"k{number}", actor=AT_THE_SERVER.actor, store_id="default", rights=frozenset(KEEPER)
            )
            headers = {"authorization": f"Bearer {keeper.secret}"}
            assert (await doors.client.get("/api/session", headers=headers)).status_code == 200  # known in this process now
            await asyncio.gather(
                *(doors.client.post("/api/tokens", json=wanted, headers=headers) for _ in range(4)),
                access.tokens.revoke(keeper.token.id, actor=AT_THE_SERVER.actor),
                *(doors.client.post("/api/tokens", json=wanted, headers=headers) for _ in range(4)),
            )
        assert [token.name for token in await access.tokens.all() if token.name == "child" and token.revoked_at is None] == []


class TestTheRightsOfAToken:
    """They are decided when it is used."""

    @pytest.fixture
    async def keeper(self, doors: Doors) -> tuple[httpx2.AsyncClient, httpx2.AsyncClient]:
        """The owner's browser, and that of somebody with a role that the store made."""
        owner = await signed_in(doors, "Olga", default="owner")
        rights = ["tokens:manage", "members:manage", "delivery:read", "events:read", "audit:read"]
        await told(await owner.post(ROLES, json={"name": "keeper", "level": 50, "rights": rights}), 201)
        return owner, await sign_in(doors, await person(doors, "Kim", default="keeper"))

    async def test_shrink_and_grow_with_the_role_of_whoever_made_it(
        self, doors: Doors, clock: MovedClock, keeper: tuple[httpx2.AsyncClient, httpx2.AsyncClient]
    ) -> None:
        owner, browser = keeper
        made = await told(
            await browser.post("/api/tokens", json={"name": "kims", "rights": ["audit:read", "delivery:read"]}), 201
        )
        assert (await doors.client.get("/api/audit", headers=bearer(made))).status_code == 200
        for rights, audit, lanes in ((["delivery:read"], 403, 200), (["audit:read"], 200, 403)):
            await told(await owner.patch(f"{ROLES}/keeper", json={"rights": rights}), 200)
            clock.advance(2)
            assert (await doors.client.get("/api/audit", headers=bearer(made))).status_code == audit
            assert (await doors.client.get("/lanes", headers=bearer(made))).status_code == lanes
        (listed,) = (await owner.get("/api/tokens")).json()["tokens"]
        assert (listed["rights"], listed["effectiveRights"], listed["madeBy"]) == (
            ["audit:read", "delivery:read"], ["audit:read"], "Kim",
        )  # fmt: skip
        explained = await doors.wiring.access.explain(made["id"], "delivery:read", "default")
        assert explained.allowed is False
        assert explained.steps[-1].what == "It was made by Kim, who may not do that there now."

    async def test_end_with_those_of_what_made_the_token_that_made_it(
        self, doors: Doors, clock: MovedClock, keeper: tuple[httpx2.AsyncClient, httpx2.AsyncClient]
    ) -> None:
        owner, browser = keeper
        first = await told(await browser.post("/api/tokens", json={"name": "first", "rights": list(KEEPER)}), 201)
        wanted = {"name": "second", "rights": ["delivery:read"]}
        second = await told(await doors.client.post("/api/tokens", json=wanted, headers=bearer(first)), 201)
        await told(await owner.patch(f"{ROLES}/keeper", json={"rights": ["events:read"]}), 200)
        clock.advance(2)
        assert (await doors.client.get("/lanes", headers=bearer(second))).status_code == 403

    async def test_are_not_above_those_of_whoever_made_it(
        self, doors: Doors, keeper: tuple[httpx2.AsyncClient, httpx2.AsyncClient]
    ) -> None:
        _, browser = keeper
        admin = await person(doors, "Ada", default="admin")
        made = await told(await browser.post("/api/tokens", json={"name": "kims", "rights": list(KEEPER)}), 201)
        for who in (browser, doors.client):
            answer = await who.delete(f"{MEMBERS}/{admin.id}", headers=bearer(made) if who is doors.client else None)
            await told(answer, 403, "above_yourself")

    async def test_are_those_of_whoever_keeps_it_for_the_store(
        self, doors: Doors, clock: MovedClock, keeper: tuple[httpx2.AsyncClient, httpx2.AsyncClient]
    ) -> None:
        owner, browser = keeper
        kim = (await browser.get("/api/session")).json()["id"]
        made = await told(await browser.post("/api/tokens", json={"name": "kims", "rights": ["delivery:read"]}), 201)
        assert (await owner.delete(f"{MEMBERS}/{kim}?keepTokens=true")).status_code == 204
        clock.advance(2)
        assert (await doors.client.get("/lanes", headers=bearer(made))).status_code == 200
        (listed,) = (await owner.get("/api/tokens")).json()["tokens"]
        assert listed["madeBy"] == "Olga"

    async def test_are_not_kept_by_a_token_that_lacks_them(self, doors: Doors, clock: MovedClock) -> None:
        await person(doors, "Olga", default="owner")
        ada = await person(doors, "Ada", default="admin")
        browser = await sign_in(doors, ada)
        more = await told(await browser.post("/api/tokens", json={"name": "more", "rights": ["connections:manage"]}), 201)
        less = await told(await browser.post("/api/tokens", json={"name": "less", "rights": ["delivery:read"]}), 201)
        headers = await doors.token(Right.MEMBERS_MANAGE, Right.DELIVERY_READ)
        assert (await doors.client.delete(f"{MEMBERS}/{ada.id}?keepTokens=true", headers=headers)).status_code == 204
        clock.advance(2)
        assert [await is_good(doors, each) for each in (more, less)] == [False, True]


class TestAnInvitation:
    async def test_ends_when_whoever_made_it_may_not_invite_so_any_more(self, doors: Doors) -> None:
        owner = await signed_in(doors, "Olga", default="owner")
        rights = ["members:manage", "events:read"]
        await told(await owner.post(ROLES, json={"name": "host", "level": 50, "rights": rights}), 201)
        await told(await owner.post(ROLES, json={"name": "reader", "level": 10, "rights": ["events:read"]}), 201)
        host = await sign_in(doors, await person(doors, "Kim", default="host"))
        invited = await told(await host.post(INVITATIONS, json={"email": "nora@example.com", "role": "reader"}), 201)
        path = invited["url"].removeprefix("http://ferrata.test")
        for changed, status in ((["members:manage"], 404), (["events:read"], 404), (rights, 200)):
            await told(await owner.patch(f"{ROLES}/host", json={"rights": changed}), 200)
            assert (await doors.browser().get(path)).status_code == status
        await told(await owner.patch(f"{ROLES}/reader", json={"rights": ["events:read", "profiles:read"]}), 200)
        assert (await doors.browser().post(path, data=NEW)).status_code == 404
