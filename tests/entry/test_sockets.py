"""What only a raw connection can send: requests that two servers would read in two ways, lies about the address, bombs."""

import gzip
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.entry.test_serve import run, serving


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("sockets")
    with serving(folder) as (_, served):
        yield served


@pytest.fixture(scope="module")
def token(address: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = next(path for path in tmp_path_factory.getbasetemp().glob("sockets*") if (path / "data").exists())
    return run(folder, "tokens", "create", "shop", "--store", "default").stdout.strip()


def exchange(address: str, raw: bytes) -> bytes:
    """All that the server says until it closes the connection or has been silent for two seconds."""
    parts = urlsplit(address)
    said = b""
    with socket.create_connection((parts.hostname, parts.port), timeout=2) as connection:
        connection.sendall(raw)
        try:
            while piece := connection.recv(65_536):
                said += piece
        except TimeoutError:
            pass
    return said


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


class TestARequestThatCanBeReadInTwoWays:
    @pytest.mark.parametrize(
        "head",
        [
            b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            b"Content-Length: 5\r\nContent-Length: 40\r\n",
            b"Content-Length: +5\r\n",
            b"Content-Length: 5 5\r\n",
            b"Transfer-Encoding: xchunked\r\n",
            b"Transfer-Encoding : chunked\r\n",
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            b"X: a\r\n b: folded\r\nContent-Length: 0\r\nX\x00Y: z\r\n",
        ],
    )
    def test_is_refused_or_closes_the_connection_without_a_second_answer(self, address: str, head: bytes) -> None:
        said = exchange(address, b"POST /nowhere HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n0\r\n\r\n" + SMUGGLED)
        assert b"smuggled" not in said
        assert said.startswith(b"HTTP/1.1 4") or said == b""


class TestAnAddress:
    def test_is_not_believed_from_a_header_without_a_trusted_proxy(self, address: str) -> None:
        statuses = [
            httpx2.post(
                f"{address}/sign-in",
                data={"email": f"a{number}@example.com", "password": "wrong wrong wrong"},
                headers={"x-forwarded-for": f"198.51.100.{number}"},
            ).status_code
            for number in range(11)
        ]
        assert statuses == [401] * 10 + [429]


class TestABodyOverTheWire:
    def test_that_is_a_bomb_is_refused(self, address: str, token: str) -> None:
        headers = {"authorization": f"Bearer {token}", "content-encoding": "gzip", "content-type": "application/json"}
        answer = httpx2.post(f"{address}/events", content=gzip.compress(b" " * 300_000_000), headers=headers, timeout=30)
        assert answer.status_code == 413

    def test_without_an_end_is_refused_and_the_connection_closed(self, address: str, token: str) -> None:
        parts = urlsplit(address)
        head = f"POST /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\r\n"
        piece = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        sent = 0
        with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
            connection.sendall(head.encode())
            try:
                while sent < 1_000:
                    connection.sendall(piece)
                    sent += 1
            except OSError:
                pass
        assert sent < 1_000


def test_no_file_of_the_data_folder_can_be_read_by_others(address: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder: Path = next(path for path in tmp_path_factory.getbasetemp().glob("sockets*") if (path / "data").exists())
    modes = {path.name: path.stat().st_mode & 0o077 for path in (folder / "data").iterdir()}
    assert modes
    assert not any(modes.values()), modes
