"""What Klaviyo's front does with a request, in its order: path, method, media types, caller, scopes, revision, rate
windows, body - and then the resource, inside one transaction."""

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from klaviyo_sandbox import auth, deferred, revisions
from klaviyo_sandbox.errors import ApiError, authentication_failed, not_found, permission_denied, refused
from klaviyo_sandbox.exchange import MEDIA_TYPE, Answer, Arrival, Call
from klaviyo_sandbox.faults import Plan
from klaviyo_sandbox.operations import Operation

if TYPE_CHECKING:
    from klaviyo_sandbox.sandbox import Sandbox

_JSON_TYPES = {MEDIA_TYPE, "application/json"}
_ACCEPTABLE = {*_JSON_TYPES, "*/*", "application/*"}
_WITHOUT_RATE_HEADERS = {401, 429}


@dataclass(slots=True)
class Outcome:
    """An answer and what the journal wants to know about it."""

    answer: Answer
    executed: bool = False
    rate: dict[str, str] = field(default_factory=dict)


def respond(sandbox: "Sandbox", arrival: Arrival, body: bytes, plan: Plan, request_id: int) -> Outcome:
    """Decide about one request and let it take effect. Never raises for anything a caller can send."""
    rate: dict[str, str] = {}
    try:
        operation = _route(arrival)
        _negotiate(arrival)
        credential = auth.require(arrival.credential, arrival.headers)
        _check_credential_fault(plan, operation)
        auth.authorise(credential, operation)
        revisions.check(arrival.headers, sandbox.switches)
        timestamp = sandbox.clock.timestamp()
        rate = sandbox.limits.admit(credential.quota_owner, operation, arrival.query, timestamp)
        payload = _payload(sandbox, arrival, body)
        call = Call(
            sandbox=sandbox,
            operation=operation,
            credential=credential,
            request_id=request_id,
            base_url=arrival.base_url,
            raw_path=arrival.raw_path,
            path=arrival.match.path if arrival.match else {},
            query=arrival.query,
            body=payload,
            now=sandbox.clock.now(),
            plan=plan,
        )
        answer = _execute(call)
    except ApiError as error:
        document = {"errors": [problem.document(sandbox.ids.error()) for problem in error.problems]}
        kept = {} if error.status in _WITHOUT_RATE_HEADERS else rate
        return Outcome(Answer(error.status, document, {**kept, **error.headers}), rate=rate or error.headers)
    answer.headers.update(rate)
    return Outcome(answer, executed=arrival.method != "GET", rate=rate)


def _route(arrival: Arrival) -> Operation:
    if arrival.match is None:
        raise not_found("The requested resource was not found.")
    if arrival.match.operation is None:
        error = refused(405, "method_not_allowed", f'Method "{arrival.method}" not allowed.')
        error.headers["allow"] = ", ".join(arrival.match.allowed)
        raise error
    return arrival.match.operation


def _negotiate(arrival: Arrival) -> None:
    accept = arrival.headers.get("accept") or "*/*"
    offered = {part.split(";")[0].strip().lower() for part in accept.split(",")}
    if not offered & _ACCEPTABLE:
        title = "Could not satisfy the request Accept header."
        raise refused(406, "not_acceptable", title)


def _check_credential_fault(plan: Plan, operation: Operation) -> None:
    fault = plan.effect.credential if plan.effect else None
    if fault == "revoked":
        raise authentication_failed()
    if fault == "lost_scope":
        raise permission_denied(f"Missing required scopes: {', '.join(sorted(operation.scopes))}.")


def _payload(sandbox: "Sandbox", arrival: Arrival, body: bytes) -> bytes:
    """The body, decompressed. Raises 415 for foreign media types, 400 for broken gzip, 400 or 413 above the limit."""
    if not body:
        return body
    media_type = arrival.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type not in _JSON_TYPES:
        raise refused(415, "unsupported_media_type", f'Unsupported media type "{media_type}" in request.')
    limit = sandbox.switches.max_body_bytes
    coding = arrival.headers.get("content-encoding", "identity").strip().lower()
    if coding in {"gzip", "deflate"}:
        body = _decompress(body, limit)
    elif coding != "identity":
        raise refused(415, "unsupported_media_type", f'Unsupported content encoding "{coding}" in request.')
    if len(body) > limit:
        detail = f"The request body is larger than the maximum of {limit} bytes."
        raise refused(sandbox.switches.oversize_status, "invalid", "Payload too large.", detail)
    return body


def _decompress(body: bytes, limit: int) -> bytes:
    """At most one byte more than `limit`, whatever the body would unpack to."""
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        plain = inflater.decompress(body, limit + 1)
    except zlib.error as error:
        raise refused(400, "parse_error", "Malformed request.", f"The body cannot be decompressed: {error}") from error
    if not inflater.eof and len(plain) <= limit:
        raise refused(400, "parse_error", "Malformed request.", "The compressed body is incomplete.")
    return plain


def _execute(call: Call) -> Answer:
    act = call.sandbox.acts.get(call.operation.id)
    if act is None:
        detail = f"The sandbox does not emulate {call.operation.id}."
        raise refused(501, "not_implemented", "Not implemented.", detail)
    with call.state.transaction():
        deferred.run_due(call.sandbox, call.timestamp)
        return act(call)
