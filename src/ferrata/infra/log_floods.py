"""Keeps one repeated event from filling the disk: beyond so many a minute, only their number is told."""

import threading
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

import structlog

MOST_EACH_MINUTE = 600
_WINDOW_SECONDS = 60.0


@dataclass(slots=True)
class _Window:
    began: float
    written: int = 0
    dropped: int = 0


class Floods:
    """A structlog processor. Counts by event name and level; what was dropped is told with the first of the next minute.

    Answered requests are no flood: each has a line of its own.
    """

    def __init__(self, monotonic: Callable[[], float], most: int = MOST_EACH_MINUTE) -> None:
        self._monotonic = monotonic
        self._most = most
        self._windows: dict[tuple[str, str], _Window] = {}
        self._lock = threading.Lock()

    def __call__(self, _logger: object, method: str, record: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        name = str(record.get("event"))
        if name == "http.answered":
            return record
        now = self._monotonic()
        with self._lock:
            window = self._windows.setdefault((method, name), _Window(now))
            if now - window.began >= _WINDOW_SECONDS:
                if window.dropped:
                    record["dropped_before"] = window.dropped
                self._windows[method, name] = window = _Window(now)
                self._forget_old(now)
            if window.written >= self._most:
                window.dropped += 1
                raise structlog.DropEvent
            window.written += 1
        return record

    def _forget_old(self, now: float) -> None:
        for key in [
            key for key, window in self._windows.items() if now - window.began > 2 * _WINDOW_SECONDS and not window.dropped
        ]:
            del self._windows[key]
