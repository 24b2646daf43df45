"""The strikes of a hostile run: each does one kind of harm, and notes that it was really done."""

import random
import time
from collections import Counter
from collections.abc import Callable

import httpx2
import psycopg

from tests.chaos.faults import Point
from tests.chaos.installation import Victims
from tests.chaos.klaviyo import HostileKlaviyo
from tests.chaos.postgres_proxy import PostgresProxy
from tests.chaos.shop import Shop

KEY = "pk_chaos_3f9ac1d27be84c06a5d1"
ACCOUNT = "CHAOS1"
EVERYWHERE = [
    *(point.value for point in Point), "half_body", "after_receipt", "any_moment", "terminated", "denied",
]  # fmt: skip
ON_POSTGRES = ["frozen", "backends_cut", "answers_cut"]
AIM_SECONDS = 25.0


class Strikes:
    """``exercised`` counts what was done. ``proxy`` is there on PostgreSQL only."""

    def __init__(
        self, seed: int, klaviyo: HostileKlaviyo, victims: Victims, shop: Shop, proxy: PostgresProxy | None, url: str
    ) -> None:
        self.chance = random.Random(seed)
        self.klaviyo, self.victims, self.shop, self.proxy, self.url = klaviyo, victims, shop, proxy, url
        self.exercised: Counter[str] = Counter()
        self.operator = httpx2.Client(base_url=victims.url, headers={"Authorization": f"Bearer {shop.token}"}, timeout=10)

    def strike(self, kind: str) -> None:
        match kind:
            case "half_body":
                self.victims.await_ready()
                with self.shop.half_a_request():
                    time.sleep(0.02)
                    self.slay()
            case "after_receipt":
                self._kill_on_receipt()
            case "any_moment":
                time.sleep(self.chance.random() * 0.5)
                self.slay()
            case "terminated":
                self._terminate()
            case "denied":
                self._deny()
            case "frozen":
                self._freeze()
            case "backends_cut":
                self._cut_backends()
            case "answers_cut":
                self._cut_answers()
            case _:
                self._aim(Point(kind))
                return
        self.exercised[kind] += 1

    def _aim(self, point: Point) -> None:
        armed = self.klaviyo.arm(point, self.victims.kill_peer)
        if armed.fired.wait(AIM_SECONDS):
            self.victims.await_death()
            self.exercised[point.value] += 1
            return
        self.klaviyo.disarm()
        self.exercised[f"{point.value} missed"] += 1
        self.slay()

    def slay(self) -> None:
        self.victims.slay(self.chance.choice(list(self.victims.roles)))

    def _kill_on_receipt(self) -> None:
        door = "api" if "api" in self.victims.roles else "all"
        self.shop.on_accepted = lambda: self.victims.slay(door)
        self.shop.open_until(self.shop.posted + 600)
        try:
            self.victims.await_death(30)
        except AssertionError:
            self.shop.on_accepted = None
            self.exercised["after_receipt missed"] += 1
            self.slay()

    def _terminate(self) -> None:
        name = self.chance.choice(list(self.victims.roles))
        self.until(lambda: self.victims.has_started(name), 30)
        code = self.victims.end(name)
        if code:
            raise AssertionError(f"{name} ended with {code} after SIGTERM:\n{self.victims.logs()[-3000:]}")
        self.victims.start_all()

    def _deny(self) -> None:
        """The key is refused, then lacks its scope; somebody mends it and opens the lane."""
        for status in (401, 403):
            before = self.klaviyo.points[f"denied_{status}"]
            self.set_denied(status)
            self.until(lambda s=status, b=before: self.klaviyo.points[f"denied_{s}"] > b, 90)
            time.sleep(0.5)
            self.set_denied(None)
            self.open_lanes()

    def set_denied(self, status: int | None) -> None:
        self.klaviyo.forbidden = status == 403
        self.klaviyo.keys = {} if status == 401 else {KEY: ACCOUNT}

    def _freeze(self) -> None:
        """Suspend a worker that has an answer and has not written it down, for longer than its lease; then let it go on."""
        frozen = self.klaviyo.arm(Point.AFTER_ANSWER, self.victims.freeze_peer)
        if not frozen.fired.wait(AIM_SECONDS):
            self.klaviyo.disarm()
            self.exercised["frozen missed"] += 1
            return
        time.sleep(11)
        self.victims.thaw()
        time.sleep(1)

    def _cut_backends(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            for _ in range(20):
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                    "AND pid <> pg_backend_pid() AND random() < 0.3"
                )
                time.sleep(0.1)

    def _cut_answers(self) -> None:
        """For a while, many a commit is done and nobody hears of it."""
        assert self.proxy is not None, "there is nothing to cut without PostgreSQL"
        before = self.proxy.cuts
        self.proxy.share = 0.2
        self.until(lambda: self.proxy.cuts >= before + 5, 10)
        self.proxy.share = 0.0

    def open_lanes(self) -> bool:
        try:
            lanes = self.operator.get("/lanes").json()["lanes"]
            for lane in lanes:
                self.operator.post(f"/lanes/{lane.get('storeId', lane.get('store_id'))}/{lane['family']}/probe")
        except (httpx2.TransportError, KeyError):
            return False
        return True

    def until(self, holds: Callable[[], bool], seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if holds():
                return
            time.sleep(0.1)
        self.exercised["waited in vain"] += 1
