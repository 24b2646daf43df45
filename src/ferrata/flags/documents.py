"""Flags as programs see them over HTTP: what is answered, and the bodies that are taken."""

import json
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictBool, StrictInt
from pydantic.alias_generators import to_camel

from ferrata.delivery.held import HeldExample, HeldFilter, HeldGroup
from ferrata.delivery.stops import EVERYTHING, Stop
from ferrata.flags.schemas import EVERY_METRIC, Flag, Mode, Origin, Share
from ferrata.infra.http.instants import AskedInstant


class Document(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, from_attributes=True, extra="forbid")


class FlagDocument(Document):
    """``percentage`` where the mode is that; ``origin`` says which rule holds, ``source`` who or which variable made it."""

    metric: str = Field(description=f"The event's name; {EVERY_METRIC} is every metric without a flag of its own.")
    mode: Mode
    percentage: int | None
    origin: Origin
    source: str
    changed_at: AwareDatetime | None

    @classmethod
    def of(cls, flag: Flag) -> "FlagDocument":
        rule = flag.rule
        share = rule.percentage if rule.mode is Mode.PERCENTAGE else None
        return cls(
            metric=flag.metric,
            mode=rule.mode,
            percentage=share,
            origin=rule.origin,
            source=rule.source,
            changed_at=rule.changed_at,
        )


class StopDocument(Document):
    scope: Literal["everything", "store"]
    by: str
    reason: str
    at: AwareDatetime

    @classmethod
    def of(cls, stop: Stop) -> "StopDocument":
        scope: Literal["everything", "store"] = "everything" if stop.scope == EVERYTHING else "store"
        return cls(scope=scope, by=stop.by, reason=stop.reason, at=stop.at)


class FlagsDocument(Document):
    """``stopped`` is empty while sending goes on."""

    flags: list[FlagDocument]
    stopped: list[StopDocument]


class FlagOrder(Document):
    metric: str = Field(min_length=1, max_length=127)
    mode: Mode
    percentage: StrictInt | None = Field(None, ge=0, le=100)


class StopOrder(Document):
    reason: str = Field("", max_length=500, description="Shown wherever something waits because of it.")


class SwitchedDocument(Document):
    """``changed`` is false if it was so already."""

    stopped: bool
    changed: bool


class ShareDocument(Document):
    """Of the profiles with an event on the day before (UTC), how many would be in."""

    profiles: int
    included: int
    percentage: int

    @classmethod
    def of(cls, share: Share) -> "ShareDocument":
        return cls.model_validate(share)


class HeldGroupDocument(Document):
    metric: str
    reason: str
    count: int
    first_at: AwareDatetime
    last_at: AwareDatetime

    @classmethod
    def of(cls, group: HeldGroup) -> "HeldGroupDocument":
        return cls(metric=group.kind, reason=group.code, count=group.count, first_at=group.first_at, last_at=group.last_at)


class HeldEventDocument(Document):
    """``request`` is the body that would be sent to Klaviyo."""

    id: str
    metric: str
    reason: str
    detail: str
    accepted_at: AwareDatetime
    request: dict[str, Any]

    @classmethod
    def of(cls, example: HeldExample) -> "HeldEventDocument":
        return cls(
            id=example.id,
            metric=example.kind,
            reason=example.code,
            detail=example.sentence,
            accepted_at=example.accepted_at,
            request=request_of(example),
        )


class HeldDocument(Document):
    groups: list[HeldGroupDocument]
    newest: list[HeldEventDocument]


class ReleaseOrder(Document):
    """Which held events to send. A dry run unless ``dryRun`` is false."""

    metric: str | None = Field(None, max_length=127)
    since: AskedInstant | None = Field(None, description="Accepted at or after this time.")
    until: AskedInstant | None = Field(None, description="Accepted before this time.")
    dry_run: StrictBool = True

    def filter_for(self, store_id: str) -> HeldFilter:
        return HeldFilter(store_id, self.metric, (), self.since, self.until)


class ReleasedDocument(Document):
    dry_run: bool
    count: int


def request_of(example: HeldExample) -> dict[str, Any]:
    """The body of the request that would be made for one held event."""
    attributes = {**json.loads(example.subject_json), "profile": {"data": json.loads(example.profile_json)}}
    return {"data": {"type": "event", "attributes": attributes}}
