"""The sandbox as Klaviyo, in a process of its own that cannot outlive the demo, with its state in the data directory."""

import asyncio
import re
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import httpx2
import structlog

from ferrata.infra.errors import StorageUnavailable
from ferrata.kit.clock import Clock

log = structlog.get_logger()

START_SECONDS = 30.0
_STOP_SECONDS = 5.0
_LOOK_EVERY_SECONDS = 2.0
_ADDRESS = re.compile(r"^Klaviyo sandbox at (\S+)$", re.MULTILINE)
_KEY = re.compile(r"^ +account \S+ +key (pk_\S+)$", re.MULTILINE)


class SandboxProcess:
    """``url`` and ``api_key`` are known once it has started. Leaving the ``with`` block ends the process."""

    url: str
    api_key: str

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            StorageUnavailable: its port is taken, or it does not start.
        """
        _check_free(self._port)
        said = self._folder / "sandbox.log"
        with said.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own module, no shell
                # -P: a file of the working directory must not stand in for a module of Python's.
                [sys.executable, "-P", "-m", "ferrata.demo.tethered", "klaviyo_sandbox", *self._options()],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                umask=0o077,  # its state holds the example shop's people, and doctor asks that nobody else reads such files
                start_new_session=True,  # Ctrl-C is for the demo, which ends the sandbox after its own last request
            )
        self._read_introduction(said)

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    async def keep_alive(self, clock: Clock) -> None:
        """Start it again when somebody has ended it, as an outage may; runs until it is cancelled."""
        while True:
            await clock.sleep(_LOOK_EVERY_SECONDS)
            if self._process is None or self._process.poll() is not None:
                log.warning("demo.sandbox_ended", exit_code=self._process and self._process.returncode)
                self.stop()
                try:
                    await asyncio.to_thread(self.start)
                except StorageUnavailable as error:
                    log.warning("demo.sandbox_not_started", error=error.message)
                else:
                    log.warning("demo.sandbox_started_again", url=self.url)

    async def set_key_works(self, works: bool) -> None:
        """Whether the account's key is accepted, from now on."""
        async with httpx2.AsyncClient(base_url=self.url, timeout=10) as client:
            (await client.patch(f"/_sandbox/keys/{self.api_key}", json={"revoked": not works})).raise_for_status()

    async def register_app(self, client_id: str, client_secret: str, redirect_uri: str, scopes: Sequence[str]) -> None:
        """Make this demo an OAuth app there, so that a store can be connected without a key."""
        app = {"client_id": client_id, "client_secret": client_secret, "name": "Ferrata", "key": "ferrata"}
        async with httpx2.AsyncClient(base_url=self.url, timeout=10) as client:
            answer = await client.post("/_sandbox/apps", json={**app, "redirect_uris": [redirect_uri], "scopes": list(scopes)})
            answer.raise_for_status()

    def _options(self) -> list[str]:
        return ["--port", str(self._port), "--state", str(self._folder / "sandbox.db")]

    def _read_introduction(self, said: Path) -> None:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            text = said.read_text(errors="replace")
            address, key = _ADDRESS.search(text), _KEY.search(text)
            if address and key:
                self.url, self.api_key = address[1], key[1]
                self._port = httpx2.URL(self.url).port or self._port
                return
            if self._process and self._process.poll() is not None:
                break
            time.sleep(0.05)
        raise StorageUnavailable(
            f"The sandbox did not start. What it said is in {said}:\n{said.read_text(errors='replace')[-2000:]}"
        )


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise StorageUnavailable(
                f"Port {port} is taken. Choose another for the sandbox: --sandbox-port {port + 10}, or 0 for any free one"
            ) from error
