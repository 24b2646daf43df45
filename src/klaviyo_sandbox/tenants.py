"""Accounts and their private keys: who may call the sandbox, and with which scopes."""

from dataclasses import dataclass
from typing import Any

import msgspec

from klaviyo_sandbox.state import State, schema

DEFAULT_ACCOUNT = "SANDBX"
DEFAULT_KEY = "pk_sandbox0key0which0opens0no0account"
FULL_ACCESS = "*"


def key_for(account_id: str) -> str:
    """The private key of a seeded account that names none: fixed, so that scripts can know it."""
    return DEFAULT_KEY if account_id == DEFAULT_ACCOUNT else f"pk_{'sandbox0key0of0' + account_id:0<34}"


schema(
    """
    CREATE TABLE IF NOT EXISTS accounts (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, timezone TEXT NOT NULL, currency TEXT NOT NULL, created_at REAL NOT NULL
    );
    CREATE TABLE IF NOT EXISTS api_keys (
        key TEXT PRIMARY KEY, account_id TEXT NOT NULL, scopes TEXT NOT NULL, revoked INTEGER NOT NULL DEFAULT 0
    );
    """
)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A private key. `scopes` is None when the key has full access."""

    key: str
    account_id: str
    scopes: frozenset[str] | None
    revoked: bool


class Tenants:
    """Adds, changes and looks up accounts and keys; all of it may happen while the sandbox runs."""

    def __init__(self, state: State) -> None:
        self._state = state

    def add_account(self, account_id: str, *, name: str, now: float, timezone: str = "UTC", currency: str = "USD") -> None:
        """Add an account, or rename one that is there. The id doubles as public API key, as at Klaviyo."""
        self._state.execute(
            "INSERT INTO accounts VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name,"
            " timezone = excluded.timezone, currency = excluded.currency",
            (account_id, name, timezone, currency, now),
        )

    def accounts(self) -> list[dict[str, Any]]:
        """Every account, oldest first."""
        return [dict(row) for row in self._state.all("SELECT * FROM accounts ORDER BY created_at, id")]

    def find_account(self, account_id: str) -> dict[str, Any] | None:
        """One account's columns."""
        row = self._state.one("SELECT * FROM accounts WHERE id = ?", (account_id,))
        return dict(row) if row else None

    def add_key(self, key: str, account_id: str, scopes: list[str] | None = None) -> None:
        """Add a key or replace its scopes (None = full access); a revoked key lives again."""
        text = FULL_ACCESS if scopes is None else " ".join(scopes)
        self._state.execute("INSERT OR REPLACE INTO api_keys VALUES (?, ?, ?, 0)", (key, account_id, text))

    def revoke_key(self, key: str, *, revoked: bool = True) -> bool:
        """Make a key answer 401 from now on, or undo that. False when no such key exists."""
        return self._state.execute("UPDATE api_keys SET revoked = ? WHERE key = ?", (revoked, key)).rowcount > 0

    def rescope_key(self, key: str, scopes: list[str] | None) -> None:
        """Change what a key may do (None = full access); whether it is revoked stays as it is."""
        text = FULL_ACCESS if scopes is None else " ".join(scopes)
        self._state.execute("UPDATE api_keys SET scopes = ? WHERE key = ?", (text, key))

    def find_key(self, key: str) -> ApiKey | None:
        """A key, revoked or not."""
        row = self._state.one("SELECT * FROM api_keys WHERE key = ?", (key,))
        return ApiKey(row["key"], row["account_id"], scopes_from(row["scopes"]), bool(row["revoked"])) if row else None

    def api_keys(self) -> list[ApiKey]:
        """Every key of every account."""
        rows = self._state.all("SELECT * FROM api_keys ORDER BY account_id, key")
        return [ApiKey(r["key"], r["account_id"], scopes_from(r["scopes"]), bool(r["revoked"])) for r in rows]


def scopes_from(text: str) -> frozenset[str] | None:
    """Read the stored form of scopes; None means full access."""
    return None if text == FULL_ACCESS else frozenset(text.split())


class SeedAccount(msgspec.Struct, forbid_unknown_fields=True):
    """An account to create at start: 6-character id, private key, scopes (None = full access)."""

    id: str = DEFAULT_ACCOUNT
    key: str = DEFAULT_KEY
    name: str = "Sandbox Shop"
    scopes: list[str] | None = None
    timezone: str = "UTC"
    currency: str = "USD"
