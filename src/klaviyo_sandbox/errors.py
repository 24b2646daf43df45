"""Klaviyo's error envelope: one `Problem` per entry, one `ApiError` per failed request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

WITH_LINKS = {400, 409, 429}
RATE_LIMIT_PAGE = "https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling#rate-limits"


@dataclass(frozen=True, slots=True)
class Problem:
    """One entry of `errors`. `pointer` speaks of the body, `parameter` of the query; at most one is set."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None
    status: int = 400
    code: str = "invalid"
    title: str = "Invalid input."
    links: Mapping[str, Any] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)

    def document(self, error_id: str) -> dict[str, Any]:
        """The entry as it travels. Recorded: 401, 403, 404 and their like come without `links` and `meta`."""
        source = {"parameter": self.parameter} if self.parameter is not None else {"pointer": self.pointer or "/data/"}
        entry = {
            "id": error_id,
            "status": self.status,
            "code": self.code,
            "title": self.title,
            "detail": self.detail,
            "source": source,
        }
        return entry | ({"links": dict(self.links), "meta": dict(self.meta)} if self.status in WITH_LINKS else {})


class ApiError(Exception):
    """A request that Klaviyo refuses. The status is that of the first problem; nothing of the request is kept."""

    def __init__(self, *problems: Problem, headers: Mapping[str, str] | None = None) -> None:
        super().__init__("; ".join(problem.detail for problem in problems))
        self.problems = problems
        self.status = problems[0].status
        self.headers = dict(headers or {})


def invalid(detail: str, pointer: str | None = None, *, parameter: str | None = None) -> ApiError:
    """400 `invalid`."""
    return ApiError(Problem(detail, pointer, parameter))


def not_found(detail: str, pointer: str = "/data/") -> ApiError:
    """404 `not_found`."""
    return ApiError(Problem(detail, pointer, status=404, code="not_found", title="Not found."))


def not_authenticated() -> ApiError:
    """401 for a missing or foreign Authorization scheme."""
    title = "Authentication credentials were not provided."
    detail = "Missing or invalid authorization scheme. Please use Klaviyo-API-Key."
    return ApiError(Problem(detail, status=401, code="not_authenticated", title=title))


def authentication_failed() -> ApiError:
    """401 for a key or token that is unknown, revoked or expired."""
    title = "Incorrect authentication credentials."
    return ApiError(Problem(title, status=401, code="authentication_failed", title=title))


def permission_denied(detail: str) -> ApiError:
    """403 for a lacking scope or feature."""
    title = "You do not have permission to perform this action."
    return ApiError(Problem(detail, status=403, code="permission_denied", title=title))


def duplicate_profile(profile_id: str) -> ApiError:
    """409 that names the profile which already owns one of the identifiers."""
    detail = "A profile already exists with one of these identifiers."
    meta = {"duplicate_profile_id": profile_id}
    return ApiError(Problem(detail, "/data/attributes", status=409, code="duplicate_profile", title="Conflict.", meta=meta))


def throttled(wait_seconds: int) -> ApiError:
    """429 with the integer `Retry-After` that Klaviyo sends."""
    unit = "second" if wait_seconds == 1 else "seconds"
    problem = Problem(
        f"Request was throttled. Expected available in {wait_seconds} {unit}.",
        "/data",
        status=429,
        code="throttled",
        title="Request was throttled.",
        links={"type": RATE_LIMIT_PAGE},
    )
    return ApiError(problem, headers={"retry-after": str(wait_seconds)})


def refused(status: int, code: str, title: str, detail: str | None = None) -> ApiError:
    """Any other refusal of the framework before a resource sees the request: 405, 406, 410, 413, 415."""
    return ApiError(Problem(detail or title, status=status, code=code, title=title))
