"""Deleting the carts of somebody who is to be forgotten, inside the caller's transactions."""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection

from ferrata.carts import store


class Forgetting:
    def ids_of_person(
        self, connection: Connection, store_id: str, emails: Collection[str], phones: Collection[str], ids: Collection[str]
    ) -> list[str]:
        """The carts of somebody who is known by one of these."""
        return store.ids_of_person(connection, store_id, emails, phones, ids)

    def erase(self, connection: Connection, store_id: str, cart_ids: Sequence[str]) -> int:
        """Delete these with their stories; a silence that has not been told is not told any more."""
        return store.erase(connection, store_id, cart_ids)
