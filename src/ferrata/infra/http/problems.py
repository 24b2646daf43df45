"""One shape for every answer that is not a success.

The first three members are what NestJS services answer (``message`` is a list where an input has several faults); the rest are
those of RFC 9457, and beside them a machine-readable code, what helps, and the id under which the logs tell more.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from ferrata.infra.errors import FerrataError, Problem, Recovery
from ferrata.infra.http.request_ids import request_id

PROBLEM_JSON = "application/problem+json"
_UNFORTUNATE = "Internal server error"
_CODES = {
    400: "invalid",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    429: "too_many_requests",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """An error as it is told, before it takes the form of JSON or of a page."""

    status: int
    code: str
    message: str
    recovery: Recovery
    problems: tuple[Problem, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def title(self) -> str:
        return HTTPStatus(self.status).phrase


def answer_for(error: Exception, request: Request) -> Answer:
    """How ``error`` is told. Anything that is not one of ours becomes a 500 that gives nothing away."""
    if isinstance(error, HTTPException) and isinstance(error.__cause__, FerrataError):
        error = error.__cause__  # the framework wraps whatever goes wrong while it reads a body
    if isinstance(error, FerrataError):
        return _told(error)
    if isinstance(error, RequestValidationError):
        return Answer(400, "invalid", _UNFIT, Recovery.REJECT, problems_of(error.errors()))
    if isinstance(error, HTTPException):
        return _from_framework(error, request)
    return Answer(500, "internal", _UNFORTUNATE, Recovery.RETRY)


_UNFIT = "The request cannot be taken as it is."


def _told(error: FerrataError) -> Answer:
    headers: list[tuple[str, str]] = []
    if error.retry_after_seconds is not None:
        headers.append(("Retry-After", str(max(1, round(error.retry_after_seconds)))))
    if error.status == 401:
        headers.append(("WWW-Authenticate", 'Bearer realm="ferrata"'))
    if error.status in (408, 413):
        headers.append(("Connection", "close"))  # the rest of the body is not worth reading
    message = error.message if error.status != 500 else _UNFORTUNATE
    return Answer(error.status, error.code, message, error.recovery, error.problems, tuple(headers))


def _from_framework(error: HTTPException, request: Request) -> Answer:
    message = str(error.detail)
    if error.status_code in (404, 405) and message == HTTPStatus(error.status_code).phrase:
        message = f"Cannot {request.method} {request.url.path}"
    recovery = Recovery.REJECT if error.status_code < 500 else Recovery.RETRY
    code = _CODES.get(error.status_code, "internal" if error.status_code >= 500 else "invalid")
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_methods_of(request))
    return Answer(error.status_code, code, message, recovery, headers=tuple(headers.items()))


def _methods_of(request: Request) -> list[str]:
    """What this address takes, by all the routes that stand at it: the framework names those of the first alone."""
    path = request.scope["path"]
    standing = [route for route in iter_route_contexts(request.app.routes) if route.path_regex.match(path)]
    places = min(((route.path or "").count("{") for route in standing), default=0)
    own = [route for route in standing if (route.path or "").count("{") == places]  # /events/bulk is not an event's id
    return sorted({method for route in own for method in route.methods or ()})


def problems_of(errors: Sequence[Any]) -> tuple[Problem, ...]:
    """Pydantic's list of errors as problems: ``body`` and ``query`` are left off the path, values are never repeated."""
    found = []
    for error in errors:
        path = [str(part) for part in error["loc"]]
        if path and path[0] in ("body", "query", "path", "header", "cookie"):
            path = path[1:]
        name = ".".join(path)
        found.append(Problem(name, _sentence(name, error)))
    return tuple(found)


def _sentence(name: str, error: Any) -> str:
    match error["type"]:
        case "extra_forbidden":
            return f"property {name} should not exist"
        case "missing":
            return f"{name or 'body'} is required"
        case "json_invalid":
            return "the body is not valid JSON"
    text = re.sub(r"^(Value error|Assertion failed), ", "", str(error["msg"]))
    return f"{name}: {text}" if name else text


def document(answer: Answer, request: Request) -> dict[str, Any]:
    messages = [problem.message for problem in answer.problems]
    return {
        "statusCode": answer.status,
        "message": messages or answer.message,
        "error": answer.title,
        "type": "about:blank",
        "title": answer.title,
        "status": answer.status,
        "detail": answer.message,
        "code": answer.code,
        "recovery": answer.recovery,
        "errors": [asdict(problem) for problem in answer.problems],
        "requestId": request_id(request.scope),
    }


def problem_response(answer: Answer, request: Request) -> JSONResponse:
    """The answer as JSON; as ``application/problem+json`` for clients that ask for it."""
    media_type = PROBLEM_JSON if PROBLEM_JSON in request.headers.get("accept", "") else "application/json"
    content = document(answer, request)
    return JSONResponse(_encodable(content), answer.status, dict(answer.headers) | {"Cache-Control": "no-store"}, media_type)


def _encodable(value: Any) -> Any:
    """Lone surrogates, which a path or an input may carry into a message, cannot be written as UTF-8: show them as ``?``."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {key: _encodable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    return value
