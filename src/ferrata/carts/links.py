"""Recovery links: an id that tells nothing, when it ends, and a signature over both. Nothing about the person is in them."""

import base64
import hashlib
import hmac
import re
from datetime import UTC, datetime
from uuid import UUID

from ferrata.carts.errors import BadLink, LinkExpired

_SIGNATURE_BYTES = 16
_TOKEN = re.compile(r"[A-Za-z0-9_-]{50,60}")


def make_token(recovery_id: str, expires_at: datetime, secret: bytes) -> str:
    """About 55 characters that may stand in an address."""
    body = UUID(recovery_id).bytes + int(expires_at.timestamp()).to_bytes(5)
    return _text(body + _signature(body, secret))


def cart_in(token: str) -> str:
    """The recovery id that a token names; whether it is genuine is for ``check`` to say. Raises BadLink."""
    return str(UUID(bytes=_bytes(token)[:16]))


def check(token: str, secret: bytes, now: datetime) -> None:
    """Raises BadLink if the token was not made with this secret, LinkExpired if its time is over."""
    raw = _bytes(token)
    body, signature = raw[:-_SIGNATURE_BYTES], raw[-_SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _signature(body, secret)):
        raise BadLink
    if now >= datetime.fromtimestamp(int.from_bytes(body[16:]), UTC):
        raise LinkExpired("This link has expired. The cart may still be in the shop.")


def _bytes(token: str) -> bytes:
    if not _TOKEN.fullmatch(token):
        raise BadLink
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        raise BadLink from None
    if len(raw) != 16 + 5 + _SIGNATURE_BYTES or _text(raw) != token:  # the last letter has bits to spare: one spelling counts
        raise BadLink
    return raw


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _signature(body: bytes, secret: bytes) -> bytes:
    return hmac.new(secret, b"ferrata cart link " + body, hashlib.sha256).digest()[:_SIGNATURE_BYTES]
