"""What stands around every page, gathered once for each request: who is signed in, which stores there are, which one is shown."""

from dataclasses import replace
from urllib.parse import quote
from zoneinfo import ZoneInfo

from starlette.requests import Request

from ferrata.access.http import principal, store_of
from ferrata.connections.service import Connections
from ferrata.delivery.service import DeliveryService
from ferrata.ui.chrome import NAVIGATION, Chrome, Person, StoreChoice, bare_chrome

DEAD_LETTERS = "/ui/dead-letters"


class Frame:
    """A dependency of every page behind the sign-in; ``chrome`` is the hook that the renderer asks."""

    def __init__(self, connections: Connections, delivery: DeliveryService) -> None:
        self._connections = connections
        self._delivery = delivery

    async def __call__(self, request: Request) -> None:
        who = await principal(request)
        current = await store_of(request)
        stores = await self._connections.stores()
        shown = next(store for store in stores if store.id == current)
        choices = tuple(
            StoreChoice(store.name, f"/ui/stores/{quote(store.id)}/show", store.id == current)
            for store in stores
            if who.store_id in (None, store.id)
        )
        dead = await self._delivery.dead_count(current)
        request.state.chrome = Chrome(
            navigation=tuple(
                replace(item, count=dead, tone="dead") if item.href == DEAD_LETTERS else item for item in NAVIGATION
            ),
            stores=choices,
            person=Person(who.name, who.email) if who.email else None,
            zone=ZoneInfo(shown.time_zone),
            currency=shown.currency,
        )


def chrome(request: Request) -> Chrome:
    gathered: Chrome | None = getattr(request.state, "chrome", None)
    return gathered or bare_chrome(request)
