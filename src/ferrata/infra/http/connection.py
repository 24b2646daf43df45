"""One client's connection: uvicorn's, with the bounds that it does not set, and refusals in the one shape of errors.

The head of a request must arrive in time, be of a bounded size, and name one host. A client that opens connections and says
nothing, or says it a byte at a time, is shown out; one that is answered already may not go on sending for ever either.
"""

import asyncio

from starlette.requests import Request
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ferrata.infra.errors import Recovery
from ferrata.infra.http.problems import Answer, problem_response

HEAD_SECONDS = 20.0
MOST_HEAD_BYTES = 64 * 1024
_VERSIONS = ("1.0", "1.1")
_MALFORMED = Answer(400, "malformed_request", "This is not a request that can be understood.", Recovery.REJECT)
_NO_HOST = Answer(400, "malformed_request", "A request must name its host, once, in the header Host.", Recovery.REJECT)
_TOO_LARGE = Answer(
    431, "head_too_large", f"The headers are larger than the {MOST_HEAD_BYTES:,} bytes that are accepted here.", Recovery.REJECT
)
_TOO_SLOW = Answer(408, "request_timeout", "The request did not arrive in time.", Recovery.REJECT)


class _Refused(Exception):
    """The head is not taken; what is the matter stands in the connection's ``_fault``."""


class Connection(HttpToolsProtocol):
    """``head_seconds`` is how long the head of a request may take, from the connection or from its first byte."""

    head_seconds = HEAD_SECONDS

    _deadline: asyncio.TimerHandle | None = None
    _arrived = 0
    """Bytes since the head of the present request began."""
    _in_body = False
    _fault = _MALFORMED

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lift_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._in_body:
            self._arrived += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._arrived > MOST_HEAD_BYTES and not self._in_body:
            self._refuse(_TOO_LARGE)
        elif self._deadline is None and self.timeout_keep_alive_task is None and not self._is_answering():
            self._set_deadline()  # a head that has begun, or a body that nobody waits for any more

    def on_headers_complete(self) -> None:
        self._lift_deadline()
        if self._arrived > MOST_HEAD_BYTES and self._head_bytes() > MOST_HEAD_BYTES:
            self._fault = _TOO_LARGE
            raise _Refused
        version = self.parser.get_http_version()
        hosts = [name for name, _ in self.headers].count(b"host")
        if version not in _VERSIONS or hosts > 1 or (hosts == 0 and version == "1.1"):
            self._fault = _NO_HOST if version in _VERSIONS else _MALFORMED
            raise _Refused
        self._in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_body, self._arrived = False, 0

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn for whatever its parser does not take, ``_Refused`` included."""
        self._refuse(self._fault)

    def _refuse(self, answer: Answer) -> None:
        """Answer and hang up; only hang up where half an answer is out already, which this would become a part of."""
        self._lift_deadline()
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            response = problem_response(answer, Request({"type": "http", "headers": []}))
            headers = [*response.raw_headers, (b"connection", b"close")]
            lines = [f"HTTP/1.1 {answer.status} {answer.title}".encode(), *(name + b": " + value for name, value in headers)]
            self.transport.write(b"\r\n".join([*lines, b"", bytes(response.body)]))
        self.transport.close()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _set_deadline(self) -> None:
        self._deadline = self.loop.call_later(self.head_seconds, self._give_up)

    def _lift_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if self._arrived and not self._in_body:
            self._refuse(_TOO_SLOW)
        else:
            self.transport.close()
