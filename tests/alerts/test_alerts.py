"""Alerts from their beginning to their end, over real sockets: told once, signed, tried again, and told when they are over."""

import asyncio
import json
from pathlib import Path

import pytest
from sqlalchemy import Connection

from ferrata.alerts.errors import NoChannel, TargetRefused
from ferrata.alerts.schemas import NewChannel, State, Way
from ferrata.alerts.webhook import Webhooks
from ferrata.audit.schemas import SYSTEM
from ferrata.connections.schemas import Status
from ferrata.infra.errors import Rejected
from ferrata.infra.incidents import Condition, clear_alert, raise_alert
from ferrata.infra.public_addresses import NotAllowed, PublicAddresses
from ferrata.kit.clock import MovedClock
from ferrata.klaviyo.wire import open_transport
from klaviyo_sandbox.tenants import DEFAULT_KEY
from tests.alerts.conftest import Mailbox, Receiver, verified, webhook
from tests.doors import Doors, open_doors

pytestmark = pytest.mark.anyio
SOURCE = Condition("source.failing", "default", "commercetools")


async def say(doors: Doors, *, holds: bool, condition: Condition = SOURCE) -> None:
    """What a room does in its own transaction."""
    now = doors.wiring.clock.now()

    def work(connection: Connection) -> None:
        if holds:
            raise_alert(connection, condition, "commercetools cannot be read", now=now, detail="401 from its API")
        else:
            clear_alert(connection, condition, now=now, ending="It can be read again.")

    await doors.wiring.database.write(work)


class TestACondition:
    async def test_is_told_once_and_once_that_it_is_over(self, doors: Doors, receiver: Receiver) -> None:
        alerts = doors.wiring.alerts
        made = await webhook(alerts, receiver)
        for _ in range(3):
            await say(doors, holds=True)
            await alerts.watch()
        assert receiver.types() == ["alert.opened"]
        assert receiver.messages[0]["alert"]["summary"] == "commercetools cannot be read"
        await say(doors, holds=False)
        await alerts.watch()
        await alerts.watch()
        assert receiver.types() == ["alert.opened", "alert.closed"]
        assert receiver.messages[1]["alert"]["ending"] == "It can be read again."
        assert receiver.messages[0]["alert"]["id"] == receiver.messages[1]["alert"]["id"]
        assert all(verified(headers, body, made.secret or "") for headers, body in receiver.seen)
        await say(doors, holds=True)
        await alerts.watch()
        assert receiver.types() == ["alert.opened", "alert.closed", "alert.opened"]

    async def test_is_told_once_although_eight_processes_look(
        self, doors: Doors, receiver: Receiver, tmp_path: Path, database_url: str, clock: MovedClock
    ) -> None:
        await webhook(doors.wiring.alerts, receiver)
        await say(doors, holds=True)
        await asyncio.gather(*(doors.wiring.alerts.watch() for _ in range(8)))
        if not database_url.startswith("sqlite"):
            async with open_doors(database_url, tmp_path, clock, private_networks="127.0.0.0/8") as other:
                await asyncio.gather(*(each.wiring.alerts.watch() for each in (doors, other) for _ in range(4)))
        assert receiver.types() == ["alert.opened"]

    async def test_of_a_transaction_that_failed_is_told_to_nobody(self, doors: Doors, receiver: Receiver) -> None:
        await webhook(doors.wiring.alerts, receiver)

        def work(connection: Connection) -> None:
            raise_alert(connection, SOURCE, "never", now=doors.wiring.clock.now())
            raise Rejected

        with pytest.raises(Rejected):
            await doors.wiring.database.write(work)
        await doors.wiring.alerts.watch()
        assert receiver.seen == []

    async def test_that_was_over_before_anybody_was_told_stands_only_in_the_list(self, doors: Doors, receiver: Receiver) -> None:
        await webhook(doors.wiring.alerts, receiver)
        await say(doors, holds=True)
        await say(doors, holds=False)
        await doors.wiring.alerts.watch()
        assert receiver.seen == []
        assert [incident.kind for incident in (await doors.wiring.alerts.past("default", None, 10)).rows] == ["source.failing"]

    async def test_goes_to_whom_it_concerns(self, doors: Doors, receiver: Receiver) -> None:
        alerts, connections = doors.wiring.alerts, doors.wiring.connections
        await connections.registry.create("second", "Second", actor=SYSTEM)
        await webhook(alerts, receiver, "lane.parked")
        await webhook(alerts, receiver, every_store=False)
        await say(doors, holds=True, condition=Condition("source.failing", "second", "stripe"))
        await say(doors, holds=True, condition=Condition("disk.filling.elsewhere"))
        await alerts.watch()
        assert receiver.seen == []
        await say(doors, holds=True)
        await alerts.watch()
        assert len(receiver.seen) == 1


