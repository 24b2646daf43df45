"""`ferrata doctor` as a person runs it: alone, beside a server, with everything that can be wrong."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from klaviyo_sandbox.faults import Rule
from klaviyo_sandbox.sandbox import Sandbox
from klaviyo_sandbox.server import Running, running
from klaviyo_sandbox.tenants import DEFAULT_KEY
from tests.doors import MASTER_KEY

FERRATA = str(Path(sys.executable).with_name("ferrata"))


@pytest.fixture
def klaviyo(sandbox: Sandbox) -> Iterator[Running]:
    with running(sandbox) as served:
        yield served


class Installation:
    """A Ferrata on this machine: its environment, its commands, its server."""

    def __init__(self, database_url: str, folder: Path, klaviyo_url: str) -> None:
        self.folder = folder
        self.port = _free_port()
        self.environment = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": database_url,
            "FERRATA_DATA_DIR": str(folder),
            "FERRATA_MASTER_KEY": MASTER_KEY,
            "FERRATA_ALLOW_UNSAFE_DATABASE": "true",
            "KLAVIYO_BASE_URL": klaviyo_url,
            "KLAVIYO_API_KEY": DEFAULT_KEY,
            "PORT": str(self.port),
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [FERRATA, *arguments]
        return subprocess.run(
            command, env=self.environment, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False
        )

    def doctor(self) -> tuple[int, dict[str, dict[str, Any]]]:
        done = self.run("doctor", "--json")
        assert done.stdout, done.stderr
        return done.returncode, {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}

    @contextmanager
    def serving(self) -> Iterator[None]:
        command = [FERRATA, "serve"]
        server = subprocess.Popen(
            command, env=self.environment, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            self._wait_for_it(server)
            yield
        finally:
            server.terminate()
            server.communicate(timeout=30)

    def _wait_for_it(self, server: "subprocess.Popen[str]") -> None:
        for _ in range(300):
            assert server.poll() is None, server.communicate()[0]
            try:
                if httpx2.get(f"http://127.0.0.1:{self.port}/health/ready", timeout=2).status_code == 200:
                    return
            except httpx2.HTTPError:
                pass
            time.sleep(0.1)
        raise AssertionError("the server did not become ready")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def installation(database_url: str, tmp_path: Path, klaviyo: Running) -> Installation:
    if database_url.startswith("sqlite"):
        (tmp_path / "ferrata.db").chmod(0o600)
    return Installation(database_url, tmp_path, klaviyo.url)


def states(findings: dict[str, dict[str, Any]], *names: str) -> list[str]:
    return [findings[name]["state"] for name in names]


class TestBesideARunningServer:
    def test_it_sees_everything_and_disturbs_nothing(self, installation: Installation) -> None:
        with installation.serving():
            code, found = installation.doctor()
            again = httpx2.get(f"http://127.0.0.1:{installation.port}/health/ready", timeout=5)
        assert again.status_code == 200
        well = ("configuration", "data_directory", "port", "database.engine", "database.schema", "disk.space")
        assert states(found, *well) == ["ok"] * len(well)
        assert found["port"]["found"] == f"Ferrata answers at 127.0.0.1:{installation.port}."
        assert (
            states(found, "klaviyo.default", "klaviyo.default.scopes", "lanes.default.events", "dead_letters.default")
            == ["ok"] * 4
        )
        assert found["worker"]["found"] == "1 process delivers."
        if installation.environment["DATABASE_URL"].startswith("sqlite"):
            assert "held by the running server (process " in found["database.engine"]["found"]
            assert (code, found["database.durability"]["state"]) == (0, "ok")
        else:  # the tests' server runs without fsync
            assert (code, found["database.durability"]["state"]) == (1, "problem")
            assert found["clock.database"]["state"] == "ok"

    def test_it_names_what_a_key_lacks_and_writes_nothing_at_klaviyo(self, installation: Installation, sandbox: Sandbox) -> None:
        account = sandbox.tenants.find_key(DEFAULT_KEY)
        assert account
        sandbox.tenants.add_key("pk_reads_only_and_not_even_all", account.account_id, ["accounts:read", "metrics:read"])
        installation.environment["KLAVIYO_API_KEY"] = "pk_reads_only_and_not_even_all"
        with installation.serving():
            code, found = installation.doctor()
        scopes = found["klaviyo.default.scopes"]
        assert (code, scopes["state"]) == (1, "problem")
        assert (
            scopes["found"] == "The key lacks events:write, profiles:write, events:read, profiles:read, lists:read, lists:write, "
            "catalogs:read, catalogs:write."
        )
        assert scopes["mend"]
        assert sandbox.effects() == []


class TestAlone:
    def test_before_the_first_start_it_makes_nothing(self, tmp_path: Path, klaviyo: Running) -> None:
        folder = tmp_path / "new"
        made = Installation(f"sqlite:///{folder / 'ferrata.db'}", tmp_path, klaviyo.url)
        made.environment["FERRATA_DATA_DIR"] = str(folder)
        code, found = made.doctor()
        assert (code, found["database"]["found"]) == (0, "There is none yet; the first start makes it.")
        assert found["port"]["state"] == "ok"
        assert not folder.exists()

    def test_people_read_what_it_means_and_how_to_mend_it(self, installation: Installation) -> None:
        with installation.serving():
            pass
        installation.environment["KLAVIYO_BASE_URL"] = "http://127.0.0.1:9"
        done = installation.run("doctor")
        assert done.returncode == 1
        assert "✗ klaviyo.default  Klaviyo cannot be reached" in done.stdout
        assert "→ Look at the network" in done.stdout
        assert "! worker  No process delivers at the moment." in done.stdout

    def test_a_revoked_key_is_told(self, installation: Installation, sandbox: Sandbox) -> None:
        with installation.serving():
            pass
        sandbox.unleash([Rule(effect="revoked")])
        code, found = installation.doctor()
        assert (code, found["klaviyo.default"]["found"]) == (1, "Klaviyo refuses the key (401).")

    def test_another_master_key_is_told(self, installation: Installation) -> None:
        with installation.serving():
            pass
        installation.environment["FERRATA_MASTER_KEY"] = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="
        code, found = installation.doctor()
        assert (code, found["klaviyo.default"]["found"]) == (1, "The key does not decrypt.")

    def test_a_port_that_somebody_else_has_is_told(self, installation: Installation) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", installation.port))
            other.listen()
            code, found = installation.doctor()
        assert (code, found["port"]["state"]) == (1, "problem")

    def test_secrets_that_others_may_read_are_told(self, installation: Installation) -> None:
        (installation.folder / "master.key").write_text("secret")
        (installation.folder / "master.key").chmod(0o644)
        code, found = installation.doctor()
        assert (code, found["data_directory"]["state"]) == (1, "problem")
        assert found["data_directory"]["mend"].startswith("chmod 600 ")

    def test_settings_that_cannot_be_used_are_told_all_at_once(self, tmp_path: Path) -> None:
        made = Installation(f"sqlite:///{tmp_path / 'ferrata.db'}", tmp_path, "http://127.0.0.1:9")
        made.environment |= {"DATA_RETENTION_DAYS": "-1", "LOG_LEVEL": "loud"}
        done = made.run("doctor", "--json")
        told = json.loads(done.stdout)
        assert (done.returncode, told["ok"], len(told["findings"])) == (1, False, 2)

    @pytest.mark.parametrize("url", ["mysql://somewhere/x", "postgresql://nobody@127.0.0.1:9/none", "nonsense"])
    def test_a_database_that_cannot_be_had_is_told(self, tmp_path: Path, url: str) -> None:
        made = Installation(url, tmp_path, "http://127.0.0.1:9")
        code, found = made.doctor()
        assert (code, found["database"]["state"]) == (1, "problem")
        assert found["database"]["mend"]
