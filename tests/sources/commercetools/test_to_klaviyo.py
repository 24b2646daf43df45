"""All the way: a delivery comes in, and Klaviyo, here the sandbox, holds what it should. SQLite, real sockets towards Klaviyo."""

import base64
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from ferrata.audit.schemas import SYSTEM
from ferrata.delivery.schemas import Filter
from ferrata.sources.schemas import State
from klaviyo_sandbox.faults import Conditions, Rule
from klaviyo_sandbox.sandbox import Sandbox
from klaviyo_sandbox.server import Running, running
from tests.sources.commercetools import shop
from tests.sources.commercetools.cases import Case, all_cases
from tests.sources.commercetools.live import KIND, Live, live
from tests.sources.commercetools.mock_api import CommercetoolsMock, Fault

CASES = [case for case in all_cases() if case.message and not case.recorded["ct_faults"]]
SETTINGS = {"client_id": "client", "client_secret": "secret", "project_key": "shop", "preferred_currency": "EUR"}


@pytest.fixture
def klaviyo() -> Iterator[Running]:
    sandbox = Sandbox(seed=1)
    with running(sandbox) as served:
        yield served
    sandbox.close()


@pytest.fixture
async def ferrata(tmp_path: Path, klaviyo: Running, anyio_backend: str) -> AsyncIterator[Live]:
    async with live(tmp_path, klaviyo) as opened:
        yield opened


@pytest.fixture
def mock() -> CommercetoolsMock:
    made = CommercetoolsMock()
    made.put("categories", shop.CATEGORIES)
    made.put("products", [shop.product("shirt"), shop.product("hat")])
    made.put("customers", [shop.customer()])
    return made


def _pushed(message: Any) -> dict[str, Any]:
    return {"message": {"data": base64.b64encode(json.dumps(message).encode()).decode(), "messageId": "1"}}


def _sold(ferrata: Live, store: str) -> set[tuple[str, str, float]]:
    stored = [effect for effect in ferrata.effects(store) if effect["kind"] == "event_stored"]
    return {(effect["metric"], effect["unique_id"], effect["payload"]["value"]) for effect in stored}


def _expected(case: Case) -> set[tuple[str, str, float]]:
    attributes = [write["body"]["data"]["attributes"] for write in case.writes if write["path"] == "/api/events"]
    return {(each["metric"]["data"]["attributes"]["name"], each["unique_id"], each["value"]) for each in attributes}


def _things(ferrata: Live, store: str, kind: str) -> set[str]:
    effects = [effect for effect in ferrata.effects(store) if effect["kind"] == f"{kind}_created"]
    return {effect["subject"].rpartition(":")[2] for effect in effects}


@pytest.mark.skipif(not CASES, reason="the recorded cases are not at hand (FERRATA_CASES)")
class TestTheRecordedCases:
    async def test_reach_klaviyo_side_by_side(self, ferrata: Live) -> None:
        stores = {}
        for case in CASES:
            given = case.settings().model_dump(mode="json", exclude={"push", "queue", "api_url", "auth_url"})
            stores[case.name] = await ferrata.store(case.name, case.project(), given | {"client_secret": "secret"})
            await ferrata.deliver(stores[case.name], _pushed(case.message))
        await ferrata.quiet()
        for case in CASES:
            (kept,) = await ferrata.messages(stores[case.name])
            assert kept.state in (State.MAPPED, State.SKIPPED), (case.name, kept.reason)
            assert _sold(ferrata, case.name) == _expected(case), case.name
            for path, kind in (("catalog-items", "catalog_item"), ("catalog-variants", "catalog_variant")):
                made = {
                    write["body"]["data"]["attributes"]["external_id"] for write in case.writes if write["path"] == f"/api/{path}"
                }
                assert made <= _things(ferrata, case.name, kind), case.name
            dead = await ferrata.wiring.delivery.dead_letters(Filter(stores[case.name]), limit=10)
            assert not dead.rows, case.name


