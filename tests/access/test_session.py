"""Signing in over HTTP, who is asking, in which order a request is refused, and why somebody may or may not."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest

from ferrata.access.commands import Desk, people, tokens
from ferrata.access.schemas import AT_THE_SERVER, Right, Role
from ferrata.access.store_commands import access, members
from ferrata.audit.schemas import SYSTEM
from ferrata.kit.clock import MovedClock
from tests.access.people import person, second_store, sign_in, signed_in
from tests.doors import PASSWORD, Doors

pytestmark = pytest.mark.anyio


class TestSigningInOverHttp:
    async def test_sets_a_cookie_and_tells_rights_by_store(self, doors: Doors) -> None:
        await second_store(doors)
        rita = await person(doors, "Rita", default="admin", second="viewer")
        browser = doors.browser(accept="application/json")
        answer = await browser.post("/api/session", json={"email": " Rita@Example.com ", "password": PASSWORD})
        assert answer.status_code == 200
        assert "HttpOnly" in answer.headers["set-cookie"]
        assert answer.headers["cache-control"] == "no-store"
        who = (await browser.get("/api/session")).json()
        assert (who["kind"], who["id"], who["email"], who["rights"]) == ("person", rita.id, rita.email, [])
        seats = {seat["storeId"]: seat for seat in who["stores"]}
        assert [seats[store]["role"] for store in ("default", "second")] == ["admin", "viewer"]
        assert "connections:manage" in seats["default"]["rights"]
        assert "connections:manage" not in seats["second"]["rights"]
        assert (await browser.delete("/api/session")).status_code == 204
        assert (await browser.get("/api/session")).status_code == 401

    async def test_tells_a_token_who_it_is(self, doors: Doors) -> None:
        headers = await doors.token(Right.EVENTS_READ)
        who = (await doors.client.get("/api/session", headers=headers)).json()
        assert (who["kind"], who["storeId"], who["rights"]) == ("token", "default", ["events:read"])
        for method, path in (("DELETE", "/api/session"), ("GET", "/api/sessions"), ("DELETE", "/api/sessions")):
            assert (await doors.client.request(method, path, headers=headers)).status_code == 403

    async def test_is_throttled_together_with_the_form(self, doors: Doors) -> None:
        rita = await person(doors, "Rita")
        wrong = {"email": rita.email, "password": "wrong wrong wrong"}
        for number in range(10):
            browser = doors.browser(f"198.51.100.{number}", accept="application/json")
            way = browser.post("/sign-in", data=wrong) if number % 2 else browser.post("/api/session", json=wrong)
            assert (await way).status_code == 401
        stopped = await doors.browser("198.51.100.99").post("/api/session", json=wrong | {"password": PASSWORD})
        assert stopped.status_code == 429
        assert int(stopped.headers["retry-after"]) == 900

    @pytest.mark.parametrize(
        "body", [{}, {"email": "x"}, {"email": 1, "password": []}, [], {"email": "a", "password": "b", "role": "x"}]
    )
    async def test_names_what_is_wrong_with_the_body(self, doors: Doors, body: Any) -> None:
        answer = await doors.client.post("/api/session", json=body)
        assert answer.status_code == 400
        assert answer.json()["errors"]


class TestTwoTokens:
    async def test_in_one_request_are_refused_instead_of_one_being_chosen(self, doors: Doors) -> None:
        good = (await doors.token(Right.EVENTS_READ, Right.EVENTS_WRITE))["authorization"]
        for first, second in ((good, "Bearer frt_other"), ("Bearer frt_other", good), (good, good)):
            headers = httpx2.Headers([("authorization", first), ("authorization", second)])
            for method, path in (("GET", "/events"), ("POST", "/events")):
                answer = await doors.client.request(method, path, headers=headers, json={"eventName": "x"})
                assert answer.status_code == 400, answer.text
                assert "two Authorization headers" in answer.json()["message"]


class TestRefusals:
    async def test_come_in_the_documented_order(self, doors: Doors) -> None:
        """401, 403, 404, and only then 400: strangers do not learn what a route would take, or what there is."""
        path, bad = "/api/store/{}/invitations", {"role": 1}
        viewer = await signed_in(doors, "Vera", default="viewer")
        administrator = await signed_in(doors, "Mira", Role.ADMINISTRATOR)
        assert (await doors.client.post(path.format("never-made"), json=bad)).status_code == 401
        assert (
            await doors.client.post(path.format("default"), content=b"{", headers={"content-type": "application/json"})
        ).status_code == 401
        assert (await viewer.post(path.format("never-made"), json=bad)).status_code == 403
        assert (await viewer.post(path.format("default"), json=bad)).status_code == 403
        assert (await administrator.post(path.format("never-made"), json=bad)).status_code == 404
        answer = await administrator.post(path.format("default"), json=bad)
        assert (answer.status_code, len(answer.json()["errors"])) == (400, 2)

    async def test_name_what_is_needed(self, doors: Doors) -> None:
        viewer = await signed_in(doors, "Vera", default="viewer")
        answer = await viewer.get("/api/store/default/members")
        assert (
            answer.json()["message"] == "Insufficient permissions: this needs the right members:read, which 'Vera' does not have."
        )


class TestALivePage:
    async def test_ends_when_its_reader_is_removed(self, doors: Doors, clock: MovedClock) -> None:
        await person(doors, "Olga", default="owner")
        somebody = await person(doors, "Vera", default="viewer")
        cookie = (await sign_in(doors, somebody)).cookies["ferrata_session"]
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)
            if len(sent) == 2:  # the first message is out
                await doors.wiring.access.members.remove("default", somebody.id, by=AT_THE_SERVER)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                over.set()

        over = anyio.Event()

        async def receive() -> Any:
            if not asked:
                asked.append(True)
                return {"type": "http.request", "body": b"", "more_body": False}
            await over.wait()
            return {"type": "http.disconnect"}

        asked: list[bool] = []
        headers = [(b"cookie", f"ferrata_session={cookie}".encode()), (b"host", b"ferrata.test")]
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": "/ui/lanes/live", "raw_path": b"/ui/lanes/live", "query_string": b"", "root_path": "", "headers": headers,
            "client": ("192.0.2.1", 1), "server": ("ferrata.test", 80), "state": {},
        }  # fmt: skip
        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                group.start_soon(doors.app, scope, receive, send)
                while not over.is_set():
                    await anyio.sleep(0.01)
                    clock.advance(5)
        assert [message.get("status") for message in sent[:1]] == [200]
        assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


class TestExplaining:
    @pytest.mark.parametrize(
        ("who", "right", "allowed", "said"),
        [
            ("ada@example.com", "connections:manage", True, "connections:manage needs the level 80 as well, and 80 is enough."),
            ("ada@example.com", "manage_integrations", True, "The role admin holds connections:manage."),
            ("kim@example.com", "connections:manage", False, "connections:manage needs the level 80 as well, and 70 is not."),
            ("vera@example.com", "members:read", False, "The role viewer does not hold members:read."),
            ("nobody@example.com", "events:read", False, "They have no role in the store default."),
            ("ada@example.com", "access:manage", False, "so no role in a store can hold it."),
            (
                "mira@example.com",
                "access:manage",
                True,
                "The installation's role administrator holds access:manage, in every store.",
            ),
            ("reader", "events:read", True, "Its scopes hold events:read."),
            ("reader", "events:write", False, "Its scopes do not hold events:write."),
            ("revoked", "events:read", False, "It was revoked at 2026-"),
            ("elsewhere", "events:read", False, "It counts in the store second alone, and asked about is default."),
        ],
    )
    async def test_says_why_with_every_step(self, doors: Doors, who: str, right: str, allowed: bool, said: str) -> None:
        await second_store(doors)
        administrator = await signed_in(doors, "Mira", Role.ADMINISTRATOR)
        rights = frozenset({Right.CONNECTIONS_MANAGE})
        await doors.wiring.access.roles.create("default", "keeper", rights, 70, by=AT_THE_SERVER)
        for name, role in (("Ada", "admin"), ("Kim", "keeper"), ("Vera", "viewer")):
            await person(doors, name, default=role)
        await person(doors, "Nobody")
        tokens, read = doors.wiring.access.tokens, frozenset({Right.EVENTS_READ})
        for name, store_id in (("reader", "default"), ("revoked", "default"), ("elsewhere", "second")):
            made = await tokens.create(name, actor=SYSTEM, store_id=store_id, rights=read)
            if name == "revoked":
                await tokens.revoke(made.token.id, actor=SYSTEM)
        query = {"who": who, "right": right, "store": "default"}
        answer = (await administrator.get("/api/access/explain", params=query)).json()
        assert answer["allowed"] is allowed
        assert any(said in step["what"] for step in answer["steps"]), answer["steps"]

    async def test_agrees_with_what_is_answered(self, doors: Doors) -> None:
        """The explanation of every right, for every role, is what the gate does."""
        for role in ("owner", "admin", "manager", "analyst", "viewer"):
            somebody = await person(doors, role, default=role)
            who = await doors.wiring.access.authenticate_session((await sign_in(doors, somebody)).cookies["ferrata_session"])
            assert who
            for right in Right:
                found = await doors.wiring.access.explain(somebody.email, right, "default")
                assert found.allowed is who.within("default").may(right), (role, right)

    async def test_tells_a_stores_admin_of_no_strangers(self, doors: Doors) -> None:
        await second_store(doors)
        await person(doors, "Foreign", second="owner")
        admin = await signed_in(doors, "Ada", default="admin")
        query = {"who": "foreign@example.com", "right": "events:read"}
        assert (await admin.get("/api/store/default/explain", params=query)).status_code == 404
        assert (await admin.get("/api/access/explain", params=query)).status_code == 403


class TestTheCommandLine:
    """In this process: that each command is installed is shown by the generated reference."""

    @pytest.fixture
    def run(self, doors: Doors, capsys: pytest.CaptureFixture[str]) -> Callable[..., Awaitable[Any]]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Desk]:
            wiring = doors.wiring
            yield Desk(wiring.access, wiring.connections.registry.choose, wiring.settings.public_address())

        rooms = (people(opened), members(opened), access(opened), tokens(opened))
        apps = {name: app for app in rooms for name in app.name}

        async def command(room: str, *words: str) -> Any:
            capsys.readouterr()
            await apps[room].run_async([*words, "--json"], exit_on_error=False, result_action="return_value")
            return json.loads(capsys.readouterr().out)

        return command

    async def test_adds_changes_and_removes_members(self, doors: Doors, run: Callable[..., Awaitable[Any]]) -> None:
        rita = await person(doors, "Rita")
        await run("members", "add", rita.email, "--role", "viewer")
        explained = ("access", "explain", rita.email, "manage_integrations", "--store", "default")
        assert (await run(*explained))["allowed"] is False
        await run("members", "change", rita.email, "admin")
        assert (await run(*explained))["allowed"] is True
        assert [member["role"] for member in await run("members", "list")] == ["admin"]
        await run("members", "remove", rita.email)
        assert await run("members", "list") == []
        invited = await run("members", "invite", "nora@example.com", "--role", "owner")
        assert invited["url"].startswith("http://ferrata.test/invitation/frt_once_")

    async def test_makes_roles_and_new_secrets(self, doors: Doors, run: Callable[..., Awaitable[Any]]) -> None:
        made = await run("members", "make-role", "keeper", "--right", "manage_integrations", "--level", "80")
        assert made["rights"] == ["connections:manage"]
        assert "keeper" in [role["name"] for role in await run("members", "roles")]
        await run("members", "remove-role", "keeper")
        assert "keeper" not in [role["name"] for role in await run("members", "roles")]
        token = await run("tokens", "create", "shop")
        fresh = await run("tokens", "rotate", token["id"], "--keep-old-hours", "0")
        assert await doors.wiring.access.authenticate_token(token["token"]) is None
        assert await doors.wiring.access.authenticate_token(fresh["token"])

    async def test_signs_people_out_changes_and_removes_them(self, doors: Doors, run: Callable[..., Awaitable[Any]]) -> None:
        browser = await signed_in(doors, "Rita", Role.READER)
        assert [session["email"] for session in await run("people", "sessions", "rita@example.com", "--end")] == [
            "rita@example.com"
        ]
        assert (await browser.get("/api/session")).status_code == 401
        assert (await run("people", "change", "rita@example.com", "member"))["role"] == "member"
        await run("people", "remove", "rita@example.com")
        assert await run("people", "list") == []
