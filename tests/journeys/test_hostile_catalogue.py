"""The promise for what is no event: people and things end at Klaviyo as their newest version says, and are made once."""

import json
import random
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from ferrata.catalog.schemas import CatalogChange, Relationships
from ferrata.commerce.tracked import PersonRef, ProfileChange
from ferrata.entry.wiring import build
from ferrata.infra.settings import Settings
from klaviyo_sandbox.sandbox import Sandbox
from klaviyo_sandbox.server import running
from klaviyo_sandbox.tenants import DEFAULT_KEY
from tests.journeys.processes import Installation, Shop
from tests.journeys.test_hostile_run import faults, settle, unleash

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.anyio]

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ROUNDS = 4
ITEMS = 12
PEOPLE = 60
STORE = "default"


def things(version: int) -> list[CatalogChange]:
    at = NOON + timedelta(minutes=version)
    found = [CatalogChange("category", "put", "all", at, {"name": f"Version {version}"}, version=version)]
    for number in range(ITEMS):
        told = {"title": f"Version {version}", "description": "x", "url": "https://shop.test/x"}
        related = Relationships(categories=("all",))
        found.append(CatalogChange("item", "put", f"i{number}", at, told, related, version))
        of_item = {**told, "sku": f"v{number}", "inventory_quantity": version, "price": number}
        found.append(CatalogChange("variant", "put", f"v{number}", at, of_item, Relationships(item=f"i{number}"), version))
    return found


def people(version: int) -> list[ProfileChange]:
    at = NOON + timedelta(minutes=version)
    return [
        ProfileChange(
            PersonRef(email=f"p{number}@shop.test"), {"first_name": f"Version {version}"}, at, f"change-{number}-{version}"
        )
        for number in range(PEOPLE)
    ]


async def tell(settings: Settings, version: int) -> None:
    """As a source does it, from a process beside the server."""
    wiring = build(settings, beside=True)

    def record(connection: Connection) -> None:
        wiring.catalog.record(connection, STORE, things(version), history=version % 2 == 0)
        wiring.profiles.change(connection, STORE, people(version), history=version % 2 == 0)

    try:
        await wiring.database.write(record)
    finally:
        await wiring.close()


def judge(sandbox: Sandbox) -> None:
    newest = f"Version {ROUNDS}"
    rows = sandbox.state.all("SELECT kind, title FROM catalog_things")
    assert {row["title"] for row in rows} == {newest}
    assert len(rows) == 1 + 2 * ITEMS
    versions: dict[str, list[str]] = defaultdict(list)
    created: dict[str, int] = defaultdict(int)
    for effect in sandbox.effects():
        if effect["kind"].startswith("catalog_"):
            name = f"{effect['kind'].split('_')[1]} {effect['subject']}"
            versions[name].append(effect["payload"].get("title") or effect["payload"]["name"])
            created[name] += effect["kind"].endswith("_created")
        elif effect["kind"] == "profile_created":
            created[effect["profile_id"]] += 1
    assert set(created.values()) == {1}
    assert all(found == sorted(found) for found in versions.values())
    fields = [json.loads(row["fields"]) for row in sandbox.state.all("SELECT fields FROM profiles")]
    assert (len(fields), {each["first_name"] for each in fields}) == (PEOPLE, {newest})


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
async def test_killed_while_klaviyo_misbehaves(tmp_path: Path, engine: str, request: pytest.FixtureRequest) -> None:
    url = f"sqlite:///{tmp_path / 'ferrata.db'}" if engine == "sqlite" else request.getfixturevalue("postgres_database")
    sandbox = Sandbox(seed=7)
    sandbox.limits.scale = 10.0  # a minute's quota of the catalogue is used up in seconds: not what this is about
    with running(sandbox) as klaviyo:
        ferrata = Installation(tmp_path, url, klaviyo.url, DEFAULT_KEY)
        shop = Shop(ferrata.url, ferrata.token())
        settings = Settings(_env_file=None, data_dir=tmp_path / "data", database_url=url, allow_unsafe_database=True)
        ferrata.start()
        try:
            ferrata.await_ready()
            unleash(sandbox)
            chance = random.Random(5)
            for version in range(1, ROUNDS + 1):
                ferrata.await_ready()
                await tell(settings, version)
                time.sleep(1 + chance.random() * 2)
                if version < ROUNDS:
                    ferrata.kill()
                    ferrata.start()
            settle(shop, 120)
            assert faults(sandbox) >= 8
            judge(sandbox)
        finally:
            codes = ferrata.stop()
        assert codes == [0], ferrata.logs()[-3000:]
    sandbox.close()
