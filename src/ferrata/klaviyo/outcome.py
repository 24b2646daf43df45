"""What became of one request, as a value: the client never makes delivery catch exceptions to learn an outcome.

`Outcome.kind` says what happened, `.recovery` what helps, `.executed` whether Klaviyo may already have acted on the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Recovery(StrEnum):
    """What helps: waiting, another payload, or a person who mends the connection."""

    TRANSIENT = "transient"
    REJECTED = "rejected"
    NEEDS_RECONNECT = "needs_reconnect"


class Executed(StrEnum):
    """Whether Klaviyo acted on the request. UNKNOWN obliges a sender to resend the identical bytes or nothing."""

    NO = "no"
    UNKNOWN = "unknown"
    YES = "yes"


class Kind(StrEnum):
    """The facts a caller tells apart. Each but ACCEPTED has one error class in `errors`."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    DUPLICATE_PROFILE = "duplicate_profile"
    NOT_FOUND = "not_found"
    TOO_LARGE = "too_large"
    THROTTLED = "throttled"
    UPSTREAM = "upstream"
    TRANSIENT_NOT_SENT = "transient_not_sent"
    TRANSIENT_UNKNOWN = "transient_unknown"
    UNREADABLE = "unreadable"
    CREDENTIAL = "credential"
    SCOPE = "scope"
    GONE = "gone"
    NOT_UNDERSTOOD = "not_understood"
    REDIRECTED = "redirected"
    UNTRUSTED = "untrusted"

    @property
    def recovery(self) -> Recovery | None:
        """None for ACCEPTED: there is nothing to recover from."""
        return _RECOVERY[self]


_RECOVERY: dict[Kind, Recovery | None] = {
    Kind.ACCEPTED: None,
    Kind.REJECTED: Recovery.REJECTED,
    Kind.DUPLICATE_PROFILE: Recovery.REJECTED,
    Kind.NOT_FOUND: Recovery.REJECTED,
    Kind.TOO_LARGE: Recovery.REJECTED,
    Kind.THROTTLED: Recovery.TRANSIENT,
    Kind.UPSTREAM: Recovery.TRANSIENT,
    Kind.TRANSIENT_NOT_SENT: Recovery.TRANSIENT,
    Kind.TRANSIENT_UNKNOWN: Recovery.TRANSIENT,
    Kind.UNREADABLE: Recovery.TRANSIENT,
    Kind.CREDENTIAL: Recovery.NEEDS_RECONNECT,
    Kind.SCOPE: Recovery.NEEDS_RECONNECT,
    Kind.GONE: Recovery.NEEDS_RECONNECT,
    Kind.NOT_UNDERSTOOD: Recovery.NEEDS_RECONNECT,
    Kind.REDIRECTED: Recovery.NEEDS_RECONNECT,
    Kind.UNTRUSTED: Recovery.NEEDS_RECONNECT,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One element of a JSON:API `errors` array; absent members are None. `pointer` is a JSON pointer into the request body."""

    code: str | None = None
    title: str | None = None
    detail: str | None = None
    pointer: str | None = None
    parameter: str | None = None
    duplicate_profile_id: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The whole story of one request.

    `reason` is one plain sentence for people; `excerpt` at most 4 KB of the answer, decoded safely, control characters and
    credentials removed. `retry_after_seconds` is what the server asked for, None if it asked for nothing intelligible.
    `rate_headers` holds the `ratelimit-*` and `retry-after` headers as received, for `Limiter.observe`. `body` is what an
    accepted request was answered with.
    """

    kind: Kind
    operation: str
    executed: Executed
    status: int | None = None
    reason: str = ""
    problems: tuple[Problem, ...] = ()
    scopes: tuple[str, ...] = ()
    retry_after_seconds: float | None = None
    excerpt: str = ""
    duration_ms: float = 0.0
    request_id: str | None = None
    rate_headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)

    @property
    def recovery(self) -> Recovery | None:
        return self.kind.recovery

    @property
    def sentence(self) -> str:
        """`reason` as it stands by itself on a page: with its subject, and a capital."""
        told = f"Klaviyo {self.reason}" if self.reason.startswith("answered") else self.reason
        return told[:1].upper() + told[1:]

    @property
    def is_accepted(self) -> bool:
        return self.kind is Kind.ACCEPTED

    @property
    def sent(self) -> bool:
        """Whether the request can have left us: False only if it certainly stayed. For `Limiter.observe`."""
        return self.status is not None or self.executed is not Executed.NO

    @property
    def pointers(self) -> tuple[str, ...]:
        """The JSON pointers of all problems that carry one, in the order Klaviyo gave them."""
        return tuple(problem.pointer for problem in self.problems if problem.pointer)

    @property
    def duplicate_profile_id(self) -> str | None:
        """The profile that owns the identifier, when Klaviyo answered 409 `duplicate_profile`."""
        return next((p.duplicate_profile_id for p in self.problems if p.duplicate_profile_id), None)
