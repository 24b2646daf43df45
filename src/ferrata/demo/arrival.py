"""What the demo needs before it opens: the store with its key, somebody who may sign in, and two tokens."""

import secrets
from dataclasses import dataclass

from ferrata.access.schemas import ALL_RIGHTS, STORE_TOKEN, Right, Role
from ferrata.access.service import Access
from ferrata.audit.schemas import Actor
from ferrata.connections.errors import KeyUntested, TooManyTests
from ferrata.connections.schemas import Status
from ferrata.connections.service import Connections
from ferrata.demo.catalogue import CURRENCY, TIME_ZONE
from ferrata.demo.folder import Papers
from ferrata.infra.errors import NotFound
from ferrata.klaviyo import PrivateKey

STORE_ID = "example-shop"
EMAIL = "owner@shop.example"
DEMO = Actor("system", "demo", "the demo")


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to get in, as a program and as a person."""

    api_token: str
    admin_token: str
    admin_password: str


async def prepare(
    access: Access, connections: Connections, *, klaviyo_key: str, shop_name: str, earlier: Papers | None
) -> Credentials:
    """Make what is not there yet, and take over from ``earlier`` what still holds. Broken off and begun again it does no harm.

    Raises:
        KeyRefused, NotAKey: Klaviyo does not accept the key.
    """
    await _open_store(connections, shop_name, klaviyo_key)
    return Credentials(
        api_token=await _token(access, earlier.api_token if earlier else None, "example shop", STORE_ID, STORE_TOKEN),
        admin_token=await _token(access, earlier.admin_token if earlier else None, "all rights", None, ALL_RIGHTS),
        admin_password=await _owner(access, earlier.admin_password if earlier else None),
    )


async def _open_store(connections: Connections, name: str, klaviyo_key: str) -> None:
    if STORE_ID not in {store.id for store in await connections.stores()}:
        await connections.registry.create(STORE_ID, name, actor=DEMO, time_zone=TIME_ZONE, currency=CURRENCY)
    known = await connections.connection(STORE_ID)
    if known.status is Status.NOT_CONFIGURED or known.hint != PrivateKey(klaviyo_key).hint:
        try:
            await connections.set_private_key(STORE_ID, klaviyo_key, actor=DEMO, move=True)
        except (KeyUntested, TooManyTests):  # Klaviyo is away: what is accepted meanwhile waits for it
            await connections.set_private_key(STORE_ID, klaviyo_key, actor=DEMO, test=False)


async def _token(access: Access, earlier: str | None, name: str, store_id: str | None, rights: frozenset[Right]) -> str:
    if earlier and await access.authenticate_token(earlier):
        return earlier
    return (await access.tokens.create(name, actor=DEMO, store_id=store_id, rights=rights)).secret


async def _owner(access: Access, earlier: str | None) -> str:
    """The password of the administrator; a new one where none is known any more."""
    try:
        person = await access.people.by_email(EMAIL)
    except NotFound:
        password = _password()
        await access.people.create(EMAIL, "Shop owner", password, Role.ADMINISTRATOR, actor=DEMO)
        return password
    if earlier:
        return earlier
    password = _password()
    await access.people.set_password(person, password, actor=DEMO)
    return password


def _password() -> str:
    return "-".join(secrets.token_hex(3) for _ in range(4))
