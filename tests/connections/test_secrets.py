"""Keys, passwords and tokens are planted, used in every way that connections offer, and looked for everywhere."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import structlog

from ferrata.access.schemas import ALL_RIGHTS
from ferrata.kit.clock import MovedClock
from tests.connections.conftest import KEY, NO_PERMISSION, NOT_AUTHENTICATED, OTHER_KEY, Klaviyo
from tests.doors import PASSWORD, Doors, open_doors
from tests.hostile.test_secrets import forms

pytestmark = pytest.mark.anyio
CONNECT = "/api/store/default/klaviyo-connect"
METRIC = {"type": "metric", "id": "m1", "attributes": {"name": "Placed Order", "integration": None}}
REFUSALS = (NOT_AUTHENTICATED, NO_PERMISSION, httpx2.Response(500, text=f"echo {KEY} and {OTHER_KEY}"), httpx2.ConnectError("no"))
PAGES = ("/ui/stores", "/ui/stores/default/connection", "/ui/stores/default/settings", "/ui/stores/default/connect/metric")


@pytest.fixture
async def house(
    tmp_path: Path, sqlite_template: Path, clock: MovedClock, klaviyo: Klaviyo, anyio_backend: str
) -> AsyncIterator[Doors]:
    (tmp_path / "ferrata.db").write_bytes(sqlite_template.read_bytes())
    klaviyo.answers["/api/metrics"] = httpx2.Response(200, json={"data": [METRIC]})
    transport = httpx2.MockTransport(klaviyo.answer)
    async with open_doors(f"sqlite:///{tmp_path / 'ferrata.db'}", tmp_path, clock, transport=transport) as doors:
        yield doors


async def test_none_is_in_any_answer_page_log_or_file(
    house: Doors, klaviyo: Klaviyo, clock: MovedClock, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told: dict[str, str] = {}
    headers = await house.token(*ALL_RIGHTS, store_id=None)
    token = headers["authorization"].removeprefix("Bearer ")
    browser = await house.administrator()

    async def ask(client: httpx2.AsyncClient, method: str, path: str, **values: object) -> None:
        answer = await client.request(method, path, **values)  # type: ignore[arg-type]
        told[f"{len(told)} {method} {path}"] = f"{answer.headers} {answer.text}"

    async def everything() -> None:
        for key in (KEY, OTHER_KEY, f" {KEY} {KEY}", KEY.upper()):
            await ask(house.client, "POST", CONNECT, json={"apiKey": key, "action": "test"}, headers=headers)
            await ask(house.client, "POST", CONNECT, json={"apiKey": key, "conversionMetricId": "m1"}, headers=headers)
            await ask(house.client, "POST", CONNECT, json={"apiKey": key, "conversionMetricId": key}, headers=headers)
            await ask(house.client, "POST", CONNECT + "/rotate", json={"apiKey": key}, headers=headers)
            await ask(house.client, "POST", "/api/klaviyo/test", json={"apiKey": key}, headers=headers)
            await ask(house.client, "GET", "/api/klaviyo/test", params={"apiKey": key}, headers=headers)
            await ask(house.client, "POST", CONNECT, content=f'{{"apiKey": "{key}"', headers=headers)
            for page in ("connect/key", "connect/rotate"):
                await ask(browser, "POST", f"/ui/stores/default/{page}", data={"private_key": key})
        for path in (CONNECT, CONNECT + "/health", "/api/store/default/klaviyo-metrics", "/stores", "/audit"):
            await ask(house.client, "GET", path, headers=headers)
        for path in PAGES:
            await ask(browser, "GET", path)
        clock.advance(61)

    with structlog.testing.capture_logs() as logs:
        await everything()
        good = dict(klaviyo.answers)
        for refusal in REFUSALS:
            for path in klaviyo.answers:
                klaviyo.answers[path] = refusal
            await everything()
        klaviyo.answers = good
        clock.advance(300)
        await everything()
        kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
        await ask(house.client, "DELETE", CONNECT, headers=headers)
    out, err = capfd.readouterr()
    texts = told | {"logs": repr(logs), "standard output": out, "standard error": err, "files": kept.decode("latin-1")}
    for secret in (KEY, OTHER_KEY, token, PASSWORD):
        for form in forms(secret):
            assert [where for where, text in texts.items() if form in text] == [], f"{form[:6]}… was found"
    assert any("connected" in text for text in told.values()), "nothing was connected at all"
