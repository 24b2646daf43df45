"""The product under strace: what it syncs before it answers, and what becomes of it when a system call kills, fails or drags."""

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WATCHED = "read,recvfrom,recvmsg,write,writev,sendto,sendmsg,fdatasync,fsync,pwrite64"
_CALL = re.compile(r"^(?P<thread>\d+) +(?:<\.\.\. )?(?P<name>[a-z0-9]+)(?P<rest>.*)$")


def strace_works(folder: Path) -> str | None:
    """Why strace can't be used here; None if it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-D", "-f", "-o", folder / "probe", "true"], capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 and (folder / "probe").exists() else f"strace does not work here: {tried.stderr[:200]}"


def watching(log: Path) -> tuple[str, ...]:
    """Watch, with paths; the process stays our own child."""
    return ("strace", "-D", "-f", "-y", "-s", "60", "-e", f"trace={WATCHED}", "-o", str(log))


def injecting(log: Path, rule: str) -> tuple[str, ...]:
    """``rule`` as strace has it: ``fdatasync:signal=KILL:when=7``."""
    return (
        "strace",
        "-D",
        "-f",
        "-e",
        f"trace={rule.partition(':')[0]}",
        "-e",
        f"inject={rule}",
        "-o",
        str(log),
    )


@dataclass
class Exchange:
    """What happened between a request's bytes and its answer's."""

    syncs: int = 0
    answered: bool = False


def exchanges(log: Path, path: str = "POST /events") -> Iterator[Exchange]:
    """Each request seen in a log of ``watching``, one at a time as they were made: synced before the 2xx or not."""
    current: Exchange | None = None
    for line in log.read_text(errors="replace").splitlines():
        call = _CALL.match(line)
        if call is None:
            continue
        name, rest = call["name"], call["rest"]
        if name.startswith(("read", "recv")) and path in rest:
            current = Exchange()
        elif name in ("fdatasync", "fsync") and rest.endswith("= 0") and current and ("-wal" in rest or "resumed" in rest):
            current.syncs += 1
        elif name.startswith(("write", "send")) and "HTTP/1.1 20" in rest and current:
            current.answered = True
            yield current
            current = None


def strace_attaches(folder: Path) -> str | None:
    """Why a process that runs already can't be traced here; None if it can."""
    if reason := strace_works(folder):
        return reason
    with subprocess.Popen(["sleep", "20"]) as sleeper:
        try:
            with attached([sleeper.pid], folder / "attached", "pwrite64:error=ENOSPC"):
                return None
        except CannotAttach as error:
            return str(error)
        finally:
            sleeper.kill()


class CannotAttach(RuntimeError):
    """None of these processes can be traced here."""


@contextmanager
def attached(pids: list[int], log: Path, rule: str) -> Iterator[None]:
    """Bend the system calls of processes that run already, for as long as this lasts. ``rule`` as in ``injecting``."""
    targets = [part for pid in pids for part in ("-p", str(pid))]
    command = ["strace", "-f", *targets, "-e", f"trace={rule.partition(':')[0]}", "-e", f"inject={rule}", "-o", str(log)]
    log.touch()
    log.chmod(0o666)
    owner = Path(f"/proc/{pids[0]}").stat()  # PostgreSQL runs as somebody else: as that somebody no privilege is needed
    as_owner: dict[str, Any] = {}
    if os.geteuid() == 0 and owner.st_uid:
        as_owner = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, **as_owner) as tracer:
        try:
            told: list[str] = []
            while not told or not re.search(r"attached( with \d+ threads)?$", told[-1]):  # some may have ended meanwhile
                line = tracer.stderr.readline() if tracer.stderr else ""
                if not line:
                    raise CannotAttach("strace cannot attach here: " + " ".join(told) + f" of {pids}")
                told.append(line.strip())
            threading.Thread(target=_drain, args=(tracer,), daemon=True).start()
            yield
        finally:
            tracer.terminate()
            tracer.wait(20)


def _drain(tracer: "subprocess.Popen[str]") -> None:
    for _line in tracer.stderr or ():
        pass
