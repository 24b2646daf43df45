"""Everybody who takes part in a hostile run, and what has been done to them so far."""

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from tests.chaos.installation import Victims
from tests.chaos.klaviyo import HostileKlaviyo
from tests.chaos.postgres_proxy import PostgresProxy
from tests.chaos.shop import Shop
from tests.postgres import Postgres

KEY = "pk_chaos_3f9ac1d27be84c06a5d1"
ACCOUNT = "CHAOS1"
AIM_SECONDS = 25.0


@dataclass
class Scene:
    """``exercised`` counts what was really done. ``proxy`` and ``server`` are there on PostgreSQL only."""

    seed: int
    klaviyo: HostileKlaviyo
    victims: Victims
    shop: Shop
    url: str
    proxy: PostgresProxy | None = None
    server: Postgres | None = None
    workshop: Path = Path()
    """Where trees of further releases and logs of tools may lie: beside what is searched for secrets."""
    exercised: Counter[str] = field(default_factory=Counter)
    replayed: set[str] = field(default_factory=set)
    """What was put back after it had died of its age: it comes when it comes."""

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        headers = {"Authorization": f"Bearer {self.shop.token}"}
        self.operator = httpx2.Client(base_url=self.victims.url, headers=headers, timeout=10)

    def any_name(self) -> str:
        return self.chance.choice(list(self.victims.roles))

    def slay(self) -> None:
        self.victims.slay(self.any_name())

    def until(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Whether it came to hold in that time; if not, the run will complain."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if holds():
                return True
            time.sleep(0.1)
        self.exercised["waited in vain"] += 1
        return False

    def goes_on(self, seconds: float = 60.0) -> bool:
        """Whether something more reaches Klaviyo, with the shop open for some more events."""
        before = len(self.klaviyo.ledger.effects)
        self.shop.open_until(self.shop.posted + 200)
        return self.until(lambda: len(self.klaviyo.ledger.effects) > before, seconds)

    def open_lanes(self) -> bool:
        try:
            lanes = self.operator.get("/lanes").json()["lanes"]
            for lane in lanes:
                self.operator.post(f"/lanes/{lane.get('storeId', lane.get('store_id'))}/{lane['family']}/probe")
        except (httpx2.TransportError, KeyError):
            return False
        return True

    def waiting(self) -> int:
        """How many deliveries wait or are on their way; 0 where nobody answers."""
        try:
            return sum(lane["waiting"] + lane["sending"] for lane in self.operator.get("/lanes").json()["lanes"])
        except (httpx2.TransportError, KeyError):
            return 0

    def replay_expired(self) -> None:
        """Put back what died of its age alone, as somebody would after a long outage."""
        try:
            page = self.operator.get("/dead-letters", params={"reason": "expired", "limit": 500}).json()
            letters = page.get("deadLetters", [])
            if letters:
                self.replayed |= {letter["uniqueId"] for letter in letters}
                order = {"ids": [letter["id"] for letter in letters], "dryRun": False}
                self.exercised["replayed"] += self.operator.post("/dead-letters/replay", json=order).json()["count"]
        except (httpx2.TransportError, KeyError):
            pass