class TestAConnection:
    async def test_that_breaks_alerts_once_with_the_way_out_and_says_when_it_is_mended(
        self, doors: Doors, receiver: Receiver
    ) -> None:
        connections, alerts = doors.wiring.connections, doors.wiring.alerts
        await webhook(alerts, receiver)
        await connections.set_private_key("default", DEFAULT_KEY, actor=SYSTEM, test=False)
        await alerts.watch()
        assert receiver.seen == []
        credential = await connections.credential("default")
        assert credential
        await connections.refused("default", credential.version, "Klaviyo answered 401. Add a new key.")
        assert (await connections.connection("default")).status is Status.ERROR
        await alerts.watch()
        await alerts.watch()
        [message] = receiver.messages
        assert (message["alert"]["kind"], message["alert"]["severity"]) == ("connection.broken", "critical")
        assert "Add a new key" in message["alert"]["detail"]
        await connections.accepted("default", credential.version)
        await alerts.watch()
        assert receiver.types() == ["alert.opened", "alert.closed"]
        assert "accepts the connection of Default store again" in receiver.messages[1]["alert"]["ending"]


class TestAMessage:
    async def test_is_tried_again_with_the_same_id_and_bytes_until_it_arrives(
        self, on_sqlite: Doors, receiver: Receiver, clock: MovedClock
    ) -> None:
        alerts = on_sqlite.wiring.alerts
        made = await webhook(alerts, receiver)
        receiver.status = 500
        await say(on_sqlite, holds=True)
        await alerts.watch()
        await alerts.watch()
        assert len(receiver.seen) == 1  # not before its time
        clock.advance(11)
        await alerts.watch()
        receiver.status = 204
        clock.advance(31)
        await alerts.watch()
        clock.advance(3600)
        await alerts.watch()
        assert len(receiver.seen) == 3
        assert len({body for _, body in receiver.seen}) == 1
        assert {headers["ferrata-alert-id"] for headers, _ in receiver.seen} == {receiver.messages[0]["id"]}
        assert len({headers["ferrata-signature"] for headers, _ in receiver.seen}) == 3  # each of its own moment
        [notice] = (await alerts.notices(made.channel.id, None, 10)).rows
        assert (notice.state, notice.tries, notice.outcome) == (State.SENT, 3, "Answered 204.")

    async def test_is_given_up_after_a_day_and_says_so(self, on_sqlite: Doors, receiver: Receiver, clock: MovedClock) -> None:
        alerts = on_sqlite.wiring.alerts
        made = await webhook(alerts, receiver)
        receiver.status, receiver.headers = 302, {"location": "http://127.0.0.1:1/elsewhere"}
        await say(on_sqlite, holds=True)
        for _ in range(20):
            await alerts.watch()
            clock.advance(28_801)
        [notice] = (await alerts.notices(made.channel.id, None, 10)).rows
        assert (notice.state, notice.tries) == (State.GIVEN_UP, 11)
        assert "a redirect, which is not followed" in (notice.outcome or "")

    async def test_whose_sender_was_killed_is_sent_again_with_the_same_id(
        self, on_sqlite: Doors, receiver: Receiver, clock: MovedClock
    ) -> None:
        alerts = on_sqlite.wiring.alerts
        await webhook(alerts, receiver)
        await say(on_sqlite, holds=True)
        receiver.hangs = True
        sending = asyncio.create_task(alerts.watch())
        while not receiver.seen:
            await asyncio.sleep(0.02)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        receiver.hangs = False
        await alerts.watch()
        assert len(receiver.seen) == 1  # while the claim of the killed one lasts
        clock.advance(91)
        await alerts.watch()
        assert len(receiver.seen) == 2
        assert len({headers["ferrata-alert-id"] for headers, _ in receiver.seen}) == 1

    async def test_is_signed_with_both_secrets_for_two_days_after_a_rotation(
        self, on_sqlite: Doors, receiver: Receiver, clock: MovedClock
    ) -> None:
        alerts = on_sqlite.wiring.alerts
        made = await webhook(alerts, receiver)
        fresh = await alerts.channels.rotate_secret(made.channel, actor=SYSTEM)
        await alerts.telling.test(made.channel, actor=SYSTEM)
        clock.advance(2 * 86_400 + 1)
        await alerts.telling.test(made.channel, actor=SYSTEM)
        former = made.secret or ""
        assert [verified(headers, body, fresh) for headers, body in receiver.seen] == [True, True]
        assert [verified(headers, body, former) for headers, body in receiver.seen] == [True, False]
        headers, body = receiver.seen[0]
        assert not verified(headers, body + b" ", fresh)
        assert not verified({"ferrata-signature": headers["ferrata-signature"].replace("t=1", "t=2")}, body, fresh)

    async def test_of_a_test_shows_its_failure_at_once(self, doors: Doors, receiver: Receiver) -> None:
        made = await webhook(doors.wiring.alerts, receiver)
        receiver.status = 404
        notice = await doors.wiring.alerts.telling.test(made.channel, actor=SYSTEM)
        assert (notice.state, notice.outcome) == (State.GIVEN_UP, "Answered 404.")


