"""Sources over HTTP: the door for their messages, settings, replay, explain."""

import asyncio
import json
from typing import Any

import pytest

from ferrata.access.schemas import Right
from ferrata.infra.errors import StorageUnavailable
from ferrata.infra.incidents import open_incidents
from tests.sources.conftest import Installed
from tests.sources.shop import SECRET, order, signed

AT = "/sources/shop/default"
KEEP = (Right.SOURCES_READ, Right.SOURCES_MANAGE)


class TestTheDoor:
    async def test_answers_after_the_commit_and_to_anybody_with_a_signature(self, shop: Installed) -> None:
        await shop.set_up()
        answer = await shop.doors.client.post(AT, **signed([order(1), order(2)]))
        assert (answer.status_code, answer.json()) == (202, {"kept": 2, "repeated": 0, "refused": 0})
        again = await shop.doors.client.post(AT, **signed(order(1)))
        assert again.json() == {"kept": 0, "repeated": 1, "refused": 0}
        assert len(await shop.messages()) == 2

    async def test_acknowledges_nothing_that_could_not_be_kept(self, shop: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
        await shop.set_up()

        write, failures = shop.doors.wiring.database.write, 0

        async def away(work: Any) -> Any:
            nonlocal failures
            if "Reception.keep" not in work.__qualname__:
                return await write(work)
            failures += 1
            await asyncio.sleep(0.01)
            raise StorageUnavailable("The disk is full.")

        with monkeypatch.context() as patched:
            patched.setattr(shop.doors.wiring.database, "write", away)
            assert (await shop.doors.client.post(AT, **signed(order(1)))).status_code == 503
        assert failures == 1
        assert (await shop.doors.client.post(AT, **signed(order(1)))).json() == {"kept": 1, "repeated": 0, "refused": 0}

    async def test_refuses_a_forged_message_and_keeps_it_apart(self, shop: Installed) -> None:
        await shop.set_up()
        answer = await shop.doors.client.post(AT, content=b"{}", headers={"x-shop": "forged"})
        assert (answer.status_code, answer.json()["code"]) == (400, "source_unverified")
        assert [kept.message.body for kept in await shop.messages()] == [b"{}"]

    async def test_believes_a_token_for_that_store_alone(self, shop: Installed) -> None:
        await shop.set_up()
        client = shop.doors.client
        body = json.dumps(order(1))
        writer = await shop.doors.token(Right.SOURCES_WRITE)
        reader = await shop.doors.token(Right.SOURCES_READ)
        assert (await client.post(AT, content=body, headers=reader)).status_code == 400
        assert (await client.post(AT, content=body, headers={"authorization": "Bearer a.jwt.of.google"})).status_code == 400
        assert (await client.post(AT, content=body, headers=writer)).status_code == 202

    @pytest.mark.parametrize("path", ["/sources/shop/nowhere", "/sources/nothing/default"])
    async def test_says_where_nothing_is(self, shop: Installed, path: str) -> None:
        await shop.set_up()
        answer = await shop.doors.client.post(path, **signed(order(1)))
        assert answer.status_code == 404

    async def test_shakes_hands(self, shop: Installed) -> None:
        await shop.set_up()
        answer = await shop.doors.client.request("OPTIONS", AT, **signed([]))
        assert (answer.status_code, answer.text, answer.headers["x-hello"]) == (200, "hello", "shop")


class TestSettings:
    async def test_are_kept_in_versions_without_their_secrets(self, shop: Installed) -> None:
        client, token = shop.doors.client, await shop.doors.token(*KEEP)
        order_ = {"settings": {"secret": SECRET}, "mapping": {"off": ["Placed Order"]}}
        first = await client.put(f"{AT}/settings", json=order_, headers=token)
        assert (first.status_code, first.json()["version"]) == (200, 1)
        second = await client.put(f"{AT}/settings", json={"settings": {"page_size": 50}, "ifVersion": 1}, headers=token)
        assert second.json()["mapping"] == {"off": ["Placed Order"]}
        found = (await client.get(f"{AT}/settings", headers=token)).json()["versions"]
        assert [version["version"] for version in found] == [2, 1]
        assert found[0]["settings"] == {"secret": None, "with_api": True, "page_size": 50}
        assert found[0]["secrets"] == {"secret": "…6789"}
        assert SECRET not in json.dumps(found)
        assert (await client.post(AT, **signed(order(1)))).status_code == 202, "the secret has stayed"

    async def test_name_every_fault_at_once(self, shop: Installed) -> None:
        client, token = shop.doors.client, await shop.doors.token(*KEEP)
        wrong = {
            "settings": {"page_size": 0, "colour": "red"},
            "mapping": {
                "properties": {"*": {"add": {"Link": "{{ a..b }}"}}},
                "person_fields": ["email", "shoe_size"],
                "mapper": "nobody",
            },
        }
        answer = await client.put(f"{AT}/settings", json=wrong, headers=token)
        assert answer.status_code == 400
        assert {error["path"] for error in answer.json()["errors"]} == {
            "settings.secret",
            "settings.page_size",
            "settings.colour",
            "mapping.properties.*.add.Link",
            "mapping.person_fields.1",
        }
        again = await client.put(
            f"{AT}/settings", json={"settings": {"secret": "x"}, "mapping": {"mapper": "nobody"}}, headers=token
        )
        assert [error["path"] for error in again.json()["errors"]] == ["mapping.mapper"]

    async def test_are_not_overwritten_unseen(self, shop: Installed) -> None:
        await shop.set_up()
        client, token = shop.doors.client, await shop.doors.token(*KEEP)
        answer = await client.put(f"{AT}/settings", json={"enabled": False, "ifVersion": 0}, headers=token)
        assert answer.status_code == 409

    async def test_are_audited_without_secrets(self, shop: Installed) -> None:
        await shop.set_up()
        page = await shop.wiring.audit.newest()
        [record] = [each for each in page.rows if each.action == "sources.settings_saved"]
        assert record.after["sealed"] == ["secret"]
        assert SECRET not in repr(record)

    async def test_need_the_right(self, shop: Installed) -> None:
        token = await shop.doors.token(Right.SOURCES_READ)
        answer = await shop.doors.client.put(f"{AT}/settings", json={}, headers=token)
        assert answer.status_code == 403


class TestMessages:
    async def test_tell_their_story(self, shop: Installed) -> None:
        await shop.set_up()
        client, token = shop.doors.client, await shop.doors.token(*KEEP)
        await shop.take(order(1), {"message": "s", "type": "cart", "id": "c"})
        await shop.map()
        listed = (await client.get(f"{AT}/messages?state=mapped&limit=1", headers=token)).json()["messages"]
        assert [(each["messageId"], each["body"]) for each in listed] == [("m1", None)]
        story = (await client.get(f"{AT}/messages/{listed[0]['id']}", headers=token)).json()
        assert json.loads(story["body"]) == order(1)
        [made] = story["made"]
        assert (made["title"], made["state"], made["uniqueId"]) == ("Placed Order", "waiting", "Placed Order:shop:o1:placed")
        everything = (await client.get(f"{AT}/messages", headers=token)).json()["messages"]
        assert [each["skipped"] for each in everything] == [[{"what": "cart", "why": "no event belongs to this"}], []]
        assert (await client.get(f"{AT}/messages/unknown", headers=token)).status_code in (400, 404)

    async def test_are_mapped_again_after_a_look(self, shop: Installed) -> None:
        await shop.set_up({"off": ["Placed Order"]})
        client, token = shop.doors.client, await shop.doors.token(*KEEP)
        await shop.take(order(1), order(2))
        await shop.map()
        await client.put(f"{AT}/settings", json={"mapping": {}}, headers=token)
        shop.clock.advance(2)
        asked: dict[str, Any] = {"states": ["skipped"]}
        look = (await client.post(f"{AT}/messages/replay", json=asked, headers=token)).json()
        assert (look["dryRun"], look["count"], look["lookedAt"]) == (True, 2, 2)
        assert [(each["before"], each["after"], each["added"]) for each in look["differences"]] == [
            ("skipped", "mapped", [f"Placed Order shop:o{number}:placed"]) for number in (1, 2)
        ]
        done = (await client.post(f"{AT}/messages/replay", json=asked | {"dryRun": False}, headers=token)).json()
        assert done["count"] == 2
        await shop.map()
        assert len(await shop.events()) == 2
        once_more = {"states": ["mapped"], "dryRun": False}
        await client.post(f"{AT}/messages/replay", json=once_more, headers=token)
        await shop.map()
        assert len(await shop.events()) == 2, "the same ids, so nothing twice"

    async def test_kept_apart_are_taken_as_genuine_or_given_up(self, shop: Installed) -> None:
        await shop.set_up()
        client, token = shop.doors.client, await shop.doors.token(*KEEP)
        for number in (1, 2):
            await client.post(AT, content=json.dumps(order(number)), headers={"x-shop": "rotated meanwhile"})
        first, second = await shop.messages()
        all_of_them = {"states": ["refused"]}
        for asked in (all_of_them, all_of_them | {"dryRun": False}):
            told = (await client.post(f"{AT}/messages/replay", json=asked, headers=token)).json()
            assert told["count"] == 0, "what proved nothing is only taken if it is named"
        taken = await client.post(f"{AT}/messages/replay", json={"ids": [first.id], "dryRun": False}, headers=token)
        assert taken.json()["count"] == 1
        gone = await client.post(f"{AT}/messages/discard", json={"ids": [second.id]}, headers=token)
        assert gone.json() == {"count": 1}
        assert await shop.wiring.database.read(open_incidents) == [], "two deliveries of nobody known alarm nobody"
        await shop.map()
        assert [unique_id for _, unique_id, _ in await shop.events()] == ["Placed Order:shop:o1:placed"]


class TestExplain:
    async def test_shows_the_very_request_that_delivery_would_send(self, shop: Installed) -> None:
        await shop.set_up()
        client, token = shop.doors.client, await shop.doors.token(*KEEP)
        answer = await client.post(f"{AT}/explain", json={"body": order(1, phone="no")}, headers=token)
        assert answer.status_code == 200, answer.text
        [message] = answer.json()["messages"]
        [request] = message["requests"]
        assert (request["method"], request["path"], message["outcome"]) == ("POST", "/api/events", "mapped")
        ties = {tie["target"]: (tie["source"], tie["why"]) for tie in request["ties"]}
        assert ties["/data/attributes/value"] == ("/total", "the total of the order")
        assert ties["/data/attributes/profile/data/attributes/email"] == ("/email", "who ordered")
        assert ties["/data/attributes/properties/Items/0/sku"] == (
            "/items/0/sku",
            "this value stands nowhere else in the message; the source names no place itself",
        )
        assert [each["what"] for each in message["skipped"]] == ["/events/0 phone_number"]
        assert (await shop.messages(), await shop.events()) == ([], [])
        await shop.take(order(1, phone="no"))
        await shop.map()
        [kept] = await shop.messages()
        story = await shop.wiring.delivery.story(kept.made[0].id or "")
        assert story
        sent = json.loads(request["body"])["data"]["attributes"]
        assert sent.pop("profile")["data"] == json.loads(story.profile_json)
        assert sent == json.loads(story.subject_json)

    async def test_tries_settings_that_are_not_kept(self, shop: Installed) -> None:
        client, token = shop.doors.client, await shop.doors.token(*KEEP)
        draft = {"settings": {"secret": "x", "with_api": False}, "mapping": {"metrics": {"Placed Order": "Bestellt"}}}
        answer = await client.post(f"{AT}/explain", json={"body": json.dumps(order(1)), **draft}, headers=token)
        [message] = answer.json()["messages"]
        assert message["requests"][0]["title"] == "Bestellt"

    async def test_says_what_it_would_have_to_read(self, shop: Installed) -> None:
        await shop.set_up(with_api=False)
        client, token = shop.doors.client, await shop.doors.token(*KEEP)
        body = order(1, products=["p1"])
        [message] = (await client.post(f"{AT}/explain", json={"body": body}, headers=token)).json()["messages"]
        assert (message["outcome"], message["lookups"]) == ("mapped", ["product/p1"])
        assert message["reason"].startswith("Explained as if product/p1 were not there: Shop's API: ")
        given = {"body": body, "lookups": {"product/p1": {"name": "Boots"}}}
        [message] = (await client.post(f"{AT}/explain", json=given, headers=token)).json()["messages"]
        assert "Boots" in message["requests"][0]["body"]
        assert message["reason"] is None

    async def test_says_why_a_delivery_is_none(self, shop: Installed) -> None:
        await shop.set_up()
        token = await shop.doors.token(*KEEP)
        answer = await shop.doors.client.post(f"{AT}/explain", json={"body": "{"}, headers=token)
        assert answer.json()["refused"] == "This is no JSON."
