"""Deleting events that are old enough, inside the caller's transactions. Which may go is retention's decision."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, func, or_, select

from ferrata.events.models import event_minutes, events
from ferrata.infra.minute_counts import fold_one_day
from ferrata.kit.ids import first_id_at


class Forgetting:
    def count(self, connection: Connection, store_id: str, before: datetime | None = None) -> int:
        """How many events are kept: all of them, or those accepted before an instant."""
        query = select(func.count()).where(events.c.store_id == store_id)
        return connection.execute(query.where(events.c.id < first_id_at(before)) if before else query).scalar_one()

    def ids_before(self, connection: Connection, store_id: str, before: datetime, after_id: str, limit: int) -> list[str]:
        """Ids of events accepted before that instant, oldest first, after ``after_id``."""
        old = (events.c.store_id == store_id, events.c.id > after_id, events.c.id < first_id_at(before))
        return list(connection.execute(select(events.c.id).where(*old).order_by(events.c.id).limit(limit)).scalars())

    def lock(self, connection: Connection, store_id: str, ids: Sequence[str]) -> list[str]:
        """Which of these are there and deleted by nobody else at this moment; ours until the end of the transaction."""
        query = select(events.c.id).where(events.c.store_id == store_id, events.c.id.in_(ids)).order_by(events.c.id)
        return list(connection.execute(query.with_for_update(skip_locked=True)).scalars())

    def forget(self, connection: Connection, store_id: str, ids: Sequence[str]) -> int:
        """Delete these events; returns how many there were."""
        return connection.execute(delete(events).where(events.c.store_id == store_id, events.c.id.in_(ids))).rowcount

    def ids_of_person(
        self, connection: Connection, store_id: str, emails: Collection[str], phones: Collection[str], ids: Collection[str]
    ) -> list[str]:
        """All events that name somebody by one of these."""
        named = or_(events.c.email.in_(emails), events.c.phone.in_(phones), events.c.external_id.in_(ids))
        return list(connection.execute(select(events.c.id).where(events.c.store_id == store_id, named)).scalars())

    def emails_in_use(self, connection: Connection, store_id: str, emails: Sequence[str]) -> set[str]:
        """Those of these addresses of which any event is kept."""
        query = select(events.c.email).distinct().where(events.c.store_id == store_id, events.c.email.in_(emails))
        return {email for email in connection.execute(query).scalars() if email}

    def fold_counters(self, connection: Connection, store_id: str, before: datetime) -> bool:
        """Fold the counters of one day before ``before`` (a midnight) into one row; False if there is none."""
        return fold_one_day(connection, event_minutes, store_id, before)
