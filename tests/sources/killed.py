"""Reads history in processes that are killed: ``python -m tests.sources.killed ORDERS KILLS [FOLDER]``.

Each child opens the database anew and reads on. It is killed with SIGKILL after a while that differs each time; the last one is
left to finish. Then everything is counted in the database itself.
"""

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from ferrata.audit.schemas import SYSTEM
from ferrata.entry.wiring import build
from ferrata.sources.schemas import RunState
from tests.doors import settings
from tests.sources.shop import SECRET, Shop, ShopApi

PAGE = 100


@dataclass(frozen=True)
class Told:
    events: int
    distinct: int
    deliveries: int
    history: int
    pages: int
    pages_read: int
    messages: int
    kills: int
    seconds: float


def run(folder: Path, orders: int, kills: int) -> Told:
    """Kill ``kills`` times, each time once something more has been read, and then let it finish."""
    began, chance, killed = time.monotonic(), random.Random(7), 0
    log = folder / "pages"
    command = [sys.executable, "-m", "tests.sources.killed", "child", str(folder), str(orders)]
    while True:
        child = subprocess.Popen(command)
        if killed < kills and _kill_later(child, log, orders, kills, killed, chance):
            killed += 1
            continue
        assert child.wait() == 0
        return _counted(folder, killed, time.monotonic() - began)


def _kill_later(child: "subprocess.Popen[bytes]", log: Path, orders: int, kills: int, killed: int, chance: random.Random) -> bool:
    """Wait until its share of the pages is read, and a little by chance; False if it was done before."""
    share = (orders // PAGE) * (killed + 1) // (kills + 1)
    while child.poll() is None:
        if log.exists() and log.stat().st_size >= share:
            time.sleep(chance.random() * 0.05)
            child.send_signal(signal.SIGKILL)
            child.wait()
            return child.returncode == -signal.SIGKILL
        time.sleep(0.1)
    return False


def _counted(folder: Path, kills: int, seconds: float) -> Told:
    with sqlite3.connect(folder / "ferrata.db") as db:
        events, distinct, history = db.execute("SELECT count(*), count(DISTINCT event_id), sum(backfill) FROM events").fetchone()
        [deliveries] = db.execute("SELECT count(*) FROM deliveries").fetchone()
        pages, messages = db.execute("SELECT pages, messages FROM source_backfills").fetchone()
    return Told(events, distinct, deliveries, history, pages, (folder / "pages").stat().st_size, messages, kills, seconds)


async def _child(folder: Path, orders: int) -> None:
    api = ShopApi(orders=orders)
    with (folder / "pages").open("ab", buffering=0) as log:
        api.on_page = lambda: log.write(b".")
        wiring = build(settings(f"sqlite:///{folder / 'ferrata.db'}", folder), sources={"shop": Shop(api)})
        await wiring.start()
        sources = wiring.sources
        if await sources.configurations.find("default", "shop") is None:
            given = {"secret": SECRET, "page_size": PAGE}
            await sources.configurations.save("default", "shop", settings=given, rules=None, enabled=True, actor=SYSTEM)
        if not (page := await sources.backfills("default")).rows:
            await sources.begin_backfill("default", "shop", "orders", since=None, until=None, actor=SYSTEM)
            page = await sources.backfills("default")
        working = asyncio.create_task(sources.worker.run())
        while (await sources.backfill("default", page.rows[0].id)).state is RunState.RUNNING:
            await asyncio.sleep(0.2)
        sources.worker.stop()
        await working
        await wiring.close()


if __name__ == "__main__":
    if sys.argv[1] == "child":
        asyncio.run(_child(Path(sys.argv[2]), int(sys.argv[3])))
    else:
        with tempfile.TemporaryDirectory(dir=sys.argv[3] if len(sys.argv) > 3 else None) as made:
            os.environ.setdefault("PYTHONWARNINGS", "ignore")
            print(run(Path(made), int(sys.argv[1]), int(sys.argv[2])))
