"""One sandbox: a Klaviyo of your own, with its state, clock, switches, windows, faults and journal.

`Sandbox()` is usable in process at once: `create_app(sandbox)` is its ASGI face, `server.running(sandbox)` serves it on
a port, and everything the control API can do is a method here or on one of the parts.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from klaviyo_sandbox import deferred, operations, resources
from klaviyo_sandbox.clock import Clock
from klaviyo_sandbox.faults import Faults, Rule
from klaviyo_sandbox.ids import Ids
from klaviyo_sandbox.journal import Journal
from klaviyo_sandbox.limits import Limits
from klaviyo_sandbox.oauth import OAuth
from klaviyo_sandbox.outage import Outage
from klaviyo_sandbox.state import State
from klaviyo_sandbox.switches import Switches
from klaviyo_sandbox.tenants import SeedAccount, Tenants


class Sandbox:
    """All parts of an emulated Klaviyo.

    `path` is a SQLite file or `:memory:`; `accounts` are created if they are missing (default: one account with
    full access, see `tenants.DEFAULT_KEY`); `seed` makes identifiers repeatable; `control_token` protects `/_sandbox/`.
    """

    def __init__(
        self,
        path: str = ":memory:",
        *,
        switches: Switches | None = None,
        clock: Clock | None = None,
        accounts: Iterable[SeedAccount] | None = None,
        seed: int | None = None,
        control_token: str | None = None,
        public_url: str | None = None,
    ) -> None:
        self.acts = resources.discover()
        self.operations = operations.load()
        self.switches = switches or Switches()
        self.clock = clock or Clock()
        self.ids = Ids(seed)
        self.state = State(path)
        self.tenants = Tenants(self.state)
        self.oauth = OAuth(self.state, self.ids, self.switches)
        self.limits = Limits(self.switches)
        self.faults = Faults()
        self.outage = Outage()
        self.journal = Journal(self.state, self.switches.journal_limit)
        self.control_token = control_token
        self.public_url = public_url
        self._seeds = list(accounts) if accounts is not None else [SeedAccount()]
        self._plant()

    def _plant(self) -> None:
        for seed in self._seeds:
            self.tenants.add_account(
                seed.id, name=seed.name, now=self.clock.timestamp(), timezone=seed.timezone, currency=seed.currency
            )
            if self.tenants.find_key(seed.key) is None:
                self.tenants.add_key(seed.key, seed.id, seed.scopes)

    def reset(self) -> None:
        """Back to the start: seeds only, no faults, fresh windows, empty journal. Switches and clock stay."""
        self.state.clear()
        self.faults.clear()
        self.outage.end()
        self.limits.forget()
        self.journal.forget()
        self._plant()

    def switch(self, **changes: Any) -> Switches:
        """Change switches by name; raises `msgspec.ValidationError` for unknown names or unfit values."""
        wanted = self.switches.with_changes(changes)
        for name in changes:
            setattr(self.switches, name, getattr(wanted, name))
        return self.switches

    def unleash(self, rules: Iterable[Rule], *, seed: int | None = None, replace: bool = True) -> None:
        """Activate a chaos profile: all its rules or, if one is unusable (`UnusableRule`), none and nothing changes."""
        trial = Faults()
        wanted = list(rules)
        for rule in wanted:
            trial.add(rule)
        if replace:
            self.faults.clear()
        for rule in wanted:
            self.faults.add(rule, seed=seed)

    def effects(self, **filters: str) -> list[dict[str, Any]]:
        """All effects that fit, in order; filters as in `journal.EFFECT_FILTERS`. Payloads are decoded."""
        self.catch_up()
        return msgspec.json.decode(msgspec.json.encode(list(self.journal.find_effects(filters))))  # type: ignore[no-any-return]  # plain JSON

    def catch_up(self) -> None:
        """Do all deferred work that is due by now."""
        with self.state.transaction():
            deferred.run_due(self, self.clock.timestamp())

    def summary(self) -> dict[str, Any]:
        """Row counts of every table, the clock, switches and fault counters."""
        count = "SELECT count(*) AS n FROM "
        rows = {table: self.state.one(f'{count}"{table}"') for table in self.state.tables()}
        return {
            "rows": {table: row["n"] for table, row in rows.items() if row},
            "requests": len(self.journal.requests),
            "clock": {"timestamp": self.clock.timestamp(), "now": self.clock.now(), "scale": self.clock.scale},
            "switches": self.switches,
            "limits": {
                "scale": self.limits.scale,
                "owner_scales": self.limits.owner_scales,
                "neighbour_share": self.limits.neighbour_share,
                "usage": self.limits.usage(),
            },
            "faults": self.faults.summaries(),
        }

    def close(self) -> None:
        """Close the database."""
        self.state.close()
