"""A disk whose every sync takes 2 ms longer: a library that is compiled here and that the measured process is started with."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOURCE = Path(__file__).with_name("native") / "slow_fsync.c"
_PROBE = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1] + "/probe.db", isolation_level=None)
connection.execute("PRAGMA journal_mode=WAL"); connection.execute("PRAGMA synchronous=FULL")
connection.execute("CREATE TABLE t (x)")
times = []
for _ in range(30):
    began = time.perf_counter(); connection.execute("INSERT INTO t VALUES (1)"); times.append(time.perf_counter() - began)
print(min(times) * 1000)
"""


@contextmanager
def slow_syncs() -> Iterator[Path]:
    """The library.

    Raises:
        RuntimeError: there is no C compiler here, or SQLite's commits do not become slower with it, so that a figure would lie.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise RuntimeError("There is no C compiler here (cc, gcc or clang) to make the library that slows syncs down.")
    with tempfile.TemporaryDirectory(prefix="ferrata-sync-") as folder:
        library = Path(folder) / "slow_fsync.so"
        subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, SOURCE, "-ldl"], check=True, capture_output=True)
        without, with_it = commit_milliseconds(None), commit_milliseconds(library)
        if with_it < without + 1.8:
            raise RuntimeError(f"A commit of SQLite takes {with_it:.2f} ms with the library and {without:.2f} ms without it.")
        yield library


def commit_milliseconds(preload: Path | None) -> float:
    """The least that one commit of SQLite takes, as Ferrata commits: what other work on the machine adds is not in it."""
    environment = dict(os.environ) | ({"LD_PRELOAD": str(preload)} if preload else {})
    with tempfile.TemporaryDirectory(prefix="ferrata-sync-") as folder:
        command = [sys.executable, "-c", _PROBE, folder]
        return float(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)
