"""Two stores behind one door: whoever holds one store's token learns nothing of the other, and changes nothing there."""

from typing import Any

import pytest

from ferrata.access.http import declared_rights
from ferrata.access.schemas import STORE_TOKEN
from ferrata.audit.schemas import SYSTEM
from klaviyo_sandbox.faults import Effect, Poison, Rule
from tests.readthrough.conftest import Connected

pytestmark = pytest.mark.anyio
PERSON = "secret-person@shop.example.com"
CANARY = "only-of-the-first-store"


async def dead_event(connected: Connected) -> dict[str, Any]:
    connected.sandbox.unleash([Rule(effect=Effect(poison=Poison(text=CANARY)))])
    body = {"eventName": "Secret", "email": PERSON, "eventId": "secret-1", "eventAttributes": {"canary": CANARY}}
    answer = await connected.post("/events", body)
    connected.sandbox.unleash([])
    found: dict[str, Any] = answer.json()
    assert found["state"] == "dead", found
    return found


class TestAnotherStoresToken:
    async def test_learns_nothing_and_changes_nothing(self, connected: Connected) -> None:
        doors, secret = connected.doors, await dead_event(connected)
        await doors.wiring.connections.registry.create("other", "Other", actor=SYSTEM)
        stranger = await doors.token(*STORE_TOKEN, store_id="other")
        query = {"email": PERSON, "date": secret["eventDate"], "metric": "Secret"}
        asked = 0
        for route, right in declared_rights(doors.app.routes):
            path = route.path or ""
            if right is None or "/live" in path or not path:
                continue
            for place in ("id", "event_id", "dead_letter_id"):
                path = path.replace(f"{{{place}}}", secret["id"])
            path = path.replace("{email}", PERSON).replace("{store_id}", "default").replace("{family}", "events")
            for headers in (stranger, stranger | {"ferrata-store": "default"}, stranger | {"cookie": "ferrata_store=default"}):
                for method in (route.methods or set()) - {"HEAD"}:
                    answer = await doors.client.request(method, path, headers=headers, params=query)
                    asked += 1
                    assert answer.status_code < 500 or answer.json()["code"] == "not_connected", (path, answer.text)
                    for word in (CANARY, "secret-1"):
                        assert word not in answer.text or answer.status_code >= 400, (method, path, answer.text[:300])
        assert asked > 100
        order = {"ids": [secret["id"]], "dryRun": False}
        for act in ("replay", "discard"):
            answer = await doors.client.post(f"/dead-letters/{act}", json=order, headers=stranger)
            assert answer.json()["count"] == 0
        assert (await connected.get(f"/events/{secret['id']}")).json()["state"] == "dead"
