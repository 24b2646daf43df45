"""Deleting what delivery no longer needs, inside the caller's transactions. What is unfinished stays, whatever is asked.

Deliveries go with their events, and their single attempts with them (``DeliveryService.forget``). Here: batches and attempts that
are old, and counters that are folded. Which age is old is retention's decision.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, func, literal_column, or_, select

from ferrata.delivery.models import attempts, batches, deliveries, delivery_minutes
from ferrata.delivery.schemas import Forgotten, State
from ferrata.infra.minute_counts import fold_one_day
from ferrata.kit.ids import first_id_at


class Forgetting:
    def unfinished_before(self, connection: Connection, store_id: str, before: datetime) -> int:
        """How many accepted before that instant still have something to happen: waiting, on their way, or dead."""
        query = select(func.count()).where(
            deliveries.c.store_id == store_id, _unfinished(), deliveries.c.id < first_id_at(before)
        )
        return connection.execute(query).scalar_one()

    def unfinished_persons_before(self, connection: Connection, store_id: str, before: datetime) -> set[str]:
        """Of whom something accepted before that instant still has something to happen."""
        old = (deliveries.c.store_id == store_id, _unfinished(), deliveries.c.id < first_id_at(before))
        return set(connection.execute(select(deliveries.c.person).distinct().where(*old)).scalars())

    def nameless_persons_before(self, connection: Connection, store_id: str, before: datetime) -> set[str]:
        """Persons known by something else than an e-mail, of whom something accepted before that instant is kept."""
        query = select(deliveries.c.person).distinct()
        query = query.where(deliveries.c.store_id == store_id, deliveries.c.id < first_id_at(before))
        return set(connection.execute(query.where(deliveries.c.person.not_like("email:%"))).scalars())

    def batches_in_use(self, connection: Connection) -> set[str]:
        """Batches that are open, or in which something unfinished was ever sent."""
        in_use = set(connection.execute(select(batches.c.id).where(_open())).scalars())
        once_in_a_batch = or_(deliveries.c.batch_id.is_not(None), deliveries.c.earlier_batches.is_not(None))
        query = select(deliveries.c.batch_id, deliveries.c.earlier_batches).distinct().where(_unfinished(), once_in_a_batch)
        for batch_id, earlier in connection.execute(query):
            in_use.update([*(earlier or "").split(), *([batch_id] if batch_id else [])])
        return in_use

    def forget_attempts(
        self, connection: Connection, before: datetime, after_id: str, limit: int, batches_in_use: set[str]
    ) -> Forgotten:
        """Delete the next ``limit`` attempts that began before that instant, except those of anything unfinished."""
        columns = (attempts.c.id, attempts.c.delivery_id, attempts.c.batch_id)
        old = select(*columns).where(attempts.c.id > after_id, attempts.c.id < first_id_at(before)).order_by(attempts.c.id)
        rows = connection.execute(old.limit(limit)).all()
        unfinished = _unfinished_of(connection, (row.delivery_id for row in rows if row.delivery_id))
        ids = [row.id for row in rows if row.delivery_id not in unfinished and row.batch_id not in batches_in_use]
        deleted = connection.execute(delete(attempts).where(attempts.c.id.in_(ids))).rowcount if ids else 0
        return Forgotten(deleted, rows[-1].id if len(rows) == limit else None)

    def forget_batches(
        self, connection: Connection, before: datetime, after_id: str, limit: int, batches_in_use: set[str]
    ) -> Forgotten:
        """Delete the next ``limit`` batches that were frozen before that instant, except those still in use."""
        old = select(batches.c.id).where(batches.c.id > after_id, batches.c.id < first_id_at(before)).order_by(batches.c.id)
        rows = list(connection.execute(old.limit(limit)).scalars())
        ids = [id_ for id_ in rows if id_ not in batches_in_use]
        deleted = connection.execute(delete(batches).where(batches.c.id.in_(ids), ~_open())).rowcount if ids else 0
        return Forgotten(deleted, rows[-1] if len(rows) == limit else None)

    def forget_tellings(self, connection: Connection, store_id: str, before: datetime, limit: int) -> int:
        """Delete the next ``limit`` finished deliveries of profiles and the catalogue of before that instant, and their attempts.

        Those of events go with their events.
        """
        done = deliveries.c.state.in_([state.value for state in (State.DELIVERED, State.DISCARDED, State.SUPERSEDED)])
        # A literal, so that the partial index serves.
        old = (deliveries.c.store_id == store_id, deliveries.c.family != literal_column("'events'"), done)
        due = select(deliveries.c.id).where(*old, deliveries.c.id < first_id_at(before)).order_by(deliveries.c.id).limit(limit)
        ids = list(connection.execute(due).scalars())
        if ids:
            connection.execute(delete(attempts).where(attempts.c.delivery_id.in_(ids)))
            connection.execute(delete(deliveries).where(deliveries.c.id.in_(ids)))
        return len(ids)

    def tellings_of(self, connection: Connection, store_id: str, persons: Collection[str]) -> list[str]:
        """Deliveries that are not events' and tell of these people."""
        # A literal, so that the partial index serves.
        mine = (deliveries.c.store_id == store_id, deliveries.c.family != literal_column("'events'"))
        return list(connection.execute(select(deliveries.c.id).where(*mine, deliveries.c.person.in_(persons))).scalars())

    def erase(self, connection: Connection, ids: Sequence[str]) -> list[str]:
        """Delete these with their single attempts: what waits is never sent. Those that stay, and are told, are under way."""
        under_way = set(
            connection.execute(
                select(deliveries.c.id).where(deliveries.c.id.in_(ids), deliveries.c.state == State.SENDING.value)
            ).scalars()
        )
        gone = [id_ for id_ in ids if id_ not in under_way]
        connection.execute(delete(attempts).where(attempts.c.delivery_id.in_(gone)))
        sure = (deliveries.c.id.in_(gone), deliveries.c.state != State.SENDING.value)
        connection.execute(delete(deliveries).where(*sure))
        still = select(deliveries.c.id).where(deliveries.c.id.in_(ids))
        return list(connection.execute(still).scalars())

    def fold_counters(self, connection: Connection, store_id: str, before: datetime) -> bool:
        """Fold the counters of one day before ``before`` (a midnight) into one row; False if there is none."""
        return fold_one_day(connection, delivery_minutes, store_id, before)


# Literals, not parameters, so that the partial indexes serve.
def _unfinished() -> ColumnElement[bool]:
    states = (State.WAITING, State.SENDING, State.DEAD)
    return or_(*(deliveries.c.state == literal_column(f"'{state.value}'") for state in states))


def _open() -> ColumnElement[bool]:
    return batches.c.state == literal_column("'open'")


def _unfinished_of(connection: Connection, ids: Iterable[str]) -> set[str]:
    query = select(deliveries.c.id).where(deliveries.c.id.in_(list(ids)), _unfinished())
    return set(connection.execute(query).scalars())
