"""Deleting profiles of whom nothing is left, inside the caller's transactions. Which may go is retention's decision."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, delete, func, or_, select

from ferrata.profiles.models import profiles
from ferrata.profiles.schemas import Named, Untouched


class Forgetting:
    def count(self, connection: Connection, store_id: str) -> int:
        return connection.execute(select(func.count()).where(profiles.c.store_id == store_id)).scalar_one()

    def of_person(
        self, connection: Connection, store_id: str, emails: Collection[str], phones: Collection[str], ids: Collection[str]
    ) -> list[Named]:
        """The profiles of somebody who is known by one of these."""
        named = or_(profiles.c.email.in_(emails), profiles.c.phone.in_(phones), profiles.c.external_id.in_(ids))
        columns = (profiles.c.id, profiles.c.person, profiles.c.email, profiles.c.phone, profiles.c.external_id)
        rows = connection.execute(select(*columns).where(profiles.c.store_id == store_id, named))
        return [Named(*row) for row in rows]

    def erase(self, connection: Connection, ids: Sequence[str]) -> int:
        """Delete these profiles, whoever has told of them."""
        return connection.execute(delete(profiles).where(profiles.c.id.in_(ids))).rowcount

    def untouched_since(
        self, connection: Connection, store_id: str, since: datetime, after: Untouched | None, limit: int
    ) -> list[Untouched]:
        """Profiles that neither an event nor a reading of Klaviyo has changed since then, oldest first, from ``after`` on.

        Not those that a shop has told of by a change: they mirror a customer of the shop, who need not have bought anything.
        Their events, if any, were all accepted before ``since``: an event touches its person's profile in its own transaction.
        """
        conditions = [profiles.c.store_id == store_id, profiles.c.created_at < since, profiles.c.updated_at < since, _only_seen()]
        if after:
            same_moment = and_(profiles.c.created_at == after.created_at, profiles.c.id > after.id)
            conditions.append(or_(profiles.c.created_at > after.created_at, same_moment))
        columns = (profiles.c.id, profiles.c.person, profiles.c.created_at)
        query = select(*columns).where(*conditions).order_by(profiles.c.created_at, profiles.c.id).limit(limit)
        return [Untouched(*row) for row in connection.execute(query)]

    def forget_untouched(self, connection: Connection, ids: Sequence[str], since: datetime) -> int:
        """Delete these, but for those that are touched or deleted elsewhere in this very moment."""
        untouched = (profiles.c.id.in_(ids), profiles.c.updated_at < since, _only_seen())
        locked = select(profiles.c.id).where(*untouched).order_by(profiles.c.id).with_for_update(skip_locked=True)
        ours = list(connection.execute(locked).scalars())
        return connection.execute(delete(profiles).where(profiles.c.id.in_(ours))).rowcount if ours else 0


def _only_seen() -> ColumnElement[bool]:
    return profiles.c.changed_at.is_(None)
