"""How the routes of this room are described in the OpenAPI document, where their code does not say it itself."""

from typing import Any

from ferrata.events import limits
from ferrata.events.schemas import STATES

_TEXT: dict[str, Any] = {"type": "string"}
_TEXT_OR_NULL: dict[str, Any] = {"type": ["string", "null"]}
_OBJECT_OR_NULL: dict[str, Any] = {"type": ["object", "null"], "additionalProperties": True}
_MOMENT: dict[str, Any] = {"type": "string", "format": "date-time"}

SEED_EXAMPLE = {
    "eventName": "Purchase",
    "eventAttributes": {"amount": 99.99, "currency": "USD"},
    "profileAttributes": {"firstName": "John", "lastName": "Doe"},
    "email": "john.doe@example.com",
}

EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["eventName"],
    "additionalProperties": False,
    "properties": {
        "eventName": {
            "type": "string",
            "minLength": 1,
            "maxLength": limits.METRIC_CHARACTERS,
            "pattern": r"\S",
            "description": "The metric in Klaviyo.",
        },
        "eventAttributes": _OBJECT_OR_NULL
        | {"description": f"At most {limits.PROPERTIES} properties, {limits.NESTING} levels; numbers arrive as written."},
        "profileAttributes": _OBJECT_OR_NULL
        | {"description": "Klaviyo's own attributes in camelCase or snake_case; others become custom properties."},
        "email": {"type": ["string", "null"], "format": "email", "maxLength": 100},
        "phone": {
            "type": ["string", "null"],
            "pattern": r"^\s*\+[1-9][0-9]{6,14}\s*$",
            "description": "E.164, such as +4915112345678, valid by its numbering plan.",
        },
        "externalId": {"type": ["string", "null"], "maxLength": limits.EXTERNAL_ID_CHARACTERS},
        "eventId": {
            "type": ["string", "null"],
            "minLength": 1,
            "maxLength": limits.EVENT_ID_CHARACTERS,
            "description": "Your own id. The same one again gives the same receipt; with another content, 409.",
        },
        "time": {
            "type": ["string", "null"],
            "format": "date-time",
            "description": "ISO 8601 with an offset, from 2000 to a year ahead. Default: when it is accepted.",
        },
        "value": {"type": ["number", "null"]},
        "currency": {"type": ["string", "null"], "pattern": r"^\s*[A-Za-z]{3}\s*$", "description": "ISO 4217, such as EUR."},
        "backfill": {"type": ["boolean", "null"], "description": "History: it starts no flows and never delays what is live."},
    },
    "example": SEED_EXAMPLE,
}

RECEIPT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "eventName": _TEXT,
        "eventAttributes": _OBJECT_OR_NULL,
        "profileAttributes": _OBJECT_OR_NULL,
        "email": _TEXT_OR_NULL,
        "phone": _TEXT_OR_NULL,
        "externalId": _TEXT_OR_NULL,
        "profileId": _TEXT_OR_NULL,
        "eventId": _TEXT_OR_NULL,
        "time": _MOMENT,
        "value": {"type": ["number", "null"]},
        "currency": _TEXT_OR_NULL,
        "backfill": {"type": "boolean"},
        "source": _TEXT,
        "state": {"type": "string", "enum": list(STATES)},
        "sentToKlaviyo": {"type": "boolean"},
        "klaviyoResponse": _TEXT_OR_NULL,
        "notes": {"type": "array", "items": _TEXT},
        "eventDate": {"type": "string", "format": "date"},
        "createdAt": _MOMENT,
        "updatedAt": _MOMENT,
    },
}
REFUSED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "statusCode": {"type": "integer"},
        "message": {"type": "array", "items": _TEXT},
        "error": _TEXT,
    },
}


def _json(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"description": "What is wrong, every fault with its path."},
    401: {"description": "No good token."},
    403: {"description": "The token may not do that."},
    409: {"description": "This event id was accepted before with another content."},
    413: {"description": "The body is too large."},
    415: {"description": "Not JSON, or compressed in an unknown way."},
    503: {"description": "It could not be kept. Nothing was accepted; send it again after Retry-After."},
}
_HEADERS = [
    {
        "name": "Prefer",
        "in": "header",
        "schema": _TEXT,
        "description": "`respond-async`: answer 202 right after the commit. `return=minimal`: a brief answer.",
    },
    {
        "name": "Idempotency-Key",
        "in": "header",
        "schema": _TEXT | {"minLength": 1, "maxLength": limits.KEY_CHARACTERS, "pattern": "^[!-~][ -~]*$"},
        "description": "Counts as the event id where the body names none.",
    },
]
_LENIENT = [
    {
        **_HEADERS[0],
        "description": f"{_HEADERS[0]['description']} `handling=lenient`: keep the good ones and answer each by itself.",
    },
    {**_HEADERS[1], "description": "With the place of each event, counts as its event id where it names none."},
]


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


CREATE: dict[str, Any] = {
    "status_code": 201,
    "summary": "Accept one event",
    "description": "201 once it is on disk; waits a moment for the first attempt while all is calm.",
    "responses": {
        200: _json(RECEIPT, "The same event was accepted before; this is its receipt."),
        201: _json(RECEIPT, "Kept."),
        202: _json(RECEIPT, "Kept; `Prefer: respond-async` was asked for."),
        **_ERRORS,
    },
    "openapi_extra": {"requestBody": _body(EVENT), "parameters": _HEADERS},
}
CREATE_MANY: dict[str, Any] = {
    "status_code": 201,
    "summary": "Accept many events",
    "description": f"At most {limits.BULK_EVENTS} events and 32 MB. One invalid event refuses all, and nothing is kept, unless "
    "`Prefer: handling=lenient` is sent. Answers stand in the order of the events.",
    "responses": {
        201: _json(_list(RECEIPT), "All are kept."),
        202: _json(_list(RECEIPT), "All are kept; `Prefer: respond-async` was asked for."),
        207: _json(_list({"anyOf": [RECEIPT, REFUSED]}), "`handling=lenient`: some were refused, each with its reasons."),
        **_ERRORS,
    },
    "openapi_extra": {
        "requestBody": _body(
            {
                "type": "object",
                "required": ["events"],
                "additionalProperties": False,
                "properties": {"events": {"type": "array", "maxItems": limits.BULK_EVENTS, "items": EVENT}},
            }
        ),
        "parameters": _LENIENT,
    },
}

LIST: dict[int | str, dict[str, Any]] = {
    200: _json(_object(events=_list(RECEIPT), nextCursor=_TEXT_OR_NULL), "A page of events.")
}
EXPORT: dict[int | str, dict[str, Any]] = {
    200: {"description": "A stream.", "content": {"application/x-ndjson": {}, "text/csv": {}}}
}
_STORY = {**RECEIPT, "properties": {**RECEIPT["properties"], "delivery": _OBJECT_OR_NULL, "frozen": _OBJECT_OR_NULL}}
_STORY["properties"]["attempts"] = _list({"type": "object", "additionalProperties": True})
STORY: dict[int | str, dict[str, Any]] = {200: _json(_STORY, "The story."), 404: {"description": "There is no such event."}}
