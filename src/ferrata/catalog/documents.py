"""The catalogue as programs see it: the JSON of its API and of its commands."""

import json
from typing import Any

import msgspec
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from ferrata.catalog.schemas import Kind, Presence, Thing, ThingFilter
from ferrata.delivery.schemas import Delivery

LONGEST_TEXT = 255


class Document(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, from_attributes=True, extra="forbid")


class Asked(BaseModel):
    """Which things to list: all conditions that are given hold together."""

    kind: Kind | None = Field(default=None, description="`item`, `variant` or `category`.")
    presence: Presence | None = Field(default=None, description="`present` in the shop, or `deleted` from it.")
    item: str | None = Field(default=None, max_length=LONGEST_TEXT, description="Variants of this item (its external id).")
    text: str | None = Field(default=None, max_length=LONGEST_TEXT, description="In the title, or the whole external id.")
    cursor: str | None = Field(default=None, description="`nextCursor` of the page before.")
    limit: int = Field(default=50, ge=1, le=500)

    def filter_for(self, store_id: str) -> ThingFilter:
        # A NUL can't be in a title, and PostgreSQL can't be asked about one.
        text = self.text.replace("\0", "\ufffd") if self.text else None
        item = self.item.replace("\0", "\ufffd") if self.item else None
        return ThingFilter(store_id, self.kind, self.presence, item, text)


class DeliveryDocument(Document):
    """One telling of a thing to Klaviyo."""

    id: str
    state: str
    attempts: int
    accepted_at: AwareDatetime
    finished_at: AwareDatetime | None
    reason_code: str | None
    reason_pointer: str | None
    reason_detail: str | None
    superseded_by: str | None

    @classmethod
    def of(cls, delivery: Delivery) -> "DeliveryDocument":
        return cls.model_validate({name: getattr(delivery, name) for name in cls.model_fields} | {"state": delivery.state.value})


class ThingDocument(Document):
    """A thing as Ferrata knows it. ``delivery`` is the newest telling: null where it waits for something it refers to."""

    kind: Kind
    external_id: str
    title: str
    presence: Presence
    version: int | None
    changed_at: AwareDatetime
    updated_at: AwareDatetime
    item: str | None
    categories: list[str] | None
    attributes: dict[str, Any]
    delivery: DeliveryDocument | None

    @classmethod
    def of(cls, thing: Thing, delivery: Delivery | None) -> "ThingDocument":
        return cls(
            kind=thing.kind,
            external_id=thing.external_id,
            title=thing.title,
            presence=thing.presence,
            version=thing.version,
            changed_at=thing.changed_at,
            updated_at=thing.updated_at,
            item=thing.item,
            categories=None if thing.categories is None else list(thing.categories),
            attributes=attributes_of(thing),
            delivery=DeliveryDocument.of(delivery) if delivery else None,
        )


class ThingsDocument(Document):
    """A page, what changed last first; ``nextCursor`` is null on the last one."""

    things: list[ThingDocument]
    next_cursor: str | None


class ThingStoryDocument(Document):
    """A thing, and every telling of it, newest first."""

    thing: ThingDocument
    deliveries: list[DeliveryDocument]


def attributes_of(thing: Thing) -> dict[str, Any]:
    """The attributes under Klaviyo's names."""
    return dict(json.loads(msgspec.json.encode(thing.attributes)))
