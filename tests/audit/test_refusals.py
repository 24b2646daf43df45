"""Refused attempts are in the audit, and nobody can fill the disk with them."""

import pytest

from ferrata.access.schemas import Right
from ferrata.audit.refusals import Refusals
from ferrata.audit.schemas import SYSTEM, Actor, AuditFilter, Record, Refused
from ferrata.kit.clock import MovedClock
from tests.access.people import signed_in
from tests.doors import ADMINISTRATOR, PASSWORD, Doors

pytestmark = pytest.mark.anyio


async def refused(doors: Doors) -> tuple[Record, ...]:
    await doors.wiring.audit.write_refusals()
    return (await doors.wiring.audit.page(AuditFilter(refused=True), limit=1_000)).rows


class TestARefusedAttempt:
    async def test_of_nobody_is_noted_with_its_address_and_request(self, doors: Doors) -> None:
        answer = await doors.client.get("/events/0190", headers={"x-request-id": "tried-by-nobody"})
        assert answer.status_code == 401
        [record] = await refused(doors)
        assert (record.actor.kind, record.action, record.after["code"]) == ("unknown", "access.refused", "unauthenticated")
        assert (record.target, record.address, record.request_id) == (
            "GET /events/{id}",
            "192.0.2.9",
            "tried-by-nobody",
        )

    async def test_of_a_token_without_the_right_names_the_token(self, doors: Doors) -> None:
        header = await doors.token(Right.EVENTS_READ)
        assert (await doors.client.post("/events", json={}, headers=header)).status_code == 403
        assert (await doors.client.get("/dead-letters", headers=header)).status_code == 403
        found = {record.target: record for record in await refused(doors)}
        assert set(found) == {"POST /events", "GET /dead-letters"}
        assert {(record.actor.kind, record.actor.name, record.store_id) for record in found.values()} == {
            ("token", "test", "default")
        }

    async def test_of_a_member_without_the_right_is_its_stores(self, doors: Doors) -> None:
        await doors.wiring.connections.registry.create("second", "Second", actor=SYSTEM)
        browser = await signed_in(doors, "Ada", default="viewer", second="viewer")
        for store in ("default", "second"):
            assert (await browser.delete(f"/api/store/{store}/klaviyo-connect")).status_code == 403
        await doors.wiring.audit.write_refusals()
        for store in ("default", "second"):
            seen = (await doors.wiring.audit.page(AuditFilter(refused=True, store_id=store), limit=10)).rows
            assert [record.target for record in seen] == ["DELETE /api/store/{storePublicId}/klaviyo-connect"]

    async def test_at_a_foreign_store_is_seen_by_its_people_too(self, doors: Doors) -> None:
        await doors.wiring.connections.registry.create("second", "Second", actor=SYSTEM)
        header = await doors.token(Right.DELIVERY_READ)
        for store in ("second", "never-made"):
            answer = await doors.client.get("/dead-letters", headers=header | {"ferrata-store": store})
            assert (answer.status_code, answer.json()["code"]) == (403, "other_store")
        await doors.app.state.note.settled()
        await doors.wiring.audit.write_refusals(everything=True)
        for store, count in (("default", 2), ("second", 1), ("never-made", 0)):
            seen = (await doors.wiring.audit.page(AuditFilter(refused=True, store_id=store), limit=10)).rows
            assert sum(record.count for record in seen) == count, store
            assert {record.actor.name for record in seen} <= {"test"}

    async def test_with_a_token_that_is_not_good_keeps_no_more_than_its_beginning(self, doors: Doors) -> None:
        secret = "frt_0123456789abcdefghijkl"
        assert (await doors.client.get("/lanes", headers={"authorization": f"Bearer {secret}"})).status_code == 401
        [record] = await refused(doors)
        assert record.actor.name == "a token frt_0123…"
        assert secret not in repr(record)

    async def test_to_sign_in_is_noted_without_the_whole_address(self, doors: Doors) -> None:
        await doors.administrator()
        answer = await doors.browser().post("/sign-in", data={"email": ADMINISTRATOR, "password": "wrong one, surely"})
        assert answer.status_code == 401
        [record] = [each for each in await refused(doors) if each.action == "access.sign_in_refused"]
        assert (record.target, record.address) == ("sign-in/m•••@example.com", "192.0.2.1")
        assert "wrong one" not in repr(record)

    async def test_from_another_site_is_noted(self, doors: Doors) -> None:
        browser = doors.browser(**{"sec-fetch-site": "cross-site"})
        assert (await browser.post("/sign-in", data={})).status_code == 403
        assert [record.after["code"] for record in await refused(doors)] == ["cross_site"]

    async def test_with_a_one_time_secret_that_is_not_good_is_noted_without_it(self, doors: Doors) -> None:
        secret = "frt_" + "once_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
        page = {"accept": "text/html"}
        form = {"token": secret, "email": ADMINISTRATOR, "password": PASSWORD}
        assert (await doors.browser().post("/setup", data=form)).status_code == 403
        for headers in (page, {}):
            for path in (f"/invitation/{secret}", f"/new-password/{secret}"):
                assert (await doors.browser(**headers).get(path)).status_code == 404
                assert (await doors.browser(**headers).post(path, data={})).status_code == 404
        records = await refused(doors)
        assert {(record.target, record.after["code"]) for record in records} == {
            ("POST /setup", "setup_token_unknown"),
            *(
                (f"{method} /{what}/{{secret}}", "link_unknown")
                for method in ("GET", "POST")
                for what in ("invitation", "new-password")
            ),
        }
        assert secret not in repr(records)

    async def test_that_a_page_shows_beside_its_form_is_noted(self, doors: Doors) -> None:
        browser = await signed_in(doors, "Ada", default="admin")
        browser.headers["accept"] = "text/html"
        above = {"email": "eve@example.com", "role": "owner"}
        assert (await browser.post("/ui/settings/members", data=above)).status_code == 403
        wrong = {"old_password": "wrong one, surely", "password": PASSWORD}
        assert (await browser.post("/ui/profile/password", data=wrong)).status_code == 403
        records = await refused(doors)
        assert {(record.actor.name, record.after["code"]) for record in records} == {
            ("Ada", "above_yourself"),
            ("Ada", "wrong_password"),
        }
        assert "wrong one" not in repr(records)


