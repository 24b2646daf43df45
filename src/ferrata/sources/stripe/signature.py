"""Stripe-Signature: proof that a body comes from Stripe, and is not old.

Stripe's rule (docs: webhooks, verify manually): HMAC-SHA256 with the endpoint's secret over time, dot and raw body; any ``v1``
that matches is enough, there are two while a secret is rolled; other schemes are ignored. Stripe's own libraries refuse only
what is too old; a stamp far in the future is refused here as well, for it would stay valid for as long. These few lines replace
the ``stripe`` package, which would bring ``requests`` and a second HTTP client with it.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import datetime

from ferrata.sources.errors import Unverified

TOLERANCE_SECONDS = 300
_STAMP = re.compile(r"[0-9]{1,12}")


def prove(header: str, body: bytes, secrets: Sequence[str], at: datetime) -> None:
    """Return if the body was signed with one of these secrets within 300 seconds of ``at``.

    Raises:
        Unverified: it says which part is missing or wrong, and nothing about the right one.
    """
    if not secrets:
        raise Unverified("No signing secret is set for this source; copy it from the endpoint's page in Stripe's dashboard.")
    stamp, signatures = _parts(header)
    expected = [hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest() for secret in secrets]
    found = False
    for given in signatures:
        for right in expected:  # each with each, so that the time taken tells nothing
            found |= hmac.compare_digest(given.encode(), right.encode())
    if not found:
        raise Unverified("The signature does not match: the secret is of another endpoint, or the body was changed on its way.")
    if abs(at.timestamp() - int(stamp)) > TOLERANCE_SECONDS:
        raise Unverified(f"The signature's time is more than {TOLERANCE_SECONDS} seconds away from this clock.")


def _parts(header: str) -> tuple[str, list[str]]:
    pairs = [part.strip().partition("=")[::2] for part in header.split(",")]
    stamps = [value for name, value in pairs if name == "t"]
    signatures = [value for name, value in pairs if name == "v1"]
    if len(stamps) != 1 or not _STAMP.fullmatch(stamps[0]):
        raise Unverified("The Stripe-Signature header needs exactly one time, t=...")
    if not signatures:
        raise Unverified("The Stripe-Signature header has no signature of scheme v1.")
    return stamps[0], signatures
