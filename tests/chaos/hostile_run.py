"""One hostile run: a shop posts, Klaviyo misbehaves, processes die at every point in turn; then all is counted."""

import itertools
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from tests.chaos import oracles
from tests.chaos.faults import Fault
from tests.chaos.installation import Victims
from tests.chaos.klaviyo import HostileKlaviyo
from tests.chaos.ledger import Dedupe
from tests.chaos.postgres_proxy import PostgresProxy
from tests.chaos.scene import ACCOUNT, KEY, Scene
from tests.chaos.shop import Shop
from tests.chaos.strikes import kinds_on, set_denied, strike
from tests.postgres import Postgres

MOST_OF_A_STRIKE = 2000
"""So many events a strike may ask for beyond those of the plan."""
TRIES = 3
"""How often a strike is tried until it strikes home."""


@dataclass(frozen=True)
class Plan:
    seed: int = 1
    events: int = 1500
    kills: int = 8
    engine: str = "sqlite"
    dedupe: Dedupe = Dedupe.STRICT
    names: str = "all"
    share: float = 0.25
    poison_share: float = 0.004
    crash_loop: int = 0
    settle_seconds: float = 240.0
    required_kinds: tuple[Fault, ...] = ()
    strikes: tuple[str, ...] = ()  # only these; default: everything there is, each in turn
    code: Path | None = None


@dataclass
class Report:
    complaints: list[str]
    exercised: Counter[str]
    events: int
    effects: int
    requests: int
    seconds: float
    codes: list[int] = field(default_factory=list)
    deaths: int = 0
    missing: dict[str, str] = field(default_factory=dict)
    """Strikes that cannot be done on this machine, with the reason."""

    def lines(self) -> list[str]:
        told = [f"{self.events} events accepted, {self.effects} executed, {self.requests} requests, "
                f"{self.deaths} processes killed, {self.seconds:.0f} s"]  # fmt: skip
        told += [f"not possible here: {kind} ({reason})" for kind, reason in sorted(self.missing.items())]
        told += ["exercised: " + ", ".join(f"{name} {count}" for name, count in sorted(self.exercised.items()))]
        return told + [f"COMPLAINT: {complaint}" for complaint in self.complaints]


