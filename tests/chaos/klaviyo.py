"""A hostile Klaviyo on a raw socket: reads half, resets, hangs, lies, and kills its caller at chosen points of the protocol."""

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.exchange import Exchange, Seen
from tests.chaos.faults import Deck, Point
from tests.chaos.ledger import Dedupe, Ledger
from tests.chaos.windows import Quota

Killer = Callable[[int], bool]
"""Kills the process at the other end of the connection from this port; whether there was one."""


@dataclass
class Armed:
    """A kill that waits for its point."""

    point: Point
    killer: Killer
    fired: threading.Event = field(default_factory=threading.Event)


class HostileKlaviyo:
    """Use as a context manager. ``keys`` maps API keys to accounts; a key taken out of it is revoked."""

    def __init__(self, seed: int, dedupe: Dedupe, *, names: str = "all", keys: dict[str, str]) -> None:
        self.chance = random.Random(seed)
        self.ledger = Ledger(dedupe, names)
        self.deck = Deck(random.Random(seed + 1), share=0.0)
        self.quota: dict[str, Quota] = {}
        self.keys = dict(keys)
        self.forbidden = False
        self.away = False
        self.seen: list[Seen] = []
        self.points: Counter[str] = Counter()
        self.broken: list[str] = []  # what went wrong in here: a run with any of it proves nothing
        self._armed: Armed | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._listening = threading.Event()
        self._stop = asyncio.Event()
        self._sleepers: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "HostileKlaviyo":
        self._thread.start()
        self._listening.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:  # which ends whatever still hangs or drips
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, limit=2**16)
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._stop.wait()
        server.close()

    def arm(self, point: Point, killer: Killer) -> Armed:
        self._armed = Armed(point, killer)
        return self._armed

    def disarm(self) -> None:
        self._armed = None

    def kill_at(self, point: Point, writer: asyncio.StreamWriter) -> bool:
        """Whether the caller was killed here."""
        armed = self._armed
        if armed is None or armed.point is not point:
            return False
        if not armed.killer(writer.get_extra_info("peername")[1]):
            return False
        self._armed = None
        self.points[point.value] += 1
        armed.fired.set()
        return True

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._sleepers.add(task)
        task.add_done_callback(self._sleepers.discard)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not self.away and await Exchange(self, reader, writer).run():
                pass
            self.points["turned_away"] += self.away
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        except Exception as error:  # noqa: BLE001 - kept for the oracles, which fail the run
            self.broken.append(repr(error))
        finally:
            writer.close()
