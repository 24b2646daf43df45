"""``ferrata connections oauth``: how a store's OAuth installation stands, and new tokens for it now."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict
from typing import Annotated

from cyclopts import App, Parameter

from ferrata.connections.oauth_errors import NotByOAuth
from ferrata.connections.oauth_installations import Installation
from ferrata.connections.oauth_service import OAuth
from ferrata.connections.service import Connections
from ferrata.infra.errors import NeedsReconnect, Transient
from ferrata.infra.terminal import Terminal
from ferrata.klaviyo import KlaviyoError
from ferrata.klaviyo import Transient as NotNow

Desk = tuple[OAuth, Connections]
Opened = Callable[[], AbstractAsyncContextManager[Desk]]
Json = Annotated[bool, Parameter(name="--json", help="Answer with JSON.")]
StoreOption = Annotated[str | None, Parameter(name="--store", help="The store's id. Default: the first store.")]


def oauth(opened: Opened) -> App:
    app = App(name="oauth", help="A store's OAuth installation. A person connects it in the browser: Stores, Connect.")

    @app.command
    async def show(*, store: StoreOption = None, json: Json = False) -> None:
        """Scopes, expiry and last refresh. The tokens are never shown."""
        async with opened() as desk:
            seen = await _installation(desk, store)
        _tell(seen, json)

    @app.command
    async def refresh(*, store: StoreOption = None, json: Json = False) -> None:
        """Ask Klaviyo for new tokens now. They are renewed by themselves; this shows that it works."""
        async with opened() as desk:
            seen = await _installation(desk, store)
            try:
                seen = await desk[0].installations.refresh(seen.id)
            except KlaviyoError as error:
                raise (Transient if isinstance(error, NotNow) else NeedsReconnect)(error.outcome.sentence) from error
        _tell(seen, json)

    return app


async def _installation(desk: Desk, store: str | None) -> Installation:
    service, connections = desk
    seen = await service.installations.of_store(await connections.registry.choose(store))
    if seen is None:
        raise NotByOAuth
    return seen


def _tell(seen: Installation, as_json: bool) -> None:
    state = seen.lost_reason or f"tokens renewed {seen.refreshed_at:%d %b %H:%M} UTC, good until {seen.expires_at:%H:%M} UTC"
    lacks = f"\nLacks: {', '.join(seen.lacks)}. Connect again to ask for them." if seen.lacks else ""
    said = f"{seen.account_name or 'Account'} {seen.account_id or ''}: {state}\nScopes: {', '.join(seen.scopes)}{lacks}"
    Terminal(as_json=as_json).answer(asdict(seen), said=said)
