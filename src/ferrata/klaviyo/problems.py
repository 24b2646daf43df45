"""Reads JSON:API `errors` arrays, trusting nothing about their shape."""

from __future__ import annotations

from typing import Any

import msgspec

from .answer import printable
from .outcome import Problem

MOST_PROBLEMS = 10_000
"""As many as the rows of the largest bulk job: one problem for each bad row."""


def read_problems(body: bytes) -> tuple[Problem, ...]:
    """The problems that a body lists; empty if it is no JSON:API error document. Never raises."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    errors = document.get("errors") if isinstance(document, dict) else None
    if not isinstance(errors, list):
        return ()
    return tuple(_problem(item) for item in errors[:MOST_PROBLEMS] if isinstance(item, dict))


def _problem(item: dict[str, Any]) -> Problem:
    source = item.get("source")
    source = source if isinstance(source, dict) else {}
    meta = item.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    return Problem(
        code=_text(item.get("code"), 128),
        title=_text(item.get("title"), 512),
        detail=_text(item.get("detail"), 2048),
        pointer=_text(source.get("pointer"), 512),
        parameter=_text(source.get("parameter"), 128),
        duplicate_profile_id=_text(meta.get("duplicate_profile_id"), 128),
    )


def _text(value: object, limit: int) -> str | None:
    return printable(value, limit) if isinstance(value, str) and value else None
