"""Roles in stores: who may do what to whom, and when it ends."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from ferrata.access.schemas import AT_THE_SERVER, STORE_TOKEN, Right, Role
from ferrata.infra.columns import metadata
from ferrata.infra.log_masking import mask_text
from ferrata.kit.clock import MovedClock
from tests.access.people import person, second_store, sign_in, signed_in
from tests.doors import PASSWORD, Doors

pytestmark = pytest.mark.anyio
MEMBERS, ROLES, INVITATIONS = (f"/api/store/default/{what}" for what in ("members", "roles", "invitations"))
NEW = {"name": "Nora", "password": "a long enough password"}


async def told(answer: Any, status: int, code: str | None = None) -> Any:
    assert answer.status_code == status, answer.text
    document = answer.json()
    assert code is None or document["code"] == code, document
    return document


class TestAMember:
    async def test_may_do_in_a_store_what_the_role_there_says_and_nothing_in_another(self, doors: Doors) -> None:
        await second_store(doors)
        admin = await signed_in(doors, "Ada", default="admin", second="viewer")
        assert (await admin.get(MEMBERS)).status_code == 200
        refused = await told(await admin.get("/api/store/second/members"), 403, "lacks_right")
        assert "members:read" in refused["message"]
        viewer = await signed_in(doors, "Vera", default="viewer")
        assert (await viewer.get("/dead-letters")).status_code == 200
        await told(await viewer.get(MEMBERS), 403, "lacks_right")

    @pytest.mark.parametrize("store_id", ["second", "never-made"])
    async def test_hears_the_same_of_a_foreign_store_and_of_none(self, doors: Doors, store_id: str) -> None:
        await second_store(doors)
        owner = await signed_in(doors, "Olga", default="owner")
        for path, headers in (
            (f"/api/store/{store_id}/members", {}),
            ("/dead-letters", {"ferrata-store": store_id}),
            (f"/dead-letters?store={store_id}", {}),
        ):
            await told(await owner.get(path, headers=headers), 403, "other_store")

    async def test_with_no_store_yet_is_told_so(self, doors: Doors) -> None:
        await told(await (await signed_in(doors, "Nobody")).get("/dead-letters"), 403, "no_store")

    async def test_is_not_led_astray_by_the_cookie_of_a_foreign_store(self, doors: Doors) -> None:
        await second_store(doors)
        owner = await signed_in(doors, "Olga", default="owner")
        for chosen in ("second", "never-made"):
            owner.cookies.set("ferrata_store", chosen)
            assert (await owner.get("/dead-letters")).status_code == 200
            assert "Default store" in (await owner.get("/ui/settings/members", headers={"accept": "text/html"})).text

    async def test_is_refused_from_the_next_request_on_when_removed(self, doors: Doors) -> None:
        await person(doors, "Olga", default="owner")
        somebody = await person(doors, "Ada", default="admin")
        browser = await sign_in(doors, somebody)
        assert (await browser.get(MEMBERS)).status_code == 200
        await doors.wiring.access.members.remove("default", somebody.id, by=AT_THE_SERVER)
        await told(await browser.get(MEMBERS), 403)

    async def test_takes_along_the_tokens_and_invitations_that_they_made(self, doors: Doors, clock: MovedClock) -> None:
        owner = await signed_in(doors, "Olga", default="owner")
        somebody = await person(doors, "Ada", default="admin")
        browser = await sign_in(doors, somebody)
        made = await told(await browser.post("/api/tokens", json={"name": "hers", "rights": ["delivery:read"]}), 201)
        invited = await told(await browser.post(INVITATIONS, json={"email": "eve@example.com", "role": "admin"}), 201)
        kept = await told(await owner.post("/api/tokens", json={"name": "olga's", "rights": ["delivery:read"]}), 201)
        assert (await owner.delete(f"{MEMBERS}/{somebody.id}")).status_code == 204
        clock.advance(2)
        for document, status in ((made, 401), (kept, 200)):
            headers = {"authorization": f"Bearer {document['token']}"}
            assert (await doors.client.get("/lanes", headers=headers)).status_code == status
        path = invited["url"].removeprefix("http://ferrata.test")
        assert (await doors.browser().post(path, data=NEW)).status_code == 404

    async def test_takes_along_what_was_made_with_their_tokens(self, doors: Doors, clock: MovedClock) -> None:
        owner = await signed_in(doors, "Olga", default="owner")
        somebody = await person(doors, "Ada", default="admin")
        browser = await sign_in(doors, somebody)
        rights = ["tokens:manage", "members:manage", "delivery:read", "events:read"]
        first = await told(await browser.post("/api/tokens", json={"name": "first", "rights": rights}), 201)
        headers, client = {"authorization": f"Bearer {first['token']}"}, doors.client
        wanted = {"name": "second", "rights": ["delivery:read"]}
        second = await told(await client.post("/api/tokens", json=wanted, headers=headers), 201)
        third = await told(await client.post(f"/api/tokens/{second['id']}/rotate", json={}, headers=headers), 201)
        made = {"name": "reader", "level": 10, "rights": ["events:read"]}
        await told(await owner.post(ROLES, json=made), 201)
        invited = await client.post(INVITATIONS, json={"email": "eve@example.com", "role": "reader"}, headers=headers)
        path = (await told(invited, 201))["url"].removeprefix("http://ferrata.test")
        assert (await owner.delete(f"{MEMBERS}/{somebody.id}")).status_code == 204
        clock.advance(2)
        for document in (first, second, third):
            headers = {"authorization": f"Bearer {document['token']}"}
            assert (await client.get("/api/session", headers=headers)).status_code == 401
        assert (await doors.browser().post(path, data=NEW)).status_code == 404

    async def test_who_is_no_administrator_any_more_loses_what_only_one_could_make(self, doors: Doors, clock: MovedClock) -> None:
        await person(doors, "Olga", Role.ADMINISTRATOR)
        somebody = await person(doors, "Ada", Role.ADMINISTRATOR, default="admin")
        browser = await sign_in(doors, somebody)
        everywhere = {"name": "all", "rights": ["access:manage"], "allStores": True}
        orders: dict[int, list[dict[str, Any]]] = {
            401: [everywhere, {"name": "above", "storeId": "default", "rights": ["stores:manage"]}],
            200: [{"name": "theirs", "storeId": "default", "rights": ["connections:manage"]}],
        }
        made = [
            (status, await told(await browser.post("/api/tokens", json=order), 201))
            for status in orders
            for order in orders[status]
        ]
        invitation = {"email": "eve@example.com", "role": "administrator"}
        invited = await told(await browser.post("/api/people/invitations", json=invitation), 201)
        await doors.wiring.access.people.set_role(somebody.id, Role.MEMBER, by=AT_THE_SERVER)
        clock.advance(2)
        for status, document in made:
            headers = {"authorization": f"Bearer {document['token']}"}
            assert (await doors.client.get("/api/session", headers=headers)).status_code == status, document
        path = invited["url"].removeprefix("http://ferrata.test")
        assert (await doors.browser().post(path, data=NEW)).status_code == 404

    async def test_whose_role_is_lowered_loses_tokens_that_may_more(self, doors: Doors, clock: MovedClock) -> None:
        owner = await signed_in(doors, "Olga", default="owner")
        somebody = await person(doors, "Ada", default="admin")
        browser = await sign_in(doors, somebody)
        more = await told(await browser.post("/api/tokens", json={"name": "more", "rights": ["connections:manage"]}), 201)
        less = await told(await browser.post("/api/tokens", json={"name": "less", "rights": ["delivery:read"]}), 201)
        changed = await told(await owner.patch(f"{MEMBERS}/{somebody.id}", json={"role": "viewer"}), 200)
        assert changed["role"] == "viewer"
        await told(await browser.get(MEMBERS), 403)
        clock.advance(2)
        for document, status in ((more, 401), (less, 200)):
            headers = {"authorization": f"Bearer {document['token']}"}
            assert (await doors.client.get("/api/session", headers=headers)).status_code == status


class TestRank:
    async def test_nobody_gives_a_role_above_their_own(self, doors: Doors) -> None:
        admin = await person(doors, "Ada", default="admin")
        viewer = await person(doors, "Vera", default="viewer")
        await person(doors, "Olga", default="owner")
        browser = await sign_in(doors, admin)
        for target in (viewer.id, admin.id):
            await told(await browser.patch(f"{MEMBERS}/{target}", json={"role": "owner"}), 403, "above_yourself")
        invitation = {"email": "eve@example.com", "role": "owner"}
        await told(await browser.post(INVITATIONS, json=invitation), 403, "above_yourself")
        assert (await browser.patch(f"{MEMBERS}/{viewer.id}", json={"role": "admin"})).status_code == 200

    async def test_nobody_changes_or_removes_whoever_stands_higher(self, doors: Doors) -> None:
        owner = await person(doors, "Olga", default="owner")
        await person(doors, "Otto", default="owner")
        browser = await signed_in(doors, "Ada", default="admin")
        await told(await browser.patch(f"{MEMBERS}/{owner.id}", json={"role": "viewer"}), 403, "above_yourself")
        await told(await browser.delete(f"{MEMBERS}/{owner.id}"), 403, "above_yourself")

    async def test_the_last_owner_stays(self, doors: Doors) -> None:
        owner = await person(doors, "Olga", default="owner")
        browser, administrator = await sign_in(doors, owner), await signed_in(doors, "Mira", Role.ADMINISTRATOR)
        for who in (browser, administrator):
            await told(await who.patch(f"{MEMBERS}/{owner.id}", json={"role": "admin"}), 409, "last_owner")
            await told(await who.delete(f"{MEMBERS}/{owner.id}"), 409, "last_owner")
        await told(await administrator.delete(f"/api/people/{owner.id}"), 409, "last_owner")
        await person(doors, "Otto", default="owner")
        assert (await browser.delete(f"{MEMBERS}/{owner.id}")).status_code == 204

    async def test_two_owners_who_remove_each_other_at_once_leave_one(self, doors: Doors) -> None:
        owners = [await person(doors, name, default="owner") for name in ("Olga", "Otto")]
        browsers = [await sign_in(doors, owner) for owner in owners]
        pairs = zip(browsers, reversed(owners), strict=True)
        answers = await asyncio.gather(*(browser.delete(f"{MEMBERS}/{other.id}") for browser, other in pairs))
        assert sorted(answer.status_code for answer in answers)[0] == 204
        left = [member.role for member in await doors.wiring.access.members.all("default")]
        assert left == ["owner"]

    async def test_a_token_makes_no_owners_and_no_token_that_may_more(self, doors: Doors) -> None:
        headers = await doors.token(*(STORE_TOKEN | {Right.MEMBERS_MANAGE, Right.TOKENS_MANAGE}))
        invitation = {"email": "eve@example.com", "role": "owner"}
        await told(await doors.client.post(INVITATIONS, json=invitation, headers=headers), 403, "above_yourself")
        wanted = {"name": "more", "rights": ["connections:manage"]}
        await told(await doors.client.post("/api/tokens", json=wanted, headers=headers), 403, "above_yourself")
        everywhere = {"name": "all", "rights": ["delivery:read"], "allStores": True}
        await told(await doors.client.post("/api/tokens", json=everywhere, headers=headers), 403, "above_yourself")


class TestARoleOfAStore:
    async def test_gives_what_was_chosen_from_the_next_request_on(self, doors: Doors) -> None:
        owner = await signed_in(doors, "Olga", default="owner")
        made = {"name": "replayer", "rights": ["delivery:read", "delivery:manage"]}
        document = await told(await owner.post(ROLES, json=made), 201)
        assert (document["level"], document["own"]) == (50, True)
        browser = await signed_in(doors, "Rita", default="replayer")
        order = {"ids": [], "dryRun": True}
        assert (await browser.post("/dead-letters/replay", json=order)).status_code != 403
        await told(await owner.patch(f"{ROLES}/replayer", json={"rights": ["delivery:read"]}), 200)
        await told(await browser.post("/dead-letters/replay", json=order), 403, "lacks_right")

    @pytest.mark.parametrize(("level", "rights", "status"), [
        (79, ["connections:manage", "connections:read"], 403),
        (90, ["connections:read"], 403),
        (80, ["manage_integrations", "connections:read"], 200),
    ])  # fmt: skip
    async def test_keeps_keys_only_with_the_right_and_the_level(
        self, doors: Doors, level: int, rights: list[str], status: int
    ) -> None:
        owner = await signed_in(doors, "Olga", default="owner")
        await told(await owner.post(ROLES, json={"name": "keeper", "level": level, "rights": rights}), 201)
        browser = await signed_in(doors, "Kim", default="keeper")
        asked = await browser.get("/ui/stores/default/connect/key")
        assert asked.status_code == status, asked.text

    async def test_says_which_rights_its_level_leaves_out(self, doors: Doors) -> None:
        owner = await signed_in(doors, "Olga", default="owner")
        asked = {"name": "keeper", "level": 79, "rights": ["manage_integrations", "connections:read"]}
        made = await told(await owner.post(ROLES, json=asked), 201)
        why = "connections:manage is left out: it needs the level 80 as well, and this role has 79."
        assert (made["rights"], made["warnings"]) == (["connections:read"], [why])
        raised = await told(await owner.patch(f"{ROLES}/keeper", json={"level": 80}), 200)
        assert (raised["rights"], raised["warnings"]) == (["connections:manage", "connections:read"], [])

    async def test_cannot_exceed_its_maker_nor_concern_every_store(self, doors: Doors) -> None:
        owner = await signed_in(doors, "Olga", default="owner")
        rights = {"name": "team", "rights": ["members:manage", "members:read"], "level": 70}
        await told(await owner.post(ROLES, json=rights), 201)
        lead = await signed_in(doors, "Lea", default="team")
        for beyond in ({"rights": ["delivery:read"]}, {"rights": ["members:read"], "level": 71}):
            await told(await lead.post(ROLES, json={"name": "more"} | beyond), 403, "above_yourself")
            await told(await lead.patch(f"{ROLES}/team", json=beyond), 403, "above_yourself")
        everywhere = {"name": "boss", "rights": ["access:manage"]}
        assert (await owner.post(ROLES, json=everywhere)).status_code in (400, 403)
        administrator = await signed_in(doors, "Mira", Role.ADMINISTRATOR)
        await told(await administrator.post(ROLES, json=everywhere), 400, "invalid")

    async def test_is_named_once_and_stays_while_somebody_has_it(self, doors: Doors) -> None:
        owner = await signed_in(doors, "Olga", default="owner")
        role = {"name": "reader", "rights": ["events:read"]}
        await told(await owner.post(ROLES, json=role), 201)
        await told(await owner.post(ROLES, json=role), 409, "role_taken")
        await told(await owner.post(ROLES, json=role | {"name": "owner"}), 409, "role_taken")
        await told(await owner.post(ROLES, json=role | {"name": "No Name"}), 400, "invalid")
        rita = await person(doors, "Rita", default="reader")
        await told(await owner.delete(f"{ROLES}/reader"), 409, "role_in_use")
        await told(await owner.delete(f"{ROLES}/viewer"), 404)
        await told(await owner.patch(f"{MEMBERS}/{rita.id}", json={"role": "viewer"}), 200)
        assert (await owner.delete(f"{ROLES}/reader")).status_code == 204

    async def test_tells_permissions_by_the_seeds_names(self, doors: Doors) -> None:
        owner = await signed_in(doors, "Olga", default="owner")
        roles = {role["name"]: role for role in (await owner.get(ROLES)).json()["roles"]}
        assert list(roles) == ["owner", "admin", "manager", "analyst", "viewer"]
        assert (roles["owner"]["level"], roles["admin"]["level"]) == (100, 80)
        manage = {name: role["permissions"]["stores"]["manage_integrations"] for name, role in roles.items()}
        assert manage == {"owner": True, "admin": True, "manager": False, "analyst": False, "viewer": False}


class TestAnInvitation:
    async def test_makes_a_new_person_a_member_once(self, doors: Doors) -> None:
        owner = await signed_in(doors, "Olga", default="owner")
        made = await told(await owner.post(INVITATIONS, json={"email": "Nora@Example.com", "role": "analyst"}), 201)
        path = made["url"].removeprefix("http://ferrata.test")
        browser = doors.browser()
        for _ in range(2):
            page = await browser.get(path)
            assert page.status_code == 200
            assert "nora@example.com" in page.text
        weak = await browser.post(path, data=NEW | {"password": "short"})
        assert weak.status_code == 400
        accepted = await browser.post(path, data=NEW)
        assert accepted.status_code == 303, accepted.text
        who = (await browser.get("/api/session")).json()
        assert [(seat["storeId"], seat["role"]) for seat in who["stores"]] == [("default", "analyst")]
        assert who["rights"] == []
        assert (await doors.browser().post(path, data=NEW)).status_code == 404
        [invitation] = (await owner.get(INVITATIONS)).json()["invitations"]
        assert invitation["usedAt"]
        assert invitation["url"] is None

    async def test_is_accepted_by_somebody_who_is_here_with_their_own_account_alone(self, doors: Doors) -> None:
        await second_store(doors)
        owner = await signed_in(doors, "Olga", default="owner")
        made = await told(await owner.post(INVITATIONS, json={"email": "rita@example.com", "role": "viewer"}), 201)
        path = made["url"].removeprefix("http://ferrata.test")
        rita, eve = await person(doors, "Rita", second="owner"), await signed_in(doors, "Eve", second="viewer")
        await told(await eve.post(path), 403, "for_somebody_else")
        nobody = doors.browser()
        assert "Sign in" in (await nobody.get(path)).text
        assert (await nobody.post(path, data=NEW)).headers["location"].startswith("/sign-in")
        assert "ferrata_session" not in nobody.cookies
        browser = await sign_in(doors, rita)
        assert (await browser.post(path)).status_code == 303
        assert (await browser.get("/dead-letters?store=default")).status_code == 200
        await told(await owner.post(INVITATIONS, json={"email": "rita@example.com", "role": "viewer"}), 409, "already_member")

    async def test_ends_after_a_week_by_withdrawal_and_by_a_newer_one(self, doors: Doors, clock: MovedClock) -> None:
        owner = await signed_in(doors, "Olga", default="owner")
        wanted = {"email": "nora@example.com", "role": "viewer"}
        first = await told(await owner.post(INVITATIONS, json=wanted), 201)
        second = await told(await owner.post(INVITATIONS, json=wanted), 201)
        assert (await owner.delete(f"{INVITATIONS}/{first['id']}")).status_code == 404
        assert (await owner.delete(f"{INVITATIONS}/{second['id']}")).status_code == 204
        third = await told(await owner.post(INVITATIONS, json=wanted), 201)
        clock.advance(7 * 86_400)
        for made in (first, second, third):
            answer = await doors.browser().post(made["url"].removeprefix("http://ferrata.test"), data=NEW)
            assert answer.status_code == 404

    async def test_is_used_once_however_many_come_at_once(self, doors: Doors) -> None:
        made = await doors.wiring.access.invitations.invite("default", "nora@example.com", "viewer", by=AT_THE_SERVER)
        answers = await asyncio.gather(*(doors.browser().post(made.path, data=NEW) for _ in range(6)))
        assert sorted(answer.status_code for answer in answers)[0] == 303
        assert [answer.status_code for answer in answers].count(303) == 1
        assert len(await doors.wiring.access.members.all("default")) == 1

    async def test_is_neither_in_the_database_in_clear_nor_in_logs(self, doors: Doors) -> None:
        await second_store(doors)
        made = await doors.wiring.access.invitations.invite("default", "rita@example.com", "viewer", by=AT_THE_SERVER)
        rita, eve = await person(doors, "Rita"), await signed_in(doors, "Eve", second="viewer")
        await told(await eve.post(made.path), 403, "for_somebody_else")
        assert (await (await sign_in(doors, rita)).post(made.path)).status_code == 303

        def everything(connection: Any) -> str:
            return repr([connection.execute(select(table)).all() for table in metadata.sorted_tables])

        assert made.secret not in await doors.wiring.database.read(everything)
        assert made.secret.removeprefix("frt_once_") not in mask_text(f"POST {made.path}")


class TestAPassword:
    async def test_is_changed_with_the_old_one_and_ends_the_other_sessions(self, doors: Doors) -> None:
        somebody = await person(doors, "Rita", default="viewer")
        here, elsewhere = await sign_in(doors, somebody), await sign_in(doors, somebody)
        new = {"oldPassword": "not this one at all", "newPassword": "another long password"}
        await told(await here.put("/api/session/password", json=new), 403, "wrong_password")
        await told(await here.put("/api/session/password", json=new | {"oldPassword": PASSWORD, "newPassword": "x"}), 400)
        assert (await here.put("/api/session/password", json=new | {"oldPassword": PASSWORD})).status_code == 204
        assert (await here.get("/api/session")).status_code == 200
        await told(await elsewhere.get("/api/session"), 401)

    async def test_is_chosen_anew_through_a_link_that_is_good_once(self, doors: Doors) -> None:
        administrator, somebody = await doors.administrator(), await person(doors, "Rita", default="viewer")
        browser = await sign_in(doors, somebody)
        offered = await told(await administrator.post(f"/api/people/{somebody.id}/new-password"), 201)
        path = offered["url"].removeprefix("http://ferrata.test")
        assert (await browser.get("/api/session")).status_code == 200
        assert (await doors.browser().get(path)).status_code == 200
        assert (await doors.browser().post(path, data={"password": "short"})).status_code == 400
        assert (await doors.browser().post(path, data={"password": "another long password"})).status_code == 303
        await told(await browser.get("/api/session"), 401)
        assert (await doors.browser().post(path, data={"password": "another long password"})).status_code == 404
        again = {"email": somebody.email, "password": "another long password"}
        assert (await doors.browser().post("/api/session", json=again)).status_code == 200


class TestOwnSessions:
    async def test_are_listed_and_ended_one_by_one_and_all_others_at_once(self, doors: Doors) -> None:
        somebody, other = await person(doors, "Rita", default="viewer"), await signed_in(doors, "Olga", default="owner")
        here, second, third = [await sign_in(doors, somebody) for _ in range(3)]
        listed = (await here.get("/api/sessions")).json()["sessions"]
        assert [session["current"] for session in listed].count(True) == 1
        assert len(listed) == 3
        for session in listed:
            await told(await other.delete(f"/api/sessions/{session['id']}"), 404)
        theirs = next(each for each in (await second.get("/api/sessions")).json()["sessions"] if each["current"])
        assert (await here.delete(f"/api/sessions/{theirs['id']}")).status_code == 204
        await told(await second.get("/api/session"), 401)
        assert (await here.delete("/api/sessions")).json() == {"ended": 1}
        await told(await third.get("/api/session"), 401)
        assert (await here.delete("/api/session")).status_code == 204
        await told(await here.get("/api/session"), 401)
