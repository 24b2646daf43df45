"""Writes down single sends that went well, together: the one thing of which there are dozens a second on every busy account.

Whatever else happens is written by itself, at once (``sender.py``).
"""

import asyncio

from sqlalchemy import Connection

from ferrata.delivery import books
from ferrata.delivery.account import Account
from ferrata.delivery.tools import Tools
from ferrata.infra.leases import hold

LINGER_SECONDS = 0.1
MOST_AT_ONCE = 100


class Ledger:
    """Gathers what arrives while the last write runs; in a backlog, when nobody waits for one event, a little longer."""

    def __init__(self, account: Account, tools: Tools) -> None:
        self._account = account
        self._tools = tools
        self._waiting: list[tuple[books.Entry, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def write(self, entry: books.Entry, *, linger: bool) -> None:
        """Returns once the entry is on disk. Raises ``Fenced`` if the account is another worker's by now."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, written))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all(LINGER_SECONDS if linger else 0.0))
        await written

    async def _write_all(self, linger_seconds: float) -> None:
        while self._waiting:
            if linger_seconds:
                await self._tools.clock.sleep(linger_seconds)
            group, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
            entries = [entry for entry, _ in group]

            def work(connection: Connection, entries: list[books.Entry] = entries) -> None:
                hold(connection, self._account.lease)
                books.write_delivered(connection, entries)

            try:
                await self._tools.patiently(work)
            except Exception as error:  # noqa: BLE001 - each of them is told, and decides for itself
                for _, written in group:
                    written.set_exception(error)
            else:
                for _, written in group:
                    written.set_result(None)
