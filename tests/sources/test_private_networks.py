"""Addresses that a store's settings name lead to the public internet, or where the operator allows it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from joserfc.jwk import RSAKey

from ferrata.audit.schemas import SYSTEM
from ferrata.infra.errors import FerrataError, Rejected
from ferrata.infra.guarded_transport import AddressRefused, GuardedTransport
from ferrata.infra.public_addresses import PublicAddresses
from ferrata.infra.settings import Settings
from ferrata.kit.clock import MovedClock, SystemClock
from ferrata.sources.commercetools import SOURCE as COMMERCETOOLS
from ferrata.sources.commercetools.errors import Unavailable
from ferrata.sources.commercetools.proofs import fetched
from ferrata.sources.commercetools.settings import CommercetoolsSettings
from ferrata.sources.contract import Surroundings
from ferrata.sources.stripe import SOURCE as STRIPE
from ferrata.sources.stripe.settings import StripeSettings
from tests.doors import open_doors

pytestmark = pytest.mark.anyio
HERE = "127.0.0.0/8"
PRIVATE_HOSTS = [
    "127.0.0.1", "10.1.2.3", "192.168.1.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:a9fe:a9fe]", "[fd00::1]",
    "2130706433", "0177.1", "0x7f.1", "127.1", "0.0.0.0", "localhost",
]  # fmt: skip
KEY = RSAKey.generate_key(2048).as_pem(private=True).decode()


def around(addresses: PublicAddresses) -> Surroundings:
    return Surroundings(store_id="default", clock=SystemClock(), transport=GuardedTransport(addresses))


def resolving(*answers: list[str], allowed: str = "") -> PublicAddresses:
    """One answer after the other, whatever is asked for."""
    left = iter(answers)

    async def resolve(host: str, port: int) -> list[str]:
        return next(left)

    return PublicAddresses(allowed, resolve)


async def of_api(base: str, reached: Surroundings, **addresses: str) -> None:
    given = {"projectKey": "shop", "clientId": "id", "clientSecret": "secret", "apiUrl": base, "authUrl": base} | addresses
    reader = COMMERCETOOLS.reader(CommercetoolsSettings.model_validate(given), reached)
    assert reader
    try:
        await reader.check()
    finally:
        await reader.close()


async def of_stripe(base: str, reached: Surroundings) -> None:
    given = {"api_key": "rk_test_1", "api_url": base}
    reader = STRIPE.reader(StripeSettings.model_validate(given), reached)
    assert reader
    try:
        await reader.check()
    finally:
        await reader.close()


async def of_queue(reached: Surroundings, **queue: Any) -> None:
    (made,) = COMMERCETOOLS.queues(CommercetoolsSettings.model_validate({"projectKey": "shop", "queue": queue}), reached)
    try:
        await made.pull()
    finally:
        await made.close()


async def of_sqs(base: str, reached: Surroundings) -> None:
    access = {"region": "eu-central-1", "accessKeyId": "key", "secretAccessKey": "secret", "waitSeconds": 0}
    await of_queue(reached, type="SQS", queueUrl=f"{base}/1/orders", endpointUrl=base, **access)


async def of_pubsub(base: str, reached: Surroundings) -> None:
    await of_queue(reached, type="GoogleCloudPubSub", subscription="projects/p/subscriptions/s", endpointUrl=base)


async def of_google_key(base: str, reached: Surroundings) -> None:
    account = json.dumps({"client_email": "reader@p.test", "private_key": KEY, "token_uri": f"{base}/token"})
    await of_queue(reached, type="GoogleCloudPubSub", subscription="projects/p/subscriptions/s", serviceAccountKey=account)


async def of_service_bus_endpoint(base: str, reached: Surroundings) -> None:
    text = "Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=listen;SharedAccessKey=a2V5"
    await of_queue(reached, type="AzureServiceBus", connectionString=text, path="orders", endpointUrl=base)


async def of_service_bus_namespace(base: str, reached: Surroundings) -> None:
    host = base.removeprefix("https://")
    text = f"Endpoint=sb://{host}/;SharedAccessKeyName=listen;SharedAccessKey=a2V5"
    await of_queue(reached, type="AzureServiceBus", connectionString=text, path="orders")


Ask = Callable[[str, Surroundings], Awaitable[None]]
KINDS: list[Ask] = [of_api, of_stripe, of_sqs, of_pubsub, of_google_key, of_service_bus_endpoint, of_service_bus_namespace]
every_kind = pytest.mark.parametrize("ask", KINDS, ids=lambda ask: ask.__name__.removeprefix("of_"))


@every_kind
class TestAnAddress:
    async def test_in_a_private_network_is_refused_however_it_is_spelled(self, ask: Ask, anyio_backend: str) -> None:
        for host in PRIVATE_HOSTS:
            with pytest.raises(AddressRefused, match="not on the public internet, nor in FERRATA_PRIVATE_NETWORKS"):
                await ask(f"https://{host}", around(PublicAddresses()))

    async def test_that_some_programs_read_as_octal_is_not_asked(self, ask: Ask, anyio_backend: str) -> None:
        with pytest.raises(FerrataError):
            await ask("https://0177.0.0.1", around(PublicAddresses()))

    async def test_whose_name_leads_into_a_private_network_is_refused(self, ask: Ask, anyio_backend: str) -> None:
        for found in (["10.0.0.1"], ["8.8.8.8", "169.254.169.254"], ["::ffff:10.0.0.1"]):
            with pytest.raises(AddressRefused, match="nor in FERRATA_PRIVATE_NETWORKS"):
                await ask("https://shop.example", around(resolving(found)))


@every_kind
async def test_an_address_in_the_open_is_asked_by_https_alone(ask: Ask, anyio_backend: str) -> None:
    if ask is of_service_bus_namespace:
        return  # it names no scheme
    with pytest.raises(AddressRefused, match=r"plain http shows the message .* or name its network in FERRATA_PRIVATE_NETWORKS"):
        await ask("http://shop.example", around(resolving(["8.8.8.8"])))


async def test_the_address_of_the_authorization_server_is_looked_at_apart(anyio_backend: str) -> None:
    with pytest.raises(AddressRefused, match=r"10\.0\.0\.9"):
        await of_api("https://8.8.8.8", around(PublicAddresses()), authUrl="https://10.0.0.9")


@asynccontextmanager
async def shop(answer: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Its port, and what it was sent. Every connection serves one request."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], seen


FOUND = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}"


class TestTheNetwork:
    async def test_that_the_operator_names_is_reached_by_plain_http_under_the_name(self, anyio_backend: str) -> None:
        async with shop(FOUND) as (port, seen):
            transport = GuardedTransport(resolving(["127.0.0.1"], allowed=HERE))
            async with httpx2.AsyncClient(transport=transport) as client:
                assert (await client.get(f"http://shop.example:{port}/x")).json() == {}
        assert f"host: shop.example:{port}".encode() in seen[0].lower()

    async def test_is_looked_at_again_for_every_connection(self, anyio_backend: str) -> None:
        async with shop(FOUND) as (port, seen):
            transport = GuardedTransport(resolving(["127.0.0.1"], ["10.0.0.1"], allowed=HERE))
            async with httpx2.AsyncClient(transport=transport) as client:
                await client.get(f"http://shop.example:{port}/")
                with pytest.raises(AddressRefused, match=r"10\.0\.0\.1"):
                    await client.get(f"http://shop.example:{port}/")
        assert len(seen) == 1

    async def test_is_reached_at_the_next_address_where_one_does_not_answer(self, anyio_backend: str) -> None:
        async with shop(FOUND) as (port, _):
            transport = GuardedTransport(resolving(["127.0.0.2", "127.0.0.1"], allowed=HERE))
            async with httpx2.AsyncClient(transport=transport) as client:
                assert (await client.get(f"http://shop.example:{port}/")).is_success

    async def test_is_not_entered_by_a_redirect(self, anyio_backend: str) -> None:
        moved = b"HTTP/1.1 307 Moved\r\nconnection: close\r\nlocation: http://10.0.0.1/\r\ncontent-length: 0\r\n\r\n"
        async with shop(moved) as (port, seen):
            for ask in (each for each in KINDS if each is not of_service_bus_namespace):
                seen.clear()
                with pytest.raises(FerrataError, match=r"307|answer"):  # each in its own words
                    await ask(f"http://127.0.0.1:{port}", around(PublicAddresses(HERE)))
                assert seen
            transport = GuardedTransport(PublicAddresses(HERE))
            async with httpx2.AsyncClient(transport=transport, follow_redirects=True) as client:
                with pytest.raises(AddressRefused, match=r"10\.0\.0\.1"):
                    await client.get(f"http://127.0.0.1:{port}/")

    async def test_of_a_name_that_is_none_is_no_answer(self, anyio_backend: str) -> None:
        async with httpx2.AsyncClient(transport=GuardedTransport(PublicAddresses())) as client:
            with pytest.raises(httpx2.ConnectError, match="cannot be resolved"):
                await client.get("https://nowhere.invalid/")


@pytest.mark.parametrize(("allowed", "told"), [("", "FERRATA_PRIVATE_NETWORKS"), (HERE, "no events at this address")])
async def test_the_operators_setting_decides(
    allowed: str, told: str, tmp_path: Path, clock: MovedClock, anyio_backend: str
) -> None:
    missing = b"HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    async with shop(missing) as (port, seen):
        async with open_doors(f"sqlite:///{tmp_path}/f.db", tmp_path, clock, private_networks=allowed) as doors:
            sources = doors.wiring.sources
            given = {"api_key": "rk_test_1", "api_url": f"http://127.0.0.1:{port}"}
            await sources.configurations.save("default", "stripe", settings=given, rules=None, enabled=True, actor=SYSTEM)
            with pytest.raises(Rejected, match=told):  # by us, or as the shop answers
                await (await sources.reader("default", "stripe")).check()
        assert bool(seen) == bool(allowed)


async def test_the_settings_former_name_still_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERRATA_ALERTS_ALLOWED_NETWORKS", "10.1.0.0/16")
    assert Settings(_env_file=None).private_networks == "10.1.0.0/16"  # type: ignore[call-arg]  # pydantic fills every field


async def test_a_proof_that_may_not_be_fetched_is_asked_for_again(anyio_backend: str) -> None:
    """The sender is told to come back: its delivery is as good as any."""
    with pytest.raises(Unavailable, match="FERRATA_PRIVATE_NETWORKS"):
        await fetched("https://sns.eu-central-1.amazonaws.com/key.pem", GuardedTransport(resolving(["10.0.0.1"])))
