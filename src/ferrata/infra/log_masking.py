"""What must never be readable in a log: secrets are removed, personal data is cut to what recognises and no more."""

import re
from collections.abc import Mapping
from typing import Any

from ferrata.kit.masking import mask_email, mask_phone

REMOVED = "[removed]"
_SECRET_NAMES = re.compile(r"(?i)password|secret|authorization|cookie|private_key|api_?key|master_key|(^|_)token$")
_SECRETS = re.compile(
    r"\bpk_[A-Za-z0-9_]{4,}"
    r"|\bfrt_[A-Za-z0-9_-]{8,}"
    r"|(?i:\b(?:bearer|basic|klaviyo-api-key)\s+)[A-Za-z0-9._~+/=-]{8,}"
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"
)
_EMAIL = re.compile(r"[A-Za-z0-9._%+'-]{1,64}(?:@|%40)(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,63}")
_PHONE = re.compile(r"(?<![\w+.:-])\+[1-9]\d{6,14}(?!\d)")
_LONGEST = 8_000


def mask_text(text: str) -> str:
    """The text without credentials, with e-mail addresses and E.164 phone numbers masked, cut to 8,000 characters."""
    if len(text) > _LONGEST:
        text = text[:_LONGEST] + f"… and {len(text) - _LONGEST:,} characters more"
    text = _SECRETS.sub(REMOVED, text)
    text = _EMAIL.sub(lambda found: mask_email(found[0].replace("%40", "@")), text)
    return _PHONE.sub(lambda found: mask_phone(found[0]), text)


def mask_value(name: str, value: Any) -> Any:
    """``value`` as it may be logged under ``name``; containers are masked within."""
    if _SECRET_NAMES.search(name) and value is not None and not isinstance(value, bool | int | float):
        return REMOVED
    if isinstance(value, Mapping):
        return {str(key): mask_value(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [mask_value("", item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return mask_text(str(value))


def mask_record(_logger: object, _method: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """A structlog processor."""
    return {name: mask_value(name, value) for name, value in record.items()}
