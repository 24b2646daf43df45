"""How one store's connection fares, by API."""

import pytest

from ferrata.access.schemas import Right
from ferrata.audit.schemas import SYSTEM
from klaviyo_sandbox.tenants import DEFAULT_ACCOUNT, DEFAULT_KEY
from tests.health.conftest import House

pytestmark = pytest.mark.anyio
PATH = "/api/store/default/klaviyo-connect/health"


async def health(house: House) -> dict[str, object]:
    answer = await house.get(PATH, Right.CONNECTIONS_READ)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


class TestTheHealthOfAConnection:
    async def test_of_none_says_so(self, house: House) -> None:
        told = await health(house)
        assert (told["status"], told["keyValid"], told["limits"]) == ("not_configured", None, [])

    async def test_tells_validity_limits_and_scopes_and_asks_klaviyo_once_a_minute(self, house: House) -> None:
        await house.doors.wiring.connections.set_private_key("default", DEFAULT_KEY, actor=SYSTEM, test=False)
        for _ in range(5):
            told = await health(house)
        assert (told["status"], told["keyValid"]) == ("connected", True)
        assert {"operation": "POST /api/events", "seconds": 1, "used": 0, "allowed": 350} in told["limits"]  # type: ignore[operator]
        assert await house.asked() == 1
        assert {feature["held"] for feature in told["features"]} == {None}  # type: ignore[attr-defined]

    async def test_names_missing_scopes_once_somebody_has_looked(self, house: House) -> None:
        house.sandbox.tenants.add_key("pk_small_one_with_few_scopes", DEFAULT_ACCOUNT, ["events:write", "accounts:read"])
        connections = house.doors.wiring.connections
        await connections.set_private_key("default", "pk_small_one_with_few_scopes", actor=SYSTEM, test=False)
        await connections.check_scopes("default", actor=SYSTEM)
        told = {feature["name"]: feature for feature in (await health(house))["features"]}  # type: ignore[attr-defined]
        assert told["events"]["held"] == "present"
        assert (told["profiles"]["held"], told["profiles"]["missing"]) == ("missing", ["profiles:write"])

    async def test_shows_a_revoked_key(self, house: House) -> None:
        await house.doors.wiring.connections.set_private_key("default", DEFAULT_KEY, actor=SYSTEM, test=False)
        house.sandbox.tenants.revoke_key(DEFAULT_KEY)
        assert (await health(house))["keyValid"] is False
