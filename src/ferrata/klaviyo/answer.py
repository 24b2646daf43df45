"""What came back from the wire: a bounded answer, or the fact that there was none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

EXCERPT_BYTES = 4096
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_CREDENTIAL = re.compile(r"\bpk_[A-Za-z0-9_]{4,}|(?i:\bbearer\s+|\bklaviyo-api-key\s+|\bbasic\s+)[A-Za-z0-9._~+/=-]{8,}")


class Flaw(StrEnum):
    """Why the body is not whole although a status line was received."""

    TRUNCATED = "truncated"
    TOO_LARGE = "too_large"
    UNDECODABLE = "undecodable"
    DEADLINE = "deadline"


@dataclass(frozen=True, slots=True)
class Answer:
    """A status line was received. `body` is decompressed and bounded; `flaw` says why it may be incomplete.

    Header names are lower case. `duration_ms` runs from the call until the body was read.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    duration_ms: float = 0.0
    flaw: Flaw | None = None

    @property
    def request_id(self) -> str | None:
        """The id to quote to the service's support, where the edge gave one."""
        value = self.headers.get("x-request-id") or self.headers.get("cf-ray")
        return printable(value, 128) if value else None

    @property
    def is_html(self) -> bool:
        """True when a web page was sent, which Klaviyo's API never does: the edge in front of it speaks."""
        content_type = self.headers.get("content-type", "").lower()
        return "html" in content_type or self.body[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")

    @property
    def rate_headers(self) -> dict[str, str]:
        """`ratelimit-*`, and `retry-after` with the `date` it counts from, as received, made safe for logs and bounded."""
        wanted = ("retry-after", "date") if "retry-after" in self.headers else ()
        return {
            name: printable(value, 256) for name, value in self.headers.items() if name.startswith("ratelimit-") or name in wanted
        }

    @property
    def excerpt(self) -> str:
        """At most 4 KB of the body, safe to store, log and show."""
        return printable(self.body[:EXCERPT_BYTES].decode("utf-8", errors="replace"), EXCERPT_BYTES)


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """No status line came. `sent` is False only if it is certain that not one byte of the request left."""

    reason: str
    sent: bool
    untrusted: bool = False
    duration_ms: float = 0.0


def printable(text: str, limit: int) -> str:
    """The text without control characters and credentials, cut to `limit` bytes of UTF-8."""
    clean = _CREDENTIAL.sub("[credential removed]", _UNPRINTABLE.sub(" ", text[:limit]))
    return clean.encode("utf-8", errors="replace")[:limit].decode("utf-8", errors="ignore")
