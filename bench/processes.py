"""The processes that a bench measures: started on free ports of this machine, and ended with it."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

SANDBOX_KEY = "pk_sandbox0key0which0opens0no0account"
START_SECONDS = 60.0
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """What the process has spent, in user and system mode, all threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS


def largest_megabytes(pid: int) -> float:
    """The most memory that the process has held at once."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


@dataclass(frozen=True)
class Running:
    """A server that answers at ``url``; ``token`` opens it, where it asks for one."""

    pid: int
    url: str
    token: str = ""
    home: Path = Path()

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def client(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, headers=self.headers, timeout=60)

    def connect(self) -> None:
        """Give the first store the sandbox's key: from here on its lanes run."""
        command = [_script("ferrata"), "connections", "set-key", "--no-test"]
        env = _environment(self.home)
        subprocess.run(command, input=SANDBOX_KEY + "\n", text=True, env=env, check=True, capture_output=True, cwd=self.home)


@contextmanager
def ferrata(
    *, database: str | None = None, klaviyo: str | None = None, prepare: Callable[[Path], None] | None = None
) -> Iterator[Running]:
    """One process that accepts and delivers. ``database``: a URL, else SQLite; ``klaviyo``: the sandbox's URL.

    ``prepare`` is called before it starts, with the folder in which its settings stand in ``.env``.
    """
    home = Path(tempfile.mkdtemp(prefix="ferrata-bench-"))
    lines = [f"FERRATA_DATA_DIR={home / 'data'}", "FERRATA_ACCEPT_WAIT_MS=0", "FERRATA_LOG_LEVEL=warning"]
    lines += [f"FERRATA_DATABASE_URL={database}"] if database else []
    lines += [f"FERRATA_KLAVIYO_BASE_URL={klaviyo}"] if klaviyo else []
    (home / ".env").write_text("\n".join(lines) + "\n")
    port = _free_port()
    try:
        if prepare:
            prepare(home)
        with _process([_script("ferrata"), "serve", "--port", str(port)], home) as pid:
            url = f"http://127.0.0.1:{port}"
            _wait_for(port)
            made = [_script("ferrata"), "tokens", "create", "bench"]
            said = subprocess.run(made, env=_environment(home), check=True, capture_output=True, text=True, cwd=home).stdout
            token = re.search(r"frt_[\w-]+", said)
            if token is None:
                raise RuntimeError(f"No token was made: {said}")
            yield Running(pid, url, token[0], home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def sandbox(*, limits: bool) -> Iterator[Running]:
    """Klaviyo's stand-in, with its true rate limits or without any."""
    port = _free_port()
    options = [] if limits else ["--no-limits"]
    with _process([sys.executable, "-m", "klaviyo_sandbox", "--port", str(port), *options], Path.cwd()) as pid:
        _wait_for(port)
        yield Running(pid, f"http://127.0.0.1:{port}")


@contextmanager
def echo(kind: str) -> Iterator[Running]:
    """One of the applications of ``echo.py``."""
    port = _free_port()
    with _process([sys.executable, "-m", "bench.echo", kind, str(port)], Path.cwd()) as pid:
        _wait_for(port)
        yield Running(pid, f"http://127.0.0.1:{port}")


@contextmanager
def _process(command: list[str], cwd: Path) -> Iterator[int]:
    process = subprocess.Popen(command, cwd=cwd, env=_environment(cwd), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environment(cwd: Path) -> dict[str, str]:
    """Ours without what would change the settings: those stand in the folder's ``.env`` alone."""
    return {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR"}} | {"PWD": str(cwd)}


def _script(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"Nothing listens on port {port} after {START_SECONDS:g} s")
