"""Events as programs see them over HTTP. Attributes go out as they came in, number for number."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from ferrata.delivery.schemas import Attempt, Delivery, State
from ferrata.events.explorer import EventStory
from ferrata.events.freezing import NOBODY
from ferrata.events.moments import write_time
from ferrata.events.schemas import KEPT, Event, Receipt, Refusal
from ferrata.kit.ids import time_of
from ferrata.profiles.schemas import profile_id

SENT = "Successfully sent to Klaviyo"
_encode = msgspec.json.encode
_TOLD = {
    State.WAITING: "Kept; it waits to be sent to Klaviyo",
    State.SENDING: "Kept; it is being sent to Klaviyo",
    State.HELD: "Kept and held back",
    State.DISCARDED: "Given up: it was discarded from the dead letters",
}


_WAITING = State.WAITING.value
_WAITING_TOLD = f'"{_TOLD[State.WAITING]}"'


def body_of(answer: Any) -> bytes:
    return _encode(answer)


def event_answer(event: Event, delivery: Delivery | None) -> dict[str, Any]:
    """An event and how it stands with Klaviyo: what is answered on accepting, and in lists."""
    accepted_at = time_of(event.id)
    created_at = write_time(accepted_at)
    finished_at = delivery.finished_at if delivery else None
    return {
        "id": event.id,
        "eventName": event.metric,
        "eventAttributes": _raw(event.attributes),
        "profileAttributes": _raw(event.profile_attributes),
        "email": event.email,
        "phone": event.phone,
        "externalId": event.external_id,
        "profileId": _profile_of(event),
        "eventId": event.event_id,
        "time": write_time(event.occurred_at),
        "value": _raw(event.value),
        "currency": event.currency,
        "backfill": event.backfill,
        "source": event.source,
        "state": state_of(event, delivery),
        "sentToKlaviyo": delivery is not None and delivery.state is State.DELIVERED,
        "klaviyoResponse": klaviyo_response(event, delivery),
        "notes": _notes(event),
        "eventDate": accepted_at.date().isoformat(),
        "createdAt": created_at,
        "updatedAt": write_time(finished_at) if finished_at else created_at,
    }


def receipt_answer(receipt: Receipt, delivery: Delivery | None) -> dict[str, Any]:
    return event_answer(receipt.event, delivery)


def fresh_answer(event: Event) -> bytes:
    """As ``receipt_answer`` of an event that was just accepted and waits, in one go: the answer that nearly everybody gets."""
    created_at = write_time(time_of(event.id))
    deliverable = event.deliverable
    return (
        f'{{"id":"{event.id}","eventName":{_quoted(event.metric)},"eventAttributes":{event.attributes or "null"}'
        f',"profileAttributes":{event.profile_attributes or "null"},"email":{_quoted(event.email)},"phone":{_quoted(event.phone)}'
        f',"externalId":{_quoted(event.external_id)},"profileId":{_quoted(_profile_of(event))},"eventId":{_quoted(event.event_id)}'
        f',"time":"{write_time(event.occurred_at)}","value":{event.value or "null"},"currency":{_quoted(event.currency)}'
        f',"backfill":{"true" if event.backfill else "false"},"source":{_quoted(event.source)}'
        f',"state":"{_WAITING if deliverable else KEPT}","sentToKlaviyo":false'
        f',"klaviyoResponse":{_WAITING_TOLD if deliverable else "null"}'
        f',"notes":{"[]" if deliverable and event.notes is None else body_of(_notes(event)).decode()}'
        f',"eventDate":"{created_at[:10]}","createdAt":"{created_at}","updatedAt":"{created_at}"}}'
    ).encode()


def brief_answer(receipt: Receipt, delivery: Delivery | None) -> dict[str, Any]:
    """What ``Prefer: return=minimal`` asks for."""
    event = receipt.event
    return {"id": event.id, "eventId": event.event_id, "state": state_of(event, delivery), "repeated": receipt.repeated}


def refusal_answer(refusal: Refusal) -> dict[str, Any]:
    """An element that was refused, in the place of its receipt."""
    return {
        "statusCode": refusal.status,
        "message": [problem.message for problem in refusal.problems],
        "error": HTTPStatus(refusal.status).phrase,
        "errors": [{"path": problem.path, "message": problem.message} for problem in refusal.problems],
    }


def story_answer(told: EventStory) -> dict[str, Any]:
    """An event's whole story: as accepted, as frozen for Klaviyo, and every request in which it was sent."""
    story = told.story
    answer = event_answer(told.event, story.delivery if story else None)
    frozen = {"event": _raw(story.subject_json), "profile": _raw(story.profile_json)} if story else None
    return answer | {
        "delivery": _delivery_answer(story.delivery) if story else None,
        "frozen": frozen,
        "attempts": [_attempt_answer(attempt) for attempt in story.attempts] if story else [],
    }


def state_of(event: Event, delivery: Delivery | None) -> str:
    if not event.deliverable:
        return KEPT
    return delivery.state.value if delivery else State.WAITING.value


def _notes(event: Event) -> list[str]:
    notes = event.notes.split("\n") if event.notes else []
    return notes if event.deliverable else [NOBODY, *notes]


def klaviyo_response(event: Event, delivery: Delivery | None) -> str | None:
    """In words, how the event stands with Klaviyo; None for one that it is never told of."""
    if not event.deliverable:
        return None
    if delivery is None:
        return _TOLD[State.WAITING]
    if delivery.state is State.DELIVERED:
        return SENT
    reason = delivery.reason_detail or delivery.reason_code
    if delivery.state in (State.WAITING, State.SENDING, State.DEAD) and reason:
        return f"Failed to sync: {reason}"
    if delivery.state is State.HELD and reason:
        return f"Not sent: {reason}"
    return _TOLD.get(delivery.state, "Failed to sync")


def _profile_of(event: Event) -> str | None:
    if event.email:
        return profile_id(event.store_id, f"email:{event.email}")
    if event.phone:
        return profile_id(event.store_id, f"phone:{event.phone}")
    return profile_id(event.store_id, f"external:{event.external_id}") if event.external_id else None


def _delivery_answer(delivery: Delivery) -> dict[str, Any]:
    return {
        "state": delivery.state,
        "attempts": delivery.attempts,
        "finishedAt": write_time(delivery.finished_at) if delivery.finished_at else None,
        "nextAt": write_time(delivery.next_at) if delivery.next_at else None,
        "reasonCode": delivery.reason_code,
        "reasonPointer": delivery.reason_pointer,
        "reasonDetail": delivery.reason_detail,
        "batchIds": delivery.batch_ids,
    }


def _attempt_answer(attempt: Attempt) -> Mapping[str, Any]:
    return {
        "id": attempt.id,
        "operation": attempt.operation,
        "batchId": attempt.batch_id,
        "itemCount": attempt.item_count,
        "worker": attempt.worker,
        "startedAt": write_time(attempt.started_at),
        "durationMs": attempt.duration_ms,
        "outcome": attempt.outcome,
        "status": attempt.status,
        "requestId": attempt.request_id,
        "answerExcerpt": attempt.answer_excerpt,
        "rateState": attempt.rate_state,
        "decision": attempt.decision,
    }


def _raw(text: str | None) -> msgspec.Raw | None:
    return msgspec.Raw(text.encode()) if text is not None else None


def _quoted(text: str | None) -> str:
    return "null" if text is None else _encode(text).decode()
