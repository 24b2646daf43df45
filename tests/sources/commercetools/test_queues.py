"""Queues: what they hold is taken, and stays theirs until it is acknowledged."""

import base64
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import boto3
import httpx2
import pytest
from joserfc.jwk import RSAKey
from moto.server import ThreadedMotoServer
from pydantic import ValidationError

from ferrata.kit.clock import SystemClock
from ferrata.sources.commercetools import SOURCE
from ferrata.sources.commercetools.errors import AccessRefused, Unavailable
from ferrata.sources.contract import Queue, Surroundings
from tests.sources.commercetools import shop
from tests.sources.commercetools.driving import HastyClock, settings

MESSAGE = json.dumps(shop.message("CustomerDeleted", "customer", "customer-1"))


def _queue(transport: Any = None, **queue: Any) -> Queue:
    clock = HastyClock() if transport else SystemClock()
    (made,) = SOURCE.queues(settings(queue=queue), Surroundings(store_id="default", clock=clock, transport=transport))
    return made


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class TestAmazonSqs:
    @pytest.fixture
    def sqs(self, server: str) -> Any:
        return boto3.client(
            "sqs", region_name="eu-central-1", endpoint_url=server, aws_access_key_id="key", aws_secret_access_key="secret"
        )

    @pytest.fixture
    def address(self, sqs: Any) -> str:
        name = f"orders-{uuid4()}"
        return str(sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "0"})["QueueUrl"])

    @pytest.fixture
    async def queue(self, server: str, address: str) -> AsyncIterator[Queue]:
        access = {"region": "eu-central-1", "endpointUrl": server, "accessKeyId": "key", "secretAccessKey": "secret"}
        made = _queue(type="SQS", queueUrl=address, waitSeconds=0, **access)
        yield made
        await made.close()

    async def test_gives_a_message_again_until_it_is_acknowledged(self, queue: Queue, sqs: Any, address: str) -> None:
        sqs.send_message(QueueUrl=address, MessageBody=MESSAGE)
        first = await queue.pull()
        again = await queue.pull()
        assert [pulled.received.body.decode() for pulled in (*first, *again)] == [MESSAGE, MESSAGE]
        assert first[0].received.trusted
        await queue.acknowledge([again[0].receipt])
        assert await queue.pull() == []

    async def test_gives_what_nobody_can_read_as_it_is_beside_the_others(self, queue: Queue, sqs: Any, address: str) -> None:
        for body in ("{oops", MESSAGE):
            sqs.send_message(QueueUrl=address, MessageBody=body)
        pulled = await queue.pull()
        assert {each.received.body.decode() for each in pulled} == {"{oops", MESSAGE}
        await queue.acknowledge([each.receipt for each in pulled])
        assert await queue.pull() == []

    async def test_that_does_not_exist_is_a_fault_of_the_settings(self, server: str) -> None:
        access = {"region": "eu-central-1", "endpointUrl": server, "accessKeyId": "key", "secretAccessKey": "secret"}
        lost = _queue(type="SQS", queueUrl=f"{server}/123456789012/lost", waitSeconds=0, **access)
        with pytest.raises(AccessRefused):
            await lost.pull()
        await lost.close()

    async def test_that_does_not_answer_is_asked_again_later(self) -> None:
        access = {"region": "eu-central-1", "endpointUrl": "http://127.0.0.1:1", "accessKeyId": "k", "secretAccessKey": "s"}
        gone = _queue(type="SQS", queueUrl="http://127.0.0.1:1/123456789012/orders", waitSeconds=0, **access)
        with pytest.raises(Unavailable):
            await gone.pull()
        await gone.close()


class FakePubSub:
    """Pull and acknowledge of a subscription, as Google's REST API has them; and its authorization server."""

    def __init__(self) -> None:
        self.messages: dict[str, str] = {}
        self.status, self.tokens = 200, list[dict[str, Any]]()

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/token":
            assertion = dict(httpx2.QueryParams(request.content.decode()))["assertion"]
            self.tokens.append(json.loads(base64.urlsafe_b64decode(assertion.split(".")[1] + "==")))
            return httpx2.Response(200, json={"access_token": "google", "expires_in": 3599})
        if self.status != 200 or (self.tokens and request.headers["authorization"] != "Bearer google"):
            return httpx2.Response(self.status if self.status != 200 else 401)
        body = json.loads(request.content)
        if request.url.path == "/v1/projects/p/subscriptions/s:acknowledge":
            for id_ in body["ackIds"]:
                del self.messages[id_]
            return httpx2.Response(200, json={})
        assert request.url.path == "/v1/projects/p/subscriptions/s:pull"
        chosen = list(self.messages.items())[: body["maxMessages"]]
        return httpx2.Response(
            200, json={"receivedMessages": [{"ackId": id_, "message": {"data": data}} for id_, data in chosen]}
        )


