"""The audit over HTTP. Whoever belongs to one store reads that store's records only."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ferrata.access.errors import OtherStore
from ferrata.access.http import needs
from ferrata.access.schemas import Principal, Right
from ferrata.audit.documents import Format, document, lines
from ferrata.audit.schemas import AuditFilter, Outcome, Record, Risk
from ferrata.audit.service import Audit
from ferrata.infra.http.instants import AskedInstant
from ferrata.infra.http.links import link_header

Reader = Annotated[Principal, Depends(needs(Right.AUDIT_READ))]
_MEDIA = {"ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
_EXPORT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The records, newest first.",
        "content": {"application/x-ndjson": {"schema": {"type": "string"}}, "text/csv": {"schema": {"type": "string"}}},
    }
}


class Document(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, from_attributes=True, extra="forbid")


class ActorDocument(Document):
    kind: str
    id: str
    name: str


class RecordDocument(Document):
    """``sequence`` and ``hash`` are its place in the chain; null for the seconds until it is sealed."""

    id: str
    at: AwareDatetime
    outcome: Outcome
    count: int = Field(description="How many attempts this record stands for.")
    actor: ActorDocument
    action: str
    target: str
    store_id: str | None
    sentence: str
    risk: Risk
    before: dict[str, Any]
    after: dict[str, Any]
    request_id: str | None
    address: str | None
    via: str | None
    sequence: int | None
    hash: str | None

    @classmethod
    def of(cls, record: Record) -> "RecordDocument":
        return cls.model_validate(document(record))


class RecordsDocument(Document):
    records: list[RecordDocument]
    next_cursor: str | None


class CountDocument(Document):
    action: str
    outcome: Outcome
    risk: Risk
    records: int
    attempts: int


class ReportDocument(Document):
    counts: list[CountDocument]


class HeadDocument(Document):
    """The end of the chain: noted elsewhere, it shows later that nothing up to there was rewritten."""

    sequence: int
    hash: str


class Asked(BaseModel):
    """Which records: all given conditions hold."""

    actor: str | None = Field(None, max_length=120, description="A person, token or command, by id or exact name.")
    action: str | None = Field(None, max_length=64, description="Such as access.key_created, or a room's: access.")
    target: str | None = Field(None, max_length=160, description="Such as store/outdoor, or all of a kind: store.")
    store: str | None = Field(None, max_length=32, description="Records about this store.")
    since: AskedInstant | None = None
    until: AskedInstant | None = None
    refused: bool | None = Field(None, description="true: refused attempts only; false: only what was done.")

    def filter(self, who: Principal) -> AuditFilter:
        """What they ask for, within what they may see. Raises OtherStore."""
        if who.store_id and self.store not in (None, who.store_id):
            raise OtherStore
        store_id = who.store_id or self.store
        return AuditFilter(self.actor, self.action, self.target, store_id, self.since, self.until, self.refused)


class AskedPage(Asked):
    cursor: str | None = Field(None, max_length=200)
    limit: int = Field(50, ge=1, le=500)


def router(audit: Audit) -> APIRouter:
    routes = APIRouter(prefix="/api/audit", tags=["audit"])

    @routes.get("")
    async def records(
        request: Request,
        response: Response,
        asked: Annotated[AskedPage, Query()],
        who: Reader,
    ) -> RecordsDocument:
        """Who did what and who was refused, newest first. The next page is in `nextCursor` and in the `Link` header."""
        page = await audit.page(asked.filter(who), asked.cursor, asked.limit)
        response.headers.update(link_header(request, page))
        return RecordsDocument(records=[RecordDocument.of(record) for record in page.rows], next_cursor=page.next_cursor)

    @routes.get("/export", response_class=Response, responses=_EXPORT)
    async def export(asked: Annotated[Asked, Query()], who: Reader, format: Format = "ndjson") -> Response:
        """Every record that fits, newest first, as a stream: one JSON object a line, or CSV."""
        found = audit.all(asked.filter(who))

        async def encoded() -> AsyncIterator[bytes]:
            async for line in lines(found, format):
                yield line.encode()

        name = f'attachment; filename="audit.{format}"'
        return StreamingResponse(encoded(), media_type=_MEDIA[format], headers={"Content-Disposition": name})

    @routes.get("/report")
    async def report(asked: Annotated[Asked, Query()], who: Reader) -> ReportDocument:
        """The compliance report: how often what was done or refused, with its risk."""
        counted = await audit.counts(asked.filter(who))
        return ReportDocument(counts=[CountDocument.model_validate(count) for count in counted])

    @routes.get("/head")
    async def head(_who: Reader) -> HeadDocument:
        """The end of the chain. Note it elsewhere; `ferrata audit verify --head` takes it."""
        found = await audit.head()
        return HeadDocument(sequence=found.seq, hash=found.hash)

    return routes
