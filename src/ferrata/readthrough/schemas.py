"""What is answered about Klaviyo's own data."""

from datetime import datetime
from typing import Any

import msgspec

from ferrata.profiles.schemas import ProfileAttributes


class KlaviyoProfile(msgspec.Struct, frozen=True):
    id: str
    attributes: ProfileAttributes
    resource: dict[str, Any]
    """As Klaviyo answered it."""


class KlaviyoEvent(msgspec.Struct, frozen=True):
    id: str
    moment: datetime | None
    metric_id: str | None
    profile_id: str | None
    properties: dict[str, Any]
