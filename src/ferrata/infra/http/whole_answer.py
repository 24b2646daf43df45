"""Sends an answer that is whole with one write to the connection, where uvicorn makes two: each is a call to the system.

Headers are not checked here, so they must be our own: nothing of a sender's may stand in them that was not checked before.
"""

from collections.abc import Mapping, Sequence

from starlette.responses import Response
from starlette.types import Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

Headers = Sequence[tuple[bytes, bytes]]


class WholeAnswer(Response):
    """An answer in JSON that is written already: without what a general one looks after."""

    media_type = "application/json"

    def __init__(self, body: bytes, status: int, headers: Mapping[str, str]) -> None:
        self.status_code, self.body, self.background = status, body, None
        own = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        self.raw_headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json"), *own]


class FixedHeaders:
    """What stands in every answer, written once."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        self.text = b"".join(b"%b: %b\r\n" % header for header in self.raw)


async def send_whole(send: Send, status: int, headers: Headers, fixed: FixedHeaders, body: bytes) -> None:
    """``headers`` hold the content's length. Over other connections than uvicorn's, as the standard says: start, then body."""
    cycle = getattr(send, "__self__", None)
    if status < 300 and isinstance(cycle, RequestResponseCycle) and _is_plain(cycle):  # a refusal may close the connection
        pieces = [STATUS_LINE[status]]
        for name, value in cycle.default_headers:
            pieces += (name, b": ", value, b"\r\n")
        for name, value in headers:
            pieces += (name, b": ", value, b"\r\n")
        pieces += (fixed.text, b"\r\n", body)
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.transport.write(b"".join(pieces))
        cycle.message_event.set()
        cycle.on_response()
        return
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *fixed.raw]})
    await send({"type": "http.response.body", "body": body})


def _is_plain(cycle: RequestResponseCycle) -> bool:
    unusual = cycle.more_body or cycle.disconnected or cycle.response_started or cycle.flow.write_paused
    return cycle.keep_alive and not unusual
