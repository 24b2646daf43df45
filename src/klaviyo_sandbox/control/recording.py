"""Reading the journal: requests, effects, their numbers, and all effects as NDJSON."""

from collections.abc import Iterator
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from klaviyo_sandbox.control.answers import answer
from klaviyo_sandbox.journal import RequestRecord
from klaviyo_sandbox.sandbox import Sandbox

REQUEST_FILTERS = ("operation", "account_id", "method", "path", "status", "fault", "auth", "body_sha256", "executed")
DEFAULT_LIMIT = 1_000


def routes(sandbox: Sandbox) -> list[Route]:
    """Routes of this part."""

    async def requests(request: Request) -> Response:
        found = _requests(sandbox, dict(request.query_params))
        return answer({"count": len(found), "requests": found})

    async def forget_requests(_request: Request) -> Response:
        sandbox.journal.forget()
        return answer({"count": 0, "requests": []})

    async def effects(request: Request) -> Response:
        filters, after, limit = _effect_query(request)
        found = list(sandbox.journal.find_effects(filters, after=after, limit=DEFAULT_LIMIT if limit is None else limit))
        return answer({"count": len(found), "effects": found})

    async def stream(request: Request) -> Response:
        filters, after, limit = _effect_query(request)
        found = sandbox.journal.find_effects(filters, after=after, limit=limit)
        return StreamingResponse(_lines(found), media_type="application/x-ndjson")

    async def counts(request: Request) -> Response:
        by = tuple(request.query_params.get("by", "kind").split(","))
        least = int(request.query_params.get("at_least", "1"))
        filters = {n: v for n, v in request.query_params.items() if n not in {"by", "at_least", "token"}}
        sandbox.catch_up()
        return answer({"counts": [row for row in sandbox.journal.count_effects(filters, by) if row["count"] >= least]})

    def _effect_query(request: Request) -> tuple[dict[str, str], int, int | None]:
        sandbox.catch_up()
        query = dict(request.query_params)
        query.pop("token", None)
        after, limit = int(query.pop("after", "0")), query.pop("limit", None)
        return query, after, None if limit is None else int(limit)

    return [
        Route("/requests", requests, methods=["GET"]),
        Route("/requests", forget_requests, methods=["DELETE"]),
        Route("/effects", effects, methods=["GET"]),
        Route("/effects.ndjson", stream, methods=["GET"]),
        Route("/effects/counts", counts, methods=["GET"]),
    ]


def _requests(sandbox: Sandbox, query: dict[str, str]) -> list[dict[str, Any]]:
    query.pop("token", None)
    after, limit = int(query.pop("after", "0")), int(query.pop("limit", str(DEFAULT_LIMIT)))
    for name in query:
        if name not in REQUEST_FILTERS:
            raise LookupError(f"requests cannot be filtered by {name}; use {', '.join(REQUEST_FILTERS)}")
    found = [record for record in list(sandbox.journal.requests) if record.id > after and _fits(record, query)]
    return [msgspec.to_builtins(record) for record in found[:limit]]


def _fits(record: RequestRecord, query: dict[str, str]) -> bool:
    return all(_text(getattr(record, name)) == wanted for name, wanted in query.items())


def _text(value: Any) -> str:
    """A value as it is written in a query: `true`, `false`, empty for none."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _lines(effects: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    for effect in effects:
        yield msgspec.json.encode(effect) + b"\n"
