"""Work that Klaviyo does after its answer: imports, subscriptions, suppressions, merges.

A resource registers what a kind of work does with `@work("kind")` and asks for it with `schedule`. It runs when the
sandbox's clock has passed the visibility delay, before the next request is served; without delay, at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from klaviyo_sandbox.ids import Ids
from klaviyo_sandbox.journal import Journal
from klaviyo_sandbox.state import State, schema

if TYPE_CHECKING:
    from klaviyo_sandbox.exchange import Call
    from klaviyo_sandbox.sandbox import Sandbox

schema(
    """
    CREATE TABLE IF NOT EXISTS deferred (
        id INTEGER PRIMARY KEY AUTOINCREMENT, due_at REAL NOT NULL, account_id TEXT NOT NULL, request_id INTEGER NOT NULL,
        kind TEXT NOT NULL, payload TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS deferred_by_due_at ON deferred (due_at, id);
    """
)


@dataclass(frozen=True, slots=True)
class Turn:
    """When, for whom and on whose request deferred work runs. `timestamp` is when it was due, seconds since 1970."""

    sandbox: "Sandbox"
    account_id: str
    request_id: int
    timestamp: float

    @property
    def state(self) -> State:
        """The database, inside the transaction of the request that is being served."""
        return self.sandbox.state

    @property
    def ids(self) -> Ids:
        """Maker of identifiers."""
        return self.sandbox.ids

    @property
    def journal(self) -> Journal:
        """Where effects are recorded."""
        return self.sandbox.journal


Work = Callable[[Turn, Any], None]
_WORKS: dict[str, Work] = {}


def work(kind: str) -> Callable[[Work], Work]:
    """Register what a kind of work does; its payload is what `schedule` was given, through JSON."""

    def register(does: Work) -> Work:
        _WORKS[kind] = does
        return does

    return register


def schedule(call: "Call", kind: str, payload: Any) -> None:
    """Do the work when the request's visibility delay is over. A `late_drop` fault loses it and tells the journal."""
    if call.plan.late_drop:
        call.sandbox.journal.effect(call, f"{kind}_lost", payload=payload)
        return
    if call.visible_at <= call.timestamp:
        plain = msgspec.to_builtins(payload)
        _WORKS[kind](Turn(call.sandbox, call.account_id, call.request_id, call.timestamp), plain)
        return
    call.state.execute(
        "INSERT INTO deferred (due_at, account_id, request_id, kind, payload) VALUES (?, ?, ?, ?, ?)",
        (call.visible_at, call.account_id, call.request_id, kind, msgspec.json.encode(payload).decode()),
    )


def run_due(sandbox: "Sandbox", now: float) -> None:
    """Do everything that is due, oldest first. Call it inside a transaction."""
    for row in sandbox.state.all("SELECT * FROM deferred WHERE due_at <= ? ORDER BY due_at, id", (now,)):
        sandbox.state.execute("DELETE FROM deferred WHERE id = ?", (row["id"],))
        turn = Turn(sandbox, row["account_id"], row["request_id"], row["due_at"])
        _WORKS[row["kind"]](turn, msgspec.json.decode(row["payload"]))
