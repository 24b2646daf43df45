"""A real ``ferrata demo`` as a process on free ports, and the README's commands run as they stand there."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx2

README = Path(__file__).parents[2] / "README.md"
START_SECONDS, STOP_SECONDS = 60.0, 15.0
Found = TypeVar("Found")


def until(ask: Callable[[], Found | None], seconds: float = 30.0) -> Found:
    """Ask again until the answer is true, and give it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = ask()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"did not come true within {seconds} s")


@dataclass
class Demo:
    """A running demo. ``home`` is where its data directory ``demo-data`` lies."""

    home: Path
    process: subprocess.Popen[bytes]
    papers: dict[str, str]

    @property
    def said(self) -> str:
        return (self.home / "said.txt").read_text()

    def client(self, token: str = "api_token") -> httpx2.Client:
        headers = {"Authorization": f"Bearer {self.papers[token]}"}
        return httpx2.Client(base_url=self.papers["app_url"], headers=headers, timeout=30)

    def get(self, path: str) -> Any:
        with self.client() as client:
            return client.get(path).raise_for_status().json()

    def sandbox(self, path: str) -> Any:
        return httpx2.get(self.papers["sandbox_url"] + path, timeout=30).raise_for_status().json()

    def stored(self, metric: str) -> int:
        """How many events of this metric Klaviyo's stand-in holds, by its own account."""
        found = self.sandbox(f"/_sandbox/effects/counts?kind=event_stored&metric={metric}&by=kind")["counts"]
        return int(found[0]["count"]) if found else 0

    def shell(self, *commands: str) -> str:
        """Run commands of the README, with this demo's addresses in place of the usual ones; gives what they print last."""
        text = "\n".join([README_VARIABLES, *commands])
        text = text.replace("http://localhost:3000", self.papers["app_url"])
        text = text.replace("http://localhost:3001", self.papers["sandbox_url"])
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text], cwd=self.home, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def child_ids(self) -> list[int]:
        """Of whichever thread; from Linux's /proc."""
        listed = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(number) for children in listed for number in children.read_text().split()]

    def stop(self, kind: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(kind)
        return self.process.wait(STOP_SECONDS)


@contextmanager
def demo(home: Path, *options: str, **environment: str) -> Iterator[Demo]:
    """Runs while the context is open, unless it is ended inside."""
    papers = home / "demo-data" / "demo.json"
    before = papers.stat().st_mtime_ns if papers.exists() else 0
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("FERRATA_", "KLAVIYO_", "DATABASE_URL", "PORT"))
    }
    free_ports = [word for name in ("--port", "--sandbox-port") if name not in options for word in (name, "0")]
    command = [str(Path(sys.executable).with_name("ferrata")), "demo", "--no-browser", *free_ports, *options]
    with (home / "said.txt").open("wb") as output:
        process = subprocess.Popen(command, cwd=home, env=clean | environment, stdout=output, stderr=subprocess.STDOUT)
    running = Demo(home, process, {})
    try:
        until(lambda: process.poll() is not None or (papers.exists() and papers.stat().st_mtime_ns > before), START_SECONDS)
        assert process.poll() is None, running.said
        running.papers = json.loads(papers.read_text())
        yield running
    finally:
        if process.poll() is None:
            running.stop()


def ended(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def readme_blocks() -> dict[str, str]:
    """The shell commands of the ten minutes, each by its first distinctive words."""
    section = README.read_text().partition("## The first ten minutes")[2].partition("\n### ")[0]
    return {name: next(block for block in _blocks(section) if words in block) for name, words in _NAMES.items()}


def _blocks(text: str) -> list[str]:
    return re.findall(r"```bash\n(.*?)```", text, re.DOTALL)


_NAMES = {
    "variables": "TOKEN=$(",
    "first event": '"Purchase"',
    "bulk": "/events/bulk",
    "connection": "/klaviyo/test-connection",
    "break": '{"revoked": true}',
    "lanes": "3000/lanes -H",
    "mend": '{"revoked": false}',
    "outage": "/_sandbox/outage",
    "refused": '"poison"',
    "dead letters": "3000/dead-letters -H",
    "replay": "/dead-letters/replay",
}
README_VARIABLES = _blocks(README.read_text().partition("## The first ten minutes")[2])[0]
