"""Klaviyo's API description as a judge: does an answer have the shape that the description promises for its operation?

The description is OpenAPI 3.0. It is turned into JSON Schema with `nullable` made explicit, `allOf` merged and every object
closed, so that a field which Klaviyo does not describe counts as wrong, unless DEVIATIONS says that the live service sends it.
"""

import fnmatch
import json
import os
import re
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

BESIDE_THE_CHECKOUT = Path(__file__).resolve().parents[3] / "shared" / "facts" / "klaviyo-openapi-2026-07-15.json"
JSON_API = "application/vnd.api+json"
Schema = dict[str, Any]


@dataclass(frozen=True)
class Deviation:
    """One place where the recorded live service, and so the sandbox, differs from the description."""

    operation: str
    """Glob over `METHOD /path`."""
    path: str
    """Regular expression over the JSON path of the value."""
    message: str
    """Regular expression over the validator's message."""
    why: str


DEVIATIONS = [
    Deviation("GET *", r"\$\.links\.(next|prev)", "None is not of type 'string'", "null when there is no such page"),
    Deviation("* /api/*", r".*\.attributes", "'anonymous_id', 'whatsapp_bsuid'", "sent with every profile, always null"),
    Deviation("* /api/*", r".*\.relationships", "'conversations?' (was|were) unexpected", "sent in either spelling"),
    Deviation("* /api/*", r".*\.subscriptions\.email", "'click_tracking' was unexpected", "sent beside open_tracking"),
    Deviation("POST /api/profile-merge", r"\$\.data", "'attributes' was unexpected", "sent, always empty"),
    Deviation("* /api/*", r"\$\.errors\[\d+\]", "'status'", "errors carry their status, links and meta"),
]
"""Extra or empty fields recorded from the live service on 2026-09-04 at revision 2026-07-15."""

STATUSES = {("POST /api/profile-merge", 202): 201}
"""Recorded status, and the described status whose shape its body has."""


WITHOUT_CONTENT_TYPE = {429}
"""Recorded statuses whose JSON body comes without a content type."""


def find_description() -> Path | None:
    named = os.environ.get("FERRATA_KLAVIYO_OPENAPI")
    path = Path(named) if named else BESIDE_THE_CHECKOUT
    return path if path.is_file() else None


def load_beside(name: str) -> Any:
    """Another data file of the folder that holds the description; skips where it is absent."""
    description = find_description()
    path = description.with_name(name) if description else None
    if path is None or not path.is_file():
        pytest.skip(f"{name} is not at hand: it belongs beside the API description")
    return json.loads(path.read_bytes())


@lru_cache(maxsize=1)
def load_description() -> Schema:
    path = find_description()
    if path is None:
        pytest.skip("Klaviyo's API description is not at hand: set FERRATA_KLAVIYO_OPENAPI to its file")
    return json.loads(path.read_bytes())


