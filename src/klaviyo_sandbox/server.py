"""Serving a sandbox on a port: uvicorn, with the TCP transport handed to the app so that faults can break it."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from klaviyo_sandbox.app import App, Receive, Scope, Send, create_app
from klaviyo_sandbox.sandbox import Sandbox
from klaviyo_sandbox.wire import EXTENSION

try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as _Protocol
except ImportError:  # httptools is optional for uvicorn
    _Protocol = H11Protocol  # type: ignore[assignment, misc]  # one of two


class _TransportProtocol(_Protocol):
    """Uvicorn's protocol, which shows each request its transport."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.app = _with_transport(self.app, transport)


def _with_transport(app: App, transport: asyncio.Transport) -> App:
    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("extensions", {})[EXTENSION] = transport
        await app(scope, receive, send)

    return wrapped


class SandboxServer(uvicorn.Server):
    """A uvicorn server that can stop listening for a while and listen again on the same port."""

    def __init__(
        self,
        sandbox: Sandbox,
        host: str = "127.0.0.1",
        port: int = 0,
        on_start: Callable[[str], None] | None = None,
    ) -> None:
        config = uvicorn.Config(
            create_app(sandbox),
            host=host,
            port=port,
            http=_TransportProtocol,
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        super().__init__(config)
        self._sandbox = sandbox
        self._address = (host, port)
        self._on_start = on_start
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reopening: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port in use, known once the server has started."""
        return int(self._address[1])

    @property
    def url(self) -> str:
        """Where the server is reached."""
        return f"http://{self._address[0]}:{self.port}"

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Bind, remember the port, and let outages close it."""
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        self._address = (self._address[0], self.servers[0].sockets[0].getsockname()[1])
        self._sandbox.outage.suspend_listening = self._suspend_soon
        if self._on_start is not None:
            self._on_start(self.url)

    def _suspend_soon(self, seconds: float) -> None:
        assert self._loop is not None  # noqa: S101 - set before anyone can ask
        # A moment later, so that the answer to whoever asked for the outage still leaves.
        self._loop.call_soon_threadsafe(self._loop.call_later, 0.05, self._suspend, seconds)

    def _suspend(self, seconds: float) -> None:
        """Close the port and every connection now, open the port again later."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()
        self.servers = []
        self._reopening = asyncio.create_task(self._reopen(seconds))

    async def _reopen(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if not self.should_exit:
            self.config.port = self.port
            await super().startup()


@dataclass(frozen=True, slots=True)
class Running:
    """A sandbox being served."""

    url: str
    sandbox: Sandbox


@contextlib.contextmanager
def running(sandbox: Sandbox | None = None, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[Running]:
    """Serve a sandbox from a thread while the block runs; port 0 finds a free one. Closes a sandbox it made itself."""
    served = sandbox or Sandbox()
    server = SandboxServer(served, host, port)
    thread = threading.Thread(target=server.run, name="klaviyo-sandbox", daemon=True)
    thread.start()
    try:
        _await_start(server, thread)
        yield Running(server.url, served)
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        served.outage.suspend_listening = None
        if sandbox is None:
            served.close()


def _await_start(server: SandboxServer, thread: threading.Thread) -> None:
    patience = threading.Event()
    for _ in range(500):
        if server.started:
            return
        if not thread.is_alive():
            raise RuntimeError("the sandbox could not start; is the port taken?")
        patience.wait(0.01)
    raise TimeoutError("the sandbox did not start within 5 s")
