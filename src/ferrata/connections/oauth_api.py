"""Connecting by OAuth over HTTP: the address of Klaviyo's page for a person who is signed in, and how an installation stands."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from ferrata.access.http import needs
from ferrata.access.schemas import Principal, Right
from ferrata.connections.oauth_errors import NotByOAuth
from ferrata.connections.oauth_installations import Installation
from ferrata.connections.oauth_pages import keep_to_own_store, person_of
from ferrata.connections.oauth_service import OAuth
from ferrata.connections.service import Connections

PATH = "/api/store/{store_id}/klaviyo-oauth"
_Reading = Annotated[Principal, Depends(needs(Right.CONNECTIONS_READ))]
_Managing = Annotated[Principal, Depends(needs(Right.CONNECTIONS_MANAGE))]


class _Document(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class BegunDocument(_Document):
    success: bool = True
    auth_url: str = Field(description="Klaviyo's page. Good once, for the person and the session that asked.")
    expires_in: int = Field(description="Seconds until it is good no more.")


class InstallationDocument(_Document):
    account_id: str | None
    account_name: str | None
    scopes: list[str]
    lacks: list[str] = Field(description="Scopes that are asked for now and that this installation does not have.")
    authorized_at: datetime
    refreshed_at: datetime = Field(description="When Klaviyo gave the tokens that are in use.")
    expires_at: datetime = Field(description="Of the access token; it is renewed before that.")
    refreshes: int
    failure: str | None = Field(description="Why the last attempt to renew the tokens failed.")
    lost_at: datetime | None
    lost_reason: str | None = Field(description="Why this installation does not work any more: connect again.")

    @classmethod
    def of(cls, seen: Installation) -> "InstallationDocument":
        return cls.model_validate(
            {name: getattr(seen, name) for name in cls.model_fields if name not in ("scopes", "lacks")}
            | {"scopes": list(seen.scopes), "lacks": list(seen.lacks)}
        )


class InstallationAnswer(_Document):
    success: bool = True
    installation: InstallationDocument


def router(oauth: OAuth, connections: Connections) -> APIRouter:
    routes = APIRouter(tags=["connections"])

    @routes.post(PATH, responses={409: {"description": "No OAuth app is set up here."}})
    async def begin(store_id: str, who: _Managing) -> BegunDocument:
        """Begin to connect this store by OAuth. Send the person's browser to `authUrl`; Klaviyo sends it back here."""
        keep_to_own_store(who, store_id)
        begun = await oauth.begin(store_id, person_of(who))
        return BegunDocument(auth_url=begun.consent_address, expires_in=begun.expires_in_seconds)

    @routes.get(PATH, responses={409: {"description": "This store is not connected by OAuth."}})
    async def installation(store_id: str, who: _Reading) -> InstallationAnswer:
        """The OAuth installation through which this store is connected. Its tokens are shown nowhere."""
        keep_to_own_store(who, store_id)
        await connections.store(store_id)
        seen = await oauth.installations.of_store(store_id)
        if seen is None:
            raise NotByOAuth
        return InstallationAnswer(installation=InstallationDocument.of(seen))

    return routes
