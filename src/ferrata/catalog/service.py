"""The catalogue: takes what changed in the shop, knows the newest version of everything, and hands it to delivery."""

from collections.abc import Sequence

from sqlalchemy import Connection

from ferrata.catalog.schemas import CatalogChange, Recorded


class Catalog:
    def record(self, connection: Connection, store_id: str, changes: Sequence[CatalogChange], *, history: bool) -> Recorded:
        """Bring the catalogue up to these changes, in their order, and put what must be told to Klaviyo into the outbox.

        Works inside the caller's transaction; say ``wake`` after its commit. ``history``: never delays what is live. The same
        changes again, or older ones, change nothing.
        """
        raise NotImplementedError

    def wake(self, store_id: str) -> None:
        """Say, after the commit, that something new waits."""
        raise NotImplementedError
