"""How one store's connection fares, for programs."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from ferrata.access.http import needs, store_of
from ferrata.access.schemas import Principal, Right
from ferrata.connections.schemas import Held, Status
from ferrata.health.connection_health import ConnectionHealth, ConnectionHealths

Reader = Annotated[Principal, Depends(needs(Right.CONNECTIONS_READ))]
Store = Annotated[str, Depends(store_of)]


class Document(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, from_attributes=True, extra="forbid")


class LimitDocument(Document):
    operation: str
    seconds: int = Field(description="The length of the window.")
    used: int
    allowed: int


class FeatureDocument(Document):
    name: str
    scopes: list[str]
    held: Held | None = Field(description="Whether the connection has all of them; null before anybody has looked.")
    missing: list[str]


class RetiringDocument(Document):
    """A replaced key that may still be in use. Revoke it in Klaviyo after ``forgetAt``."""

    hint: str
    retired_at: AwareDatetime
    forget_at: AwareDatetime


class ConnectionHealthDocument(Document):
    store_id: str
    status: Status
    status_since: AwareDatetime | None
    detail: str | None
    method: str | None
    account_id: str | None
    account_name: str | None
    key_hint: str | None
    key_valid: bool | None = Field(description="As Klaviyo said within the last minute; null: not known.")
    checked_at: AwareDatetime | None
    latency_ms: float | None
    last_success_at: AwareDatetime | None = Field(description="When Klaviyo last took something of this store.")
    waiting: int
    limits: list[LimitDocument]
    features: list[FeatureDocument]
    scopes_checked_at: AwareDatetime | None
    retiring: list[RetiringDocument]

    @classmethod
    def of(cls, health: ConnectionHealth) -> "ConnectionHealthDocument":
        seen = health.connection
        return cls(
            store_id=seen.store_id,
            status=seen.status,
            status_since=seen.status_since,
            detail=seen.detail,
            method=seen.method,
            account_id=seen.account_id,
            account_name=seen.account_name,
            key_hint=seen.hint,
            key_valid=health.key_valid,
            checked_at=health.checked_at,
            latency_ms=health.probe.latency_ms,
            last_success_at=health.last_success_at,
            waiting=health.waiting,
            limits=[
                LimitDocument(operation=w.operation, seconds=w.seconds, used=w.used, allowed=w.allowed)
                for lane in health.lanes
                for w in lane.windows
            ],
            features=[
                FeatureDocument(
                    name=each.feature.name, scopes=list(each.feature.scopes), held=each.held, missing=list(each.missing)
                )
                for each in health.features
            ],
            scopes_checked_at=seen.scopes_checked_at,
            retiring=[RetiringDocument.model_validate(key) for key in _without_ids(health)],
        )


def _without_ids(health: ConnectionHealth) -> list[dict[str, object]]:
    return [{"hint": key.hint, "retired_at": key.retired_at, "forget_at": key.forget_at} for key in health.retiring]


def router(healths: ConnectionHealths) -> APIRouter:
    routes = APIRouter(tags=["connections"])

    @routes.get("/api/store/{storePublicId}/klaviyo-connect/health")
    async def connection_health(storePublicId: str, _who: Reader, store_id: Store) -> ConnectionHealthDocument:  # noqa: N803 - as documented
        """Whether the key is good, when something last succeeded, what is used of the limits, and which scopes are missing."""
        return ConnectionHealthDocument.of(await healths.of(store_id))

    return routes