class TestMail:
    async def test_tells_people_in_words_with_an_id_that_a_repeat_shares(
        self, on_sqlite: Doors, mailbox: tuple[Mailbox, int], clock: MovedClock
    ) -> None:
        alerts, box = on_sqlite.wiring.alerts, mailbox[0]
        asked = NewChannel(Way.EMAIL, "Shop team", "mira@shop.test, otto@shop.test", (), True)
        await alerts.channels.add("default", asked, actor=SYSTEM)
        await say(on_sqlite, holds=True)
        await alerts.watch()
        await say(on_sqlite, holds=False)
        clock.advance(60)
        await alerts.watch()
        first, second = box.letters
        assert first["subject"] == "[Ferrata] commercetools cannot be read"
        assert (first["to"], first["from"]) == ("mira@shop.test, otto@shop.test", "Ferrata <ferrata@shop.test>")
        assert "401 from its API" in first.get_content()
        assert "http://ferrata.test/ui/alerts" in first.get_content()
        assert second["subject"].startswith("[Ferrata] Over: ")
        assert first["message-id"] != second["message-id"]

    async def test_comes_together_and_not_more_than_once_a_minute(
        self, on_sqlite: Doors, mailbox: tuple[Mailbox, int], clock: MovedClock
    ) -> None:
        alerts, box = on_sqlite.wiring.alerts, mailbox[0]
        made = await alerts.channels.add("default", NewChannel(Way.EMAIL, "Team", "mira@shop.test", (), True), actor=SYSTEM)
        for number in range(30):
            await say(on_sqlite, holds=True, condition=Condition("source.failing", "default", f"shop {number}"))
        await alerts.watch()
        [letter] = box.letters
        assert letter["subject"] == "[Ferrata] commercetools cannot be read (and 29 more)"
        assert letter.get_content().count("401 from its API") == 30
        for number in range(30):
            await say(on_sqlite, holds=False, condition=Condition("source.failing", "default", f"shop {number}"))
            await alerts.watch()
            clock.advance(1)
        assert len(box.letters) == 1
        clock.advance(31)
        await alerts.watch()
        assert [str(each["subject"]) for each in box.letters[1:]] == [
            "[Ferrata] Over: commercetools cannot be read (and 29 more)"
        ]
        assert {notice.state for notice in (await alerts.notices(made.channel.id, None, 100)).rows} == {State.SENT}

    async def test_that_the_server_refuses_is_tried_again(
        self, on_sqlite: Doors, mailbox: tuple[Mailbox, int], clock: MovedClock
    ) -> None:
        alerts, box = on_sqlite.wiring.alerts, mailbox[0]
        made = await alerts.channels.add("default", NewChannel(Way.EMAIL, "Team", "mira@shop.test", (), True), actor=SYSTEM)
        box.refusal = "451 try later"
        await say(on_sqlite, holds=True)
        await alerts.watch()
        [notice] = (await alerts.notices(made.channel.id, None, 10)).rows
        assert "451: try later" in (notice.outcome or "")
        box.refusal = None
        clock.advance(11)
        await alerts.watch()
        assert len(box.letters) == 1

    @pytest.mark.parametrize(
        "addresses", ["", "nobody", "a@b.test, nobody", "a@b.test\nbcc: c@d.test", ", ".join(f"a{n}@b.test" for n in range(11))]
    )
    async def test_goes_to_addresses_alone(self, on_sqlite: Doors, addresses: str) -> None:
        with pytest.raises(Rejected):
            await on_sqlite.wiring.alerts.channels.add("default", NewChannel(Way.EMAIL, "x", addresses), actor=SYSTEM)


