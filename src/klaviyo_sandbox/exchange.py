"""What a resource sees of a request (`Call`) and what it gives back (`Answer`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from klaviyo_sandbox.auth import Credential
from klaviyo_sandbox.errors import ApiError, Problem, invalid
from klaviyo_sandbox.operations import Match, Operation

if TYPE_CHECKING:
    from klaviyo_sandbox.faults import Plan
    from klaviyo_sandbox.sandbox import Sandbox
    from klaviyo_sandbox.state import State

MEDIA_TYPE = "application/vnd.api+json"


@dataclass(slots=True)
class Answer:
    """A response. `document` is encoded as JSON; None means an empty body without content type, as after 202 and 204."""

    status: int = 200
    document: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    media_type: str = MEDIA_TYPE

    def body(self) -> bytes:
        """The bytes to send; a `str` document travels as it is (pages)."""
        if self.document is None:
            return b""
        return self.document.encode() if isinstance(self.document, str) else msgspec.json.encode(self.document)


@dataclass(slots=True)
class Arrival:
    """The head of a request, before anything is decided about it. Header names are in lower case."""

    method: str
    raw_path: str
    raw_query: str
    query: dict[str, str]
    headers: dict[str, str]
    base_url: str
    match: Match | None
    credential: Credential | None

    @property
    def operation(self) -> Operation | None:
        """What the request line asks for, if that exists."""
        return self.match.operation if self.match else None


@dataclass
class Call:
    """One authenticated, authorised and counted request, with everything a resource may need."""

    sandbox: "Sandbox"
    operation: Operation
    credential: Credential
    request_id: int
    base_url: str
    raw_path: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    now: datetime
    plan: "Plan"

    @property
    def state(self) -> "State":
        """The database; the pipeline has opened a transaction."""
        return self.sandbox.state

    @property
    def account_id(self) -> str:
        """Whose data this is: put it in every WHERE."""
        return self.credential.account_id

    @cached_property
    def timestamp(self) -> float:
        """`now` in seconds since 1970."""
        return self.now.timestamp()

    @cached_property
    def visible_at(self) -> float:
        """When something written by this request may be seen by reads."""
        return self.timestamp + self.sandbox.switches.visibility_delay_seconds

    @cached_property
    def document(self) -> dict[str, Any]:
        """The decoded body, a JSON object. Raises `ApiError` 400 `parse_error` otherwise."""
        try:
            document = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            title = "Malformed request."
            raise ApiError(Problem(f"JSON parse error - {error}", "/", code="parse_error", title=title)) from error
        if not isinstance(document, dict):
            raise invalid("The request body must be a JSON object.", "/data")
        return document

    def status(self, recorded: int, spec: int) -> int:
        """The success status to answer where recordings and the OpenAPI description disagree."""
        return recorded if self.sandbox.switches.statuses == "recorded" else spec
