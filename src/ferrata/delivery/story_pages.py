"""The page of one delivery's story, for what is no event: a change of a profile or of the catalogue."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ferrata.access.http import needs, store_of
from ferrata.access.schemas import Principal, Right
from ferrata.delivery.families import FAMILIES
from ferrata.delivery.schemas import LABELS, Attempt, Family, State
from ferrata.delivery.service import DeliveryService
from ferrata.infra.errors import NotFound
from ferrata.ui.render import Pages
from ferrata.ui.routes import page_routes

PATH = "/ui/deliveries"
TEMPLATE = "delivery/story.html"
FORMS = {
    "without_phone": "Sent without the phone number, which Klaviyo refuses.",
    "strongest": "Sent with the strongest identifier alone: Klaviyo knows the others of somebody else.",
}

Reader = Annotated[Principal, Depends(needs(Right.DELIVERY_READ))]
Store = Annotated[str, Depends(store_of)]


def router(pages: Pages, service: DeliveryService) -> APIRouter:
    routes = page_routes()

    @routes.get(PATH + "/{delivery_id}", response_model=None)
    async def story(request: Request, delivery_id: str, who: Reader, store_id: Store) -> Response:
        told = await service.story(delivery_id)
        if told is None or told.delivery.store_id != store_id:
            raise NotFound("There is no such delivery; retention may have deleted it.")
        delivery = told.delivery
        if delivery.family is Family.EVENTS:
            return RedirectResponse(f"/ui/events/{delivery.id}", status_code=303)
        kind, _, name = delivery.person.partition(":")
        is_person = delivery.family is Family.PROFILES
        return pages.page(
            request,
            TEMPLATE,
            delivery=delivery,
            label=LABELS[delivery.family],
            title=FAMILIES[delivery.family].title(told.subject_json),
            kind=kind,
            name=name,
            is_person=is_person,
            subject=_shown(told.subject_json, told.profile_json, is_person=is_person, may_see=who.may(Right.PROFILES_READ)),
            attempts=[(number, attempt, _tone(attempt)) for number, attempt in enumerate(told.attempts, 1)],
            form_note=FORMS.get(delivery.form),
            may_replay=who.may(Right.DELIVERY_MANAGE) and delivery.state is State.DEAD and delivery.superseded_by is None,
        )

    return routes


def _shown(subject_json: str, profile_json: str, *, is_person: bool, may_see: bool) -> dict[str, Any]:
    subject: dict[str, Any] = json.loads(subject_json)
    if not is_person:
        return subject
    who = json.loads(profile_json)
    hidden = {} if may_see else {"identifiers": "hidden from your role", "attributes": sorted(subject)}
    return {**who, "attributes": subject, **hidden}


def _tone(attempt: Attempt) -> str:
    if attempt.outcome == "accepted":
        return "delivered"
    return "dead" if attempt.outcome in ("rejected", "duplicate_profile", "too_large") else "waiting"
