"""``ferrata connections`` and ``ferrata stores`` as they are typed, on the data of an installation; Klaviyo is the sandbox."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from klaviyo_sandbox.sandbox import Sandbox
from klaviyo_sandbox.server import running
from klaviyo_sandbox.tenants import DEFAULT_ACCOUNT, DEFAULT_KEY

NARROW_KEY, NARROW = "pk_" + "5ma1" * 8 + "99", ["events:write", "accounts:read", "metrics:read"]


class Terminal:
    def __init__(self, folder: Path, klaviyo: str, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._environment = {**os.environ, "FERRATA_DATA_DIR": str(folder), "FERRATA_KLAVIYO_BASE_URL": klaviyo, "NO_COLOR": "1"}
        self._environment.pop("DATABASE_URL", None)

    def run(self, *arguments: str, typed: str = "", exits: int = 0) -> str:
        """What it says: on the one channel if it goes well, on the other if not."""
        command = (sys.executable, "-c", "from ferrata.entry.cli import main; main()", *arguments)
        done = subprocess.run(
            command, env=self._environment, input=typed, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == exits, done.stdout + done.stderr
        assert DEFAULT_KEY not in done.stdout + done.stderr
        return done.stderr if exits else done.stdout

    def json(self, *arguments: str, typed: str = "") -> Any:
        return json.loads(self.run(*arguments, "--json", typed=typed))


@pytest.fixture
def terminal(tmp_path: Path, sqlite_template: Path) -> Iterator[Terminal]:
    (tmp_path / "ferrata.db").write_bytes(sqlite_template.read_bytes())
    sandbox = Sandbox(seed=1)
    with running(sandbox) as served:
        yield Terminal(tmp_path, served.url, sandbox)
    sandbox.close()


def test_a_connection_is_made_looked_at_and_its_key_replaced(terminal: Terminal) -> None:
    terminal.run("stores", "create", "alpen", "Alpenglück")
    at = ("--store", "alpen")
    assert "not connected to Klaviyo yet" in terminal.run("connections", "metrics", *at, exits=1)
    assert "Sandbox Shop SANDBX" in terminal.run("connections", "set-key", *at, typed=DEFAULT_KEY)
    assert terminal.json("connections", "metrics", *at) == []
    refused = terminal.run("connections", "choose-metric", "nope", *at, exits=1)
    assert "ferrata connections metrics" in refused
    assert terminal.json("connections", "scopes", *at)["missing"] == []
    terminal.sandbox.tenants.add_key(NARROW_KEY, DEFAULT_ACCOUNT, NARROW)
    said = terminal.run("connections", "rotate-key", *at, typed=NARROW_KEY)
    assert f"…{NARROW_KEY[-4:]} is in use. Revoke …{DEFAULT_KEY[-4:]} in Klaviyo after" in said
    assert "Not possible: Keep profiles up to date (profiles:write)" in said
    assert "connected with already" in terminal.run("connections", "rotate-key", *at, typed=NARROW_KEY, exits=1)


def test_a_store_is_put_away_and_taken_back(terminal: Terminal) -> None:
    terminal.run("stores", "create", "alpen", "Alpenglück")
    terminal.run("stores", "archive", "alpen", exits=1)
    terminal.run("stores", "archive", "alpen", "--confirm", "alpen")
    assert [row["id"] for row in terminal.json("stores", "list", "--archived")] == ["alpen"]
    assert "ferrata connections set-key --store alpen" in terminal.run("stores", "restore", "alpen")
    assert "alpen" in [row["id"] for row in terminal.json("stores", "list")]
