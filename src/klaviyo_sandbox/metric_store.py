"""Metrics: one per name and integration of an account, made when the first event asks for it."""

import sqlite3
import zlib
from typing import Any, Final

from klaviyo_sandbox.ids import Ids
from klaviyo_sandbox.state import State, schema

API: Final = "api"
"""Key of the integration that events sent with a private key belong to."""
SHOPIFY: Final = "shopify"

schema(
    """
    CREATE TABLE IF NOT EXISTS metrics (
        id TEXT PRIMARY KEY, account_id TEXT NOT NULL, name TEXT NOT NULL, integration TEXT NOT NULL,
        created REAL NOT NULL, visible_at REAL NOT NULL, UNIQUE (account_id, name, integration)
    );
    """
)


def get_or_create(
    state: State,
    ids: Ids,
    account_id: str,
    name: str,
    *,
    now: float,
    visible_at: float | None = None,
    integration: str | None = None,
) -> str:
    """Id of the metric of that name; a new one is seen by reads from `visible_at` (default `now`)."""
    key = integration or API
    row = state.one("SELECT id FROM metrics WHERE account_id = ? AND name = ? AND integration = ?", (account_id, name, key))
    if row is not None:
        return str(row["id"])
    metric_id = ids.short()
    seen = now if visible_at is None else visible_at
    state.execute("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", (metric_id, account_id, name, key, now, seen))
    return metric_id


def find(state: State, account_id: str, metric_id: str) -> sqlite3.Row | None:
    """A metric's row, visible or not yet."""
    return state.one("SELECT * FROM metrics WHERE id = ? AND account_id = ?", (metric_id, account_id))


def integration_of(key: str) -> dict[str, Any]:
    """The `integration` attribute: as recorded for the API, and in its likeness for an app's own."""
    if key == API:
        return {"object": "integration", "id": "7FtS4J", "key": API, "name": "API", "category": "API"}
    if key == SHOPIFY:
        return {"object": "integration", "id": "0eMvjm", "key": SHOPIFY, "name": "Shopify", "category": "eCommerce"}
    made_up = f"{zlib.crc32(key.encode()) % 36**6:06X}"[-6:]
    return {"object": "integration", "id": made_up, "key": key, "name": key, "category": "Internal"}