class HostileRun:
    """``server``: the PostgreSQL behind the URL, if it may be killed too."""

    def __init__(
        self, plan: Plan, folder: Path, database_url: str, say: Callable[[str], None] = lambda _line: None,
        server: Postgres | None = None,
    ) -> None:  # fmt: skip
        self.plan, self.folder, self.url, self.say, self.server = plan, folder, database_url, say, server
        self.chance = random.Random(plan.seed)
        kinds, self.missing = kinds_on(plan.engine)
        self.kinds = list(plan.strikes) or [kind for kind in kinds if kind != "postgres_killed" or server]

    def execute(self) -> Report:
        began, plan = time.monotonic(), self.plan
        with ExitStack() as stack:
            self.klaviyo = stack.enter_context(HostileKlaviyo(plan.seed, plan.dedupe, names=plan.names, keys={KEY: ACCOUNT}))
            proxy = stack.enter_context(PostgresProxy(self.url, plan.seed)) if plan.engine == "postgresql" else None
            self.victims = Victims(self.folder, proxy.url if proxy else self.url, self.klaviyo.url, KEY, plan.code)
            token = self.victims.token()
            most = plan.events + MOST_OF_A_STRIKE * plan.kills
            self.shop = Shop(self.victims.port, token, seed=plan.seed, events=most, poison_share=plan.poison_share)
            workshop = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ferrata-workshop-")))
            workshop.chmod(0o755)
            self.scene = Scene(plan.seed, self.klaviyo, self.victims, self.shop, self.url, proxy, self.server, workshop)
            self.victims.start_all()
            try:
                self.victims.await_ready()
                self.klaviyo.deck.share = plan.share
                self.shop.start()
                self._torment()
                self._calm_down()
            finally:
                codes = self._stop()
            complaints = self._judge(token, codes)
        seconds = time.monotonic() - began
        promises, effects = len(self.shop.promises), len(self.klaviyo.ledger.effects)
        counts = promises, effects, len(self.klaviyo.seen), seconds, codes, self.victims.deaths
        return Report(complaints, self.scene.exercised, *counts, self.missing)

    # What is done to them

    def _torment(self) -> None:
        plan = self.plan
        kinds = self.kinds
        deck = itertools.chain.from_iterable(self.chance.sample(kinds, len(kinds)) for _ in itertools.count())
        for turn in range(plan.kills):
            goal = max(plan.events * (turn + 1) // (plan.kills + 1), self.shop.posted)
            self.shop.open_until(goal)
            if not self.shop.wait_posted(goal - 200, 90):
                self._complain_of_standstill()
            kind = next(deck)
            began = time.monotonic()
            tries = 1
            while not strike(self.scene, kind) and tries < TRIES:
                tries += 1
                self.victims.revive()
            took, effects = time.monotonic() - began, len(self.klaviyo.ledger.effects)
            again = f" (try {tries})" if tries > 1 else ""
            self.say(f"{turn + 1}/{plan.kills} {kind}{again}: {took:.1f} s, {self.shop.posted} accepted, {effects} executed")
            self.victims.revive()
        if plan.crash_loop:
            self._crash_loop(plan.crash_loop)
        self.shop.open_until(plan.events)

    def _complain_of_standstill(self) -> None:
        raise AssertionError(f"the shop gets no receipts: {[c.error for c in self.shop.staff]}\n{self.victims.logs()[-3000:]}")

    def _crash_loop(self, times: int) -> None:
        for _ in range(times):
            time.sleep(self.chance.random() * 1.0)
            self.scene.slay()
            self.victims.revive()
        self.scene.exercised["crash_loop"] += 1

    # Afterwards

    def _calm_down(self) -> None:
        self.shop.finish(180)
        self.klaviyo.deck.share = 0.0
        set_denied(self.scene, None)
        self.victims.revive()
        self.scene.until(self.scene.open_lanes, 60)
        self.scene.until(self._is_settled, self.plan.settle_seconds)
        time.sleep(0.2)

    def _is_settled(self) -> bool:
        try:
            lanes: list[dict[str, Any]] = self.scene.operator.get("/lanes").json()["lanes"]
        except (httpx2.TransportError, KeyError):
            return False
        if any(lane.get("parkedCode") for lane in lanes):
            self.scene.open_lanes()
        self.scene.replay_expired()
        return all(lane["waiting"] + lane["sending"] == 0 for lane in lanes)

    def _stop(self) -> list[int]:
        self.shop.close()
        return self.victims.stop()

    def _judge(self, token: str, codes: list[int]) -> list[str]:
        klaviyo, shop = self.klaviyo, self.shop
        self.scene.exercised += klaviyo.deck.hits + klaviyo.ledger.statistics
        complaints = oracles.effects_complaints(klaviyo, shop, ACCOUNT)
        complaints += oracles.order_complaints(klaviyo, shop, self.scene.replayed)
        complaints += oracles.quota_complaints(klaviyo)
        complaints += oracles.book_complaints(self.url, shop, self.scene.exercised["replayed"])
        if self.plan.engine == "sqlite":
            complaints += oracles.sqlite_complaints(Path(self.url.removeprefix("sqlite:///")))
        complaints += oracles.secret_complaints(self.folder, {"key": KEY, "token": token}, self.url)
        complaints += oracles.some(klaviyo.broken, "requests that this Klaviyo could not read")
        complaints += [f"exit codes {codes}"] if any(codes) else []
        complaints += oracles.some((s.key for s in klaviyo.seen if s.key not in (KEY, "")), "requests with a foreign key")
        complaints += ["waited in vain"] if self.scene.exercised["waited in vain"] else []
        complaints += oracles.coverage_complaints((kind.value for kind in self.plan.required_kinds), self.scene.exercised)
        tried = [kind for kind in self.kinds if self.scene.exercised[f"{kind} missed"]]
        complaints += oracles.coverage_complaints(tried, self.scene.exercised)
        if self.plan.kills >= len(self.kinds):
            complaints += oracles.coverage_complaints(self.kinds, self.scene.exercised)
        return complaints
