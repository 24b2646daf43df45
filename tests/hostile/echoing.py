"""A mail server, an OpenID provider and a webhook's receiver that refuse whatever comes and say back all that they were told."""

import json
import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class _Mail(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"220 mail.test\r\n")
        for line in self.rfile:
            if line.upper().startswith(b"EHLO"):
                self.wfile.write(b"250-mail.test\r\n250 AUTH PLAIN LOGIN\r\n")
            elif line.upper().startswith(b"QUIT"):
                return
            else:
                self.wfile.write(b"535 not you: " + line)


class _Web(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        here = f"http://{self.headers['host']}"
        doors = {name: f"{here}/{name}" for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
        methods = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
        self._answer(200, {"issuer": here, **doors, **methods})

    def do_POST(self) -> None:
        said = self.rfile.read(int(self.headers.get("content-length", "0"))).decode()
        self._answer(400, {"error": f"{said} {self.headers} {self.path}", "error_description": said})

    def _answer(self, status: int, document: dict[str, object]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing on the terminal."""


@contextmanager
def echoing() -> Iterator[tuple[int, int]]:
    """The ports of mail and web."""
    servers = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Mail), ThreadingHTTPServer(("127.0.0.1", 0), _Web)
    for server in servers:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield servers[0].server_address[1], servers[1].server_address[1]
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
