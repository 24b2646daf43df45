"""Known faults, planted one at a time in a copy of the product's tree: a suite that misses one of them is not worth its time.

A change is an exact replacement; where the text is gone the hunt fails loudly, so that no mutant dies out unnoticed.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg

from tests.chaos.durability import cut_power, synced_before_answers
from tests.chaos.hostile_run import HostileRun, Plan
from tests.postgres import find_postgres, postgres_server

SOURCE = Path(__file__).resolve().parents[2] / "src"


@dataclass(frozen=True)
class Mutant:
    name: str
    file: str
    old: str
    new: str
    caught_by: str = "run"  # run, fence (a run on PostgreSQL), calls, power, or tests
    strikes: tuple[str, ...] = ()
    events: int = 1500
    kills: int = 8
    share: float = 0.25
    tests: tuple[str, ...] = ()
    """For ``caught_by="tests"``: single tests of which one has to fail."""


class TextIsGone(AssertionError):
    """The place that a mutant changes is not there any more: mend the mutant."""


def is_plantable(mutant: Mutant) -> bool:
    return (SOURCE / "ferrata" / mutant.file).read_text().count(mutant.old) == 1


def planted(mutant: Mutant, folder: Path) -> Path:
    """A copy of the tree with the fault in it; gives what belongs on the path."""
    tree = folder / "src"
    shutil.copytree(SOURCE, tree, ignore=shutil.ignore_patterns("__pycache__"))
    target = tree / "ferrata" / mutant.file
    text = target.read_text()
    if text.count(mutant.old) != 1:
        raise TextIsGone(f"{mutant.name}: {mutant.file} holds {text.count(mutant.old)} times: {mutant.old}")
    target.write_text(text.replace(mutant.old, mutant.new))
    return tree


MUTANTS = (
    Mutant(
        "answers before the commit",
        "events/intake.py",
        "            answers = await self._commit([waiting.submission for waiting in group], unit)\n",
        "            from ferrata.events.schemas import Receipt\n"
        "            for waiting in group:\n"
        "                _set(waiting.answered, tuple(Receipt(frozen.event) for frozen in waiting.submission.events))\n"
        "            await asyncio.sleep(0.05)\n"
        "            answers = await self._commit([waiting.submission for waiting in group], unit)\n",
        "calls",
    ),
    Mutant(
        "a fresh unique_id for every attempt",
        "delivery/families/events.py",
        'return f"{opening}{part.subject_json[1:-1]}{between}{part.profile_json}{closing}".encode()',
        "import re, uuid\n"
        '        subject = re.sub(\'("unique_id":")[^"]*\', lambda found: found[1] + uuid.uuid4().hex, part.subject_json)\n'
        '        return f"{opening}{subject[1:-1]}{between}{part.profile_json}{closing}".encode()',
    ),
    Mutant(
        "time not frozen",
        "delivery/families/events.py",
        'return f"{opening}{part.subject_json[1:-1]}{between}{part.profile_json}{closing}".encode()',
        "import datetime, re\n"
        "        now = datetime.datetime.now(datetime.UTC).isoformat()\n"
        '        subject = re.sub(\'("time":")[^"]*\', lambda found: found[1] + now, part.subject_json)\n'
        '        return f"{opening}{subject[1:-1]}{between}{part.profile_json}{closing}".encode()',
    ),
    Mutant(
        "batches made anew after a doubtful attempt",
        "delivery/verdict.py",
        '    return Verdict(\n        Action.RETRY,\n        f"{words}: the same bytes will be sent again.",',
        '    if case.item_count > 3:\n        return Verdict(Action.HALVE, "Smaller may be better.")\n'
        '    return Verdict(\n        Action.RETRY,\n        f"{words}: the same bytes will be sent again.",',
    ),
    Mutant(
        "a refused key kills the event",
        "delivery/verdict.py",
        "    if outcome.kind in _PARKS:\n",
        "    if outcome.kind is Kind.CREDENTIAL and not case.bulk:\n"
        "        return _refused_single(outcome, case, family)\n    if outcome.kind in _PARKS:\n",
        strikes=("denied",),
        kills=2,
    ),
    Mutant(
        "a broken connection taken for a refusal",
        "delivery/verdict.py",
        "    return _failed(outcome, case)\n\n\ndef _refused_single",
        "    if outcome.status is None and not case.bulk:\n        return _refused_single(outcome, case, family)\n"
        "    return _failed(outcome, case)\n\n\ndef _refused_single",
    ),
    Mutant(
        "no pacing",
        "delivery/account.py",
        "        return max(resting, self.limiter.wait_seconds(operation))",
        "        return resting",
        events=6000,
        kills=0,
        share=0.0,
    ),
    Mutant(
        "written down as delivered before it is sent",
        "delivery/sender.py",
        "        outcome = await self._call(request, credential)\n",
        "        from sqlalchemy import update\n"
        "        from ferrata.delivery.models import deliveries\n"
        "        these = update(deliveries).where(deliveries.c.id.in_([item.id for item in request.items]))\n"
        "        await self._tools.db.write(lambda connection: connection.execute(these.values(state='delivered')))\n"
        "        outcome = await self._call(request, credential)\n",
    ),
    Mutant(
        "halves that share a person",
        "delivery/request.py",
        "        counts = Counter(item.person for item in self.items)",
        "        middle = len(self.items) // 2\n        return [list(self.items[:middle]), list(self.items[middle:])]\n"
        "        counts = Counter(item.person for item in self.items)",
    ),
    Mutant(
        "what was left behind is forgotten",
        "delivery/lane.py",
        "        for request, not_before in left.requests:\n",
        "        for request, not_before in ():\n",
    ),
    Mutant(
        "a person's next event does not wait",
        "delivery/backlog.py",
        "        stays.persons.add(delivery.person)  # one at a time: its next waits for this one's answer\n",
        "",
    ),
    Mutant(
        "the key stands in the log",
        "delivery/sender.py",
        "        started = self._tools.clock.now()\n        outcome",
        "        import sys\n"
        "        print(await credential.auth.authorization(), file=sys.stderr, flush=True)\n"
        "        started = self._tools.clock.now()\n        outcome",
    ),
    Mutant(
        "claims without a fence",
        "infra/leases.py",
        "        raise Fenced",
        "        return",
        "fence",
    ),
    Mutant("synchronous=NORMAL", "infra/database/sqlite.py", '"synchronous=FULL"', '"synchronous=NORMAL"', "calls"),
    Mutant("synchronous=OFF", "infra/database/sqlite.py", '"synchronous=FULL"', '"synchronous=OFF"', "power"),
)


def hunt(seed: int, names: str = "") -> int:
    """Plant each mutant (or those whose name holds this) and see that it is caught; the exit code."""
    from tests.chaos.narrow_mutants import NARROW

    escaped, hunted = [], [mutant for mutant in (*NARROW, *MUTANTS) if names in mutant.name]
    for mutant in hunted:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="ferrata-mutant-") as folder:
            found = _catchers(seed)[mutant.caught_by](mutant, Path(folder))
        words = "; ".join(each[:110] for each in found[:3]) if found else "ESCAPED"
        print(f"{mutant.name}: {words} ({time.monotonic() - began:.0f} s)", flush=True)
        escaped += [] if found else [mutant.name]
    print(f"{len(hunted)} mutants, {len(escaped)} escaped{': ' if escaped else ''}{', '.join(escaped)}", flush=True)
    return 1 if escaped else 0


def _catchers(seed: int) -> dict[str, Callable[[Mutant, Path], list[str]]]:
    run = {"run": lambda mutant, folder: _run(mutant, folder, seed), "fence": _fence, "calls": _calls, "power": _power}
    return run | {"tests": _tests}


def _run(mutant: Mutant, folder: Path, seed: int) -> list[str]:
    code = planted(mutant, folder)
    plan = Plan(
        seed, mutant.events, mutant.kills, share=mutant.share, strikes=mutant.strikes, settle_seconds=30, code=code,
        poison_share=0.01,
    )  # fmt: skip
    return _complaints(HostileRun(plan, folder, f"sqlite:///{folder / 'ferrata.db'}"))


def _complaints(run: HostileRun) -> list[str]:
    try:
        return run.execute().complaints
    except AssertionError as error:  # a mutant may be too ill to finish
        return [f"the run broke off: {error}"]


def _fence(mutant: Mutant, folder: Path) -> list[str]:
    code = planted(mutant, folder)
    home = find_postgres()
    if home is None:
        raise SystemExit("no PostgreSQL here: the mutant without a fence cannot be hunted")
    with postgres_server(home) as url:
        name = f"chaos_{uuid4().hex}"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        plan = Plan(1, 2500, 3, "postgresql", settle_seconds=40, share=0.1, strikes=("frozen",), code=code)
        return _complaints(HostileRun(plan, folder, url.replace("/postgres?", f"/{name}?")))


def _tests(mutant: Mutant, folder: Path) -> list[str]:
    path = os.pathsep.join([str(planted(mutant, folder)), str(SOURCE.parent)])
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n0", "-p", "no:cacheprovider", *mutant.tests]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": path}, cwd=SOURCE.parent, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1):
        raise AssertionError(f"{mutant.name}: the tests could not be run:\n{done.stdout[-2000:]}")
    return re.findall(r"^FAILED (\S+)", done.stdout, re.MULTILINE) if done.returncode else []


def _calls(mutant: Mutant, folder: Path) -> list[str]:
    seen = synced_before_answers(folder, events=20, code=planted(mutant, folder))
    unsynced = sum(exchange.syncs == 0 for exchange in seen)
    return [f"{unsynced} of {len(seen)} answers were given before anything was synced"] if unsynced else []


def _power(mutant: Mutant, folder: Path) -> list[str]:
    code = planted(mutant, folder)
    cuts = [cut_power(folder, turn, code=code) for turn in range(3)]
    return [f"a power cut lost {len(cut.lost)} of {cut.promised} promised, integrity {cut.integrity}"
            for cut in cuts if cut.lost or cut.integrity != "ok"]  # fmt: skip
