"""Sources as programs see them over HTTP."""

import base64
import json
from typing import Annotated, Any

import msgspec
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from ferrata.delivery.schemas import Delivery
from ferrata.sources.configurations_store import Kept
from ferrata.sources.explaining import Explanation
from ferrata.sources.replaying import Remapping
from ferrata.sources.schemas import Counts, Health, KeptMessage, Receipt, Run, RunState, Standing, State, Wanted
from ferrata.sources.spelled import spelled, spelled_path

Ids = Annotated[list[Annotated[str, Field(max_length=36)]], Field(max_length=1000)]


class _Document(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, from_attributes=True)


class _Order(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class ReceiptDocument(_Document):
    """`kept` messages are on disk, `repeated` ones were there already, `refused` deliveries are kept apart."""

    kept: int
    repeated: int
    refused: int

    @classmethod
    def of(cls, receipt: Receipt) -> "ReceiptDocument":
        return cls.model_validate(receipt)


class CountsDocument(_Document):
    kept: int
    repeated: int
    mapped: int
    skipped: int
    refused: int
    retried: int

    @classmethod
    def of(cls, counts: Counts) -> "CountsDocument":
        return cls.model_validate(counts)


class SourceDocument(_Document):
    """`version` null: not set up for this store. `lagSeconds` is the age of the oldest message that is to be mapped now.

    `expecting` of those that wait do so for what another message tells, such as an e-mail; they do not count as late.
    """

    kind: str
    title: str
    version: int | None
    enabled: bool
    health: Health
    waiting: int
    expecting: int
    refused: int
    lag_seconds: float
    last_at: AwareDatetime | None
    last_day: CountsDocument
    reason: str | None

    @classmethod
    def of(cls, standing: Standing) -> "SourceDocument":
        return cls.model_validate(standing)


class SourcesDocument(_Document):
    sources: list[SourceDocument]


class SettingsDocument(_Document):
    """One version of a source's settings, as its documentation spells them. `secrets` says which are set, and how they end."""

    version: int
    enabled: bool
    settings: dict[str, Any]
    mapping: dict[str, Any]
    secrets: dict[str, str]
    created_at: AwareDatetime | None
    created_by: str

    @classmethod
    def of(cls, kept: Kept, hints: dict[str, str], model: type[BaseModel]) -> "SettingsDocument":
        return cls(
            version=kept.version,
            enabled=kept.enabled,
            settings=spelled(model, kept.document["settings"]),
            mapping=kept.document["mapping"],
            secrets={spelled_path(model, path): hint for path, hint in hints.items()},
            created_at=kept.created_at,
            created_by=kept.created_by,
        )


class SettingsVersionsDocument(_Document):
    versions: list[SettingsDocument]


class SettingsOrder(_Order):
    """What is left out stays as it is; so do secrets that are left out or null."""

    settings: dict[str, Any] | None = None
    mapping: dict[str, Any] | None = None
    enabled: bool | None = None
    if_version: int | None = Field(default=None, ge=0, le=2**31 - 1)


class MadeDocument(_Document):
    """`state` and `reason` are those of the delivery to Klaviyo, where there is one."""

    what: str
    title: str
    unique_id: str
    id: str | None
    repeated: bool
    state: str | None = None
    reason: str | None = None


class SkippedDocument(_Document):
    what: str
    why: str


class MessageDocument(_Document):
    """`body` as text, or `bodyBase64` where it is none; only when one message is asked for."""

    id: str
    message_id: str
    business_key: str
    title: str
    state: State
    received_at: AwareDatetime
    mapped_at: AwareDatetime | None
    attempts: int
    next_at: AwareDatetime | None
    reason_code: str | None
    reason: str | None
    version: int | None
    kept_apart: bool
    history: bool
    made: list[MadeDocument]
    skipped: list[SkippedDocument]
    headers: dict[str, str] | None = None
    body: str | None = None
    body_base64: str | None = None

    @classmethod
    def of(cls, kept: KeptMessage, deliveries: dict[str, Delivery] | None = None) -> "MessageDocument":
        """``deliveries`` given: the whole message, with how what it made stands."""
        whole: dict[str, Any] = {}
        if deliveries is not None:
            whole = {"headers": dict(kept.message.headers), **_text_or_base64(kept.message.body)}
        made = []
        for each in kept.made:
            delivery = (deliveries or {}).get(each.id or "")
            standing = {"state": delivery.state.value, "reason": delivery.reason_detail} if delivery else {}
            made.append(MadeDocument.model_validate(msgspec.structs.asdict(each) | standing))
        return cls(
            id=kept.id,
            message_id=kept.message.message_id,
            business_key=kept.message.business_key,
            title=kept.title,
            state=kept.state,
            received_at=kept.message.received_at,
            mapped_at=kept.mapped_at,
            attempts=kept.attempts,
            next_at=kept.next_at,
            reason_code=kept.reason_code,
            reason=kept.reason,
            version=kept.version,
            kept_apart=kept.envelope,
            history=kept.message.history,
            made=made,
            skipped=[SkippedDocument.model_validate(each) for each in kept.skipped],
            **whole,
        )


def _text_or_base64(body: bytes) -> dict[str, str]:
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode()}


