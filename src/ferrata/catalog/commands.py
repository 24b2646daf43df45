"""``ferrata catalog``."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Annotated

from cyclopts import App, Parameter

from ferrata.catalog.documents import DeliveryDocument, ThingDocument
from ferrata.catalog.schemas import Kind, Thing, ThingFilter
from ferrata.catalog.service import Catalog
from ferrata.connections.service import Connections
from ferrata.delivery.schemas import Delivery
from ferrata.infra.terminal import Terminal

MOST_LISTED = 500


@dataclass(frozen=True, slots=True)
class Desk:
    """What these commands work with."""

    connections: Connections
    catalog: Catalog


Opened = Callable[[], AbstractAsyncContextManager[Desk]]
Json = Annotated[bool, Parameter(name="--json", help="Answer with JSON.")]
StoreOption = Annotated[str | None, Parameter(name="--store", help="The store's id. Default: the first store.")]


def catalog(opened: Opened) -> App:
    app = App(name="catalog", help="The catalogue: what the shop has, and how Klaviyo was told.")

    @app.command(name="list")
    async def list_things(
        *, store: StoreOption = None, kind: Kind | None = None, text: str | None = None, limit: int = 50, json: Json = False
    ) -> None:
        """Items, variants and categories, what changed last first.

        Parameters
        ----------
        kind
            Only these: item, variant or category.
        text
            Text in the title, or a whole external id.
        limit
            How many at most, up to 500.
        """
        async with opened() as desk:
            store_id = await desk.connections.registry.choose(store)
            most = max(1, min(limit, MOST_LISTED))
            page = await desk.catalog.page(ThingFilter(store_id, kind, text=text), None, most)
            deliveries = await desk.catalog.deliveries(page.rows)
        rows = [_row(thing, deliveries.get(thing.delivery_id or "")) for thing in page.rows]
        columns = ["kind", "external_id", "title", "presence", "version", "changed_at", "delivery"]
        Terminal(as_json=json).rows(columns, rows, nothing="The catalogue is empty, or nothing matches.")

    @app.command
    async def show(kind: Kind, external_id: str, *, store: StoreOption = None) -> None:
        """One thing as JSON, with all that is known of it, and every telling of it to Klaviyo.

        Parameters
        ----------
        kind
            item, variant or category.
        external_id
            The shop's own id of it.
        """
        async with opened() as desk:
            store_id = await desk.connections.registry.choose(store)
            thing = await desk.catalog.get(store_id, kind, external_id)
            told = await desk.catalog.told(thing)
        newest = next((each for each in told if each.id == thing.delivery_id), None)
        shown = ThingDocument.of(thing, newest).model_dump(mode="json")
        deliveries = [DeliveryDocument.of(each).model_dump(mode="json") for each in told]
        Terminal(as_json=True).answer({**shown, "deliveries": deliveries}, said="")

    return app


def _row(thing: Thing, delivery: Delivery | None) -> dict[str, object]:
    return {
        "kind": thing.kind,
        "external_id": thing.external_id,
        "title": thing.title,
        "presence": thing.presence.value,
        "version": thing.version,
        "changed_at": thing.changed_at,
        "delivery": delivery.state.value if delivery else "-",
    }
