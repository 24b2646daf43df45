"""The Segment connector: the contract of sources, fulfilled by the files beside it."""

from collections.abc import Sequence
from typing import Any, ClassVar

from ferrata.sources.contract import (
    Flow,
    LookedUp,
    Lookup,
    Mapped,
    Message,
    RawMessage,
    Received,
    Source,
    SourceSettings,
    Unverified,
)
from ferrata.sources.segment.calls import TYPE, opened, type_of
from ferrata.sources.segment.mapping import lookups, map_call
from ferrata.sources.segment.settings import SegmentSettings


class Segment(Source):
    kind: ClassVar[str] = "segment"
    title: ClassVar[str] = "Segment's libraries"
    settings_type: ClassVar[type[SourceSettings]] = SegmentSettings
    flows: ClassVar[tuple[Flow, ...]] = (
        Flow("event of the same name, or of commerce", "track, page, screen", {"properties": "properties"}),
        Flow(
            "profile",
            "identify, group",
            {
                "email": "traits.email, userId",
                "phone_number": "traits.phone",
                "external_id": "userId",
                "anonymous_id": "anonymousId",
                "first_name": "traits.firstName, traits.name",
                "last_name": "traits.lastName, traits.name",
                "location": "traits.address",
                "organization": "traits.company.name",
                "properties": "every other trait",
            },
            ("email", "phone_number", "external_id", "first_name", "last_name", "location"),
        ),
    )

    def verify(self, received: Received, settings: Any) -> None:
        """Its own door has checked the write key; nothing else proves anything."""
        if not received.trusted:
            raise Unverified("Segment's calls come in at /v1/track and the like, with a token as the write key.")

    def open(self, received: Received, settings: Any) -> Sequence[RawMessage]:
        return opened(received.body, received.headers.get(TYPE, "batch"), received.at)

    def lookups(self, message: Message, looked_up: LookedUp, settings: Any) -> Sequence[Lookup]:
        return lookups(message, looked_up)

    def map(self, message: Message, looked_up: LookedUp, settings: SegmentSettings) -> Mapped:
        return map_call(message, looked_up, settings)

    def title_of(self, message: Message) -> str:
        return type_of(message).capitalize() or message.business_key
