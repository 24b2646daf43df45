"""What stands around every page: navigation, the store and the person it is shown for, messages that wait to be read."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, tzinfo

from starlette.requests import Request
from starlette.responses import Response

from ferrata.ui.flash import Flash


@dataclass(frozen=True, slots=True)
class NavItem:
    """One destination. ``letter`` is its key after ``g``; a ``count`` makes a badge: something waits for a person.

    ``needs``: shown only to those who have this right.
    """

    label: str
    href: str
    icon: str
    letter: str
    count: int = 0
    tone: str = "neutral"
    exact: bool = False
    needs: str | None = None

    def is_current(self, path: str) -> bool:
        """Whether ``path`` is this destination or, unless ``exact``, lies below it."""
        return path == self.href or (not self.exact and path.startswith(self.href + "/"))


@dataclass(frozen=True, slots=True)
class StoreChoice:
    name: str
    href: str
    current: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    email: str
    sign_out_url: str = "/sign-out"
    profile_url: str | None = None


NAVIGATION = (
    NavItem("Overview", "/ui", "overview", "o", exact=True, needs="delivery:read"),
    NavItem("Events", "/ui/events", "events", "e", needs="events:read"),
    NavItem("Catalogue", "/ui/catalogue", "catalogue", "c", needs="delivery:read"),
    NavItem("Sources", "/ui/sources", "sources", "u", needs="sources:read"),
    NavItem("Carts", "/ui/carts", "carts", "b", needs="events:read"),
    NavItem("Lanes", "/ui/lanes", "lanes", "l", needs="delivery:read"),
    NavItem("Dead letters", "/ui/dead-letters", "dead-letters", "d", needs="delivery:read"),
    NavItem("Alerts", "/ui/alerts", "alerts", "a", needs="alerts:read"),
    NavItem("Flags", "/ui/flags", "flags", "f", needs="flags:read"),
    NavItem("Stores", "/ui/stores", "stores", "t", needs="connections:read"),
    NavItem("Settings", "/ui/settings", "settings", "s", needs="connections:read"),
)


@dataclass(frozen=True, slots=True)
class Chrome:
    """Handed to every page by the one hook given to :class:`ferrata.ui.render.Pages`."""

    navigation: tuple[NavItem, ...] = NAVIGATION
    stores: tuple[StoreChoice, ...] = ()
    person: Person | None = None
    zone: tzinfo = field(default=UTC)
    currency: str = "EUR"
    flashes: tuple[Flash, ...] = ()
    rights: frozenset[str] = frozenset()
    """What whoever looks may do in this store: a page shows no button that would be refused."""

    finish: Callable[[Response], None] | None = None
    """Has the last say about the answer of a whole page: what the browser is to remember."""

    def may(self, right: str) -> bool:
        return right in self.rights

    @property
    def store(self) -> StoreChoice | None:
        return next((choice for choice in self.stores if choice.current), None)


ChromeHook = Callable[[Request], Chrome]


def bare_chrome(_: Request) -> Chrome:
    """For pages that are shown before anybody has signed in."""
    return Chrome()
