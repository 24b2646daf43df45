"""The merchant's own rules over what a source maps: which metrics, which fields, under which names, and what about the person.

They are applied in this order: metrics that are off, fields allowed, dropped, renamed, hashed, added, names of metrics, and at
last which fields of the person may leave for Klaviyo. Every change carries its reason, for ``explain``. No I/O.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ferrata.sources import templates
from ferrata.sources.person_fields import PERSON_FIELDS

EVERY = "*"
Name = Annotated[str, Field(min_length=1, max_length=255)]
Metric = Annotated[str, Field(min_length=1, max_length=127)]


def _template(text: str) -> str:
    if complaint := templates.complaint(text):
        raise ValueError(complaint)
    return text


def _person_field(name: str) -> str:
    if name not in PERSON_FIELDS and not name.startswith("properties."):
        known = ", ".join(PERSON_FIELDS)
        raise ValueError(f"{name!r} is no field of a person: {known}, or properties.X")
    return name


class FieldRules(BaseModel):
    """What happens to fields. Names with dots reach inside; a list on the way means each of its elements."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    only: list[Name] | None = Field(default=None, max_length=400, description="If given, nothing but these fields is sent.")
    drop: list[Name] = Field(default=[], max_length=400, description="Fields that are not sent.")
    rename: dict[Name, Name] = Field(default={}, max_length=400, description="Old name: new name.")
    hash: list[Name] = Field(default=[], max_length=400, description="Sent as SHA-256 with a salt of the store's own.")
    add: dict[Name, Annotated[str, AfterValidator(_template)]] = Field(
        default={}, max_length=400, description="New field: a template, such as `{{ properties.OrderId }}`."
    )


class MappingRules(BaseModel):
    """The merchant's rules for one source of one store."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    off: list[Metric] = Field(
        default=[], title="Metrics that are off", max_length=100, description="Metrics that are not sent, by the source's names."
    )
    metrics: dict[Metric, Metric] = Field(
        default={}, title="Names of metrics", max_length=100, description="The source's name of a metric: yours."
    )
    properties: Mapping[Metric, FieldRules] = Field(
        default={},
        title="Properties of a metric",
        description="Rules for event properties by metric (the source's name); `*` for all, applied first.",
    )
    profile: FieldRules = Field(
        default=FieldRules(), title="Attributes of profiles", description="Rules for attributes of profiles."
    )
    person_fields: list[Annotated[str, AfterValidator(_person_field)]] | None = Field(
        default=None, max_length=400, description="If given, nothing but these fields of a person leaves for Klaviyo."
    )
    mapper: str | None = Field(
        default=None, max_length=100, description="A mapper of your own, by its name in the entry point group `ferrata.mappers`."
    )
