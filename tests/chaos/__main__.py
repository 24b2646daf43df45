"""``python3 dev.py chaos``: hostile runs for as long and as often as wanted."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import psycopg

from tests.chaos.faults import Fault
from tests.chaos.hostile_run import HostileRun, Plan, Report
from tests.chaos.ledger import Dedupe
from tests.postgres import Postgres, find_postgres, mortal_postgres

NAMES = ("all", "first", "none")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dev.py chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--engine", choices=["sqlite", "postgresql"], help="default: both in turn")
    parser.add_argument("--dedupe", choices=[each.value for each in Dedupe], help="default: all three in turn")
    parser.add_argument("--minutes", type=float, default=0, help="go on with further seeds for so long")
    parser.add_argument("--share", type=float, default=0.25, help="of requests that are answered badly")
    parser.add_argument(
        "--mutants", nargs="?", const="", help="plant known faults (those whose name holds this) and see each caught"
    )
    parser.add_argument("--calls", action="store_true", help="kills at many system calls, bad disks, ten power cuts")
    parser.add_argument("--keep", action="store_true", help="keep the folders of runs with complaints")
    return parser.parse_args()


def main() -> int:
    asked = arguments()
    if asked.mutants is not None:
        from tests.chaos.mutants import hunt

        return hunt(asked.seed, asked.mutants)
    if asked.calls:
        command = [sys.executable, "-m", "pytest", "-n0", "-v", str(Path(__file__).with_name("test_durability.py"))]
        return subprocess.call(command, env=os.environ | {"FERRATA_CHAOS_LONG": "1"})
    until = time.monotonic() + asked.minutes * 60
    told: list[str] = []
    failed, turn = 0, 0
    with ExitStack() as stack:
        postgres = None
        while turn == 0 or time.monotonic() < until:
            seed = asked.seed + turn
            engine = asked.engine or ("sqlite", "postgresql")[turn % 2]
            dedupe = Dedupe(asked.dedupe or list(Dedupe)[turn % 3].value)
            if engine == "postgresql" and postgres is None:
                postgres = stack.enter_context(mortal_postgres(_home(), durable=True))
            plan = Plan(
                seed, asked.events, asked.kills, engine, dedupe, NAMES[(turn // 2) % 3], asked.share,
                crash_loop=20 if asked.kills >= 20 else 0, required_kinds=tuple(Fault) if asked.events >= 5000 else (),
            )  # fmt: skip
            report = _one(plan, postgres, keep=asked.keep)
            told.append(_line(plan, report))
            failed += report is None or bool(report.complaints)
            turn += 1
    print("\n".join(["", *told, f"{turn} runs, {failed} with complaints"]), flush=True)
    return 1 if failed else 0


def _home() -> Path:
    home = find_postgres()
    if home is None:
        raise SystemExit("no PostgreSQL here: --engine sqlite")
    return home


def _line(plan: Plan, report: Report | None) -> str:
    """One run in the report: what makes it again, and what came of it."""
    again = f"seed {plan.seed}, {plan.engine}, dedupe {plan.dedupe} naming {plan.names}"
    if report is None:
        return f"{again}: broke off"
    return (f"{again}: {report.events} accepted, {report.deaths} killed, {len(report.complaints)} complaints, "
            f"{report.seconds:.0f} s")  # fmt: skip


def _one(plan: Plan, postgres: Postgres | None, *, keep: bool) -> Report | None:
    folder = Path(tempfile.mkdtemp(prefix=f"ferrata-chaos-{plan.seed}-"))
    url = f"sqlite:///{folder / 'ferrata.db'}"
    if plan.engine == "postgresql" and postgres:
        name = f"chaos_{uuid4().hex}"
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        url = postgres.url.replace("/postgres?", f"/{name}?")
    print(f"== seed {plan.seed}, {plan.engine}, dedupe {plan.dedupe} naming {plan.names}, {plan.events} events, "
          f"{plan.kills} kills, in {folder}", flush=True)  # fmt: skip
    report = None
    try:
        report = HostileRun(plan, folder, url, lambda line: print("  ", line, flush=True), postgres).execute()
        print("\n".join(report.lines()), flush=True)
    except AssertionError as error:  # the next seed may tell more
        print(f"COMPLAINT: the run broke off: {str(error)[:6000]}", flush=True)
    if not (keep and (report is None or report.complaints)):
        shutil.rmtree(folder, ignore_errors=True)
    return report


if __name__ == "__main__":
    sys.exit(main())
