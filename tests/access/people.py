"""People with roles in stores, and their browsers, for tests."""

from collections.abc import Mapping
from types import MappingProxyType

import httpx2

from ferrata.access.schemas import AT_THE_SERVER, Person, Role
from ferrata.audit.schemas import SYSTEM
from tests.doors import PASSWORD, Doors


async def person(
    doors: Doors, name: str, role: Role = Role.MEMBER, *, stores: Mapping[str, str] = MappingProxyType({}), **named: str
) -> Person:
    """Somebody with this role in the installation, and roles in stores: ``default="admin"``."""
    email = f"{name.lower()}@example.com"
    made = await doors.wiring.access.people.create(email, name, PASSWORD, role, actor=SYSTEM)
    for store_id, store_role in (dict(stores) | named).items():
        await doors.wiring.access.members.add(store_id, made, store_role, by=AT_THE_SERVER)
    return made


async def sign_in(doors: Doors, somebody: Person) -> httpx2.AsyncClient:
    browser = doors.browser()
    browser.headers["accept"] = "application/json"
    answer = await browser.post("/api/session", json={"email": somebody.email, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return browser


async def signed_in(doors: Doors, name: str, role: Role = Role.MEMBER, **stores: str) -> httpx2.AsyncClient:
    return await sign_in(doors, await person(doors, name, role, stores=stores))


async def second_store(doors: Doors) -> str:
    await doors.wiring.connections.registry.create("second", "Second", actor=SYSTEM)
    return "second"
