"""What one would put in front of the official SDK: a queue from PyPI whose worker sends one event after another with the SDK.

Of each: how fast it takes events durably, what a delivered event costs in CPU, and how many of those that it has taken are lost
when its worker is killed (SIGKILL) and started again. Beside them Ferrata, with the same orders and the same stand-in.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import httpx2

from bench import filling, orders
from bench.load import post_all
from bench.processes import Running, cpu_seconds, installation, klaviyo_windows, serving
from bench.results import Bench, Row

KEY = "pk_bench-queues"
TAKEN, TAKEN_BY_PEER = 2_000, 400
DELIVERED = 300
KILLED = 200
KILLS = 3
AT_ONCE = 50
QUIET_SECONDS = 6.0
LONGEST_SECONDS = 150.0
QUEUES = {
    "celery": "Celery (SQLAlchemy on SQLite) + SDK",
    "celery-late": "Celery with acks_late + SDK",
    "huey": "huey (SQLite) + SDK",
}


@dataclass(frozen=True)
class _Measured:
    rate: float
    cpu_micros: float
    lost: float


def queues(size: float) -> list[Row]:
    missing = [name for name in ("celery", "huey", "klaviyo_api") if find_spec(name) is None]
    if missing:
        raise RuntimeError(f"{', '.join(missing)}: not installed. python3 dev.py bench installs them (requirements/bench.txt)")
    share = min(1.0, max(size, 0.05))
    ours = _ours(share)
    peers = {label: _peer(kind, share) for kind, label in QUEUES.items() if size >= 1 or kind != "celery"}
    least = min(each.cpu_micros for each in peers.values())
    return [
        Row("queues.rate", "one producer puts events by, durably, one after another", ours.rate, "/s",
            peers={label: each.rate for label, each in peers.items()}),
        Row("queues.cpu", "CPU for each event, from put by to delivered, live one by one", ours.cpu_micros, "µs",
            peers={label: each.cpu_micros for label, each in peers.items()}, goal="less than each peer",
            met=ours.cpu_micros < least),
        Row("queues.lost", f"lost of {max(30, int(KILLED * share))} events with {KILLS} SIGKILLs of the worker", ours.lost, "",
            peers={label: each.lost for label, each in peers.items()}, goal="0", met=ours.lost == 0),
    ]  # fmt: skip


def _ours(share: float) -> _Measured:
    with klaviyo_windows() as klaviyo, installation(klaviyo=klaviyo.url) as home:
        filling.found(home, key=KEY)
        with serving(home) as server:
            _post(server, "w", 50)
            _until_still(klaviyo, 50)
            before, taken = cpu_seconds(server.pid), max(60, int(DELIVERED * share))
            _post(server, "cpu", taken, connections=1)
            _until_still(klaviyo, 50 + taken)
            cpu = (cpu_seconds(server.pid) - before) / taken * 1e6
            number = int(TAKEN * share)
            rate = number / _post(server, "rate", number, connections=1)
        return _Measured(rate, cpu, _ours_lost(home, klaviyo, max(30, int(KILLED * share))))


def _ours_lost(home: Path, klaviyo: Running, number: int) -> float:
    """Killed while it delivers; what is left over from measuring before goes first, and is not counted."""
    expected = set[str]()
    for turn in range(KILLS):
        with serving(home) as server:
            _post(server, f"kill{turn}", number // KILLS)
            expected |= {f"kill{turn}-{n}" for n in range(number // KILLS)}
            os.kill(server.pid, signal.SIGKILL)
    with serving(home):
        _until_quiet(klaviyo)
    return float(len(expected - _arrived(klaviyo)))


def _post(server: Running, run: str, number: int, connections: int = 8) -> float:
    load = post_all(f"{server.url}/events", server.token, [orders.one(run, n) for n in range(number)], connections=connections)
    if load.refused:
        raise RuntimeError(f"{load.refused} requests were refused")
    return load.seconds


def _peer(kind: str, share: float) -> _Measured:
    with klaviyo_windows() as klaviyo, tempfile.TemporaryDirectory(prefix="ferrata-queue-") as folder:
        home = Path(folder)
        rate = _put(kind, home, klaviyo, "rate", max(40, int(TAKEN_BY_PEER * share)))
        with tempfile.TemporaryDirectory(prefix="ferrata-queue-") as other:
            cpu = _cpu(kind, Path(other), klaviyo, max(60, int(DELIVERED * share)))
        with tempfile.TemporaryDirectory(prefix="ferrata-queue-") as other:
            lost = _lost(kind, Path(other), klaviyo, max(30, int(KILLED * share)))
        return _Measured(rate, cpu, lost)


def _put(kind: str, home: Path, klaviyo: Running, run: str, number: int) -> float:
    """Events a second, as the producer itself counts them."""
    command = [sys.executable, "-m", "bench.queue_peer", kind, "put", run, str(number)]
    said = subprocess.run(command, env=_environment(home, klaviyo), check=True, capture_output=True, text=True)
    return float(said.stdout.split()[-1])


def _cpu(kind: str, home: Path, klaviyo: Running, number: int) -> float:
    """Of the worker; what the producer spends comes on top, and is left out."""
    _put(kind, home, klaviyo, "w", 5)
    with _worker(kind, home, klaviyo) as pid:
        _until_still(klaviyo, 5)
        before = _cpu_of_all(pid)
        _put(kind, home, klaviyo, "cpu", number)
        _until_still(klaviyo, 5 + number)
        return (_cpu_of_all(pid) - before) / number * 1e6


def _lost(kind: str, home: Path, klaviyo: Running, number: int) -> float:
    httpx2.delete(f"{klaviyo.url}/seen")
    _put(kind, home, klaviyo, "kill", number)
    for turn in range(KILLS):
        with _worker(kind, home, klaviyo) as pid:
            _until_still(klaviyo, (turn + 1) * number // (KILLS + 2))  # in the middle of it
            os.killpg(pid, signal.SIGKILL)
    with _worker(kind, home, klaviyo):
        _until_quiet(klaviyo)
    return float(number - len(_arrived(klaviyo)))


@contextmanager
def _worker(kind: str, home: Path, klaviyo: Running) -> Iterator[int]:
    """Its pid, which is that of its group, too."""
    command = [sys.executable, "-m", "bench.queue_peer", kind, "work"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env=_environment(home, klaviyo), start_new_session=True, **quiet)  # type: ignore[call-overload]  # both are of its names
    try:
        yield process.pid
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _environment(home: Path, klaviyo: Running) -> dict[str, str]:
    return dict(os.environ) | {"QUEUE_HOME": str(home), "QUEUE_KLAVIYO": klaviyo.url, "QUEUE_KEY": KEY}


def _cpu_of_all(group: int) -> float:
    """Of all processes of the worker's group."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return sum(cpu_seconds(pid) for pid in pids if _group_of(pid) == group)


def _group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def _arrived(klaviyo: Running) -> set[str]:
    return set(httpx2.get(f"{klaviyo.url}/seen?ids=1", timeout=60).json()["ids"])


def _until_still(klaviyo: Running, number: int) -> None:
    until = time.monotonic() + LONGEST_SECONDS
    while len(_arrived(klaviyo)) < number:
        if time.monotonic() > until:
            raise RuntimeError(f"{number} events have not arrived within {LONGEST_SECONDS:g} s")
        time.sleep(0.05)


def _until_quiet(klaviyo: Running) -> None:
    """Until nothing new has come for a while, at the latest after so long."""
    until, last, since = time.monotonic() + LONGEST_SECONDS, -1, time.monotonic()
    while time.monotonic() < until:
        count = len(_arrived(klaviyo))
        if count != last:
            last, since = count, time.monotonic()
        elif time.monotonic() - since > QUIET_SECONDS:
            return
        time.sleep(0.2)


BENCHES = [Bench("queues", queues)]
