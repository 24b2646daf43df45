"""What can go wrong between us and commercetools.

Unavailable    (later)     nothing is wrong with the request: no answer, 429, 5xx
AccessRefused  (mend)      the API client's id, secret or scopes do not allow it; messages wait meanwhile
QueryRefused   (message)   commercetools will never answer this question; the message is kept apart
"""

from ferrata.infra.errors import Rejected, Transient
from ferrata.sources.errors import Refused


class Unavailable(Transient):
    """commercetools does not answer at the moment."""

    code = "commercetools_unavailable"

    def __init__(self, message: str = "", *, seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = 5.0 if seconds is None else seconds


class AccessRefused(Rejected):
    """commercetools does not let this API client in, or not to this."""

    code, status = "commercetools_access_refused", 424


class QueryRefused(Refused):
    """commercetools refuses this question."""

    code = "commercetools_query_refused"
