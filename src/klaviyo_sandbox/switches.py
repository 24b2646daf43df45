"""The run-time switches of a sandbox: what Klaviyo leaves open, or documents in two ways, is chosen here.

Every switch can be given at start (`Sandbox(switches=...)`, the command line) and changed while running (`/_sandbox/switches`).
"""

from typing import Any, Literal

import msgspec

Dedupe = Literal["in_request", "strict", "silent"]
Alignment = Literal["clock", "first_request"]


class Switches(msgspec.Struct, forbid_unknown_fields=True):
    """Every switch with its default. Times are seconds of the sandbox's clock, sizes are bytes."""

    dedupe: Dedupe = "in_request"
    """How bulk jobs treat a repeated `unique_id`; see `resources/events.py`."""

    visibility_delay_seconds: float = 0.0
    """How long a write stays invisible to reads (events, imports, subscriptions, merges)."""

    drop_test_addresses: bool = False
    """Answer 202 to events for @example.com and @test.com addresses, then lose them, as Klaviyo does."""

    default_opt_in: Literal["single_opt_in", "double_opt_in"] = "double_opt_in"
    """How subscriptions without a list are confirmed; Klaviyo has this as a setting of the account."""

    statuses: Literal["recorded", "spec"] = "recorded"
    """Where recordings and the OpenAPI description disagree on a success status, which one to answer."""

    missing_revision: Literal["reject", "fall_forward"] = "reject"
    """What a request without `revision` header gets: 400, or the oldest live revision."""

    limits: bool = True
    """Whether rate windows are counted and enforced; off also leaves the RateLimit headers away."""

    window_alignment: Alignment = "clock"
    """Fixed windows start at each whole second, minute and day of the clock, or at the first request."""

    max_body_bytes: int = 5_000_000
    """Largest body after decompression."""

    oversize_status: Literal[400, 413] = 413
    """Status for a body above `max_body_bytes`; Klaviyo does not say which."""

    max_string_bytes: int = 100_000
    """Largest single string inside an event, in UTF-8."""

    access_token_seconds: int = 3600
    """Life of an OAuth access token."""

    rotate_refresh_tokens: bool = False
    """Whether a refresh answers a new refresh token and retires the old one."""

    refreshes_per_minute: int = 10
    """Refreshes allowed per installation and minute; 0 switches the throttle off."""

    journal_limit: int = 10_000
    """How many requests the journal remembers; effects are never forgotten."""

    journal_bodies: bool = False
    """Whether the journal keeps request bodies besides their SHA-256."""

    def with_changes(self, changes: dict[str, Any]) -> "Switches":
        """A changed copy; raises `msgspec.ValidationError` for unknown names or unfit values."""
        return msgspec.convert({**msgspec.to_builtins(self), **changes}, Switches)
