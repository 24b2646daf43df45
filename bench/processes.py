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
CLOCK_TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """What the process has spent, in user and system mode, all threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * CLOCK_TICK_SECONDS


def largest_megabytes(pid: int) -> float:
    """The most memory that the process has held at once."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def megabytes(pid: int) -> float:
    """The memory that the process holds."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return round(int(found[1]) / 1024, 1) if found else 0.0


@dataclass(frozen=True)
class Running:
    """A server that answers at ``url``; ``token`` opens it, where it asks for one. It was ready after ``ready_seconds``."""

    pid: int
    url: str
    token: str = ""
    home: Path = Path()
    ready_seconds: float = 0.0

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
    *,
    database: str | None = None,
    klaviyo: str | None = None,
    prepare: Callable[[Path], None] | None = None,
    preload: Path | None = None,
) -> Iterator[Running]:
    """One process that accepts and delivers. ``database``: a URL, else SQLite; ``klaviyo``: where Klaviyo's stand-in answers.

    ``prepare`` is called before it starts, with the folder in which its settings stand in ``.env``; ``preload`` is a library
    that the process is started with.
    """
    with installation(database=database, klaviyo=klaviyo) as home:
        if prepare:
            prepare(home)
        with serving(home, preload=preload) as server:
            yield server


@contextmanager
def installation(*, database: str | None = None, klaviyo: str | None = None) -> Iterator[Path]:
    """A folder with settings, in which nothing runs yet."""
    home = Path(tempfile.mkdtemp(prefix="ferrata-bench-"))
    settings = {
        "FERRATA_DATA_DIR": str(home / "data"),
        "FERRATA_ACCEPT_WAIT_MS": "0",
        "FERRATA_LOG_LEVEL": "warning",
        "FERRATA_PRIVATE_NETWORKS": "127.0.0.0/8,::1/128",  # the shops' stand-ins are on this machine
    }
    settings |= {"FERRATA_DATABASE_URL": database} if database else {}
    settings |= {"FERRATA_KLAVIYO_BASE_URL": klaviyo} if klaviyo else {}
    (home / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def serving(home: Path, role: str = "all", *, preload: Path | None = None) -> Iterator[Running]:
    """A process of an installation that answers requests; ready when this begins. Its token is made before."""
    port, token = _free_port(), make_token(home)
    began = time.monotonic()
    with _process([_script("ferrata"), "serve", "--role", role, "--port", str(port)], home, preload) as pid:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(url)
        yield Running(pid, url, token, home, time.monotonic() - began)


@contextmanager
def working(home: Path) -> Iterator[int]:
    """A process of an installation that only delivers; its pid."""
    with _process([_script("ferrata"), "serve", "--role", "worker"], home) as pid:
        yield pid


def make_token(home: Path) -> str:
    made = [_script("ferrata"), "tokens", "create", f"bench-{time.time_ns()}"]
    said = subprocess.run(made, env=_environment(home), check=True, capture_output=True, text=True, cwd=home).stdout
    token = re.search(r"frt_[\w-]+", said)
    if token is None:
        raise RuntimeError(f"No token was made: {said}")
    return token[0]


def wait_until_ready(url: str) -> None:
    """Until the server says itself that it is ready."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        try:
            if httpx2.get(f"{url}/health/ready", timeout=5).status_code == 200:
                return
        except httpx2.HTTPError:
            pass
        time.sleep(0.02)
    raise RuntimeError(f"{url} is not ready after {START_SECONDS:g} s")


@contextmanager
def sandbox(*, limits: bool) -> Iterator[Running]:
    """Klaviyo's stand-in, with its true rate limits or without any."""
    port = _free_port()
    options = [] if limits else ["--no-limits"]
    with _process([sys.executable, "-m", "klaviyo_sandbox", "--port", str(port), *options], Path.cwd()) as pid:
        _wait_for(port)
        yield Running(pid, f"http://127.0.0.1:{port}")


@contextmanager
def served(module: str, *arguments: str) -> Iterator[Running]:
    """A program of this folder that takes its port first: ``python -m bench.commerce PORT``."""
    port = _free_port()
    with _process([sys.executable, "-m", module, str(port), *arguments], Path.cwd()) as pid:
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
def klaviyo_windows(*, answers_after_ms: int = 50) -> Iterator[Running]:
    """The stand-in of ``klaviyo.py``: Klaviyo's windows and nothing else, at next to no cost of its own."""
    port = _free_port()
    with _process([sys.executable, "-m", "bench.klaviyo", str(port), str(answers_after_ms)], Path.cwd()) as pid:
        _wait_for(port)
        yield Running(pid, f"http://127.0.0.1:{port}")


@contextmanager
def _process(command: list[str], cwd: Path, preload: Path | None = None) -> Iterator[int]:
    environment = _environment(cwd) | ({"LD_PRELOAD": str(preload)} if preload else {})
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, cwd=cwd, env=environment, stdout=subprocess.DEVNULL, stderr=said)
        try:
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            said.seek(0)
            if process.returncode not in (0, -15) and (last := said.read()[-2000:].decode(errors="replace").strip()):
                print(last, file=sys.stderr)


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
