"""A receipt means that the event is on the disk: shown by system calls, by failing and slow disks, and by power cuts."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos import oracles
from tests.chaos.durability import cut_power, synced_before_answers
from tests.chaos.installation import Victims
from tests.chaos.klaviyo import HostileKlaviyo
from tests.chaos.ledger import Dedupe
from tests.chaos.small_shop import SmallShop
from tests.chaos.tracing import injecting

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

KEY = "pk_chaos_durability_71c2"
LONG = bool(os.environ.get("FERRATA_CHAOS_LONG"))
"""``dev.py chaos --calls`` sets it: more points, more cuts."""
POINTS = {"fdatasync": (4, 7, 11, 16, 23), "pwrite64": (20, 45, 80, 120, 170), "write": (15, 40, 70, 110, 160)}
"""At which call of its kind the process is killed: while starting, accepting, claiming, and writing down."""
FEW = {"fdatasync": (7, 16), "pwrite64": (80,), "write": (70,)}
BAD_DISKS = {
    "failing syncs": "fdatasync:error=EIO:when=14+5",
    "disk full": "pwrite64:error=ENOSPC:when=60..90",
    "slow syncs": "fdatasync:delay_exit=150000:when=3+1",
}


@pytest.fixture
def klaviyo() -> Iterator[HostileKlaviyo]:
    with HostileKlaviyo(5, Dedupe.STRICT, keys={KEY: "A"}) as hostile:
        yield hostile


@pytest.fixture
def victims(tmp_path: Path, klaviyo: HostileKlaviyo) -> Iterator[Victims]:
    ferrata = Victims(tmp_path, f"sqlite:///{tmp_path / 'ferrata.db'}", klaviyo.url, KEY)
    yield ferrata
    ferrata.stop()


def settle_and_judge(victims: Victims, shop: SmallShop, klaviyo: HostileKlaviyo) -> None:
    until = time.monotonic() + 60
    while shop.promised - executed(klaviyo) and time.monotonic() < until:
        time.sleep(0.1)
    counts = Counter(effect.sent.unique_id for effect in klaviyo.ledger.effects)
    assert not shop.promised - set(counts), "accepted events are lost"
    assert max(counts.values()) == 1
    assert not [key for key, forms in klaviyo.ledger.digests.items() if len(forms) > 1]
    assert victims.end("all") == 0
    assert oracles.sqlite_complaints(victims.folder / "ferrata.db") == []


def executed(klaviyo: HostileKlaviyo) -> set[str]:
    return {effect.sent.unique_id for effect in klaviyo.ledger.effects}


@pytest.mark.usefixtures("strace")
class TestSystemCalls:
    def test_every_answer_comes_after_a_sync(self, tmp_path: Path):
        seen = synced_before_answers(tmp_path, events=40)
        assert len(seen) == 40
        assert all(exchange.syncs >= 1 for exchange in seen)

    def test_killed_at_the_nth_call_of_the_database_or_the_network(self, victims, klaviyo, tmp_path):
        shop = SmallShop(victims.port, victims.token())
        deaths = 0
        points = [(call, point) for call, several in (POINTS if LONG else FEW).items() for point in several]
        for call, point in points:
            process = victims.launch("all", injecting(tmp_path / "strace", f"{call}:signal=KILL:when={point}"))
            until = time.monotonic() + 15
            while process.poll() is None and time.monotonic() < until:
                shop.post_new(1)
                time.sleep(0.02)
            deaths += process.poll() == -signal.SIGKILL
            if process.poll() is None:
                victims.slay("all")
        assert deaths >= len(points) * 3 // 4, f"only {deaths} deaths at {points}: the test proves little"
        victims.start("all")
        victims.await_ready()
        shop.post_new(3, patience=10)
        settle_and_judge(victims, shop, klaviyo)

    def test_killed_at_every_sync_of_the_first_start(self, tmp_path, klaviyo):
        for point in range(1, 8) if LONG else (1, 3):
            folder = tmp_path / f"first-{point}"
            folder.mkdir()
            ferrata = Victims(folder, f"sqlite:///{folder / 'ferrata.db'}", klaviyo.url, KEY)
            ferrata.launch("all", injecting(folder / "strace", f"fdatasync,fsync:signal=KILL:when={point}"))
            try:
                ferrata.await_death(8)
            except AssertionError:
                ferrata.slay("all")
            shop = SmallShop(ferrata.port, ferrata.token())
            ferrata.start("all")
            ferrata.await_ready()
            shop.post_new(1, patience=10)
            assert len(shop.promised) == 1, ferrata.logs()[-2000:]
            assert ferrata.stop() == [0]

    @pytest.mark.parametrize("rule", list(BAD_DISKS.values()) if LONG else [BAD_DISKS["failing syncs"]])
    def test_a_bad_disk_costs_time_and_503_but_no_event(self, victims, klaviyo, rule, tmp_path):
        shop = SmallShop(victims.port, victims.token())
        victims.launch("all", injecting(tmp_path / "strace", rule))
        victims.await_ready()
        shop.post_new(15, patience=20)
        assert len(shop.promised) == 15, (Counter(shop.statuses), victims.logs()[-3000:])
        assert set(shop.statuses) <= {201, 202, 503}
        if "error" in rule:
            assert "INJECTED" in (tmp_path / "strace").read_text()
            assert 503 in shop.statuses or "database_away" in victims.logs(), "no commit has failed: the test proves nothing"
        settle_and_judge(victims, shop, klaviyo)


@pytest.mark.usefixtures("power_cuts")
class TestPowerCut:
    def test_nothing_promised_is_gone_when_the_power_was_cut(self, tmp_path):
        for turn in range(10 if LONG else 1):
            cut = cut_power(tmp_path, turn)
            assert cut.promised >= 20
            assert cut.integrity == "ok"
            assert cut.lost == []
