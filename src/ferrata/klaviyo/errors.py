"""The client's errors, grouped by what helps. Each is an `Outcome` raised.

KlaviyoError
├── Transient                 wait, then send the same again
│   ├── Throttled             429: the quota is used up until `retry_after_seconds` have passed
│   ├── UpstreamFault         5xx, 408, 425, or the edge in front of Klaviyo answered in its place
│   ├── Unreachable           DNS, refused, connect time-out: never sent
│   ├── Interrupted           sent, outcome unknown: reset, time-out or truncation while waiting for the answer
│   └── UnreadableAnswer      a 2xx whose document was needed and could not be read
├── Rejected                  this payload will never pass
│   ├── PayloadRejected       400, 409, 422 with a list of problems
│   ├── DuplicateProfile      409 with the id of the profile that owns the identifier
│   ├── NotFound              404 of a resource that the request names
│   └── TooLarge              413
└── NeedsReconnect            a person has to mend the connection; nothing about the payload is wrong
    ├── KeyRevoked            401, or 400/403 that speaks of credentials
    ├── MissingScope          403: names the scopes that the operation needs
    ├── EndpointGone          404 of the endpoint, 405, 410, or a retired revision
    ├── NotUnderstood         406, 415 and other 4xx about how we ask: our own mistake
    ├── Redirected            3xx: never followed, so that the key stays with its host
    └── UntrustedServer       TLS refused: wrong name, expired or unknown certificate, old protocol
"""

from __future__ import annotations

from typing import Any, ClassVar

from .outcome import Executed, Kind, Outcome, Problem, Recovery


class KlaviyoError(Exception):
    """Base of all. `str()` holds no credential; Klaviyo's own words in it may quote the payload, an e-mail for instance."""

    code: ClassVar[str] = "klaviyo_error"
    recovery: ClassVar[Recovery]

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(f"{outcome.operation}: {outcome.reason}")
        self.outcome = outcome

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.outcome,)

    @property
    def status(self) -> int | None:
        """HTTP status of the answer; None when there was none."""
        return self.outcome.status

    @property
    def executed(self) -> Executed:
        return self.outcome.executed

    @property
    def retry_after_seconds(self) -> float | None:
        return self.outcome.retry_after_seconds

    @property
    def problems(self) -> tuple[Problem, ...]:
        return self.outcome.problems

    @property
    def pointers(self) -> tuple[str, ...]:
        return self.outcome.pointers


class Transient(KlaviyoError):
    recovery = Recovery.TRANSIENT


class Rejected(KlaviyoError):
    recovery = Recovery.REJECTED


class NeedsReconnect(KlaviyoError):
    recovery = Recovery.NEEDS_RECONNECT


class Throttled(Transient):
    code = "throttled"


class UpstreamFault(Transient):
    code = "upstream_fault"


class Unreachable(Transient):
    code = "unreachable"


class Interrupted(Transient):
    code = "interrupted"


class UnreadableAnswer(Transient):
    code = "unreadable_answer"


class PayloadRejected(Rejected):
    code = "payload_rejected"


class DuplicateProfile(Rejected):
    code = "duplicate_profile"

    @property
    def duplicate_profile_id(self) -> str | None:
        return self.outcome.duplicate_profile_id


class NotFound(Rejected):
    code = "not_found"


class TooLarge(Rejected):
    code = "too_large"


class KeyRevoked(NeedsReconnect):
    code = "key_revoked"


class MissingScope(NeedsReconnect):
    code = "missing_scope"

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that the operation needs, of which at least one is lacking."""
        return self.outcome.scopes


class EndpointGone(NeedsReconnect):
    code = "endpoint_gone"


class NotUnderstood(NeedsReconnect):
    code = "not_understood"


class Redirected(NeedsReconnect):
    code = "redirected"


class UntrustedServer(NeedsReconnect):
    code = "untrusted_server"


ERROR_OF_KIND: dict[Kind, type[KlaviyoError]] = {
    Kind.REJECTED: PayloadRejected,
    Kind.DUPLICATE_PROFILE: DuplicateProfile,
    Kind.NOT_FOUND: NotFound,
    Kind.TOO_LARGE: TooLarge,
    Kind.THROTTLED: Throttled,
    Kind.UPSTREAM: UpstreamFault,
    Kind.TRANSIENT_NOT_SENT: Unreachable,
    Kind.TRANSIENT_UNKNOWN: Interrupted,
    Kind.UNREADABLE: UnreadableAnswer,
    Kind.CREDENTIAL: KeyRevoked,
    Kind.SCOPE: MissingScope,
    Kind.GONE: EndpointGone,
    Kind.NOT_UNDERSTOOD: NotUnderstood,
    Kind.REDIRECTED: Redirected,
    Kind.UNTRUSTED: UntrustedServer,
}


def error_for(outcome: Outcome) -> KlaviyoError:
    """The error that tells this outcome; raises ValueError for an accepted one, which is none."""
    if outcome.kind is Kind.ACCEPTED:
        raise ValueError("an accepted outcome is not an error")
    return ERROR_OF_KIND[outcome.kind](outcome)
