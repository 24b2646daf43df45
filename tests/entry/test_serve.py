"""The installed command as a process of its own."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

FERRATA = Path(sys.executable).with_name("ferrata")


def environment(tmp_path: Path, **values: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FERRATA_", "KLAVIYO_", "DATABASE_"))}
    return kept | {"FERRATA_DATA_DIR": str(tmp_path / "data"), "FERRATA_LOG_FORMAT": "json"} | values


def run(tmp_path: Path, *arguments: str, stdin: str = "", **values: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FERRATA, *arguments],
        cwd=tmp_path,
        env=environment(tmp_path, **values),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def serving(tmp_path: Path, *arguments: str, **values: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server on a free port; gives the process and its address, and ends it if the test has not."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [FERRATA, "serve", "--port", str(port), *arguments],
        cwd=tmp_path,
        env=environment(tmp_path, **values),
        stdout=(tmp_path / "out").open("w"),
        stderr=(tmp_path / "err").open("w"),
        text=True,
    )
    address = f"http://127.0.0.1:{port}"
    until = time.monotonic() + 60
    while True:
        try:
            httpx2.get(address, timeout=5)
            break
        except httpx2.TransportError:
            assert server.poll() is None, (tmp_path / "err").read_text()
            assert time.monotonic() < until
            time.sleep(0.1)
    try:
        yield server, address
    finally:
        if server.poll() is None:
            server.kill()
        server.wait()


class TestServe:
    def test_prints_the_one_time_token_and_not_into_the_log(self, tmp_path: Path) -> None:
        with serving(tmp_path) as (_, address):
            printed = re.search(r"^    (\S{30,})$", (tmp_path / "out").read_text(), re.MULTILINE)
            assert printed
            assert printed[1] not in (tmp_path / "err").read_text()
            form = {"token": printed[1], "email": "mira@example.com", "password": "granite ledge copper rope"}
            assert httpx2.post(f"{address}/setup", data=form).status_code == 303

    def test_keeps_secrets_and_query_strings_out_of_the_log(self, tmp_path: Path) -> None:
        with serving(tmp_path, FERRATA_LOG_LEVEL="debug") as (_, address):
            token = run(tmp_path, "tokens", "create", "shop").stdout.strip()
            httpx2.get(f"{address}/events?q=CANARY", headers={"authorization": f"Bearer {token}"})
            httpx2.get(f"{address}/events/profiles/jane.doe%40shop.com/metrics", headers={"authorization": f"Bearer {token}"})
            httpx2.get(f"{address}/x%0a%7b%22event%22:%22forged%22%7d")
        lines = (tmp_path / "err").read_text().splitlines()
        assert sum('"http.answered"' in line for line in lines) >= 3
        for line in lines:
            assert json.loads(line)["event"] != "forged"
            for secret in (token, token[4:], "CANARY", "jane.doe"):
                assert secret not in line

    @pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
    def test_ends_in_good_order_when_told_to(self, tmp_path: Path, kind: signal.Signals) -> None:
        with serving(tmp_path) as (server, address), httpx2.stream("GET", f"{address}/ui/patterns/live") as stream:
            assert stream.status_code == 200  # an open stream, which must not hold the end up
            server.send_signal(kind)
            assert server.wait(30) == 0
        assert json.loads((tmp_path / "err").read_text().splitlines()[-1])["event"] == "serve.ended"

    def test_holds_its_sqlite_file_alone_while_commands_work_beside_it(self, tmp_path: Path) -> None:
        with serving(tmp_path) as (server, address):
            second = run(tmp_path, "serve", "--port", "0")
            assert (second.returncode, str(server.pid) in second.stderr) == (75, True)
            token = run(tmp_path, "tokens", "create", "shop", "--json")
            secret = json.loads(token.stdout)["token"]
            assert httpx2.get(f"{address}/lanes", headers={"authorization": f"Bearer {secret}"}).status_code == 200

    def test_refuses_to_share_a_sqlite_file_among_roles(self, tmp_path: Path) -> None:
        for role in ("api", "worker"):
            refused = run(tmp_path, "serve", "--role", role)
            assert refused.returncode == 1
            assert "PostgreSQL" in refused.stderr

    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ({"FERRATA_PORT": "many"}, "FERRATA_PORT"),
            ({"DATA_RETENTION_DAYS": "-1"}, "DATA_RETENTION_DAYS"),
            ({"DATABASE_URL": "mysql://x/y"}, "SQLite or PostgreSQL"),
            ({"FERRATA_MASTER_KEY": "c2hvcnQ="}, "32 bytes"),
            ({"NODE_ENV": "production"}, "FERRATA_MASTER_KEY"),
            ({"DATABASE_URL": "postgresql://nobody:granite@127.0.0.1:1/none"}, "cannot be opened"),
        ],
    )
    def test_says_in_one_sentence_what_is_wrong_with_the_settings(
        self, tmp_path: Path, values: dict[str, str], said: str
    ) -> None:
        failed = run(tmp_path, "serve", "--port", "0", **values)
        assert failed.returncode in (1, 2, 75)
        assert said in failed.stderr
        assert "Traceback" not in failed.stderr
        assert "granite" not in failed.stderr

    def test_refuses_another_master_key_than_the_one_before(self, tmp_path: Path) -> None:
        assert run(tmp_path, "connections", "set-key", "--no-test", stdin="pk_0123456789\n").returncode == 0
        key = run(tmp_path, "keys", "generate").stdout.strip()
        refused = run(tmp_path, "serve", "--port", "0", FERRATA_MASTER_KEY=key)
        assert refused.returncode == 1
        assert "master key" in refused.stderr


class TestCommands:
    def test_make_a_first_administrator_who_can_sign_in(self, tmp_path: Path) -> None:
        made = run(tmp_path, "people", "create", "Jo@Example.com", "--role", "administrator", "--json", stdin="\n")
        password = json.loads(made.stdout)["password"]
        with serving(tmp_path) as (_, address):
            assert "one-time token" not in (tmp_path / "out").read_text()
            form = {"email": "jo@example.com", "password": password}
            assert httpx2.post(f"{address}/sign-in", data=form).status_code == 303
            run(tmp_path, "people", "reset-password", "jo@example.com", stdin="another long password\n")
            assert httpx2.post(f"{address}/sign-in", data=form).status_code == 401
            assert httpx2.post(f"{address}/sign-in", data=form | {"password": "another long password"}).status_code == 303

    def test_list_what_they_made_as_json(self, tmp_path: Path) -> None:
        assert run(tmp_path, "stores", "create", "second", "Second shop", "--currency", "CHF").returncode == 0
        assert [store["id"] for store in json.loads(run(tmp_path, "stores", "list", "--json").stdout)] == ["default", "second"]
        run(tmp_path, "tokens", "create", "shop", "--store", "second", "--right", "events:write", "--days", "3")
        token = json.loads(run(tmp_path, "tokens", "list", "--json").stdout)[0]
        assert (token["name"], token["store"], token["revoked"]) == ("shop", "second", None)
        assert run(tmp_path, "tokens", "revoke", token["id"]).returncode == 0
        assert json.loads(run(tmp_path, "tokens", "list", "--json").stdout)[0]["revoked"]

    def test_fail_with_a_sentence_and_an_exit_code(self, tmp_path: Path) -> None:
        for arguments, code in (
            (("tokens", "revoke", "nobody"), 1),
            (("tokens", "create", "shop", "--store", "nowhere"), 1),
            (("tokens", "create", "shop", "--right", "everything"), 1),
            (("connections", "test"), 1),
            (("people", "create", "not-an-address"), 1),
            (("nonsense",), 2),
        ):
            failed = run(tmp_path, *arguments, stdin="a long enough password\n")
            assert failed.returncode == code, (arguments, failed.stdout, failed.stderr)
            assert failed.stderr.strip()
            assert "Traceback" not in failed.stderr

    def test_rotate_the_master_key(self, tmp_path: Path) -> None:
        old, new = (run(tmp_path, "keys", "generate").stdout.strip() for _ in range(2))
        run(tmp_path, "connections", "set-key", "--no-test", stdin="pk_0123456789\n", FERRATA_MASTER_KEY=old)
        rotated = run(tmp_path, "keys", "rotate", "--json", FERRATA_MASTER_KEY=f"{new},{old}")
        assert json.loads(rotated.stdout) == {"resealed": 1}
        with serving(tmp_path, FERRATA_MASTER_KEY=new):
            pass