class TestGooglePubSub:
    async def test_gives_a_message_again_until_it_is_acknowledged(self) -> None:
        fake = FakePubSub()
        fake.messages = {"1": base64.b64encode(MESSAGE.encode()).decode(), "2": "%%%"}
        queue = _queue(httpx2.MockTransport(fake.answer), type="GoogleCloudPubSub", subscription="projects/p/subscriptions/s")
        first, again = await queue.pull(), await queue.pull()
        assert [each.received.body for each in first] == [each.received.body for each in again] == [MESSAGE.encode(), b"%%%"]
        await queue.acknowledge([each.receipt for each in first])
        assert await queue.pull() == []

    async def test_is_asked_with_a_token_of_the_service_account(self) -> None:
        fake, key = FakePubSub(), RSAKey.generate_key(2048).as_pem(private=True).decode()
        account = {"client_email": "reader@p.iam.gserviceaccount.com", "private_key": key, "token_uri": "https://auth.test/token"}
        queue = _queue(
            httpx2.MockTransport(fake.answer),
            type="GoogleCloudPubSub",
            subscription="projects/p/subscriptions/s",
            serviceAccountKey=json.dumps(account),
        )
        assert await queue.pull() == await queue.pull() == []
        (claims,) = fake.tokens
        assert (claims["iss"], claims["aud"]) == (account["client_email"], account["token_uri"])

    @pytest.mark.parametrize(
        ("status", "fault"), [(403, AccessRefused), (404, AccessRefused), (503, Unavailable), (429, Unavailable)]
    )
    async def test_that_refuses_says_whether_to_mend_or_to_wait(self, status: int, fault: type[Exception]) -> None:
        fake = FakePubSub()
        fake.status = status
        queue = _queue(httpx2.MockTransport(fake.answer), type="GoogleCloudPubSub", subscription="projects/p/subscriptions/s")
        with pytest.raises(fault):
            await queue.pull()


class FakeServiceBus:
    """Peek-lock of a queue, as Azure's REST API has it."""

    def __init__(self, *messages: str) -> None:
        self.messages, self.signatures = list(messages), list[str]()

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.signatures.append(request.headers["authorization"])
        if request.method == "DELETE":
            assert request.url.host == "shop.servicebus.windows.net"
            gone = request.url.path != "/orders/messages/1/lock"
            if not gone:
                self.messages.pop(0)
            return httpx2.Response(404 if gone else 200)
        assert (request.method, request.url.path) == ("POST", "/orders/messages/head")
        if not self.messages:
            return httpx2.Response(204)
        location = "https://elsewhere.example.com/orders/messages/1/lock"
        return httpx2.Response(201, headers={"location": location}, content=self.messages[0].encode())


class TestAzureServiceBus:
    CONNECTION = "Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=listen;SharedAccessKey=a2V5"

    async def test_gives_a_message_again_until_it_is_acknowledged(self) -> None:
        fake = FakeServiceBus(MESSAGE)
        queue = _queue(httpx2.MockTransport(fake.answer), type="AzureServiceBus", connectionString=self.CONNECTION, path="orders")
        (first,), (again,) = await queue.pull(), await queue.pull()
        assert first.received.body == again.received.body == MESSAGE.encode()
        await queue.acknowledge([first.receipt])
        assert await queue.pull() == ()
        await queue.acknowledge(["/orders/messages/9/ended"])
        assert all("sig=" in each and "skn=listen" in each for each in fake.signatures)

    async def test_with_a_connection_string_that_is_none_is_refused_with_what_is_missing(self) -> None:
        with pytest.raises(ValidationError, match="SharedAccessKeyName, SharedAccessKey"):
            settings(queue={"type": "AzureServiceBus", "connectionString": "Endpoint=sb://shop.test/", "path": "orders"})
