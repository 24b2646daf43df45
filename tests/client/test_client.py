"""The hook: nothing that happens to it reaches the host, and what it took arrives once."""

import asyncio
import os
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ferrata.client import AsyncFerrata, Ferrata
from tests.client.conftest import Served


async def flushed(client: Ferrata, seconds: float = 20.0) -> bool:
    return await asyncio.to_thread(client.flush, seconds)


async def closed(client: Ferrata, seconds: float = 5.0) -> None:
    await asyncio.to_thread(client.close, seconds)


class TestTracking:
    async def test_arrives_as_it_was_tracked(self, served: Served) -> None:
        client = Ferrata(served.url, served.token, **served.options())
        moment = datetime(2026, 1, 31, 12, tzinfo=UTC)
        event_id = client.track(
            "Placed Order",
            email="jane@shop.com",
            attributes={"total": Decimal("19.90"), "items": [{"sku": "007"}], "at": moment},
            profile={"firstName": "Jane"},
            time=moment,
            value=Decimal("19.90"),
            currency="EUR",
        )
        assert await flushed(client)
        [event] = await served.kept()
        assert (event["eventId"], event["email"], event["time"]) == (event_id, "jane@shop.com", "2026-01-31T12:00:00.000Z")
        assert (event["value"], event["source"]) == (19.9, "client")
        assert event["eventAttributes"] == {"total": 19.9, "items": [{"sku": "007"}], "at": "2026-01-31T12:00:00+00:00"}
        assert (client.counts.tracked, client.counts.accepted, client.counts.dropped) == (1, 1, 0)
        await closed(client)

    async def test_from_asyncio(self, served: Served) -> None:
        async with AsyncFerrata(served.url, served.token, **served.options()) as client:
            for n in range(500):
                client.track("Viewed", email=f"p{n}@shop.com")
            assert await client.flush()
            assert client.counts.accepted == 500
        assert len(await served.kept()) == 500

    @pytest.mark.parametrize("bad", [{"a": object()}, {"a": float("nan")}, {"a": {1, 2}}, {"a": Decimal("Infinity")}])
    async def test_what_is_no_event_is_dropped_and_told(self, served: Served, bad: dict[str, Any]) -> None:
        told: list[str] = []
        client = Ferrata(served.url, served.token, on_drop=lambda _id, reason: told.append(reason), **served.options())
        assert client.track("A", attributes=bad) is None
        assert client.counts.dropped == 1
        assert len(told) == 1
        await closed(client)

    async def test_what_ferrata_refuses_is_told_and_does_not_hold_up_the_rest(self, served: Served) -> None:
        told: dict[str, str] = {}
        client = Ferrata(served.url, served.token, on_drop=told.__setitem__, **served.options())
        ids = [str(client.track("A", email="nobody" if n == 1 else f"p{n}@shop.com")) for n in range(3)]
        assert await flushed(client)
        assert told == {ids[1]: "email must be a valid email"}
        assert (client.counts.accepted, client.counts.dropped) == (2, 1)
        await closed(client)


class TestWhileFerrataIsAway:
    async def test_events_wait_and_arrive_once(self, served: Served) -> None:
        client = Ferrata(served.url, served.token, **served.options())
        served.network.is_cut.set()
        for n in range(300):
            client.track("A", email=f"p{n}@shop.com")
        assert not await flushed(client, 0.3)
        served.network.is_cut.clear()
        served.network.loses_answers.set()
        assert await flushed(client)
        kept = await served.kept()
        assert sorted(event["email"] for event in kept) == sorted(f"p{n}@shop.com" for n in range(300))
        await closed(client)

    async def test_the_queue_is_bounded_and_what_is_too_much_is_told(self, served: Served) -> None:
        told: list[str] = []
        served.network.is_cut.set()
        options = served.options(queue_events=100, on_drop=lambda _id, reason: told.append(reason))
        client = Ferrata(served.url, served.token, **options)
        for _ in range(1000):
            client.track("A")
        assert client.counts.waiting <= 300
        assert client.counts.dropped == len(told) >= 700
        await closed(client, 0.1)
        assert client.counts.dropped == 1000
        assert client.track("late") is None

    async def test_a_spool_keeps_them_for_the_next_process(self, served: Served, tmp_path: Path) -> None:
        served.network.is_cut.set()
        options = served.options(spool=tmp_path / "spool", queue_events=100)
        first = Ferrata(served.url, served.token, **options)
        for n in range(60):
            first.track("A", email=f"p{n}@shop.com")
        await closed(first, 0.5)
        assert first.counts.dropped == 0
        served.network.is_cut.clear()
        second = Ferrata(served.url, served.token, **options)
        second.track("B")
        assert await flushed(second)
        await closed(second)
        assert len(await served.kept()) == 61
        assert list((tmp_path / "spool").iterdir()) == []

    async def test_a_bad_token_loses_nothing_and_is_told_once(self, served: Served, caplog: pytest.LogCaptureFixture) -> None:
        client = Ferrata(served.url, "frt_wrong", **served.options())
        client.track("A")
        assert not await flushed(client, 0.2)
        assert (client.counts.waiting, client.counts.dropped) == (1, 0)
        (told,) = [record.getMessage() for record in caplog.records if record.name == "ferrata.client"]
        assert "does not accept the token (401)" in told
        await closed(client, 0.1)


class TestProcesses:
    async def run(self, served: Served, program: str) -> str:
        environment = os.environ | {"URL": served.url, "TOKEN": served.token}
        command = [sys.executable, "-c", textwrap.dedent(program)]
        process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, error = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 0, error.decode()
        return out.decode()

    async def test_hand_over_what_waits_when_they_end(self, served: Served) -> None:
        program = """
            import os
            from ferrata.client import Ferrata
            client = Ferrata(os.environ["URL"], os.environ["TOKEN"])
            for n in range(50):
                client.track("A", email=f"p{n}@shop.com")
        """
        await self.run(served, program)
        assert len(await served.kept()) == 50

    async def test_send_their_own_after_a_fork(self, served: Served) -> None:
        program = """
            import os
            from ferrata.client import Ferrata
            client = Ferrata(os.environ["URL"], os.environ["TOKEN"])
            client.track("before", event_id="before")
            child = os.fork()
            client.track("after", event_id=f"after-{bool(child)}")
            if child:
                os.waitpid(child, 0)
            else:
                client.close()
                os._exit(0)
        """
        await self.run(served, program)
        kept = await served.kept()
        assert sorted(event["eventId"] for event in kept) == ["after-False", "after-True", "before"]

    async def test_import_nothing_heavy(self, served: Served) -> None:
        program = """
            import sys
            import ferrata.client
            heavy = {"sqlalchemy", "fastapi", "pydantic", "msgspec", "structlog", "phonenumbers"}
            print(sorted(heavy & set(sys.modules)))
        """
        assert (await self.run(served, program)).strip() == "[]"
