"""Answers as the service gives them, for the tests."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from ferrata.klaviyo import Answer

NOW = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
JSON_API = "application/vnd.api+json"
PAGE = b"<!DOCTYPE html><html><head><title>Attention Required!</title></head><body>Cloudflare</body></html>"


def error(
    code: str, *, title: str = "", detail: str = "", pointer: str | None = "/data/", meta: dict[str, Any] | None = None
) -> dict[str, Any]:
    source = {} if pointer is None else {"pointer": pointer}
    return {"id": "1", "code": code, "title": title, "detail": detail, "source": source, "links": {}, "meta": meta or {}}


def errors(*items: dict[str, Any]) -> bytes:
    return json.dumps({"errors": list(items)}).encode()


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    named = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    kind = "text/html" if body.startswith(b"<") else JSON_API
    return Answer(status, {"content-type": kind} | named, body)
