"""Alerts as they are written in answers and read in requests."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from ferrata.alerts.schemas import Channel, NewChannel, Notice, Saying, State, Way
from ferrata.infra.incidents import Incident

Limit = Annotated[int, Field(ge=1, le=200)]
Cursor = Annotated[str | None, Field(max_length=500)]


class _Document(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, from_attributes=True)


class AlertDocument(_Document):
    id: str
    kind: str
    severity: Literal["warning", "critical"]
    store_id: str = Field(description="Empty: it concerns the whole installation.")
    subject: str = Field(description="What in the store: a lane's family, a source.")
    summary: str
    detail: str
    opened_at: datetime
    changed_at: datetime
    closed_at: datetime | None = Field(description="Null: it goes on.")
    ending: str | None

    @classmethod
    def of(cls, incident: Incident) -> "AlertDocument":
        return cls.model_validate(incident)


class AlertsQuery(BaseModel):
    state: Literal["open", "past"] = Field("open", description="What goes on, or what is over.")
    cursor: Cursor = None
    limit: Limit = 50


class PageQuery(BaseModel):
    cursor: Cursor = None
    limit: Limit = 50


class AlertsDocument(_Document):
    alerts: list[AlertDocument]
    next_cursor: str | None = None


class ChannelDocument(_Document):
    id: str
    store_id: str = Field(description="Empty: alerts of every store and of the installation.")
    way: Way
    name: str
    hint: str = Field(description="What may be shown of the target.")
    kinds: list[str] = Field(description="Empty: every kind.")
    created_at: datetime
    created_by: str
    former_until: datetime | None = Field(description="Until then the former secret signs as well.")

    @classmethod
    def of(cls, channel: Channel) -> "ChannelDocument":
        return cls.model_validate(channel)


class ChannelsDocument(_Document):
    channels: list[ChannelDocument]


class NewChannelDocument(_Document):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    way: Way
    name: str = Field(max_length=200)
    target: str = Field(max_length=4000, description="An https address, or e-mail addresses separated by commas.")
    kinds: list[Annotated[str, Field(max_length=40)]] = Field(default_factory=list, max_length=50)
    every_store: bool = Field(False, description="Alerts of every store and of the installation; needs the right everywhere.")

    def read(self) -> NewChannel:
        return NewChannel(self.way, self.name, self.target, tuple(self.kinds), self.every_store)


class MadeChannelDocument(_Document):
    channel: ChannelDocument
    secret: str | None = Field(description="Signs what is sent. It is shown this once.")


class SecretDocument(_Document):
    secret: str = Field(description="The new secret, shown this once. For two days the former one signs as well.")


class NoticeDocument(_Document):
    id: str = Field(description="The same for every attempt: `Ferrata-Alert-Id`.")
    incident_id: str | None
    saying: Saying
    state: State
    tries: int
    created_at: datetime
    next_at: datetime | None
    settled_at: datetime | None
    outcome: str | None

    @classmethod
    def of(cls, notice: Notice) -> "NoticeDocument":
        return cls.model_validate(notice)


class NoticesDocument(_Document):
    deliveries: list[NoticeDocument]
    next_cursor: str | None = None
