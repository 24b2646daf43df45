"""What one process changes holds in another within two seconds; what somebody changes in the audit's tables is found."""

import json
import time
from pathlib import Path

import httpx2
import psycopg
import pytest

from klaviyo_sandbox.sandbox import Sandbox
from klaviyo_sandbox.server import running
from klaviyo_sandbox.tenants import DEFAULT_KEY
from tests.journeys.processes import Installation, Shop
from tests.journeys.test_hostile_run import settle, shop_event

pytestmark = pytest.mark.slow
PROMISED_SECONDS = 2.0


def test_flags_and_the_switch_of_another_process_hold_and_a_forged_audit_is_found(tmp_path: Path, postgres_database: str) -> None:
    sandbox = Sandbox(seed=5)
    with running(sandbox) as klaviyo:
        ferrata = Installation(tmp_path, postgres_database, klaviyo.url, DEFAULT_KEY)
        shop = Shop(ferrata.url, ferrata.token())
        ferrata.start()
        try:
            ferrata.await_ready()
            first = sent(shop, 0)
            settle(shop, 60)
            assert state_of(shop, first) == "delivered"
            metric = str(shop_event(0)["eventName"])
            ferrata.command("flags", "set", metric, "off")
            time.sleep(PROMISED_SECONDS)
            assert state_of(shop, sent(shop, 1)) == "held"
            ferrata.command("flags", "clear", metric)
            ferrata.command("flags", "stop", "--all", "--reason", "wrong prices")
            time.sleep(PROMISED_SECONDS)
            waiting = sent(shop, 2)
            assert state_of(shop, waiting) == "waiting"
            ferrata.command("flags", "resume", "--all")
            settle(shop, 60)
            assert state_of(shop, waiting) == "delivered"
            for number in range(7):
                assert httpx2.get(f"{ferrata.url}/events/{number}").status_code == 401
        finally:
            codes = ferrata.stop()
    sandbox.close()
    assert codes == [0]
    refused = json.loads(ferrata.command("audit", "list", "--refused", "--target", "GET /events/{id}", "--json"))
    assert sum(record["count"] for record in refused) == 7  # those of the last minute too
    assert json.loads(ferrata.command("audit", "verify", "--json"))["unsealed"] == 0
    with psycopg.connect(postgres_database) as connection:
        connection.execute("ALTER TABLE audit_records DISABLE TRIGGER USER")
        changed = connection.execute("UPDATE audit_records SET actor_name = 'Eve' WHERE action = 'flags.stopped'")
        connection.execute("ALTER TABLE audit_records ENABLE TRIGGER USER")
        assert changed.rowcount == 1
    told = ferrata.failing("audit", "verify")
    assert "is not as it was sealed" in told
    assert "Traceback" not in told


def sent(shop: Shop, number: int) -> str:
    event = shop_event(number)
    shop.send([event])
    return shop.receipts[str(event["eventId"])]


def state_of(shop: Shop, event_id: str) -> str:
    """What became of it; one that waits is given a moment."""
    until = time.monotonic() + PROMISED_SECONDS
    while True:
        state = str(shop.get(f"/events/{event_id}")["state"])
        if state not in ("waiting", "sending") or time.monotonic() > until:
            return state
        time.sleep(0.2)
