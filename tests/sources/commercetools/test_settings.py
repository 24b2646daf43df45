"""Settings: the plugin's names, both spellings, and secrets that stay secret; and the commands that need them."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ferrata.access.schemas import Right
from ferrata.audit.schemas import SYSTEM
from ferrata.infra.errors import Rejected
from ferrata.kit.clock import MovedClock
from ferrata.sources.commercetools import SOURCE, history
from ferrata.sources.commercetools.plugin import from_plugin
from ferrata.sources.commercetools.reader import CommercetoolsReader
from ferrata.sources.schemas import LineKey
from tests.doors import Doors, open_doors
from tests.sources.commercetools import shop
from tests.sources.commercetools.driving import settings
from tests.sources.commercetools.mock_api import CommercetoolsMock

STORE, KIND = "default", "commercetools"
GIVEN: dict[str, Any] = {
    "projectKey": "shop",
    "apiUrl": "http://commercetools.test",
    "authUrl": "http://commercetools.test",
    "clientId": "client",
    "clientSecret": "very secret indeed",
    "push": {"secret": "another secret"},
    "queue": {
        "type": "AzureServiceBus",
        "path": "orders",
        "connectionString": "Endpoint=sb://shop.test/;SharedAccessKeyName=listen;SharedAccessKey=hidden0key",
    },
}


@pytest.fixture
def mock() -> CommercetoolsMock:
    made = CommercetoolsMock(secret="very secret indeed")
    made.put("orders", [shop.order()])
    return made


@pytest.fixture
async def doors(
    database_url: str, tmp_path: Path, clock: MovedClock, mock: CommercetoolsMock, anyio_backend: str
) -> AsyncIterator[Doors]:
    async with open_doors(database_url, tmp_path, clock, source_transport=mock.transport()) as opened:
        yield opened


class TestSettings:
    def test_are_understood_in_both_spellings_and_the_plugins_file_as_it_is(self) -> None:
        plugin = {
            "disabledEvents": [" OrderStateChanged", "CustomerCompanyNameSet"],
            "order": {"states": {"changed": {"cancelledOrder": ["Annulled"], "fulfilledOrder": ["Complete"]}}},
            "customer": {"deduplication": {"enabled": True}, "messages": {"addressChanged": ["CustomerAddressAdded"]}},
            "unknownToUs": 1,
        }
        environment = {"PREFERRED_LOCALE": "de-DE", "CT_API_CLIENT": '{"clientId": "c", "secret": "s"}', "APP_TYPE": "EVENT"}
        translated, left = from_plugin(plugin, environment)
        found = settings(**translated)
        assert found.order.states.changed.cancelled_order == ("Annulled",)
        assert (found.preferred_locale, found.client_id) == ("de-DE", "c")
        assert left == ["APP_TYPE", "unknownToUs"]
        assert settings(order={"states": {"changed": {"cancelled_order": ["Annulled"]}}}).order.states.changed == (
            found.order.states.changed.model_copy(update={"fulfilled_order": ("Confirmed", "Complete")})
        )

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ({"oder": {}}, "oder"),
            ({"order": {"states": {"changed": {"canceledOrder": []}}}}, "canceledOrder"),
            ({"disabledEvents": ["OrderCreatd"]}, "no such rule: OrderCreatd"),
            ({"apiUrl": "api.example.com"}, "https://"),
            ({"client_secret": None}, "belong together"),
            ({"queue": {"type": "Kafka"}}, "Kafka"),
            ({"project_key": ""}, "project"),
        ],
    )
    def test_that_mean_nothing_are_refused_by_name(self, given: dict[str, Any], told: str) -> None:
        with pytest.raises(ValidationError, match=told):
            settings(**given)

    async def test_keep_their_secrets_sealed_and_take_new_ones_in_either_spelling(self, doors: Doors) -> None:
        configurations = doors.wiring.sources.configurations
        await configurations.save(STORE, KIND, settings=GIVEN, rules=None, enabled=True, actor=SYSTEM)
        [kept] = await configurations.versions(STORE, KIND)
        for secret in ("very secret indeed", "another secret", "hidden0key"):
            assert secret not in json.dumps(kept.document)
            assert secret not in repr((await configurations.get(STORE, KIND)).settings)
        bare = {name: value for name, value in GIVEN.items() if name not in ("clientSecret", "push", "queue")}
        await configurations.save(STORE, KIND, settings=bare, rules=None, enabled=True, actor=SYSTEM)
        assert (await configurations.get(STORE, KIND)).settings.client_secret.get_secret_value() == "very secret indeed"
        await configurations.save(STORE, KIND, settings=bare | {"clientSecret": "new"}, rules=None, enabled=True, actor=SYSTEM)
        assert (await configurations.get(STORE, KIND)).settings.client_secret.get_secret_value() == "new"

    async def test_are_checked_against_the_api_that_they_name(self, doors: Doors) -> None:
        sources = doors.wiring.sources
        await sources.configurations.save(STORE, KIND, settings=GIVEN, rules=None, enabled=True, actor=SYSTEM)
        assert "may read all" in await (await sources.reader(STORE, KIND)).check()


class TestSingleResources:
    async def test_are_read_as_history(self, doors: Doors) -> None:
        sources = doors.wiring.sources
        await sources.configurations.save(STORE, KIND, settings=GIVEN, rules=None, enabled=True, actor=SYSTEM)
        reader = await sources.reader(STORE, KIND)
        assert isinstance(reader, CommercetoolsReader)
        found = await history.by_ids(reader.api, "orders", ["order-1", "order-9"])
        await sources.reception.keep(LineKey(STORE, KIND), found)
        await sources.work_off(STORE, KIND)
        token = await doors.token(Right.EVENTS_READ)
        events = (await doors.client.get("/events", headers=token)).json()["events"]
        assert len(events) == 3
        assert all(event["backfill"] for event in events)
        with pytest.raises(Rejected, match="no history of carts"):
            await history.by_ids(reader.api, "carts", ["1"])


class TestTheDoor:
    async def test_takes_pushes_and_answers_azures_handshake(self, doors: Doors) -> None:
        await doors.wiring.sources.configurations.save(STORE, KIND, settings=GIVEN, rules=None, enabled=True, actor=SYSTEM)
        address, told = f"/sources/{KIND}/{STORE}", shop.message("OrderCreated", "order", "order-1", order=shop.order())
        assert (await doors.client.post(address, json=told)).status_code == 400
        taken = await doors.client.post(address, json=told, headers={"x-ferrata-secret": "another secret"})
        assert (taken.status_code, taken.json()["kept"]) == (202, 1)
        origin = {"webhook-request-origin": "eventgrid.azure.net"}
        shaken = await doors.client.options(f"{address}?secret=another+secret", headers=origin)
        assert (shaken.status_code, shaken.headers["webhook-allowed-origin"]) == (200, "eventgrid.azure.net")
        assert (await doors.client.options(address, headers=origin)).status_code == 400


class TestTheCommands:
    def test_translate_the_plugins_configuration(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        config, env = tmp_path / "plugin.json", tmp_path / "plugin.env"
        config.write_text(json.dumps({"order": {"metrics": {"placedOrder": "CT Placed Order"}}, "extra": 1}))
        env.write_text("# of the plugin\nPREFERRED_LOCALE=de-DE\nPUB_SUB_PORT=8080\n")
        SOURCE.commands(None)(["from-plugin", str(config), "--env", str(env)], result_action="return_value")
        said = capsys.readouterr()
        order = {"metrics": {"placedOrder": "CT Placed Order"}}
        assert json.loads(said.out) == {"settings": {"order": order, "preferredLocale": "de-DE"}}
        assert "PUB_SUB_PORT, extra" in said.err

    def test_are_those_of_the_source(self) -> None:
        names = {name for name in SOURCE.commands(None) if not name.startswith("-")}
        assert names == {"subscribe", "read", "from-plugin"}
