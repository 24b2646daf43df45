"""Decides what an answer means. Pure: no I/O and no clock; the same classification serves values and raised errors."""

from __future__ import annotations

import re
from datetime import datetime

from .answer import Answer, NoAnswer
from .operations import find_operation
from .outcome import Executed, Kind, Outcome, Problem
from .problems import read_problems
from .retry_after import parse_retry_after

_CREDENTIAL_CODES = {"not_authenticated", "authentication_failed", "invalid_api_key", "invalid_token"}
_CREDENTIAL_WORDS = re.compile(r"authenticat|api[ _-]?key|credential|authori[sz]ation", re.IGNORECASE)
_NAMES_RESOURCES_IN_BODY = (
    "/api/profile-merge",
    "/api/data-privacy-deletion-jobs",
    "/api/profile-bulk-import-jobs",
    "/api/profile-subscription-bulk-create-jobs",
    "/api/profile-subscription-bulk-delete-jobs",
    "/api/profile-suppression-bulk-create-jobs",
    "/api/profile-suppression-bulk-delete-jobs",
    "/api/profile-import",
    "/api/campaign",
    "/api/catalog",
    "/api/coupon",
    "/api/back-in-stock-subscriptions",
    "/api/template",
    "/api/metric-aggregates",
    "/api/flow-",
    "/api/form-",
    "/api/segment-",
)


def classify(seen: Answer | NoAnswer, operation: str, now: datetime, *, reads: bool = False) -> Outcome:
    """The outcome of one request to `operation` ("METHOD /path/{id}").

    `now` (aware) is for a Retry-After given as a date. With `reads`, a 2xx needs a whole body to count; without, the
    status line decides, whatever became of the body. An answer to `reads` is checked for JSON by `documents.document_of`.
    """
    if isinstance(seen, NoAnswer):
        return _without_answer(seen, operation)
    problems = () if seen.is_html else read_problems(seen.body)
    kind, executed, reason = _judge(seen, operation, problems, reads)
    scopes = find_operation(operation)
    return Outcome(
        kind=kind,
        operation=operation,
        executed=executed,
        status=seen.status,
        reason=reason,
        problems=problems,
        scopes=scopes.scopes if scopes and kind is Kind.SCOPE else (),
        retry_after_seconds=parse_retry_after(seen.headers.get("retry-after"), now, seen.headers.get("date")),
        excerpt="" if kind is Kind.ACCEPTED else seen.excerpt,
        duration_ms=seen.duration_ms,
        request_id=seen.request_id,
        rate_headers=seen.rate_headers,
        body=seen.body if kind is Kind.ACCEPTED else b"",
    )


def _without_answer(seen: NoAnswer, operation: str) -> Outcome:
    by_sent = Kind.TRANSIENT_UNKNOWN if seen.sent else Kind.TRANSIENT_NOT_SENT
    kind = Kind.UNTRUSTED if seen.untrusted else by_sent
    executed = Executed.UNKNOWN if seen.sent else Executed.NO
    return Outcome(kind=kind, operation=operation, executed=executed, reason=seen.reason, duration_ms=seen.duration_ms)


def _judge(seen: Answer, operation: str, problems: tuple[Problem, ...], reads: bool) -> tuple[Kind, Executed, str]:
    status = seen.status
    if 200 <= status < 300:
        if reads and seen.flaw is not None:
            return Kind.UNREADABLE, Executed.YES, f"answered {status}, but the body was {seen.flaw}"
        return Kind.ACCEPTED, Executed.YES, f"answered {status}"
    if 300 <= status < 400:
        executed = Executed.UNKNOWN if status == 303 else Executed.NO
        return Kind.REDIRECTED, executed, f"answered {status}, a redirect, which is never followed"
    if 400 <= status < 500:
        kind, executed = _client_error(seen, operation, problems)
        return kind, executed, _reason(seen, kind, operation, problems)
    return Kind.UPSTREAM, Executed.UNKNOWN, _reason(seen, Kind.UPSTREAM, operation, problems)


def _client_error(seen: Answer, operation: str, problems: tuple[Problem, ...]) -> tuple[Kind, Executed]:
    status = seen.status
    fixed = {
        401: Kind.CREDENTIAL,
        405: Kind.GONE,
        410: Kind.GONE,
        413: Kind.TOO_LARGE,
        421: Kind.UPSTREAM,
        425: Kind.UPSTREAM,
        429: Kind.THROTTLED,
    }
    if status in fixed:
        return fixed[status], Executed.NO
    if status in {408, 499}:
        return Kind.UPSTREAM, Executed.UNKNOWN
    if status in {400, 403, 409, 422} and (seen.is_html or "cf-mitigated" in seen.headers):
        return Kind.UPSTREAM, Executed.NO
    if status in {400, 403} and (kind := _credential_kind(status, problems)):
        return kind, Executed.NO
    if status == 404:
        return (Kind.NOT_FOUND if _names_a_resource(operation, problems) else Kind.GONE), Executed.NO
    if status in {409, 400} and any(p.duplicate_profile_id or p.code == "duplicate_profile" for p in problems):
        return Kind.DUPLICATE_PROFILE, Executed.NO
    if status in {400, 409, 422}:
        return Kind.REJECTED, Executed.NO
    return Kind.NOT_UNDERSTOOD, Executed.NO


def _credential_kind(status: int, problems: tuple[Problem, ...]) -> Kind | None:
    """Codes decide. A 400 also by its words, if it points at no part of the payload: its exact body is not published."""
    codes = {p.code for p in problems}
    if codes & _CREDENTIAL_CODES:
        return Kind.CREDENTIAL
    if status == 403 or "permission_denied" in codes:
        return Kind.SCOPE
    rootless = [p for p in problems if _points_at_root(p) and p.parameter is None]
    return Kind.CREDENTIAL if any(_CREDENTIAL_WORDS.search(f"{p.title} {p.detail}") for p in rootless) else None


def _points_at_root(problem: Problem) -> bool:
    return (problem.pointer or "").strip("/") in {"", "data"}


def _names_a_resource(operation: str, problems: tuple[Problem, ...]) -> bool:
    """A JSON:API `not_found` for something the request names; everything else about a 404 concerns the endpoint."""
    found = [p for p in problems if p.code == "not_found"]
    if not found or any("revision" in (p.detail or "").lower() for p in found):
        return False
    path = operation.partition(" ")[2]
    return "{" in path or path.startswith(_NAMES_RESOURCES_IN_BODY) or not all(map(_points_at_root, found))


def _reason(seen: Answer, kind: Kind, operation: str, problems: tuple[Problem, ...]) -> str:
    if seen.is_html:
        return f"answered {seen.status} with a web page instead of JSON"
    if kind is Kind.SCOPE and (known := find_operation(operation)) and known.scopes:
        return f"answered 403: the key lacks one of the scopes {', '.join(known.scopes)}, or the account the feature"
    first = next((p.detail or p.title or p.code for p in problems), None)
    return f"answered {seen.status}" + (f": {first}" if first else "")
