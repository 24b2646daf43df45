"""Two proofs of durability, for the tests and for the hunt for mutants: the order of system calls, and cut power."""

import os
import signal
import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.installation import Victims
from tests.chaos.power import disk, mounted, photograph
from tests.chaos.small_shop import SmallShop
from tests.chaos.tracing import Exchange, exchanges, watching

NOWHERE = "http://127.0.0.1:9"


def _unconnected(folder: Path, database: Path, code: Path | None) -> Victims:
    """Without a key nothing is delivered: every sync that is seen belongs to acceptance."""
    ferrata = Victims(folder, f"sqlite:///{database}", NOWHERE, "", code)
    del ferrata.environment["KLAVIYO_API_KEY"]
    return ferrata


def synced_before_answers(folder: Path, *, events: int, code: Path | None = None) -> list[Exchange]:
    """Post events one by one under strace, and say for each whether it was synced before it was answered."""
    ferrata = _unconnected(folder, folder / "ferrata.db", code)
    shop = SmallShop(ferrata.port, ferrata.token())
    log = folder / "watched"
    ferrata.launch("all", watching(log))
    try:
        ferrata.await_ready()
        shop.post_new(events, pause=0.15)  # so that no sync of the one before is taken for its own
    finally:
        ferrata.stop()
    assert len(shop.promises) == events, shop.statuses
    return list(exchanges(log))


@dataclass(frozen=True)
class Cut:
    """What a power cut left: of what was promised, what is gone."""

    promised: int
    lost: list[str]
    integrity: str


def cut_power(folder: Path, turn: int, *, code: Path | None = None, seconds: float = 1.5) -> Cut:
    """Post as fast as may be, suspend the product in the middle, photograph its disk, and look what the photograph holds."""
    home = folder / f"power-{turn}"
    home.mkdir()
    with disk(home, "disk") as (image, point):
        ferrata = _unconnected(home, point / "ferrata.db", code)
        shop = SmallShop(ferrata.port, ferrata.token())
        ferrata.start("all")
        ferrata.await_ready()
        poster = threading.Thread(target=shop.post_new, args=(100_000,), kwargs={"unless": (over := threading.Event()).is_set})
        poster.start()
        time.sleep(seconds)
        os.kill(ferrata.pid("all"), signal.SIGSTOP)
        time.sleep(0.05)
        promised = set(shop.promised)
        photograph(image, home / "photograph.img")
        over.set()
        ferrata.slay("all")
        poster.join(30)
        ferrata.stop()
    with mounted(home / "photograph.img", home / "after") as point:
        connection = sqlite3.connect(point / "ferrata.db")
        try:
            (integrity,) = connection.execute("PRAGMA integrity_check").fetchone()
            kept = {event_id for (event_id,) in connection.execute("SELECT event_id FROM events")}
        except sqlite3.DatabaseError as error:
            integrity, kept = str(error), set()
        finally:
            connection.close()
    return Cut(len(promised), sorted(promised - kept), str(integrity))