PRIVATE = [
    "https://127.0.0.1/", "https://localhost/", "https://127.1/", "https://0x7f.1/", "https://2130706433/", "https://0177.0.0.1/",
    "https://0.0.0.0/", "https://[::1]/", "https://[::]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:10.0.0.1]/",
    "https://10.0.0.1/", "https://172.16.0.1/", "https://192.168.1.1/", "https://169.254.169.254/latest/meta-data/",
    "https://100.64.0.1/", "https://192.0.2.1/", "https://198.18.0.1/", "https://224.0.0.1/", "https://255.255.255.255/",
    "https://[fe80::1]/", "https://[fc00::1]/", "https://[fd00:ec2::254]/", "https://[ff02::1]/", "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::a00:1]/", "https://[64:ff9b:1:7f00:0:100:808:808]/", "https://[fec0::1]/", "https://192.0.0.192/",
    "https://168.63.129.16/", "https://[2002:7f00:1::]/", "https://[2001:db8::1]/", "https://[::127.0.0.1]/",
]  # fmt: skip
MALFORMED = [
    "", "hook", "ftp://8.8.8.8/", "file:///etc/passwd", "gopher://8.8.8.8/", "https://", "https:///path", "https://user:pw@8.8.8.8/",
    "https://8.8.8.8:0/", "https://8.8.8.8:99999/", "https://8.8.8.8\\@127.0.0.1/", "https://8.8.8.8/ x",
    "https://8.8.8.8/\r\nX: y",
    "http://8.8.8.8/", "https://é.test/", "javascript:alert(1)", "https://8.8.8.8/" + "a" * 3000,
]  # fmt: skip


class TestAnAddress:
    @pytest.mark.parametrize("url", [*PRIVATE, *MALFORMED], ids=lambda url: url[:40] or "nothing")
    async def test_that_is_not_on_the_public_internet_is_refused(self, anyio_backend: str, url: str) -> None:
        with pytest.raises((NotAllowed, OSError)):
            await PublicAddresses().check(url)

    @pytest.mark.parametrize("url", ["https://8.8.8.8/hook?a=b", "https://[2001:4860:4860::8888]:8443/"])
    async def test_that_is_goes_to_what_was_looked_at(self, anyio_backend: str, url: str) -> None:
        assert (await PublicAddresses().check(url)).url.startswith("https://")

    async def test_with_one_private_address_among_others_is_refused(self, anyio_backend: str) -> None:
        async def resolve(host: str, port: int) -> list[str]:
            return ["8.8.8.8", "10.0.0.1"]

        with pytest.raises(NotAllowed, match=r"10\.0\.0\.1"):
            await PublicAddresses("", resolve).check("https://hooks.example/")

    async def test_whose_name_points_elsewhere_a_moment_later_is_refused_then(
        self, receiver: Receiver, clock: MovedClock
    ) -> None:
        answers = iter([["8.8.8.8"], ["127.0.0.1"]])

        async def resolve(host: str, port: int) -> list[str]:
            return next(answers)

        hooks = Webhooks(open_transport(None, None, 2), PublicAddresses("", resolve), clock)
        await hooks.check("https://hooks.example/")
        sent = await hooks.send("https://hooks.example/", b"{}", notice_id="1", secrets=["s"])
        assert not sent.ok
        assert "127.0.0.1, which is not on the public internet" in sent.outcome
        await hooks.close()

    async def test_is_asked_by_the_name_that_was_given(self, receiver: Receiver, clock: MovedClock) -> None:
        async def resolve(host: str, port: int) -> list[str]:
            return ["127.0.0.1"]

        hooks = Webhooks(open_transport(None, None, 2), PublicAddresses("127.0.0.0/8", resolve), clock)
        url = receiver.url.replace("127.0.0.1", "hooks.example")
        assert (await hooks.send(url, b"{}", notice_id="1", secrets=["s"])).ok
        assert receiver.seen[0][0]["host"].startswith("hooks.example:")
        await hooks.close()

    async def test_that_is_refused_makes_no_channel(self, on_sqlite: Doors) -> None:
        with pytest.raises(TargetRefused) as refused:
            asked = NewChannel(Way.WEBHOOK, "x", "https://169.254.169.254/secret-token")
            await on_sqlite.wiring.alerts.channels.add("default", asked, actor=SYSTEM)
        assert "secret-token" not in json.dumps([problem.message for problem in refused.value.problems])
        assert await on_sqlite.wiring.alerts.channels.seen_from("default", everywhere=True) == []


class TestAChannel:
    async def test_of_another_store_is_not_there(self, doors: Doors, receiver: Receiver) -> None:
        made = await webhook(doors.wiring.alerts, receiver, every_store=False)
        with pytest.raises(NoChannel):
            await doors.wiring.alerts.channels.one(made.channel.id, "second", everywhere=True)

    async def test_that_is_removed_is_told_nothing_that_waits(self, doors: Doors, receiver: Receiver) -> None:
        alerts = doors.wiring.alerts
        made = await webhook(alerts, receiver)
        await alerts.channels.remove(made.channel, actor=SYSTEM)
        await say(doors, holds=True)
        await alerts.watch()
        assert receiver.seen == []