class TestADelivery:
    async def test_that_comes_again_and_again_is_one_order_at_klaviyo(self, ferrata: Live, mock: CommercetoolsMock) -> None:
        store = await ferrata.store("shop", mock, SETTINGS)
        told = shop.message("OrderCreated", "order", "order-1", order=shop.order())
        for _ in range(3):
            await ferrata.deliver(store, _pushed(told))
        await ferrata.deliver(store, told | {"id": "the same told anew"})
        await ferrata.quiet()
        assert _sold(ferrata, "shop") == {
            ("Placed Order", "order-1", 50.0),
            ("Ordered Product", "line-1", 30.0),
            ("Ordered Product", "line-2", 20.0),
        }
        assert len([effect for effect in ferrata.effects("shop") if effect["kind"].startswith("event_")]) == 3

    async def test_that_nobody_can_read_is_kept_apart_and_stops_nothing(self, ferrata: Live, mock: CommercetoolsMock) -> None:
        store = await ferrata.store("shop", mock, SETTINGS)
        for body in (b"{oops", b'{"invalidData":"123"}', b""):
            await ferrata.deliver(store, body)
        records = {
            "Records": [{"body": "{oops"}, {"body": json.dumps(shop.message("CustomerFirstNameSet", "customer", "customer-1"))}]
        }
        await ferrata.deliver(store, records)
        states = sorted(kept.state for kept in await ferrata.messages(store))
        assert states == [State.MAPPED, *[State.REFUSED] * 4]

    async def test_of_which_commercetools_can_not_tell_the_rest_now_waits_and_says_why(
        self, ferrata: Live, mock: CommercetoolsMock
    ) -> None:
        store = await ferrata.store("shop", mock, SETTINGS)
        mock.faults = [Fault("/customers", 429, 1_000, {"retry-after": "30"})]
        await ferrata.deliver(store, shop.change("ResourceUpdated", "customer", "customer-1"))
        (kept,) = await ferrata.messages(store)
        assert kept.state is State.WAITING
        assert "429" in (kept.reason or "")

    async def test_that_commercetools_will_never_answer_is_refused_alone(self, ferrata: Live, mock: CommercetoolsMock) -> None:
        store = await ferrata.store("shop", mock, SETTINGS)
        mock.faults = [Fault("/customers", 400)]
        await ferrata.deliver(store, shop.change("ResourceUpdated", "customer", "customer-1"))
        (kept,) = await ferrata.messages(store)
        assert (kept.state, kept.reason_code) == (State.REFUSED, "commercetools_query_refused")

    async def test_that_klaviyo_refuses_is_a_dead_letter_with_its_status(
        self, ferrata: Live, mock: CommercetoolsMock, klaviyo: Running
    ) -> None:
        store = await ferrata.store("shop", mock, SETTINGS)
        klaviyo.sandbox.faults.add(Rule("bad_request", match=Conditions(path="/api/profile-import")))
        await ferrata.deliver(store, shop.message("CustomerCreated", "customer", "customer-1", customer=shop.customer()))
        await ferrata.quiet()
        (letter,) = (await ferrata.wiring.delivery.dead_letters(Filter(store), limit=10)).rows
        story = await ferrata.wiring.delivery.story(letter.id)
        assert story is not None
        assert [attempt.status for attempt in story.attempts] == [400]

    async def test_that_is_older_than_what_is_known_moves_no_profile_back(self, ferrata: Live, mock: CommercetoolsMock) -> None:
        store = await ferrata.store("shop", mock, SETTINGS)
        await ferrata.deliver(store, shop.change("ResourceUpdated", "customer", "customer-1"))
        late = shop.customer(version=1, firstName="Janet", lastName="Doe", lastModifiedAt=shop.CREATED)
        await ferrata.deliver(store, shop.message("CustomerCreated", "customer", "customer-1", customer=late, resourceVersion=1))
        await ferrata.quiet()
        (profile,) = ferrata.klaviyo.sandbox.state.all("SELECT email, external_id, fields FROM profiles")
        assert (profile["email"], profile["external_id"]) == ("jane@example.com", "customer-1")
        fields = json.loads(profile["fields"])
        assert (fields["first_name"], fields["last_name"]) == ("Jane", "Doe")

    async def test_and_history_of_the_same_order_are_one(self, ferrata: Live, mock: CommercetoolsMock) -> None:
        store = await ferrata.store("shop", mock, SETTINGS)
        mock.put("orders", [shop.order()])
        await ferrata.deliver(store, shop.message("OrderCreated", "order", "order-1", order=shop.order()))
        sources = ferrata.wiring.sources
        run = await sources.begin_backfill(store, KIND, "orders", since=None, until=None, actor=SYSTEM)
        while (step := await sources.backfilling.step(run)) is not None:
            run = step
        await ferrata.quiet()
        assert len(_sold(ferrata, "shop")) == 3
        stored = [effect for effect in ferrata.effects("shop") if effect["kind"].startswith("event_")]
        assert [effect["payload"]["backfill"] for effect in stored] == [False, False, False]


class TestAQueue:
    async def test_is_emptied_by_the_worker_although_one_of_its_messages_cannot_be_read(
        self, ferrata: Live, mock: CommercetoolsMock, anyio_backend: str
    ) -> None:
        server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
        server.start()
        try:
            address = "http://{}:{}".format(*server.get_host_and_port())
            access = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "eu-central-1"}
            sqs = boto3.client("sqs", endpoint_url=address, **access)
            queue = sqs.create_queue(QueueName="orders")["QueueUrl"]
            told = json.dumps(shop.message("OrderCreated", "order", "order-1", order=shop.order()))
            for body in ("{oops", told, told):
                sqs.send_message(QueueUrl=queue, MessageBody=body)
            pulled = {"type": "SQS", "queueUrl": queue, "region": "eu-central-1", "endpointUrl": address, "waitSeconds": 1}
            keys = {"accessKeyId": "key", "secretAccessKey": "secret"}
            store = await ferrata.store("shop", mock, SETTINGS | {"queue": pulled | keys})
            async with ferrata.sources_at_work():
                await ferrata.until(lambda: len(_sold(ferrata, "shop")) == 3)
            left = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
        finally:
            server.stop()
        assert (left["ApproximateNumberOfMessages"], left["ApproximateNumberOfMessagesNotVisible"]) == ("0", "0")
        states = [kept.state for kept in await ferrata.messages(store)]
        assert sorted(states) == [State.MAPPED, State.REFUSED]
