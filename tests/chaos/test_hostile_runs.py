"""The short hostile runs: a few kills at aimed points on each engine. ``python3 dev.py chaos`` makes them as long as you like."""

from pathlib import Path

import pytest

from tests.chaos.hostile_run import HostileRun, Plan
from tests.chaos.ledger import Dedupe
from tests.chaos.mutants import MUTANTS, planted

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_killed_at_every_point_on_sqlite(tmp_path: Path):
    plan = Plan(seed=3, events=2400, kills=9, dedupe=Dedupe.STRICT, names="first")
    report = HostileRun(plan, tmp_path, f"sqlite:///{tmp_path / 'ferrata.db'}").execute()
    assert report.complaints == []
    assert sum(report.exercised[fault] for fault in report.exercised if fault.startswith("executed")) >= 8


def test_cut_off_and_frozen_on_postgresql(tmp_path: Path, postgres_database: str):
    strikes = ("answers_cut", "frozen", "backends_cut", "after_execution")
    plan = Plan(seed=4, events=1500, kills=4, engine="postgresql", dedupe=Dedupe.IN_REQUEST, strikes=strikes)
    report = HostileRun(plan, tmp_path, postgres_database).execute()
    assert report.complaints == []
    assert report.exercised["answers_cut"] and report.exercised["frozen"] and report.exercised["backends_cut"]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_can_still_be_planted(mutant, tmp_path: Path):
    assert (planted(mutant, tmp_path) / "ferrata" / mutant.file).exists()
