"""Strikes at what Ferrata does with its own database: deleting what is old, and becoming a newer release."""

import signal
import time
from pathlib import Path

from sqlalchemy import create_engine, inspect, text

from tests.chaos.releases import next_release
from tests.chaos.scene import Scene

DAYS_TO_RETENTION = 9
"""More than delivered events are kept, and less than attempts and counters are."""
ROWS_OF_A_STEP = "40"
MOST_TRIES = 6


def cleanup_killed(scene: Scene) -> bool:
    """Retention, for which everything delivered is due, is killed in the middle while undelivered events wait beside it."""
    scene.victims.await_ready()
    scene.shop.await_idle(30)  # what is asked for again after it was deleted would be a new event, with a time of its own
    scene.victims.clock("command").set(DAYS_TO_RETENTION * 86400)
    try:
        return any(_killed_in_cleanup(scene) for _ in range(MOST_TRIES))
    finally:
        scene.victims.command("cleanup", "run")
        scene.exercised["cleanups finished"] += 1
        scene.victims.clock("command").set(0.0)


def _killed_in_cleanup(scene: Scene) -> bool:
    before = _unfinished_cleanups(scene)
    scene.shop.open_until(scene.shop.posted + 150)
    process = scene.victims.spawn("cleanup", "run", FERRATA_CHAOS_STEP=ROWS_OF_A_STEP)
    until = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < until and _unfinished_cleanups(scene) == before:
        time.sleep(0.01)
    time.sleep(scene.chance.random() * 0.15)
    process.kill()
    ended_by_us = process.wait() == -signal.SIGKILL
    scene.shop.await_idle(30)
    return ended_by_us and _unfinished_cleanups(scene) > before


def _unfinished_cleanups(scene: Scene) -> int:
    return int(_ask(scene, "SELECT count(*) FROM cleanup_runs WHERE finished_at IS NULL"))


def migration_killed(scene: Scene) -> bool:
    """A newer release takes over in the middle of the traffic, and is killed at a step of its migration."""
    victims = scene.victims
    release = next_release(victims.code, scene.workshop, _ask(scene, "SELECT version_num FROM alembic_version"))
    names = list(victims.roles)
    first, former = names[-1], victims.code
    victims.end(first)
    victims.code = release.tree
    killed = _killed_at_step(scene, first, release.marker, scene.chance.choice([1, 2]))
    if _ask(scene, "SELECT version_num FROM alembic_version") != release.before:
        raise AssertionError("a migration that was killed has come to an end")
    if _has_table(scene, release.table):
        raise AssertionError("a migration that was killed has left half of itself behind")
    victims.environment["FERRATA_CHAOS_MIGRATION"] = ""
    victims.start(first, victims.roles[first])
    migrated = scene.until(lambda: _ask(scene, "SELECT version_num FROM alembic_version") == release.after, 40)
    for name in names[:-1]:  # the others still are of the former release, and work meanwhile
        victims.code = former
        worked = scene.goes_on(40)
        victims.code = release.tree
        victims.end(name)
        victims.start(name, victims.roles[name])
        migrated &= worked
    return migrated and killed and _has_table(scene, release.table)


def _killed_at_step(scene: Scene, name: str, marker: Path, step: int) -> bool:
    marker.unlink(missing_ok=True)
    scene.victims.environment["FERRATA_CHAOS_MIGRATION"] = f"{marker}:{step}"
    scene.victims.start(name, scene.victims.roles[name])
    reached = scene.until(marker.exists, 40)
    scene.victims.slay(name)
    scene.victims.forget(name)
    return reached


def _ask(scene: Scene, query: str) -> str:
    engine = create_engine(scene.url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.connect() as connection:
            return str(connection.execute(text(query)).scalar_one())
    finally:
        engine.dispose()


def _has_table(scene: Scene, name: str) -> bool:
    engine = create_engine(scene.url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        return inspect(engine).has_table(name)
    finally:
        engine.dispose()


HOUSEKEEPING = {"cleanup_killed": cleanup_killed, "migration_killed": migration_killed}