class TestAFlood:
    async def test_of_one_kind_is_two_records_and_the_count(self, doors: Doors, clock: MovedClock) -> None:
        for _ in range(500):
            await doors.client.get("/lanes")
        assert [record.count for record in await refused(doors)] == [1]
        clock.advance(61)
        assert sorted(record.count for record in await refused(doors)) == [1, 499]

    async def test_of_many_kinds_is_bounded_and_still_counted(self, doors: Doors, clock: MovedClock) -> None:
        for number in range(400):
            await doors.browser(f"203.0.{number // 200}.{number % 200}").get("/lanes", headers={"accept": "*/*"})
        clock.advance(61)
        found = await refused(doors)
        assert len(found) == 302
        assert sum(record.count for record in found) == 400

    async def test_of_strangers_does_not_hide_what_a_known_token_tries(self, doors: Doors) -> None:
        header = await doors.token(Right.EVENTS_READ)
        for number in range(350):
            await doors.browser(f"203.0.{number // 200}.{number % 200}").get("/lanes", headers={"accept": "*/*"})
        await doors.client.get("/lanes", headers=header)
        assert "test" in {record.actor.name for record in await refused(doors)}


def test_one_token_that_tries_everything_does_not_hide_what_another_tries(clock: MovedClock) -> None:
    refusals = Refusals(clock)
    for number in range(5_000):
        refusals.note(Refused(Actor("token", "loud", "loud"), "lacks_right", f"GET /{number}", clock.now()))
    refusals.note(Refused(Actor("token", "quiet", "quiet"), "lacks_right", "GET /lanes", clock.now()))
    records = refusals.due(everything=True)
    assert {record.actor.id for record in records} == {"loud", "quiet", ""}
    assert len(records) < 310
    assert sum(record.count for record in records) == 5_001


async def test_a_change_carries_the_request_that_made_it(doors: Doors) -> None:
    browser = await doors.administrator()
    await browser.post("/ui/settings/tokens", data={"name": "shop"}, headers={"x-request-id": "made-a-token"})
    [record] = (await doors.wiring.audit.page(AuditFilter(action="access.key_created"))).rows
    assert (record.request_id, record.address, record.via) == ("made-a-token", "192.0.2.1", "POST /ui/settings/tokens")
