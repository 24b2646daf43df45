"""What stands around every page, gathered once for each request: who is signed in, which stores there are, which one is shown."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from urllib.parse import quote
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from ferrata.access.http import STORE_COOKIE, STORE_IN_PATH, principal, store_of
from ferrata.access.schemas import Right
from ferrata.alerts.service import Alerts
from ferrata.connections.service import Connections
from ferrata.delivery.service import DeliveryService
from ferrata.infra.errors import Forbidden, NotFound
from ferrata.ui.chrome import NAVIGATION, Chrome, Person, StoreChoice, bare_chrome

DEAD_LETTERS = "/ui/dead-letters"
ALERTS = "/ui/alerts"
STORES = "/ui/stores"
MOST_IN_MENU = 12
PROFILE = "/ui/profile"
_YEAR_SECONDS = 365 * 86_400


class Frame:
    """A dependency of every page behind the sign-in; ``chrome`` is the hook that the renderer asks."""

    def __init__(self, connections: Connections, delivery: DeliveryService, alerts: Alerts, *, secure: bool) -> None:
        self._connections = connections
        self._delivery = delivery
        self._alerts = alerts
        self._secure = secure

    async def __call__(self, request: Request) -> None:
        who = await principal(request)
        person = Person(who.name, who.email, profile_url=PROFILE) if who.email else None
        try:
            current = await store_of(request)
        except (Forbidden, NotFound):  # the page itself says so, or is about no store, as one's own profile is
            request.state.chrome = Chrome(navigation=(), person=person)
            return
        stores = await self._connections.stores()
        shown = next(store for store in stores if store.id == current)
        choices = [
            StoreChoice(store.name, f"/ui/stores/{quote(store.id)}/show", store.id == current)
            for store in stores
            if who.sees(store.id)
        ]
        if len(choices) > MOST_IN_MENU:
            near = sorted(choices, key=lambda choice: not choice.current)[:MOST_IN_MENU]
            choices = [*near, StoreChoice(f"All {len(choices)} stores…", STORES)]
        rights = who.within(current).rights
        dead = await self._delivery.dead_count(current) if Right.DELIVERY_READ in rights else 0
        alerts = len(await self._alerts.open(current)) if Right.ALERTS_READ in rights else 0
        counts = {DEAD_LETTERS: dead, ALERTS: alerts}
        request.state.chrome = Chrome(
            navigation=tuple(
                replace(item, count=counts[item.href], tone="dead") if item.href in counts else item
                for item in NAVIGATION
                if not item.needs or item.needs in rights
            ),
            stores=tuple(choices),
            person=person,
            rights=rights,
            zone=ZoneInfo(shown.time_zone),
            currency=shown.currency,
            finish=self._remembering(request, current),
        )

    def _remembering(self, request: Request, current: str) -> Callable[[Response], None] | None:
        """Whoever looks at a page of a store stays with that store: its name stands above, and the navigation leads on."""
        if request.path_params.keys().isdisjoint(STORE_IN_PATH) or request.cookies.get(STORE_COOKIE) == current:
            return None
        return partial(remember_store, store_id=current, secure=self._secure)


def remember_store(response: Response, store_id: str, *, secure: bool) -> None:
    """Which store this browser's pages are about from now on."""
    response.set_cookie(STORE_COOKIE, store_id, max_age=_YEAR_SECONDS, httponly=True, samesite="lax", secure=secure)


def chrome(request: Request) -> Chrome:
    gathered: Chrome | None = getattr(request.state, "chrome", None)
    return gathered or bare_chrome(request)
