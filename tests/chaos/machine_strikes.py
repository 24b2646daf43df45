"""Strikes at the machine below: its clock, its disk, its scheduler, its database."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import psycopg

from tests.chaos.faults import Point
from tests.chaos.scene import AIM_SECONDS, Scene
from tests.chaos.tracing import CannotAttach, attached, strace_attaches

JUMPS = (7200.0, -3600.0, 90.0, -5.0, 86400.0, -7200.0)
OUTAGE_DAYS, EXPIRY_DAYS = 25, 31
"""Within and beyond the thirty days for which an event is tried."""


def frozen(scene: Scene) -> bool:
    """Suspend who has an answer and has not written it down, for longer than a lease; then let it go on."""
    armed = scene.klaviyo.arm(Point.AFTER_ANSWER, scene.victims.freeze_peer)
    scene.shop.open_until(scene.shop.posted + 400)
    if not armed.fired.wait(AIM_SECONDS):
        scene.klaviyo.disarm()
        return False
    time.sleep(11)
    scene.victims.thaw()
    time.sleep(1)
    return True


def clock_moved(scene: Scene) -> bool:
    """The wall clock of one process, or of all, is set off by seconds, hours or a day: what waits may not wait as long."""
    seconds = scene.chance.choice(JUMPS)
    names = [scene.any_name()] if scene.chance.random() < 0.5 else list(scene.victims.roles)
    clocks = [scene.victims.clock(name) for name in names]
    for clock in clocks:
        clock.jump(seconds)
    went_on = scene.goes_on()
    seen = scene.until(lambda: all(clock.reads for clock in clocks), 20)
    if scene.chance.random() < 0.5:
        for clock in clocks:
            clock.set(0.0)
    return went_on and seen


def outage(scene: Scene) -> bool:
    """Klaviyo is away for weeks, and comes back in time: nothing may have died of it."""
    return _away(scene, OUTAGE_DAYS)


def expired(scene: Scene) -> bool:
    """Klaviyo is away until what waits is too old: it lies dead, for that reason alone, and is put back."""
    return _away(scene, EXPIRY_DAYS)


def _away(scene: Scene, days: int) -> bool:
    scene.shop.await_idle(30)
    scene.klaviyo.away = True
    refused = scene.klaviyo.points["turned_away"]
    scene.shop.open_until(scene.shop.posted + 300)
    try:
        waits = scene.until(lambda: scene.waiting() > 0 and scene.klaviyo.points["turned_away"] > refused, 60)
        for name in scene.victims.roles:
            scene.victims.clock(name).jump(days * 86400)
        refused = scene.klaviyo.points["turned_away"]
        tried = scene.until(lambda: scene.klaviyo.points["turned_away"] > refused + 3, 60)
    finally:
        scene.klaviyo.away = False
    scene.replay_expired()
    went_on = scene.goes_on(90)
    scene.shop.await_idle(30)
    for name in scene.victims.roles:
        scene.victims.clock(name).set(0.0)
    return waits and tried and went_on


@contextmanager
def _disk(scene: Scene, rule: str) -> Iterator[Callable[[], int]]:
    """The disk of whoever keeps the data obeys this rule of strace for a while; gives how often it has."""
    log = scene.workshop / f"disk-{len(list(scene.workshop.glob('disk-*')))}"
    with ExitStack() as stack:
        for tries_left in (4, 3, 2, 1, 0):
            pids = scene.server.pids if scene.server else [scene.victims.pid(name) for name in scene.victims.roles]
            try:
                stack.enter_context(attached([pid for pid in pids if _lives(pid)], log, rule))
                break
            except CannotAttach:  # somebody has ended just now
                if not tries_left:
                    raise
                time.sleep(0.3)
        yield lambda: sum(marked in log.read_text(errors="replace") for marked in ("INJECTED", "DELAYED"))


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def slow_disk(scene: Scene) -> bool:
    """Every sync takes 2 or 200 ms more."""
    microseconds = scene.chance.choice([2_000, 200_000])
    scene.victims.await_ready()
    with _disk(scene, f"fdatasync,fsync:delay_exit={microseconds}") as slowed:
        went_on = scene.goes_on()
        time.sleep(2)
        done = slowed()
    return went_on and bool(done)


def disk_full(scene: Scene) -> bool:
    """For some seconds nothing can be written, neither what is accepted nor what has become of it."""
    scene.victims.await_ready()
    with _disk(scene, "pwrite64,pwritev,fallocate,ftruncate:error=ENOSPC") as refused:
        scene.shop.open_until(scene.shop.posted + 200)
        done = scene.until(lambda: refused() > 0, 20)
        time.sleep(2)
    if scene.server and not scene.server.is_alive:  # it gives up where it cannot write its log: somebody makes room and starts it
        scene.server.start()
    scene.victims.revive()
    return done and scene.goes_on()


def backends_cut(scene: Scene) -> bool:
    cut = 0
    with psycopg.connect(scene.url, autocommit=True) as connection:
        for _ in range(20):
            rows = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid() AND random() < 0.3"
            ).fetchall()
            cut += len(rows)
            time.sleep(0.1)
    return cut > 0


def answers_cut(scene: Scene) -> bool:
    """For a while, many a commit is done and nobody hears of it."""
    assert scene.proxy is not None, "there is nothing to cut without PostgreSQL"
    before = scene.proxy.cuts
    scene.shop.open_until(scene.shop.posted + 400)
    scene.proxy.share = 0.2
    done = scene.until(lambda: scene.proxy is not None and scene.proxy.cuts >= before + 5, 20)
    scene.proxy.share = 0.0
    return done


def postgres_killed(scene: Scene) -> bool:
    """The whole server dies at once in the middle of the traffic, and is started again."""
    assert scene.server is not None, "there is nothing to kill without PostgreSQL"
    scene.victims.await_ready()
    scene.shop.open_until(scene.shop.posted + 300)
    time.sleep(0.3 + scene.chance.random())
    scene.server.kill()
    time.sleep(scene.chance.random() * 2)
    scene.server.start()
    scene.victims.revive()
    return scene.goes_on()


MACHINE = {
    "frozen": frozen, "clock_moved": clock_moved, "outage": outage, "expired": expired, "slow_disk": slow_disk,
    "disk_full": disk_full,
}  # fmt: skip
MACHINE_ON_POSTGRES = {"backends_cut": backends_cut, "answers_cut": answers_cut, "postgres_killed": postgres_killed}


@cache
def missing_tools() -> dict[str, str]:
    """The strikes that cannot be done on this machine, with the reason."""
    with tempfile.TemporaryDirectory() as folder:
        reason = strace_attaches(Path(folder))
    return dict.fromkeys(("slow_disk", "disk_full"), reason) if reason else {}
