"""What happened: every request (bounded, in memory) and every effect (unbounded, in the database).

An effect is something that became true, or was silently denied, in Klaviyo's world: an event stored, dropped as a
duplicate, lost late; a profile created. Black-box tests judge a client by these, not by the answers it got.
"""

import hashlib
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import msgspec

from klaviyo_sandbox.state import State, schema

schema(
    """
    CREATE TABLE IF NOT EXISTS effects (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, account_id TEXT NOT NULL, kind TEXT NOT NULL,
        request_id INTEGER NOT NULL, subject TEXT, profile_id TEXT, metric TEXT, unique_id TEXT, payload TEXT
    );
    CREATE INDEX IF NOT EXISTS effects_by_unique_id ON effects (unique_id);
    """
)

EFFECT_FILTERS = ("account_id", "kind", "request_id", "subject", "profile_id", "metric", "unique_id")
_INSERT = "INSERT INTO effects (at, account_id, kind, request_id, subject, profile_id, metric, unique_id, payload)"


class Cause(Protocol):
    """What brings an effect about: a request (`exchange.Call`) or work deferred by one (`deferred.Turn`)."""

    @property
    def timestamp(self) -> float: ...
    @property
    def account_id(self) -> str: ...
    @property
    def request_id(self) -> int: ...


class RequestRecord(msgspec.Struct):
    """One request as the sandbox saw it. `at` is sandbox time, `duration_ms` real time."""

    id: int
    at: float
    method: str
    path: str
    query: str
    operation: str | None
    account_id: str | None
    auth: str | None
    status: int | None
    fault: str | None
    duration_ms: float
    body_bytes: int
    body_sha256: str
    times_seen: int
    """How often this account has sent these very bytes to this operation, this time included."""

    executed: bool
    """Whether the operation took effect, whatever the caller was told."""

    revision: str | None = None
    user_agent: str | None = None
    rate: dict[str, str] = {}
    """The state of the rate windows as the headers tell it: RateLimit, or Retry-After when they refused."""

    body: bytes | None = None


class Journal:
    """Remembers requests and effects of one sandbox."""

    def __init__(self, state: State, limit: int) -> None:
        self._state = state
        self.requests: deque[RequestRecord] = deque(maxlen=limit)
        self._seen: Counter[tuple[str | None, str | None, str]] = Counter()
        self._last_id = self._highest_known_id()

    def _highest_known_id(self) -> int:
        row = self._state.one("SELECT max(request_id) AS last FROM effects")
        return (row["last"] if row else None) or 0

    def next_id(self) -> int:
        """A number for a request that arrives; effects name it as their source."""
        self._last_id += 1
        return self._last_id

    def times_seen(self, account_id: str | None, operation: str | None, body: bytes) -> tuple[str, int]:
        """(SHA-256 of the body, how often it came for this account and operation). Empty bodies count as 1."""
        digest = hashlib.sha256(body).hexdigest()
        if not body:
            return digest, 1
        key = (account_id, operation, digest)
        if len(self._seen) > 1_000_000:
            self._seen.clear()
        self._seen[key] += 1
        return digest, self._seen[key]

    def effect(
        self,
        call: Cause,
        kind: str,
        *,
        subject: str | None = None,
        profile_id: str | None = None,
        metric: str | None = None,
        unique_id: str | None = None,
        payload: Any = None,
    ) -> None:
        """Record one effect of a request; it is kept if the request's transaction commits."""
        text = None if payload is None else msgspec.json.encode(payload).decode()
        self.effects(call, [(kind, subject, profile_id, metric, unique_id, text)])

    def effects(self, call: Cause, rows: Iterable[tuple[str, str | None, str | None, str | None, str | None, Any]]) -> None:
        """Record many at once: (kind, subject, profile id, metric name, unique_id, payload as JSON text)."""
        head = (call.timestamp, call.account_id)
        self._state.execute_many(
            f"{_INSERT} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(*head, row[0], call.request_id, *row[1:]) for row in rows],
        )

    def find_effects(self, filters: dict[str, str], *, after: int = 0, limit: int | None = None) -> Iterator[dict[str, Any]]:
        """Effects in order, those beyond sequence number `after`; filters are column = value (`EFFECT_FILTERS`)."""
        where, values = _where(filters)
        sql = f"SELECT * FROM effects WHERE seq > ?{where} ORDER BY seq LIMIT ?"  # noqa: S608 - columns are checked
        left = limit
        while left is None or left > 0:
            size = 1000 if left is None else min(1000, left)
            rows = self._state.all(sql, (after, *values, size))
            yield from (_effect(dict(row)) for row in rows)
            if len(rows) < size:
                return
            after = rows[-1]["seq"]
            left = None if left is None else left - size

    def latest_effects(self, limit: int) -> list[dict[str, Any]]:
        """The last effects, newest first."""
        return [dict(row) for row in self._state.all("SELECT * FROM effects ORDER BY seq DESC LIMIT ?", (limit,))]

    def count_effects(self, filters: dict[str, str], by: tuple[str, ...] = ("kind",)) -> list[dict[str, Any]]:
        """Numbers of effects grouped by columns."""
        where, values = _where(filters)
        columns = ", ".join(by)
        _check_columns(by)
        sql = f"SELECT {columns}, count(*) AS count FROM effects WHERE 1{where} GROUP BY {columns}"  # noqa: S608 - constant parts
        return [dict(row) for row in self._state.all(f"{sql} ORDER BY {columns}", values)]

    def forget(self) -> None:
        """Empty the list of requests; effects go with the state."""
        self.requests.clear()
        self._seen.clear()


def _where(filters: dict[str, str]) -> tuple[str, list[str]]:
    _check_columns(filters)
    return "".join(f" AND {name} = ?" for name in filters), list(filters.values())


def _check_columns(names: Iterable[str]) -> None:
    for name in names:
        if name not in EFFECT_FILTERS:
            raise LookupError(f"effects cannot be filtered by {name}; use {', '.join(EFFECT_FILTERS)}")


def _effect(row: dict[str, Any]) -> dict[str, Any]:
    row["payload"] = msgspec.Raw(row["payload"].encode()) if row["payload"] is not None else None
    return row