class MessagesDocument(_Document):
    messages: list[MessageDocument]
    next_cursor: str | None


class ReplayOrder(_Order):
    """Which messages: those named, or all in these states of that time. A dry run unless `dryRun` is false."""

    ids: Ids = []
    states: list[State] = Field(default=[State.REFUSED], max_length=4)
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    dry_run: bool = True

    def wanted(self, store_id: str, kind: str) -> Wanted:
        states = tuple(self.states) if not self.ids else ()
        return Wanted(store_id=store_id, kind=kind, ids=tuple(self.ids), states=states, since=self.since, until=self.until)


class DiscardOrder(_Order):
    """The refused messages that are given up for good."""

    ids: Annotated[Ids, Field(min_length=1)]


class DiscardedDocument(_Document):
    count: int


class ChangedFieldDocument(_Document):
    """`before` and `after` are JSON texts; null where there is nothing."""

    pointer: str
    before: str | None
    after: str | None


class ChangedEventDocument(_Document):
    """An event that keeps its `uniqueId`. `sent`: mapping again sends it; `fate` says why, or why not."""

    name: str
    unique_id: str
    state: str
    sent: bool
    fate: str
    fields: list[ChangedFieldDocument]


class DifferenceDocument(_Document):
    id: str
    title: str
    before: str
    after: str
    reason: str | None
    added: list[str]
    gone: list[str]
    changed: list[ChangedEventDocument]
    sent: int


class ReplayedDocument(_Document):
    """Of `count` messages `lookedAt` were tried, and `differences` says which of these come out otherwise than before.

    `dead` of their events Klaviyo has refused; these are replaced by what comes out now, and sent again. `sent` is how many
    would be sent in all.
    """

    dry_run: bool
    count: int
    looked_at: int
    differences: list[DifferenceDocument]
    dead: int
    sent: int

    @classmethod
    def of(cls, remapping: Remapping) -> "ReplayedDocument":
        return cls.model_validate(remapping)


class ExplainOrder(_Order):
    """A delivery as the source sends it; `body` may also be JSON itself. `lookups` answer what its API would be asked.

    `settings` and `mapping` stand in for those that are kept, to see what a change would do.
    """

    body: Any
    headers: dict[str, str] = Field(default={}, max_length=100)
    lookups: dict[str, Any] = Field(default={}, max_length=1000)
    settings: dict[str, Any] | None = None
    mapping: dict[str, Any] | None = None

    def raw(self) -> bytes:
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


class TieDocument(_Document):
    target: str
    source: str
    why: str


class ExplainedRequestDocument(_Document):
    what: str
    title: str
    method: str
    path: str
    body: str | None
    ties: list[TieDocument]


class ExplainedMessageDocument(_Document):
    message_id: str
    business_key: str
    title: str
    outcome: str
    body: str
    reason: str | None
    lookups: list[str]
    requests: list[ExplainedRequestDocument]
    skipped: list[SkippedDocument]


class ExplanationDocument(_Document):
    """Every request that would be made, byte for byte. Each tie says where a field comes from (JSON pointers), and why."""

    source: str
    store: str
    version: int
    messages: list[ExplainedMessageDocument]
    refused: str | None

    @classmethod
    def of(cls, explanation: Explanation) -> "ExplanationDocument":
        return cls.model_validate(explanation)


class ErasureOrder(_Order):
    """Whom to forget: by one of these, or several of the same person. A dry run unless `dryRun` is false."""

    email: str | None = Field(default=None, max_length=320)
    phone: str | None = Field(default=None, max_length=40)
    external_id: str | None = Field(default=None, max_length=255)
    dry_run: bool = True


class ErasureDocument(_Document):
    """How much was, or would be, deleted. `underWay` deliveries are being sent: say it again once they are."""

    events: int
    tellings: int
    profiles: int
    carts: int
    messages: int
    memories: int
    under_way: int
    dry_run: bool


class BackfillOrder(_Order):
    """`until` is never later than now: what happens from here on comes by itself."""

    backfill: str = Field(max_length=32)
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class RunDocument(_Document):
    """A run through history. `made` events and changes were new, `repeated` ones were there already."""

    id: str
    kind: str
    backfill: str
    state: RunState
    since: AwareDatetime | None
    until: AwareDatetime
    pages: int
    messages: int
    total: int | None
    made: int
    repeated: int
    skipped: int
    refused: int
    per_second: float
    seconds_left: float | None
    failures: int
    next_at: AwareDatetime | None
    note: str | None
    started_by: str
    started_at: AwareDatetime
    finished_at: AwareDatetime | None

    @classmethod
    def of(cls, run: Run) -> "RunDocument":
        return cls.model_validate(run)


class RunsDocument(_Document):
    runs: list[RunDocument]
    next_cursor: str | None
