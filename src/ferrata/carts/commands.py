"""``ferrata carts``."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Annotated

import msgspec
from cyclopts import App, Parameter
from pydantic import ValidationError

from ferrata.audit.schemas import COMMAND_LINE
from ferrata.carts.documents import CartDocument, EntryDocument, SettingsDocument
from ferrata.carts.schemas import CartFilter, CartRecord, Recovery, State
from ferrata.carts.service import Carts
from ferrata.connections.service import Connections
from ferrata.infra.errors import Problem, Rejected
from ferrata.infra.terminal import Terminal

MOST_LISTED = 500


@dataclass(frozen=True, slots=True)
class Desk:
    """What these commands work with."""

    connections: Connections
    carts: Carts


Opened = Callable[[], AbstractAsyncContextManager[Desk]]
Json = Annotated[bool, Parameter(name="--json", help="Answer with JSON.")]
StoreOption = Annotated[str | None, Parameter(name="--store", help="The store's id. Default: the first store.")]


def carts(opened: Opened) -> App:
    app = App(name="carts", help="Carts in flight: list, show, and how a store wants them.")
    _add_reading(app, opened)
    _add_settings(app, opened)
    return app


def _add_reading(app: App, opened: Opened) -> None:
    @app.command(name="list")
    async def list_carts(
        *,
        store: StoreOption = None,
        state: Annotated[State | None, Parameter(help="Only those that are open, abandoned or ordered.")] = None,
        person: Annotated[str, Parameter(help="Only those of this e-mail address.")] = "",
        limit: Annotated[int, Parameter(help=f"How many at most, up to {MOST_LISTED}.")] = 50,
        json: Json = False,
    ) -> None:
        """The last touched first."""
        async with opened() as desk:
            store_id = await desk.connections.registry.choose(store)
            page = await desk.carts.page(store_id, CartFilter(state=state, text=person), None, max(1, min(limit, MOST_LISTED)))
        columns = ["cart_id", "state", "person", "items", "total", "currency", "updated_at", "abandon_at", "abandonments"]
        Terminal(as_json=json).rows(columns, [_row(cart) for cart in page.rows], nothing="No carts.")

    @app.command
    async def show(cart_id: str, *, store: StoreOption = None) -> None:
        """One cart with its story, as JSON."""
        async with opened() as desk:
            store_id = await desk.connections.registry.choose(store)
            told = await desk.carts.cart(store_id, cart_id)
            story = await desk.carts.story(store_id, cart_id)
        document = CartDocument.of(told.cart).model_dump(mode="json", by_alias=True)
        entries = [EntryDocument.of(entry).model_dump(mode="json", by_alias=True) for entry in story]
        Terminal(as_json=True).answer({**document, "recoveryUrl": told.recovery_url, "story": entries}, said="")


def _add_settings(app: App, opened: Opened) -> None:
    @app.command
    async def settings(
        *,
        store: StoreOption = None,
        silence_minutes: Annotated[int | None, Parameter(help="After so many minutes of silence a cart is abandoned.")] = None,
        recovery: Annotated[Recovery | None, Parameter(help="Whether links redirect to the shop or answer contents.")] = None,
        recovery_days: Annotated[int | None, Parameter(help="How many days a recovery link is good.")] = None,
        shop_url: Annotated[str | None, Parameter(help="Where recovery links lead; {cart_id} in it is replaced.")] = None,
        keep_days: Annotated[int | None, Parameter(help="Carts that nobody touched for so many days are deleted.")] = None,
        json: Json = False,
    ) -> None:
        """Show how a store wants its carts; what is given is changed, everything else stays."""
        asked = {
            "silence_minutes": silence_minutes,
            "recovery": recovery,
            "recovery_days": recovery_days,
            "shop_url": shop_url,
            "keep_days": keep_days,
        }
        given = {name: value for name, value in asked.items() if value is not None}
        async with opened() as desk:
            store_id = await desk.connections.registry.choose(store)
            found = await desk.carts.settings(store_id)
            if given:
                wanted = _checked(SettingsDocument.of(found).model_dump() | given).settings()
                found = await desk.carts.change_settings(store_id, wanted, COMMAND_LINE)
        told = msgspec.to_builtins(found)
        lines = "\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in told.items())
        Terminal(as_json=json).answer(told, said=lines)


def _checked(values: dict[str, object]) -> SettingsDocument:
    try:
        return SettingsDocument.model_validate(values)
    except ValidationError as error:
        problems = [Problem(".".join(map(str, each["loc"])), each["msg"]) for each in error.errors()]
        raise Rejected("These settings cannot be used.", problems=tuple(problems)) from error


def _row(cart: CartRecord) -> dict[str, object]:
    person = cart.person.email or cart.person.phone or cart.person.external_id or ""
    names = ("cart_id", "state", "total", "currency", "updated_at", "abandon_at", "abandonments")
    return {name: getattr(cart, name) for name in names} | {"person": person, "items": len(cart.items)}
