"""What every error that crosses a boundary carries, and the errors of the infrastructure itself.

FerrataError            code, HTTP status, message, recovery, problems
  Rejected              the request is at fault: mend it and send again          (4xx)
    NotFound, Conflict, Unauthenticated, Forbidden, TooLarge
  Transient             nothing is wrong with the request: the same one, later   (503, 504)
    StorageUnavailable, Overloaded
  NeedsReconnect        Klaviyo's credentials must be mended first               (424)
"""

from dataclasses import dataclass
from enum import StrEnum


class Recovery(StrEnum):
    RETRY = "retry"
    REJECT = "reject"
    RECONNECT = "reconnect"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input: ``path`` as in ``events.3.email``, ``message`` says what and how to mend it."""

    path: str
    message: str


class FerrataError(Exception):
    code = "internal"
    status = 500
    recovery = Recovery.RETRY
    retry_after_seconds: float | None = None
    is_refusal = False
    """Whether somebody tried what they may not do: then the attempt is noted in the audit."""

    def __init__(self, message: str = "", *, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(message or (self.__doc__ or "").strip())
        self.message = str(self)
        self.problems = problems


class Rejected(FerrataError):
    """The request cannot be taken as it is."""

    code, status, recovery = "invalid", 400, Recovery.REJECT


class NotFound(Rejected):
    """There is nothing under this address."""

    code, status = "not_found", 404


class Conflict(Rejected):
    """Something else already stands here."""

    code, status = "conflict", 409


class Unauthenticated(Rejected):
    """Sign in, or send a token as `Authorization: Bearer ...`."""

    code, status, is_refusal = "unauthenticated", 401, True


class Forbidden(Rejected):
    """This token or role does not allow that."""

    code, status, is_refusal = "forbidden", 403, True


class TooLarge(Rejected):
    """The body is larger than is accepted here."""

    code, status = "too_large", 413


class Transient(FerrataError):
    """Not possible at the moment; the same request may be sent again."""

    code, status, recovery = "unavailable", 503, Recovery.RETRY
    retry_after_seconds = 2.0


class StorageUnavailable(Transient):
    """The database could not keep this. Nothing was accepted; send it again."""

    code = "storage_unavailable"


class Overloaded(Transient):
    """More is coming in than can be kept at the moment. Nothing was accepted; send it again."""

    code = "overloaded"


class NeedsReconnect(FerrataError):
    """Klaviyo does not accept this store's credentials."""

    code, status, recovery = "needs_reconnect", 424, Recovery.RECONNECT