class Contract:
    """All operations of the description, ready to judge answers."""

    def __init__(self, description: Schema, deviations: list[Deviation] | None = None) -> None:
        self.paths: Schema = description["paths"]
        self._deviations = DEVIATIONS if deviations is None else deviations
        self._components: Schema = description["components"]
        self._validators: dict[tuple[str, str], Draft202012Validator] = {}

    def problems(self, method: str, path: str, status: int, content_type: str, body: bytes) -> list[str]:
        """What is wrong with one answer; empty when it is as described or deviates as recorded."""
        operation = self.operation(method, path)
        if operation is None:
            return [f"{method} {path} is not described"]
        responses = self.paths[operation.split(" ")[1]][method.lower()]["responses"]
        described = str(STATUSES.get((operation, status), status))
        described = described if described in responses else f"{described[0]}XX"
        if described not in responses:
            return [f"{operation} is not described to answer {status}"]
        content = self._response(responses[described]).get("content", {})
        if not content or status == 204:
            return [f"{operation} {status} must have no body"] if body else []
        if content_type.split(";", maxsplit=1)[0] != ("" if status in WITHOUT_CONTENT_TYPE else JSON_API):
            return [f"{operation} {status} has content type {content_type!r}"]
        validator = self._validator(operation, described, content[JSON_API]["schema"])
        found = [error for root in validator.iter_errors(json.loads(body)) for error in _leaves(root)]
        narrowed = "fields[" in unquote(urlsplit(path).query)
        return [
            f"{operation} {status}: {e.json_path}: {e.message}"
            for e in found
            if not self._recorded(operation, e) and not (narrowed and _left_out(e))
        ]

    def operation(self, method: str, path: str) -> str | None:
        """`METHOD /path/{id}` of a concrete path, or None."""
        wanted = urlsplit(path).path.rstrip("/")
        for template, pattern in self._patterns:
            if pattern.fullmatch(wanted) and method.lower() in self.paths[template]:
                return f"{method.upper()} {template}"
        return None

    def _recorded(self, operation: str, error: ValidationError) -> bool:
        return any(
            fnmatch.fnmatchcase(operation, known.operation)
            and re.fullmatch(known.path, error.json_path)
            and re.search(known.message, error.message)
            for known in self._deviations
        )

    def _response(self, response: Schema) -> Schema:
        name = response.get("$ref", "").rpartition("/")[2]
        return self._components["responses"][name] if name else response

    @cached_property
    def _patterns(self) -> list[tuple[str, re.Pattern[str]]]:
        return [(path, re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)))) for path in self.paths]

    def _validator(self, operation: str, status: str, schema: Schema) -> Draft202012Validator:
        key = (operation, status)
        if key not in self._validators:
            self._validators[key] = Draft202012Validator(self._json_schema(schema), format_checker=FORMATS)
        return self._validators[key]

    def _json_schema(self, schema: Schema) -> Schema:
        schema = self._flatten(schema)
        result = {key: value for key, value in schema.items() if key in {"type", "format", "enum", "required"}}
        for several in {"oneOf", "anyOf"} & schema.keys():
            result["anyOf"] = [self._json_schema(one) for one in schema[several]]
        if "properties" in schema:
            result["properties"] = {name: self._json_schema(one) for name, one in schema["properties"].items()}
            result["additionalProperties"] = False
        if "items" in schema:
            result["items"] = self._json_schema(schema["items"])
        return {"anyOf": [{"type": "null"}, result]} if schema.get("nullable") else result

    def _flatten(self, schema: Schema) -> Schema:
        """Follow references and merge `allOf`, whose parts describe different fields of one object."""
        if "$ref" in schema:
            beside = {key: value for key, value in schema.items() if key == "nullable"}
            return self._flatten(self._components["schemas"][schema["$ref"].rpartition("/")[2]]) | beside
        merged = {key: value for key, value in schema.items() if key != "allOf"}
        for part in schema.get("allOf", []):
            merged = self._merge(merged, self._flatten(part))
        return merged

    def _merge(self, one: Schema, other: Schema) -> Schema:
        one, other = self._flatten(one), self._flatten(other)
        merged = one | other
        if "properties" in one and "properties" in other:
            both = one["properties"].keys() & other["properties"].keys()
            merged["properties"] = one["properties"] | other["properties"]
            for name in both:
                merged["properties"][name] = self._merge(one["properties"][name], other["properties"][name])
        merged["required"] = sorted({*one.get("required", []), *other.get("required", [])})
        return merged


def _leaves(error: ValidationError) -> list[ValidationError]:
    """The innermost reasons: of an `anyOf`, those of the branch that came nearest (null is only a branch for null)."""
    if error.validator != "anyOf" or not error.context:
        return [error]
    branches: dict[Any, list[ValidationError]] = {}
    for inner in error.context:
        branches.setdefault(inner.schema_path[0], []).append(inner)
    nearest = max(branches.values(), key=_nearness)
    return [leaf for inner in nearest for leaf in _leaves(inner)]


def _left_out(error: ValidationError) -> bool:
    """Whether an attribute is missing, which is right where the request chose its fields."""
    return error.validator == "required" and error.json_path.endswith(".attributes")


def _nearness(errors: list[ValidationError]) -> tuple[int, bool, int]:
    """How far a branch came: the depth of its errors, whether it was the right type at all, how few they are."""
    return max(len(e.absolute_path) for e in errors), all(e.validator != "type" for e in errors), -len(errors)


FORMATS = FormatChecker(formats=[])


@FORMATS.checks("date-time", raises=ValueError)
def _is_moment(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@FORMATS.checks("uri")
def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or bool(urlsplit(value).scheme and urlsplit(value).netloc)
