"""Ferrata as a user runs it: real processes with the real command line, told by their environment, and killed without warning."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2

BIN = Path(sys.executable).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Installation:
    """One Ferrata on one database, with any number of ``ferrata serve`` processes."""

    def __init__(self, folder: Path, database_url: str, klaviyo_url: str, key: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "FERRATA_DATA_DIR": str(folder / "data"),
            "DATABASE_URL": database_url,
            "FERRATA_ALLOW_UNSAFE_DATABASE": "true",  # the throw-away PostgreSQL of the tests does not sync
            "KLAVIYO_API_KEY": key,
            "KLAVIYO_BASE_URL": f"{klaviyo_url}/api",
            "FERRATA_KLAVIYO_TIMEOUT_SECONDS": "3",
            "PORT": str(self.port),
        }

    def command(self, *arguments: str) -> str:
        """Run ``ferrata ...`` to its end and give what it printed."""
        done = self._run(*arguments)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def failing(self, *arguments: str) -> str:
        """Run ``ferrata ...``, which must fail, and give what it said."""
        done = self._run(*arguments)
        assert done.returncode == 1, done.stderr + done.stdout
        return done.stderr + done.stdout

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BIN / "ferrata", *arguments],
            env=self.environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def token(self) -> str:
        return str(json.loads(self.command("tokens", "create", "journey", "--json"))["token"])

    def start(self, name: str = "all", role: str = "all") -> None:
        log = (self._folder / f"{name}.log").open("ab")
        self._processes[name] = subprocess.Popen(
            [BIN / "ferrata", "serve", "--role", role], env=self.environment, cwd=self._folder, stdout=log, stderr=log
        )

    def kill(self, name: str = "all") -> None:
        process = self._processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self) -> list[int]:
        """End all in good order; returns their exit codes."""
        for process in self._processes.values():
            process.terminate()
        codes = [process.wait(timeout=30) for process in self._processes.values()]
        self._processes.clear()
        return codes

    def await_ready(self, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if httpx2.get(f"{self.url}/lanes", timeout=2).status_code in (200, 401):
                    return
            except httpx2.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError("not ready:\n" + self.logs()[-4000:])

    def logs(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self._folder.glob("*.log")))


class Shop:
    """A merchant's application: sends events with ids of its own, and sends again until it has a receipt."""

    def __init__(self, url: str, token: str) -> None:
        self._http = httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=10)
        self.receipts: dict[str, str] = {}

    def send(self, events: list[dict[str, object]], patience: float = 60.0) -> None:
        deadline = time.monotonic() + patience
        while True:
            try:
                answer = self._http.post("/events/bulk", json={"events": events}, headers={"Prefer": "respond-async"})
                if answer.status_code in (201, 202):
                    self.receipts |= {receipt["eventId"]: receipt["id"] for receipt in answer.json()}
                    return
                assert answer.status_code in (429, 503), answer.text
            except httpx2.TransportError:
                pass
            assert time.monotonic() < deadline, "no receipt in time"
            time.sleep(0.1)

    def get(self, path: str, **query: object) -> dict[str, object]:
        answer = self._http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())
