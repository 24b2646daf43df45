"""Questions about accepted events, in SQL. Days and pages are ranges of ids, which sort by acceptance."""

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from ferrata.commerce.tracked import PersonRef
from ferrata.events.models import event_minutes, events
from ferrata.events.schemas import KEPT, AcceptedMinute, Event, EventFilter
from ferrata.events.store import COLUMNS, event_of
from ferrata.infra.paging import Page
from ferrata.kit.ids import first_id_at

SCANNED_FOR_TEXT = 20_000
"""How many events one page of a search for text looks at; the next page goes on from there."""


def find(connection: Connection, store_id: str, id_: str) -> Event | None:
    row = connection.execute(select(*COLUMNS).where(events.c.store_id == store_id, events.c.id == id_)).one_or_none()
    return event_of(row) if row else None


def page(connection: Connection, store_id: str, wanted: EventFilter, before_id: str | None, limit: int) -> Page[Event]:
    """Newest first. A page of a search for text may be short, even empty, and still have a next one."""
    conditions = _conditions(store_id, wanted)
    if before_id:
        conditions.append(events.c.id < before_id)
    query = select(*COLUMNS).where(*conditions).order_by(events.c.id.desc())
    if not wanted.text:
        rows = [event_of(row) for row in connection.execute(query.limit(limit + 1))]
        return Page(tuple(rows[:limit]), rows[limit - 1].id if len(rows) > limit else None)
    return _page_with_text(connection, query, wanted.text, limit)


def _page_with_text(connection: Connection, query: Select[tuple[object, ...]], text: str, limit: int) -> Page[Event]:
    scanned = query.limit(SCANNED_FOR_TEXT).subquery()
    matching = select(scanned).where(_holds(scanned.c.attributes, text)).order_by(scanned.c.id.desc()).limit(limit)
    rows = [event_of(row) for row in connection.execute(matching)]
    if len(rows) == limit:
        return Page(tuple(rows), rows[-1].id)
    count, last = connection.execute(select(func.count(), func.min(scanned.c.id))).one()
    return Page(tuple(rows), last if count == SCANNED_FOR_TEXT else None)


def of_ids(connection: Connection, store_id: str, wanted: EventFilter, ids: Iterable[str]) -> list[Event]:
    """Those of these events that fit, newest first."""
    conditions = [*_conditions(store_id, wanted), events.c.id.in_(list(ids))]
    if wanted.text:
        conditions.append(_holds(events.c.attributes, wanted.text))
    return [event_of(row) for row in connection.execute(select(*COLUMNS).where(*conditions).order_by(events.c.id.desc()))]


def _conditions(store_id: str, wanted: EventFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [events.c.store_id == store_id]
    if wanted.metric is not None:
        conditions.append(events.c.metric == wanted.metric)
    if wanted.email is not None:
        conditions.append(events.c.email == wanted.email)
    if wanted.source is not None:
        conditions.append(events.c.source == wanted.source)
    if wanted.state == KEPT:
        conditions.append(events.c.deliverable.is_(False))
    if wanted.since is not None:
        conditions.append(events.c.id >= first_id_at(wanted.since))
    if wanted.until is not None:
        conditions.append(events.c.id < first_id_at(wanted.until))
    return conditions


def _holds(attributes: ColumnElement[str | None], text: str) -> ColumnElement[bool]:
    """Whether the JSON text holds this text, without regard to case, written plainly or in escapes."""
    forms = {json.dumps(text, ensure_ascii=False)[1:-1], json.dumps(text)[1:-1]}
    return or_(*(func.lower(attributes).contains(form.lower(), autoescape=True) for form in forms))


def metrics(connection: Connection, store_id: str) -> list[str]:
    """The names in use, in their order: one step through the index for each name, however many events there are."""
    least = select(func.min(events.c.metric).label("name")).where(events.c.store_id == store_id).cte("names", recursive=True)
    following = (
        select(func.min(events.c.metric)).where(events.c.store_id == store_id, events.c.metric > least.c.name).scalar_subquery()
    )
    names = least.union_all(select(following).where(least.c.name.is_not(None)))
    return [name for name in connection.execute(select(names.c.name)).scalars() if name is not None]


def count(connection: Connection, store_id: str, metric: str, day: date) -> int:
    query = select(func.count()).where(events.c.store_id == store_id, events.c.metric == metric, _accepted_on(day))
    return connection.execute(query).scalar_one()


def emails(connection: Connection, store_id: str, day: date, metric: str | None) -> list[str]:
    query = select(events.c.email).distinct().where(events.c.store_id == store_id, events.c.email.is_not(None), _accepted_on(day))
    if metric is not None:
        query = query.where(events.c.metric == metric)
    return list(connection.execute(query.order_by(events.c.email)).scalars())


def persons(connection: Connection, store_id: str, day: date, metric: str | None) -> list[str]:
    """By the strongest identifier, its kind in front."""
    columns = (events.c.email, events.c.phone, events.c.external_id)
    query = select(*columns).distinct().where(events.c.store_id == store_id, events.c.deliverable, _accepted_on(day))
    if metric is not None:
        query = query.where(events.c.metric == metric)
    found = {
        f"email:{email}" if email else f"phone:{phone}" if phone else f"external:{external_id}"
        for email, phone, external_id in connection.execute(query)
    }
    return sorted(found)


def metrics_of(connection: Connection, store_id: str, email: str) -> list[str]:
    query = select(events.c.metric).distinct().where(events.c.store_id == store_id, events.c.email == email)
    return list(connection.execute(query.order_by(events.c.metric)).scalars())


def accepted_in_all(connection: Connection, store_id: str) -> int:
    query = select(func.coalesce(func.sum(event_minutes.c.accepted), 0)).where(event_minutes.c.store_id == store_id)
    return int(connection.execute(query).scalar_one())


def minutes(connection: Connection, store_id: str, since: datetime) -> list[AcceptedMinute]:
    """What was accepted in each minute, oldest first; minutes without any are left out."""
    query = (
        select(event_minutes.c.minute, func.sum(event_minutes.c.accepted))
        .where(event_minutes.c.store_id == store_id, event_minutes.c.minute >= since)
        .group_by(event_minutes.c.minute)
        .order_by(event_minutes.c.minute)
    )
    return [AcceptedMinute(minute, accepted) for minute, accepted in connection.execute(query)]


def _accepted_on(day: date) -> ColumnElement[bool]:
    midnight = datetime.combine(day, time(), UTC)
    return and_(events.c.id >= first_id_at(midnight), events.c.id < first_id_at(midnight + timedelta(days=1)))


def has_happened(
    connection: Connection, store_id: str, metrics: Iterable[str], *, since: datetime, person: PersonRef, texts: Iterable[str]
) -> bool:
    """Whether such an event, not of history, happened since then to this person, or holds one of these texts."""
    whose = [
        column == value
        for column, value in (
            (events.c.email, person.email),
            (events.c.phone, person.phone),
            (events.c.external_id, person.external_id),
        )
        if value
    ]
    holding = [events.c.attributes.contains(text, autoescape=True) for text in texts]
    query = select(events.c.id).where(
        events.c.store_id == store_id,
        events.c.metric.in_(list(metrics)),
        events.c.id >= first_id_at(since),
        events.c.occurred_at >= since,
        events.c.backfill.is_(False),
        or_(*whose, *holding),
    )
    return connection.execute(query.limit(1)).first() is not None
