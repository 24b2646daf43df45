"""The ASGI face of a sandbox: reads requests, lets faults strike, answers, and writes the journal.

`create_app(sandbox)` serves three things on one port: Klaviyo's API (`/api/...`, see `pipeline` and `resources`), its
OAuth endpoints (`/oauth/...`) and the control API (`/_sandbox/...`, see `control`).
How to add a resource: `resources/__init__.py`.
"""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from klaviyo_sandbox import auth, control, oauth_http, pipeline, wire
from klaviyo_sandbox.exchange import Arrival
from klaviyo_sandbox.faults import NO_PLAN, Plan
from klaviyo_sandbox.journal import RequestRecord
from klaviyo_sandbox.pipeline import Outcome
from klaviyo_sandbox.sandbox import Sandbox

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def create_app(sandbox: Sandbox) -> App:
    """The ASGI application of a sandbox. Served by `server`, faults reach down to TCP; in process they raise instead."""
    controls = control.create_router(sandbox)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] != "http":
            raise ValueError(f"the sandbox speaks HTTP, not {scope['type']}")
        elif scope["path"] == "/_sandbox" or scope["path"].startswith("/_sandbox/"):
            await controls(scope, receive, send)
        else:
            await _serve(sandbox, scope, receive, send)

    return app


async def _lifespan(receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] != "lifespan.shutdown":
        await send({"type": f"{message['type']}.complete"})
    await send({"type": "lifespan.shutdown.complete"})


async def _serve(sandbox: Sandbox, scope: Scope, receive: Receive, send: Send) -> None:
    started = time.perf_counter()
    arrival = read_head(sandbox, scope)
    line = wire.Line(scope, receive, send)
    record = _Recorder(sandbox, arrival, started)
    if sandbox.outage.resets_connections:
        record.write(b"", NO_PLAN, None, status=None, fault="outage")
        await line.reset()
        return
    plan = sandbox.faults.plan_before_reading(arrival)
    if plan.effect is not None:
        record.write(b"", plan, None, status=None if plan.effect.reset else plan.effect.status)
        await line.wait(plan.effect.hang_seconds)
        await wire.deliver(line, sandbox, plan.effect, None)
        return
    try:
        body = await line.read_body(max(8 * sandbox.switches.max_body_bytes, 32_000_000))
    except wire.ClientLeft:
        record.write(b"", NO_PLAN, None, status=None, fault="client left")
        return
    plan = sandbox.faults.plan(arrival, body)
    if plan.effect is None:
        outcome = _respond(sandbox, arrival, body, plan, record.request_id)
        record.write(body, plan, outcome, status=outcome.answer.status)
        await line.send(outcome.answer)
        return
    if plan.effect.when == "before":
        await line.wait(plan.effect.hang_seconds)
    struck = _respond(sandbox, arrival, body, plan, record.request_id) if plan.effect.lets_run else None
    status = plan.effect.status or (struck.answer.status if struck else None)
    record.write(body, plan, struck, status=None if plan.effect.reset else status)
    if plan.effect.when == "after":
        await line.wait(plan.effect.hang_seconds)
    await wire.deliver(line, sandbox, plan.effect, struck.answer if struck else None)


def _respond(sandbox: Sandbox, arrival: Arrival, body: bytes, plan: Plan, request_id: int) -> Outcome:
    if arrival.raw_path.startswith("/oauth/"):
        return Outcome(oauth_http.respond(sandbox, arrival, body), executed=True)
    return pipeline.respond(sandbox, arrival, body, plan, request_id)


def read_head(sandbox: Sandbox, scope: Scope) -> Arrival:
    """Everything about a request that is known before its body."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    raw_path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0]
    raw_query = scope["query_string"].decode("latin-1")
    host = headers.get("host", "127.0.0.1")
    return Arrival(
        method=scope["method"],
        raw_path=raw_path,
        raw_query=raw_query,
        query=dict(parse_qsl(raw_query, keep_blank_values=True)) if raw_query else {},
        headers=headers,
        base_url=sandbox.public_url or f"{scope.get('scheme', 'http')}://{host}",
        match=sandbox.operations.match(scope["method"], raw_path),
        credential=auth.find(sandbox, headers),
    )


class _Recorder:
    """Writes one request into the journal."""

    def __init__(self, sandbox: Sandbox, arrival: Arrival, started: float) -> None:
        self._sandbox = sandbox
        self._arrival = arrival
        self._started = started
        self._at = sandbox.clock.timestamp()
        self.request_id = sandbox.journal.next_id()

    def write(self, body: bytes, plan: Plan, outcome: Outcome | None, *, status: int | None, fault: str | None = None) -> None:
        arrival, journal = self._arrival, self._sandbox.journal
        operation = arrival.operation.id if arrival.operation else None
        account_id = arrival.credential.account_id if arrival.credential else None
        digest, times_seen = journal.times_seen(account_id, operation, body)
        journal.requests.append(
            RequestRecord(
                id=self.request_id,
                at=self._at,
                method=arrival.method,
                path=arrival.raw_path,
                query=arrival.raw_query,
                operation=operation,
                account_id=account_id,
                auth=arrival.credential.kind if arrival.credential else None,
                status=status,
                fault=fault or ", ".join(plan.names) or None,
                duration_ms=(time.perf_counter() - self._started) * 1000,
                body_bytes=len(body),
                body_sha256=digest,
                times_seen=times_seen,
                executed=outcome is not None and outcome.executed,
                revision=arrival.headers.get("revision"),
                user_agent=arrival.headers.get("user-agent"),
                rate=outcome.rate if outcome else {},
                body=body if self._sandbox.switches.journal_bodies else None,
            )
        )
