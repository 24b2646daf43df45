"""The `revision` header: which revisions live, which are retired, and what a request for either gets.

A revision retires two years after its release; a request for a retired one is served by the oldest living one unless
it opts out. The list ends where this sandbox's knowledge ends; 2026-10-15 is served as 2026-07-15.
"""

import re
from collections.abc import Mapping

from klaviyo_sandbox.errors import ApiError, Problem, not_found, refused
from klaviyo_sandbox.switches import Switches

CURRENT = "2026-07-15"
LIVE = (
    *("2025-01-15", "2025-04-15", "2025-07-15", "2025-10-15"),
    *("2026-01-15", "2026-04-15", CURRENT, "2026-10-15"),
)
OPT_OUT = "x-klaviyo-revision-fall-forward-opt-out"
_FORMAT = re.compile(r"(\d{4}-\d{2}-\d{2})(\.[a-z0-9-]+)?")


def check(headers: Mapping[str, str], switches: Switches) -> str:
    """The revision that serves the request. Raises 400 (missing, malformed), 404 (never released), 410 (opted out)."""
    asked = headers.get("revision", "").strip()
    if not asked:
        if switches.missing_revision == "fall_forward":
            return LIVE[0]
        raise _malformed("A valid 'revision' header is required.")
    match = _FORMAT.fullmatch(asked)
    if match is None:
        raise _malformed(f"'{asked}' is not a valid revision. Use the format YYYY-MM-DD[.suffix].")
    date = match[1]
    if date in LIVE:
        return asked
    if date > LIVE[0]:
        raise not_found("No valid revisions found for method")
    if headers.get(OPT_OUT, "").strip() in {"1", "true"}:
        raise refused(410, "gone", "Gone.", f"The revision {asked} has been retired.")
    return LIVE[0]


def _malformed(detail: str) -> ApiError:
    return ApiError(Problem(detail, "/data/"))
