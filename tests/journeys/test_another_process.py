"""What one process changes holds in another within two seconds; what somebody changes in the audit's tables is found."""

import time
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import text

from ferrata.audit.schemas import SYSTEM, AuditFilter
from ferrata.entry.wiring import build
from ferrata.flags.schemas import Mode
from klaviyo_sandbox.sandbox import Sandbox
from klaviyo_sandbox.server import running
from klaviyo_sandbox.tenants import DEFAULT_KEY
from tests.doors import settings
from tests.journeys.processes import Installation, Shop
from tests.journeys.test_hostile_run import settle, shop_event

pytestmark = [pytest.mark.slow, pytest.mark.anyio]
PROMISED_SECONDS = 2.0


async def test_flags_and_the_switch_of_another_process_hold_and_a_forged_audit_is_found(
    tmp_path: Path, postgres_database: str
) -> None:
    sandbox = Sandbox(seed=5)
    here = build(settings(postgres_database, tmp_path, allow_unsafe_database=True), beside=True)
    with running(sandbox) as klaviyo:
        ferrata = Installation(tmp_path, postgres_database, klaviyo.url, DEFAULT_KEY)
        ferrata.start()
        try:
            ferrata.await_ready(60)
            token = await here.access.tokens.create("journey", actor=SYSTEM, store_id=None)
            shop, metric = Shop(ferrata.url, token.secret), str(shop_event(0)["eventName"])
            first = sent(shop, 0)
            settle(shop, 60)
            assert state_of(shop, first) == "delivered"
            await here.flags.set("default", metric, Mode.OFF, None, actor=SYSTEM)
            time.sleep(PROMISED_SECONDS)
            assert state_of(shop, sent(shop, 1)) == "held"
            await here.flags.clear("default", metric, actor=SYSTEM)
            await here.flags.stop(None, "wrong prices", actor=SYSTEM)
            time.sleep(PROMISED_SECONDS)
            stopped = sent(shop, 2)
            time.sleep(PROMISED_SECONDS)
            assert state_of(shop, stopped) == "waiting"
            await here.flags.resume(None, actor=SYSTEM)
            settle(shop, 60)
            assert state_of(shop, stopped) == "delivered"
            for number in range(7):
                assert httpx2.get(f"{ferrata.url}/events/{number}").status_code == 401
        finally:
            codes = ferrata.stop()
    sandbox.close()
    assert codes == [0]
    refused = (await here.audit.page(AuditFilter(refused=True, target="GET /events/{id}"))).rows
    assert sum(record.count for record in refused) == 7  # those of the last minute too
    found = await here.audit.verify()
    assert (found.fault, found.unsealed) == (None, 0)
    for statement in (
        "ALTER TABLE audit_records DISABLE TRIGGER USER",
        "UPDATE audit_records SET actor_name = 'Eve' WHERE action = 'flags.stopped'",
        "ALTER TABLE audit_records ENABLE TRIGGER USER",
    ):
        await here.database.write(lambda connection, statement=statement: connection.execute(text(statement)))
    await here.close()
    told = ferrata.failing("audit", "verify")
    assert "is not as it was sealed" in told
    assert "Traceback" not in told


def sent(shop: Shop, number: int) -> str:
    event = shop_event(number)
    shop.send([event])
    return shop.receipts[str(event["eventId"])]


def state_of(shop: Shop, event_id: str) -> str:
    return str(shop.get(f"/events/{event_id}")["state"])
