"""Lets acceptance wait for a first attempt: whoever settles a delivery says so, whoever waits for it hears it."""

import asyncio
from collections.abc import Iterable


class Watch:
    """Within one process and its event loop; across processes the waiting side looks at the database instead."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Event] = {}

    def expect(self, ids: Iterable[str]) -> asyncio.Event:
        """An event that is set whenever one of these is settled. Call before committing them; ``forget`` afterwards."""
        event = asyncio.Event()
        for id_ in ids:
            self._waiting[id_] = event
        return event

    def settled(self, ids: Iterable[str]) -> None:
        if not self._waiting:
            return
        for id_ in ids:
            event = self._waiting.get(id_)
            if event:
                event.set()

    def forget(self, ids: Iterable[str]) -> None:
        for id_ in ids:
            self._waiting.pop(id_, None)
