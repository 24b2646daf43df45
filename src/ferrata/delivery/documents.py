"""Delivery as programs see it over HTTP: the JSON that is answered and the bodies that are taken."""

import json
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictBool
from pydantic.alias_generators import to_camel

from ferrata.delivery.schemas import Change, DeadGroup, DeadLetter, Family, Filter, Lane, State, Story
from ferrata.infra.errors import Problem, Rejected
from ferrata.infra.http.instants import AskedInstant

MOST_IDS = 1000
MOST_IDS_IN_ADDRESS = 200


class Document(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, from_attributes=True, extra="forbid")


class WindowDocument(Document):
    operation: str
    seconds: int
    used: int
    allowed: int
    events_each: int


class LaneDocument(Document):
    """One store x endpoint family. ``windows`` is empty without a connection."""

    store_id: str
    family: Family
    waiting: int
    waiting_live: int
    sending: int
    oldest_at: AwareDatetime | None
    owner: str | None
    parked_code: str | None
    parked_detail: str | None
    parked_at: AwareDatetime | None
    probe_at: AwareDatetime | None
    paused_until: AwareDatetime | None
    paused_reason: str | None
    last_success_at: AwareDatetime | None
    windows: list[WindowDocument]

    @classmethod
    def of(cls, lane: Lane) -> "LaneDocument":
        return cls.model_validate(lane)


class LanesDocument(Document):
    lanes: list[LaneDocument]


class ProbeDocument(Document):
    """How many parked lanes were opened; 0 means that it was open already."""

    opened: int


class DeadLetterDocument(Document):
    id: str
    family: Family
    title: str = Field(description="What it is: of an event, its name.")
    person: str
    unique_id: str
    accepted_at: AwareDatetime
    died_at: AwareDatetime
    attempts: int
    reason_code: str
    reason_pointer: str | None
    reason_detail: str | None

    @classmethod
    def of(cls, letter: DeadLetter) -> "DeadLetterDocument":
        return cls.model_validate(letter)


class DeadLettersQuery(BaseModel):
    """Which dead letters to list: all conditions that are given hold together."""

    reason: str | None = Field(default=None, max_length=64, description="Died of this reason.")
    pointer: str | None = Field(default=None, max_length=255, description="The fault is at this place of the request.")
    since: AskedInstant | None = Field(default=None, description="Died at or after this instant (ISO 8601 with offset).")
    until: AskedInstant | None = Field(default=None, description="Died before this instant (ISO 8601 with offset).")
    id: list[str] = Field(default=[], max_length=MOST_IDS_IN_ADDRESS, description="These ones; may be repeated.")
    cursor: str | None = Field(default=None, description="`nextCursor` of the page before.")
    limit: int = Field(default=50, ge=1, le=500)

    def filter_for(self, store_id: str) -> Filter:
        return Filter(store_id, tuple(self.id), self.reason, self.pointer, self.since, self.until)


class DeadLettersDocument(Document):
    """A page, newest first; ``nextCursor`` is null on the last one."""

    dead_letters: list[DeadLetterDocument]
    next_cursor: str | None


class DeadGroupDocument(Document):
    reason_code: str
    reason_pointer: str | None
    example_detail: str | None
    count: int
    first_at: AwareDatetime
    last_at: AwareDatetime

    @classmethod
    def of(cls, group: DeadGroup) -> "DeadGroupDocument":
        return cls.model_validate(group)


class DeadGroupsDocument(Document):
    groups: list[DeadGroupDocument]


class AttemptDocument(Document):
    id: str
    operation: str
    batch_id: str | None
    item_count: int
    worker: str
    started_at: AwareDatetime
    duration_ms: int
    outcome: str
    status: int | None
    request_id: str | None
    answer_excerpt: str | None
    rate_state: str | None
    decision: str


class DeadLetterStoryDocument(Document):
    """One dead letter with what was sent, as frozen at acceptance, and every request in which it was sent."""

    id: str
    accepted_at: AwareDatetime
    died_at: AwareDatetime | None
    reason_code: str | None
    reason_pointer: str | None
    reason_detail: str | None
    event: dict[str, Any]
    profile: dict[str, Any]
    attempts: list[AttemptDocument]

    @classmethod
    def of(cls, story: Story) -> "DeadLetterStoryDocument":
        delivery = story.delivery
        return cls(
            id=delivery.id,
            accepted_at=delivery.accepted_at,
            died_at=delivery.finished_at if delivery.state is State.DEAD else None,
            reason_code=delivery.reason_code,
            reason_pointer=delivery.reason_pointer,
            reason_detail=delivery.reason_detail,
            event=json.loads(story.subject_json),
            profile=json.loads(story.profile_json),
            attempts=[AttemptDocument.model_validate(attempt) for attempt in story.attempts],
        )


class ChangeOrder(Document):
    """Which dead letters, and whether to look or to act. All conditions that are given hold together."""

    ids: list[str] = Field(default=[], max_length=MOST_IDS, description="These dead letters.")
    reason_code: str | None = Field(default=None, description="Those that died of this reason.")
    pointer: str | None = Field(default=None, description="Those whose fault is at this place.")
    since: AskedInstant | None = Field(default=None, description="Those that died at or after this instant.")
    until: AskedInstant | None = Field(default=None, description="Those that died before this instant.")
    all: StrictBool = Field(default=False, description="Every dead letter of the store: needed where no condition is given.")
    dry_run: StrictBool = Field(default=True, description="false acts; otherwise nothing changes and the answer says what would.")

    def filter_for(self, store_id: str) -> Filter:
        """Raises Rejected where nothing is named: an empty order must not mean everything."""
        found = Filter(store_id, tuple(self.ids), self.reason_code, self.pointer, self.since, self.until)
        if found == Filter(store_id) and not self.all:
            sentence = "name which dead letters: ids, reasonCode, pointer, since or until; or say all: true"
            raise Rejected(problems=(Problem("all", sentence),))
        return found


class ChangeDocument(Document):
    """What was done or, as a dry run, would be done, with up to five examples."""

    dry_run: bool
    count: int
    examples: list[DeadLetterDocument]

    @classmethod
    def of(cls, change: Change) -> "ChangeDocument":
        return cls.model_validate(change)
