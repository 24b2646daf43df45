"""One hostile run: a shop posts, Klaviyo misbehaves, processes die at every point in turn; then all is counted."""

import itertools
import random
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
from tests.chaos.shop import Shop
from tests.chaos.strikes import ACCOUNT, EVERYWHERE, KEY, ON_POSTGRES, Strikes


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

    def lines(self) -> list[str]:
        told = [f"{self.events} events accepted, {self.effects} executed, {self.requests} requests, {self.seconds:.0f} s"]
        told += ["exercised: " + ", ".join(f"{name} {count}" for name, count in sorted(self.exercised.items()))]
        return told + [f"COMPLAINT: {complaint}" for complaint in self.complaints]


class HostileRun:
    def __init__(self, plan: Plan, folder: Path, database_url: str, say: Callable[[str], None] = lambda _line: None) -> None:
        self.plan, self.folder, self.url, self.say = plan, folder, database_url, say
        self.chance = random.Random(plan.seed)

    def execute(self) -> Report:
        began, plan = time.monotonic(), self.plan
        with ExitStack() as stack:
            self.klaviyo = stack.enter_context(HostileKlaviyo(plan.seed, plan.dedupe, names=plan.names, keys={KEY: ACCOUNT}))
            proxy = stack.enter_context(PostgresProxy(self.url, plan.seed)) if plan.engine == "postgresql" else None
            self.victims = Victims(self.folder, proxy.url if proxy else self.url, self.klaviyo.url, KEY, plan.code)
            token = self.victims.token()
            self.shop = Shop(self.victims.port, token, seed=plan.seed, events=plan.events, poison_share=plan.poison_share)
            self.strikes = Strikes(plan.seed, self.klaviyo, self.victims, self.shop, proxy, self.url)
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
        return Report(complaints, self.strikes.exercised, promises, effects, len(self.klaviyo.seen), seconds, codes)

    # What is done to them

    def _torment(self) -> None:
        plan = self.plan
        kinds = self._kinds()
        deck = itertools.chain.from_iterable(self.chance.sample(kinds, len(kinds)) for _ in itertools.count())
        for turn in range(plan.kills):
            goal = plan.events * (turn + 1) // (plan.kills + 1)
            self.shop.open_until(goal)
            if not self.shop.wait_posted(goal - 200, 60):
                self._complain_of_standstill()
            kind = next(deck)
            began = time.monotonic()
            self.strikes.strike(kind)
            self.say(f"{turn + 1}/{plan.kills} {kind}: {time.monotonic() - began:.1f} s, posted {self.shop.posted}")
            self.victims.revive()
        if plan.crash_loop:
            self._crash_loop(plan.crash_loop)
        self.shop.open_until(plan.events)

    def _kinds(self) -> list[str]:
        return list(self.plan.strikes) or [*EVERYWHERE, *(ON_POSTGRES if self.plan.engine == "postgresql" else ())]

    def _complain_of_standstill(self) -> None:
        raise AssertionError(f"the shop gets no receipts: {[c.error for c in self.shop.staff]}\n{self.victims.logs()[-3000:]}")

    def _crash_loop(self, times: int) -> None:
        for _ in range(times):
            time.sleep(self.chance.random() * 1.0)
            self.strikes.slay()
            self.victims.revive()
        self.strikes.exercised["crash_loop"] += 1

    # Afterwards

    def _calm_down(self) -> None:
        self.shop.finish(180)
        self.klaviyo.deck.share = 0.0
        self.strikes.set_denied(None)
        self.victims.revive()
        self.strikes.until(self.strikes.open_lanes, 60)
        self.strikes.until(self._is_settled, self.plan.settle_seconds)
        time.sleep(0.2)

    def _is_settled(self) -> bool:
        try:
            lanes: list[dict[str, Any]] = self.strikes.operator.get("/lanes").json()["lanes"]
        except (httpx2.TransportError, KeyError):
            return False
        if any(lane.get("parkedCode") for lane in lanes):
            self.strikes.open_lanes()
        return all(lane["waiting"] + lane["sending"] == 0 for lane in lanes)

    def _stop(self) -> list[int]:
        self.shop._closed = True
        return self.victims.stop()

    def _judge(self, token: str, codes: list[int]) -> list[str]:
        klaviyo, shop = self.klaviyo, self.shop
        self.strikes.exercised += klaviyo.deck.hits + klaviyo.ledger.statistics
        complaints = oracles.effects_complaints(klaviyo, shop, ACCOUNT)
        complaints += oracles.order_complaints(klaviyo, shop)
        complaints += oracles.quota_complaints(klaviyo)
        complaints += oracles.book_complaints(self.url, shop)
        if self.plan.engine == "sqlite":
            complaints += oracles.sqlite_complaints(Path(self.url.removeprefix("sqlite:///")))
        complaints += oracles.secret_complaints(self.folder, {"key": KEY, "token": token}, self.url)
        complaints += oracles.some(klaviyo.broken, "requests that this Klaviyo could not read")
        complaints += [f"exit codes {codes}"] if any(codes) else []
        complaints += oracles.some((s.key for s in klaviyo.seen if s.key not in (KEY, "")), "requests with a foreign key")
        complaints += ["waited in vain"] if self.strikes.exercised["waited in vain"] else []
        complaints += oracles.coverage_complaints((kind.value for kind in self.plan.required_kinds), self.strikes.exercised)
        if self.plan.kills >= 2 * len(self._kinds()):
            complaints += oracles.coverage_complaints(self._kinds(), self.strikes.exercised)
        return complaints
