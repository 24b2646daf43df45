"""Eight processes that do one thing at the same instant: ``python -m tests.connections.eight``.

One process imports everything once, forks eight for each order on its standard input, lets all of them go at once when each
has opened the database, and answers with what became of each.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ferrata.entry.wiring import Wiring, build
from ferrata.klaviyo import KlaviyoError, NeedsReconnect
from tests.doors import settings

PROCESSES = 8


async def read(wiring: Wiring, store: str = "default") -> str:
    """Ask Klaviyo something with what the store is connected with; the Authorization that was used last."""
    credential = await wiring.connections.credential(store)
    assert credential
    await wiring.connections.client(credential).read("GET /api/accounts")
    return await credential.auth.authorization()


class Eight:
    """The other end: gives orders, one at a time."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    async def race(self, database_url: str, folder: Path, **values: Any) -> list[dict[str, str]]:
        """What each of them used (``used``), or why it could not (``in_vain``, ``not_now``)."""
        order = {"database_url": database_url, "folder": str(folder), "values": values}
        answered = await asyncio.to_thread(self._ask, json.dumps(order))
        found: list[dict[str, str]] = json.loads(answered)
        return found

    def _ask(self, order: str) -> str:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


@contextmanager
def ready() -> Iterator[Eight]:
    command = [sys.executable, "-m", "tests.connections.eight"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Eight(process)
        finally:
            assert process.stdin
            process.stdin.close()
            process.wait(timeout=30)


def _obey(order: dict[str, Any]) -> list[dict[str, str]]:
    go_when_closed, starter = os.pipe()
    ready_end, ready_told = os.pipe()
    answers = []
    for _ in range(PROCESSES):
        answer_end, answer_told = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(starter)
            os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # standard output is for the answer
            told = asyncio.run(_one(order, go_when_closed, ready_told))
            os.write(answer_told, json.dumps(told).encode())
            os._exit(0)
        os.close(answer_told)
        answers.append((child, answer_end))
    for _ in range(PROCESSES):
        os.read(ready_end, 1)
    os.close(starter)  # now
    found = [json.loads(os.read(answer_end, 65_536) or b'{"died": ""}') for _, answer_end in answers]
    for child, answer_end in answers:
        os.waitpid(child, 0)
        os.close(answer_end)
    for end in (go_when_closed, ready_end, ready_told):
        os.close(end)
    return found


async def _one(order: dict[str, Any], go_when_closed: int, ready_told: int) -> dict[str, str]:
    wiring = build(settings(order["database_url"], Path(order["folder"]), **order["values"]), beside=True)
    try:
        await wiring.connections.credential("default")
        os.write(ready_told, b"r")
        os.read(go_when_closed, 1)
        return {"used": await read(wiring)}
    except NeedsReconnect as error:
        return {"in_vain": error.outcome.reason}
    except KlaviyoError as error:
        return {"not_now": error.outcome.reason}
    finally:
        await wiring.close()


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(_obey(json.loads(line))), flush=True)
