"""Events as the explorer lists them: when, what, who, how much, where from, and how it stands."""

from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation

from ferrata.delivery.schemas import Delivery, Family, Lane, State
from ferrata.events.schemas import Event, EventRow, Standing
from ferrata.kit.ids import time_of
from ferrata.ui.figures import money

PARKED = "parked"
HELD_NOTES = {"flag_off": "flag off", "flag_outside_percentage": "outside the rollout", "flag_dry_run": "dry run"}
_LARGEST_AMOUNT = Decimal(10) ** 15


def rows(standings: Iterable[Standing], lanes: Sequence[Lane], currency: str) -> list[EventRow]:
    """``lanes`` are the store's: what waits in a parked one is shown as parked. ``currency`` counts where an event names none."""
    is_parked = any(lane.parked_code for lane in lanes if lane.family is Family.EVENTS)
    return [_row(standing, is_parked, currency) for standing in standings]


def _row(standing: Standing, is_parked: bool, currency: str) -> EventRow:
    event = standing.event
    state, note = state_of(event, standing.delivery, is_parked=is_parked)
    return EventRow(
        id=event.id,
        at=time_of(event.id),
        metric=event.metric,
        person=person_of(event),
        amount=amount(event, currency),
        source=event.source,
        backfill=event.backfill,
        state=state,
        note=note,
    )


def state_of(event: Event, delivery: Delivery | None, *, is_parked: bool) -> tuple[str, str | None]:
    """The kit's word for how the event stands, and a note."""
    if not event.deliverable:
        return "not_sent", "names nobody"
    if delivery is None:
        return "accepted", None
    if delivery.state is State.HELD:
        return "not_sent", HELD_NOTES.get(delivery.reason_code or "", "held back")
    if delivery.state in (State.WAITING, State.SENDING) and is_parked:
        return PARKED, None
    if delivery.state is State.DEAD:
        return "dead", delivery.reason_code
    if delivery.state is State.WAITING and delivery.attempts:
        return "waiting", f"tried {delivery.attempts} ×"
    return delivery.state.value, None


def person_of(event: Event) -> str:
    """By the strongest identifier; empty where the event names nobody."""
    return event.email or event.phone or event.external_id or ""


def amount(event: Event, currency: str) -> str:
    """The value as money; as it was written where it is no sum that anybody would pay; empty where there is none."""
    if event.value is None:
        return ""
    try:
        value = Decimal(event.value)
    except InvalidOperation:
        return event.value
    return money(value, event.currency or currency) if abs(value) < _LARGEST_AMOUNT else event.value
