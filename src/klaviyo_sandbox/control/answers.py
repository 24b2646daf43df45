"""JSON in and out of the control API."""

from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

Asked = TypeVar("Asked")


def answer(document: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(msgspec.json.encode(document), status, media_type="application/json")


def problem(status: int, detail: str) -> Response:
    """What went wrong, in one sentence."""
    return answer({"error": detail}, status)


async def body(request: Request, type_: type[Asked]) -> Asked:
    """The request's JSON as a struct; an empty body is an empty object. Raises `msgspec.ValidationError`."""
    raw = await request.body()
    return msgspec.json.decode(raw or b"{}", type=type_)
