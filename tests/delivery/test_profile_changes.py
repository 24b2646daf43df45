"""Changes of profiles on their way to Klaviyo: nobody's newer change is overwritten, and nothing is lost or told of nobody."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from ferrata.commerce.tracked import PersonRef, ProfileChange
from ferrata.delivery.schemas import Deliver, Family, Filter, State
from ferrata.infra.errors import Rejected
from ferrata.kit.ids import new_id
from klaviyo_sandbox.faults import Conditions, Rule
from klaviyo_sandbox.tenants import DEFAULT_ACCOUNT
from tests.delivery.conftest import STORE

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick_retries")]

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
WHO = '{"identifiers":{"email":"p0@shop.test"}}'
JOBS = "profile-bulk-import-jobs"


def change(number=0, at=0, *, phone=None, external_id=None, email=None, unique_id=None, **attributes):
    person = PersonRef(email or f"p{number}@shop.test", phone, external_id)
    name = unique_id or f"{person.email}/{at}/{sorted(attributes)}"
    return ProfileChange(person, attributes, NOON + timedelta(seconds=at), name)


def at_klaviyo(desk, email="p0@shop.test"):
    """A profile as Klaviyo has it."""
    row = desk.sandbox.state.one("SELECT fields, properties FROM profiles WHERE email = ?", (email,))
    return {"first_name": None, **json.loads(row["fields"]), "properties": json.loads(row["properties"])}


def count(desk):
    return desk.sandbox.state.one("SELECT count(*) AS n FROM profiles")["n"]


def delivery(number=0, person=None, **identifiers):
    """A frozen change with identifiers as they are given, so that Klaviyo is the one who refuses them."""
    now = datetime.now(UTC)
    given = {"email": f"p{number}@shop.test", **identifiers}
    texts = json.dumps({"first_name": "Ada"}), json.dumps({"identifiers": given})
    who = person or f"email:{given['email']}"
    return Deliver(new_id(now), STORE, Family.PROFILES, False, who, f"u{number}", *texts, now)


async def put(desk, *items):
    await desk.db.write(lambda connection: desk.service.put(connection, items))
    desk.service.wake(STORE, Family.PROFILES)


class TestAChange:
    async def test_is_told_at_once(self, open_desk):
        async with open_desk() as desk:
            await desk.tell(change(first_name="Ada", location={"city": "London"}, properties={"plan": "pro", "old": 1}))
            await desk.quiet()
            await desk.tell(change(at=1, first_name=None, location={"city": None}, properties={"old": None}))
            assert set((await desk.quiet()).values()) == {State.DELIVERED}
            shown = at_klaviyo(desk)
            assert desk.told("profile") == ["created", "updated"]
            assert (shown["first_name"], shown["properties"]) == (None, {"plan": "pro"})
            assert desk.requests("profile-import") == ["POST 201", "POST 200"]

    async def test_is_known_here_as_well(self, open_desk):
        async with open_desk(work=False) as desk:
            await desk.tell(change(first_name="Ada", properties={"plan": "pro"}))
            found = await desk.profiles.find(STORE, "p0@shop.test")
            assert found.attributes.to_json() == '{"first_name":"Ada","properties":{"plan":"pro"}}'

    async def test_that_came_before_is_not_told_again(self, open_desk):
        async with open_desk() as desk:
            for _ in range(2):
                await desk.tell(change(first_name="Ada", unique_id="m-1"))
            assert len(await desk.quiet()) == 1

    async def test_that_is_older_only_fills_gaps(self, open_desk):
        async with open_desk() as desk:
            await desk.tell(change(at=10, first_name="New"))
            await desk.tell(change(at=5, first_name="Old", last_name="Lovelace"))
            await desk.tell(change(at=4, first_name="Older"))
            await desk.quiet()
            shown = at_klaviyo(desk)
            assert (shown["first_name"], shown["last_name"]) == ("New", "Lovelace")

    async def test_that_waits_goes_together_with_the_next(self, open_desk):
        async with open_desk(work=False) as desk:
            await desk.tell(change(at=1, first_name="Ada", properties={"a": 1}), history=True)
            await desk.tell(change(at=2, last_name="Lovelace", properties={"b": 2}))
            await desk.tell(change(at=3, first_name="Augusta"), history=True)
        async with open_desk() as desk:
            states = sorted((await desk.quiet()).values())
            assert states == [State.DELIVERED, State.SUPERSEDED, State.SUPERSEDED]
            shown = at_klaviyo(desk)
            assert (shown["first_name"], shown["last_name"]) == ("Augusta", "Lovelace")
            assert shown["properties"] == {"a": 1, "b": 2}
            assert desk.told("profile") == ["created"]

    async def test_of_nobody_is_refused_and_nothing_is_written(self, open_desk):
        async with open_desk(work=False) as desk:
            with pytest.raises(Rejected, match="names nobody"):
                await desk.tell(ProfileChange(PersonRef(email="nonsense"), {}, NOON, "x"))
            assert await desk.quiet() == {}

    async def test_leaves_out_what_klaviyo_would_not_take(self, open_desk):
        async with open_desk() as desk:
            await desk.tell(change(phone="12", first_name="Ada", last_name=5))
            (id_,) = await desk.quiet()
            story = await desk.service.story(id_)
            assert json.loads(story.profile_json)["left_out"] == [
                "attributes.last_name must be a string",
                "phone was left out: Klaviyo would not take it",
            ]
            assert desk.told("profile") == ["created"]


class TestARefusal:
    async def test_of_the_phone_number_sends_it_once_more_without(self, open_desk):
        async with open_desk() as desk:
            await put(desk, delivery(phone_number="+1"))
            (id_,) = await desk.quiet()
            story = await desk.service.story(id_)
            assert story.delivery.state is State.DELIVERED
            assert story.delivery.form == "without_phone"
            assert story.attempts[0].decision == "Klaviyo refuses the phone number: sent once more without it."
            assert desk.requests("profile-import") == ["POST 400", "POST 201"]

    async def test_that_two_profiles_are_meant_sends_the_strongest_identifier(self, open_desk):
        async with open_desk() as desk:
            await put(desk, delivery(1), delivery(2, external_id="x"))
            await desk.quiet()
            await put(desk, delivery(1, external_id="x"))
            assert set((await desk.quiet()).values()) == {State.DELIVERED}
            assert desk.requests("profile-import")[2:] == ["POST 409", "POST 200"]

    async def test_of_anything_else_keeps_it_and_it_is_never_replayed_over_a_newer_one(self, open_desk):
        async with open_desk() as desk:
            await desk.tell(change(at=1, locale=5), change(1, properties={"x" * 90_000: 1}))
            await desk.quiet()
            refused = Deliver(new_id(NOON), STORE, Family.PROFILES, False, "email:p0@shop.test", "u", '{"nonsense":1}', WHO, NOON)
            await put(desk, refused)
            await desk.settled([refused.id])
            (letter,) = await desk.dead()
            assert (letter.title, letter.reason_pointer) == ("Profile: nonsense", "/data/attributes/nonsense")
            await desk.db.write(lambda connection: desk.service.supersede(connection, refused.id, new_id(NOON)))
            assert (await desk.service.replay(Filter(STORE), dry_run=False)).count == 0

    async def test_in_a_batch_does_not_hold_up_the_others(self, open_desk):
        async with open_desk(work=False) as desk:
            items = [delivery(number, **({"phone_number": "+1"} if number % 10 == 0 else {})) for number in range(40)]
            await put(desk, *items)
        async with open_desk() as desk:
            assert set((await desk.quiet(30)).values()) == {State.DELIVERED}
            assert count(desk) == 40
            stories = [await desk.service.story(item.id) for item in items]
            assert [story.delivery.form for story in stories].count("without_phone") == 4


class TestManyChanges:
    async def test_go_as_a_job_that_is_followed_to_its_end(self, open_desk):
        desk_of = open_desk
        async with desk_of(work=False) as desk:
            await desk.tell(*(change(number, first_name="Ada") for number in range(120)), history=True)
            desk.sandbox.switch(visibility_delay_seconds=1)
        async with desk_of() as desk:
            assert set((await desk.quiet(30)).values()) == {State.DELIVERED}
            assert count(desk) == 120
            assert desk.requests(JOBS)[0] == "POST 202"
            assert len(desk.told("profile")) == 120

    async def test_of_which_a_job_fails_some_send_those_alone(self, open_desk):
        async with open_desk() as desk:
            await put(desk, delivery(0), delivery(1, external_id="x"))
            await desk.quiet()
        async with open_desk(work=False) as desk:
            await put(desk, *(delivery(number, **({"external_id": "x"} if number == 0 else {})) for number in range(60)))
        async with open_desk() as desk:
            assert set((await desk.quiet(30)).values()) == {State.DELIVERED}
            failed = [effect for effect in desk.sandbox.effects() if effect["kind"] == "import_row_failed"]
            assert len(failed) == 1
            assert desk.requests("profile-import")[-2:] == ["POST 409", "POST 200"] or "POST 409" in desk.requests(
                "profile-import"
            )

    async def test_keep_the_order_of_one_person_while_a_job_is_under_way(self, open_desk):
        async with open_desk(work=False) as desk:
            await desk.tell(*(change(number, at=1, first_name="Old") for number in range(60)))
            desk.sandbox.switch(visibility_delay_seconds=2)
        async with open_desk() as desk:
            await desk.until(lambda: desk.requests(JOBS))
            await desk.tell(*(change(number, at=2, first_name="New") for number in range(60)))
            assert set((await desk.quiet(40)).values()) <= {State.DELIVERED, State.SUPERSEDED}
            desk.sandbox.catch_up()
            names = {at_klaviyo(desk, f"p{number}@shop.test")["first_name"] for number in range(60)}
            assert names == {"New"}

    async def test_are_not_sent_again_by_whoever_takes_over_a_job(self, open_desk):
        async with open_desk(work=False) as desk:
            await desk.tell(*(change(number, first_name="Ada") for number in range(60)))
            desk.sandbox.switch(visibility_delay_seconds=3)
        async with open_desk() as desk:
            await desk.until(lambda: "GET 200" in desk.requests(JOBS))
        async with open_desk(name="next") as desk:
            assert set((await desk.quiet(40)).values()) == {State.DELIVERED}
            assert desk.requests(JOBS).count("POST 202") == 1

    @pytest.mark.parametrize("effect", ["exec_500", "throttled", "truncated"])
    async def test_arrive_through_doubtful_answers(self, open_desk, effect):
        async with open_desk(work=False) as desk:
            await desk.tell(*(change(number, first_name="Ada") for number in range(80)))
            desk.sandbox.faults.add(Rule(effect, match=Conditions(path="/api/profile-*"), probability=0.5, seed=2, times=6))
        async with open_desk() as desk:
            assert set((await desk.quiet(40)).values()) == {State.DELIVERED}
            assert count(desk) == 80

    async def test_go_alone_when_the_key_may_not_send_jobs(self, open_desk, klaviyo):
        klaviyo.sandbox.tenants.add_key("pk_narrow", DEFAULT_ACCOUNT, ["profiles:write"])
        async with open_desk(work=False, key="pk_narrow") as desk:
            await desk.tell(*(change(number, first_name="Ada") for number in range(60)))
        async with open_desk(key="pk_narrow") as desk:
            assert set((await desk.quiet(40)).values()) == {State.DELIVERED}
            assert desk.requests(JOBS) == ["POST 403"]

    async def test_go_alone_when_klaviyo_has_forgotten_the_job(self, open_desk):
        async with open_desk(work=False) as desk:
            await desk.tell(*(change(number, first_name="Ada") for number in range(60)))
            desk.sandbox.switch(visibility_delay_seconds=30)
        async with open_desk() as desk:
            await desk.until(lambda: "POST 202" in desk.requests(JOBS))
            desk.sandbox.state.execute("DELETE FROM import_jobs")
            desk.sandbox.state.execute("DELETE FROM deferred")
            desk.sandbox.switch(visibility_delay_seconds=0)
            assert set((await desk.quiet(40)).values()) == {State.DELIVERED}
            assert count(desk) == 60
