"""What a fault does to a request (`Effect`), and names for the usual ones (`PRESETS`)."""

from typing import Any, Literal

import msgspec


class Poison(msgspec.Struct, forbid_unknown_fields=True):
    """Refuse events that contain a text, as Klaviyo refuses some that look valid: 400 for the whole request."""

    text: str
    where: Literal["any", "email", "unique_id", "properties"] = "any"
    pointers: bool = True
    """Whether the error names the event by its pointer or only says that something is wrong."""

    def hits(self, email: Any, unique_id: Any, properties: bytes) -> bool:
        """Whether an event with these parts is poisonous; `properties` is its JSON text."""
        return (
            (self.where in {"any", "email"} and isinstance(email, str) and self.text in email)
            or (self.where in {"any", "unique_id"} and isinstance(unique_id, str) and self.text in unique_id)
            or (self.where in {"any", "properties"} and self.text.encode() in properties)
        )


class Effect(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What happens. The parts combine: wait, then answer or not, then deliver the answer whole, slowly or broken."""

    when: Literal["before_read", "before", "after"] = "before"
    """Before the body is read, before the operation runs (it then does not run if the answer is made up here), or
    after it took effect."""

    hang_seconds: float = 0
    """Wait this long, in real seconds."""

    status: int | None = None
    """Answer this status instead of the true one."""

    body: Literal["json", "empty", "html", "garbage"] = "json"
    """What accompanies `status`: a JSON:API error, nothing, a page as a proxy sends it, or bytes that mean nothing."""

    text: str | None = None
    """This very body instead, e.g. JSON of an unexpected shape."""

    headers: dict[str, str] = {}
    """Further headers of the answer; values travel as they are, line breaks included."""

    retry_after: int | str | None = None
    """`Retry-After` as it is; `date:+30` becomes the HTTP date 30 s from now."""

    body_bytes: int = 0
    """Pad the body to this size."""

    gzip_bomb_bytes: int = 0
    """Answer a gzip body that unpacks to this size."""

    drip_bytes_per_second: float = 0
    """Deliver the answer byte by byte."""

    truncate: bool = False
    """Deliver half of the body announced by Content-Length, then close."""

    reset: bool = False
    """Reset the connection instead of answering."""

    credential: Literal["revoked", "lost_scope"] | None = None
    """Answer as if the key were revoked (401) or lacked a scope (403)."""

    late_drop: bool = False
    """Answer 202, then lose the events."""

    poison: Poison | None = None

    @property
    def lets_run(self) -> bool:
        """Whether the operation runs: always when the fault comes after it, else unless the answer is made up here."""
        invented = self.status is not None or self.reset or self.gzip_bomb_bytes > 0
        return self.when == "after" or not invented


def _throttled(retry_after: int | str | None) -> Effect:
    return Effect(status=429, retry_after=retry_after)


PRESETS: dict[str, Effect] = {
    "bad_request": Effect(status=400),
    "method_gone": Effect(status=405),
    "revision_retired": Effect(status=410),
    "too_large": Effect(status=413),
    "throttled": _throttled(1),
    "throttled_date": _throttled("date:+2"),
    "throttled_garbage": _throttled("soon"),
    "throttled_negative": _throttled(-5),
    "throttled_silent": _throttled(None),
    "throttled_daily": _throttled(67_608),
    "server_error": Effect(status=500),
    "empty_500": Effect(status=500, body="empty"),
    "html_502": Effect(status=502, body="html"),
    "unavailable": Effect(status=503, retry_after=1),
    "html_504": Effect(status=504, body="html"),
    "cloudflare_520": Effect(status=520, body="html"),
    "cloudflare_challenge": Effect(status=403, body="html", headers={"cf-mitigated": "challenge"}),
    "garbage": Effect(status=500, body="garbage"),
    "exec_500": Effect(when="after", status=500),
    "exec_503": Effect(when="after", status=503),
    "exec_hang": Effect(when="after", hang_seconds=60, reset=True),
    "exec_reset": Effect(when="after", reset=True),
    "exec_html": Effect(when="after", status=202, body="html"),
    "reset_before_read": Effect(when="before_read", reset=True),
    "reset_before": Effect(reset=True),
    "hang": Effect(hang_seconds=60, reset=True),
    "slow": Effect(hang_seconds=2),
    "drip": Effect(when="after", drip_bytes_per_second=1),
    "truncated": Effect(when="after", truncate=True),
    "redirect": Effect(status=307, body="empty", headers={"location": "https://elsewhere.invalid/api/events"}),
    "huge_body": Effect(status=500, body_bytes=50_000_000),
    "gzip_bomb": Effect(gzip_bomb_bytes=200_000_000),
    "crlf_header": Effect(status=500, headers={"x-note": "first\r\nx-forged: second\r\n\tfolded"}),
    "huge_header": Effect(status=500, headers={"x-huge": "h" * 200_000}),
    "late_drop": Effect(late_drop=True),
    "revoked": Effect(credential="revoked"),
    "lost_scope": Effect(credential="lost_scope"),
}
