"""Ferrata's processes as the chaos run handles them: by name or by the socket they hold, with any signal, under any wrapper."""

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

from tests.chaos.clocks import CLOCKWORK, WallClock
from tests.chaos.peers import process_of
from tests.journeys.processes import BIN, Installation

TIMEOUT_SECONDS = 2
SINGLE_PROCESS = {"all": "all"}
THREE_PROCESSES = {"api": "api", "first": "worker", "second": "worker"}


class Victims(Installation):
    """``code``: another tree of the product to run instead of the installed one."""

    def __init__(self, folder: Path, database_url: str, klaviyo_url: str, key: str, code: Path | None = None) -> None:
        super().__init__(folder, database_url, klaviyo_url, key)
        self.environment["FERRATA_KLAVIYO_TIMEOUT_SECONDS"] = str(TIMEOUT_SECONDS)
        self.code = code
        self.roles = SINGLE_PROCESS if database_url.startswith("sqlite") else THREE_PROCESSES
        self.database_url = database_url
        self.folder = folder
        self.deaths = 0
        self._begins: dict[str, int] = {}
        self._lock = threading.RLock()
        self.equip("command")

    def clock(self, name: str) -> WallClock:
        return WallClock(self.folder / f"{name}.clock")

    def equip(self, name: str) -> None:
        """What the next process of that name, or the next command, finds around it: its clock, and the tree it runs."""
        self.environment["FERRATA_CHAOS_CLOCK"] = str(self.clock(name).path)
        self.environment["PYTHONPATH"] = os.pathsep.join(str(path) for path in (CLOCKWORK, self.code) if path)

    def start_all(self) -> None:
        for name in self.roles:
            if name not in self._processes:
                self.start(name, self.roles[name])

    def launch(self, name: str, wrapper: tuple[str, ...]) -> subprocess.Popen[bytes]:
        """Start one process under a wrapper such as strace."""
        self.equip(name)
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [*wrapper, BIN / "ferrata", "serve", "--role", self.roles[name]],
                env=self.environment, cwd=self.folder, stdout=log, stderr=log,
            )  # fmt: skip
        self._processes[name] = process
        return process

    def await_ready(self, seconds: float = 90.0) -> None:
        super().await_ready(seconds)

    def has_started(self, name: str) -> bool:
        """Whether the present process of that name has come so far as to obey signals."""
        log = (self.folder / f"{name}.log").read_bytes()
        return b"serve.started" in log[self._begins.get(name, 0) :]

    def start(self, name: str = "all", role: str = "all") -> None:
        log = self.folder / f"{name}.log"
        self._begins[name] = log.stat().st_size if log.exists() else 0
        self.equip(name)
        super().start(name, role)
        self.equip("command")

    def spawn(self, *arguments: str, **variables: str) -> subprocess.Popen[bytes]:
        """Run ``ferrata ...`` beside the others, to be killed."""
        with (self.folder / "command.log").open("ab") as log:
            return subprocess.Popen(
                [BIN / "ferrata", *arguments], env=self.environment | variables, cwd=self.folder, stdout=log, stderr=log
            )

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    def kill_peer(self, port: int) -> bool:
        """SIGKILL the process that holds this port; for the hostile Klaviyo."""
        return self._signal_peer(port, signal.SIGKILL)

    def freeze_peer(self, port: int) -> bool:
        """Suspend it instead."""
        return self._signal_peer(port, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let everybody go on."""
        for process in self._processes.values():
            process.send_signal(signal.SIGCONT)

    def _signal_peer(self, port: int, kind: signal.Signals) -> bool:
        with self._lock:
            pids = {process.pid: name for name, process in self._processes.items()}
            pid = process_of(port, pids)
            if pid is None:
                return False
            os.kill(pid, kind)
            return True

    def revive(self) -> list[str]:
        """Start again whoever has died."""
        with self._lock:
            dead = [name for name, process in self._processes.items() if process.poll() is not None]
            for name in dead:
                self._processes.pop(name).wait()
                self.deaths += 1
                self.start(name, self.roles[name])
            return dead

    def await_death(self, seconds: float = 10.0) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if any(process.poll() is not None for process in self._processes.values()):
                return
            time.sleep(0.005)
        raise AssertionError("nobody has died")

    def slay(self, name: str) -> None:
        with self._lock:
            process = self._processes[name]
            process.send_signal(signal.SIGKILL)
            process.wait()

    def forget(self, name: str) -> None:
        """Of somebody who has been slain: ``revive`` leaves it dead."""
        self._processes.pop(name)

    def send(self, name: str, kind: signal.Signals) -> None:
        os.kill(self.pid(name), kind)

    def end(self, name: str, seconds: float = 40.0) -> int:
        """SIGTERM, and the exit code."""
        process = self._processes.pop(name)
        process.terminate()
        return process.wait(seconds)
