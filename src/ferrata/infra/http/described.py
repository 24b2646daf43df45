"""Adds to the OpenAPI document what holds for every route alike: how it refuses, and in what shape."""

from collections.abc import Iterator
from typing import Any

from ferrata.infra.errors import Recovery
from ferrata.infra.http.problems import PROBLEM_JSON

_TEXT = {"type": "string"}
_REFERENCE = {"$ref": "#/components/schemas/Problem"}
_METHODS = frozenset({"get", "put", "post", "delete", "patch", "head", "options"})

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "Why a request was refused or could not be met. Every answer from 400 on has this shape.",
    "required": ["statusCode", "message", "error", "type", "title", "status", "detail", "code", "recovery", "errors"],
    "properties": {
        "statusCode": {"type": "integer"},
        "message": {
            "anyOf": [_TEXT, {"type": "array", "items": _TEXT}],
            "description": "A sentence; a list of them where an input has faults.",
        },
        "error": _TEXT,
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "code": _TEXT | {"description": "For programs to decide by; it stays the same when sentences change."},
        "recovery": {"type": "string", "enum": list(Recovery), "description": "What helps."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["path", "message"],
                "properties": {"path": _TEXT | {"description": "Such as events.3.email."}, "message": _TEXT},
            },
        },
        "requestId": {"type": ["string", "null"], "description": "Under which the logs tell more."},
    },
}

_ANYWHERE = {"400": "The request cannot be taken as it is.", "431": "The address and the headers are too large."}
_BEHIND_A_TOKEN = {
    "401": "No good token.",
    "403": "The token may not do that, or is for another store.",
    "404": "There is nothing under this address, or no such store.",
    "503": "Not possible at the moment; send it again after Retry-After.",
}
_WITH_A_BODY = {
    "408": "The body did not arrive in time.",
    "413": "The body is too large.",
    "415": "Not JSON, or compressed in an unknown way.",
}


def with_refusals(document: dict[str, Any]) -> dict[str, Any]:
    """``document`` itself, completed; doing it again changes nothing."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for framework_shape in ("HTTPValidationError", "ValidationError"):  # never answered: see ``problems``
        schemas.pop(framework_shape, None)
    schemas["Problem"] = PROBLEM
    for operation in _operations(document):
        responses = operation["responses"]
        responses.pop("422", None)
        known = _ANYWHERE | (_BEHIND_A_TOKEN if "security" in operation else {})
        known |= _WITH_A_BODY if "requestBody" in operation else {}
        own = set() if "security" in operation else set(responses)  # what health says while it is down is no refusal
        for status, description in known.items():
            responses.setdefault(status, {"description": description})
        for status, response in responses.items():
            if status >= "400" and status not in own:
                response.setdefault("content", {kind: {"schema": _REFERENCE} for kind in ("application/json", PROBLEM_JSON)})
        operation["responses"] = dict(sorted(responses.items()))
    return document


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        yield from (operation for method, operation in path.items() if method in _METHODS)
