"""``ferrata serve``: one process that accepts, delivers, or does both, and ends in good order when it is told to."""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Protocol

import structlog
import uvicorn

from ferrata.audit.keeping import Keeping
from ferrata.entry.http import create_app
from ferrata.entry.wiring import Wiring, build
from ferrata.infra.errors import Rejected, StorageUnavailable
from ferrata.infra.http.connection import Connection
from ferrata.infra.logging import configure_logging
from ferrata.infra.settings import Settings
from ferrata.kit.clock import SystemClock

log = structlog.get_logger()

SWITCH_SECONDS = 0.0005
"""How long the event loop may keep the thread that writes from going on. Python's own 5 ms, at each of the many statements of a
commit, made writing rows under load take ten times as long."""
_YOUNG_OBJECTS = 20_000
GRACE_SECONDS = 8  # container runtimes kill ten seconds after they have asked to end
_BACKLOG = 2048


class Role(StrEnum):
    """A worker does not listen: how it fares is told by any process that does, from the database that they share."""

    ALL = "all"
    API = "api"
    WORKER = "worker"


class _Part(Protocol):
    """What works beside the doors until it is told to stop."""

    async def run(self) -> None: ...

    def stop(self) -> None: ...


class _Server(uvicorn.Server):
    """uvicorn, told to end by the wiring instead of by signals of its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Companion(_Part, Protocol):
    """What the demo adds to an ordinary server: something to prepare before it opens, and a part that runs beside it."""

    async def prepare(self, wiring: Wiring) -> Wiring:
        """Called once, before anything else is started."""


def serve(settings: Settings, role: Role, companion: Companion | None = None) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        Rejected: the settings do not go together.
        StorageUnavailable: the database cannot be opened, or the address is taken.
    """
    configure_logging(settings.log_level, settings.log_format, SystemClock().monotonic)
    _check(settings, role)
    sys.setswitchinterval(SWITCH_SECONDS)
    loop_factory = uvicorn.Config("", log_config=None).get_loop_factory()  # the fastest that is installed
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_run(settings, role, companion))


async def _run(settings: Settings, role: Role, companion: Companion | None) -> None:
    listener = _listen(settings) if role is not Role.WORKER else None
    if listener:  # port 0 has become a real one, and pages name it
        settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    wiring = build(settings)
    try:
        for kind in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(kind, wiring.stopping.set)
        if companion:
            wiring = await companion.prepare(wiring)
        await wiring.start()
        _spare_the_collector()
        log.info("serve.started", role=role, database=wiring.database.engine.dialect.name, address=_address(listener))
        await _live(wiring, role, listener, companion)
    finally:
        await wiring.close()
    log.info("serve.ended")


def _spare_the_collector() -> None:
    """Leave out of every later garbage collection what is there to stay, and collect the young less often.

    Each accepted event makes some dozens of objects that reference counting frees; at Python's own threshold of 700 the collector
    looks for cycles among them, and at times among all the modules, for a third of the time that accepting takes.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 20)


async def _live(wiring: Wiring, role: Role, listener: socket.socket | None, companion: Companion | None) -> None:
    """Until ``stopping`` is set, or until one half fails, which ends the other."""
    if listener:  # not within the group, which would wrap what goes wrong
        await _invite_first_administrator(wiring)
    keeping = Keeping(wiring.audit, wiring.clock)
    try:
        async with asyncio.TaskGroup() as halves:
            if listener:
                halves.create_task(_accept(wiring, listener))
            halves.create_task(_until_stopped(wiring, wiring.health.presence))
            halves.create_task(_until_stopped(wiring, keeping))
            if role is not Role.API:
                wiring.delivery.worker = wiring.worker
                halves.create_task(_until_stopped(wiring, wiring.worker))
                halves.create_task(_until_stopped(wiring, wiring.sources.worker))
                halves.create_task(_until_stopped(wiring, wiring.cart_watch))
                halves.create_task(_until_stopped(wiring, wiring.scheduler))
            if companion:
                halves.create_task(_until_stopped(wiring, companion))
    finally:
        await keeping.finish()


async def _accept(wiring: Wiring, listener: socket.socket) -> None:
    server = _Server(_config(wiring))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await _first(wiring.stopping, serving)
    server.should_exit = True
    await serving
    wiring.stopping.set()


async def _until_stopped(wiring: Wiring, part: _Part) -> None:
    working = asyncio.create_task(part.run())
    await _first(wiring.stopping, working)
    part.stop()
    await working


async def _first(stopping: asyncio.Event, task: asyncio.Task[None]) -> None:
    """Until it is time to stop, or the task has ended by itself."""
    waiting = asyncio.create_task(stopping.wait())
    await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


def _config(wiring: Wiring) -> uvicorn.Config:
    proxies = wiring.settings.trusted_proxies
    return uvicorn.Config(
        create_app(wiring),
        http=Connection,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies or None,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=75,
        backlog=_BACKLOG,
        lifespan="off",
        ws="none",
    )


async def _invite_first_administrator(wiring: Wiring) -> None:
    """Printed, not logged: a log is kept and sent to places where this must not be read."""
    issued = await wiring.access.first_administrator.issue_token()
    if issued:
        token, expires_at = issued
        print(  # noqa: T201 - for the person at the terminal
            f"\nNobody can sign in yet. Open {wiring.settings.public_address()}/setup and enter this one-time token,"
            f"\nwhich is good until {expires_at:%d %b %H:%M} UTC:\n\n    {token}\n",
            flush=True,
        )


def _check(settings: Settings, role: Role) -> None:
    if role is not Role.ALL and settings.database().startswith("sqlite"):
        raise Rejected(
            f"--role {role} shares the work among processes, which needs PostgreSQL. With SQLite run one process: ferrata serve"
        )


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise StorageUnavailable(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}. "
            "Choose another port: --port, or 0 for any free one"
        ) from error
    return listener


def _address(listener: socket.socket | None) -> str | None:
    return "{}:{}".format(*listener.getsockname()[:2]) if listener else None
