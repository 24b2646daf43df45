"""The signature of a webhook: HMAC-SHA256 over the moment and the body, so that neither can be changed nor sent again later.

``Ferrata-Signature: t=1700000000,v1=<hex>``; while a secret is being replaced there are two ``v1``, of which one fits.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence

HEADER = "ferrata-signature"
PREFIX = "whsec_"


def new_secret() -> str:
    return PREFIX + secrets.token_urlsafe(32)


def signature(secrets_: Sequence[str], at: int, body: bytes) -> str:
    """``at``: Unix time in seconds."""
    marks = [hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest() for secret in secrets_]
    return ",".join([f"t={at}", *(f"v1={mark}" for mark in marks)])
