"""One recording of changes at work: what became of each thing, what it needs, and what Klaviyo is to be told.

Lives as long as the transaction that it was made for.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from ferrata.catalog import store
from ferrata.catalog.rules import GONE, after, content_hash, key_of, subject, thing_id, unheard
from ferrata.catalog.schemas import CatalogChange, Kind, Presence, Recorded, Thing
from ferrata.delivery.schemas import Deliver, Family
from ferrata.delivery.service import DeliveryService
from ferrata.kit.ids import new_id

_ORDER: dict[Kind, int] = {"category": 0, "item": 1, "variant": 2}
"""What others refer to is told first."""


class Recording:
    def __init__(self, connection: Connection, delivery: DeliveryService, store_id: str, now: datetime, *, history: bool) -> None:
        self._connection = connection
        self._delivery = delivery
        self._store_id = store_id
        self._now = now
        self._history = history
        self._things: dict[str, Thing] = {}
        self._referred: dict[str, Thing] = {}
        self._touched: dict[str, None] = {}
        self._awaited: list[tuple[str, str]] = []
        self._all_variants: dict[str, frozenset[str]] = {}  # of items, by their external ids

    def record(self, changes: Sequence[CatalogChange]) -> Recorded:
        first = {thing_id(self._store_id, each.kind, each.external_id): each for each in changes}
        blank = [unheard(self._store_id, each.kind, each.external_id, self._now) for each in first.values()]
        store.insert_missing(self._connection, blank)
        self._things = store.lock_all(self._connection, first)
        outdated = sum(not self._apply(change) for change in changes)
        self._take_variants_along()
        self._delete_lost_variants()
        self._wake_awaiting()
        self._look_up_referred()
        told = self._tell()
        store.await_all(self._connection, self._store_id, self._awaited)
        return Recorded(accepted=told, unchanged=max(0, len(changes) - outdated - told), outdated=outdated)

    def _apply(self, change: CatalogChange) -> bool:
        id_ = thing_id(self._store_id, change.kind, change.external_id)
        changed = after(self._things[id_], change, self._now)
        if changed is None:
            return False
        self._things[id_] = changed
        self._touched[id_] = None
        if change.kind == "item" and change.relationships.variants is not None and changed.is_present:
            self._all_variants[change.external_id] = frozenset(change.relationships.variants)
        return True

    def _take_variants_along(self) -> None:
        """With an item Klaviyo deletes its variants: there is nothing to tell of them, and nothing of them may follow."""
        gone = [each for each in self._touched_things() if each.kind == "item" and each.presence is Presence.DELETED]
        if not gone:
            return
        ids = store.variant_ids(self._connection, self._store_id, [item.external_id for item in gone])
        items = {item.external_id: item for item in gone}
        for variant in store.lock_all(self._connection, [id_ for id_ in ids if id_ not in self._things]).values():
            if variant.delivery_id:
                self._delivery.supersede(self._connection, variant.delivery_id, items[str(variant.item)].id, whole=True)
            deleted = msgspec.structs.replace(
                variant, presence=Presence.DELETED, content_hash=GONE, changed_at=self._now, updated_at=self._now
            )
            store.update_all(self._connection, [deleted])

    def _delete_lost_variants(self) -> None:
        """Those that belong to an item which has named all of its variants, and not them."""
        if not self._all_variants:
            return
        ids = store.variant_ids(self._connection, self._store_id, list(self._all_variants))
        self._things |= store.lock_all(self._connection, [id_ for id_ in ids if id_ not in self._things])
        for id_ in ids:
            variant = self._things.get(id_)
            if variant and variant.is_present and self._is_lost(variant):
                lost = CatalogChange(kind="variant", action="delete", external_id=variant.external_id, changed_at=self._now)
                self._things[id_] = after(variant, lost, self._now) or variant
                self._touched[id_] = None

    def _is_lost(self, variant: Thing) -> bool:
        named = self._all_variants.get(variant.item or "")
        return named is not None and variant.external_id not in named

    def _wake_awaiting(self) -> None:
        """What refers to something that has come now is told once more, with it."""
        come = [key_of(each.kind, each.external_id) for each in self._touched_things() if each.is_present]
        waiting = [id_ for id_ in store.take_awaiting(self._connection, self._store_id, come) if id_ not in self._things]
        self._things |= store.lock_all(self._connection, waiting)
        self._touched |= dict.fromkeys(id_ for id_ in waiting if id_ in self._things)

    def _look_up_referred(self) -> None:
        """What is not there gets an empty row, locked: so whoever brings it in this very moment, and we, hear of each other."""
        wanted = {
            thing_id(self._store_id, *each): each
            for thing in self._touched_things()
            if thing.is_present
            for each in _references(thing)
        }
        self._referred = store.find_all(self._connection, wanted.keys() - self._things.keys())
        known = {id_ for id_, thing in (self._things | self._referred).items() if thing.is_present or id_ in self._things}
        absent = [id_ for id_ in wanted if id_ not in known]
        if absent:
            store.insert_missing(self._connection, [unheard(self._store_id, *wanted[id_], self._now) for id_ in absent])
            self._referred |= store.lock_all(self._connection, absent)

    def _touched_things(self) -> list[Thing]:
        return [self._things[id_] for id_ in self._touched]

    def _find(self, kind: Kind, external_id: str) -> Thing | None:
        id_ = thing_id(self._store_id, kind, external_id)
        found = self._things.get(id_) or self._referred.get(id_)
        return found if found and found.is_present else None

    def _tell(self) -> int:
        """Put what is new into the outbox, in the order in which Klaviyo can take it; returns how much that was."""
        touched = sorted(self._touched_things(), key=lambda thing: _ORDER[thing.kind])
        dead = self._delivery.dead_ids(self._connection, [thing.delivery_id for thing in touched if thing.delivery_id])
        deliveries: list[Deliver] = []
        for thing in touched:
            categories = self._present_categories(thing)
            content = content_hash(thing, categories)
            is_told = content == thing.content_hash and thing.delivery_id not in dead
            if not is_told and not self._has_to_wait(thing):
                delivery = self._delivery_of(thing, categories)
                deliveries.append(delivery)
                thing = msgspec.structs.replace(thing, content_hash=content, delivery_id=delivery.id)  # noqa: PLW2901 - it is the same thing
            self._things[thing.id] = thing
        store.update_all(self._connection, self._touched_things())
        self._delivery.put(self._connection, deliveries)
        return len(deliveries)

    def _present_categories(self, thing: Thing) -> tuple[str, ...] | None:
        """Klaviyo refuses an item that names a category which it does not have; that one follows when it comes."""
        if thing.categories is None:
            return None
        present = tuple(name for name in thing.categories if self._find("category", name))
        if thing.is_present:
            self._awaited += [(key_of("category", name), thing.id) for name in thing.categories if name not in present]
        return present

    def _has_to_wait(self, thing: Thing) -> bool:
        """A new variant cannot be created before its item."""
        if thing.kind != "variant" or not thing.is_present or thing.item is None or thing.content_hash not in (None, GONE):
            return False
        if self._find("item", thing.item):
            return False
        self._awaited.append((key_of("item", thing.item), thing.id))
        return True

    def _delivery_of(self, thing: Thing, categories: Iterable[str] | None) -> Deliver:
        id_ = new_id(self._now)
        before = self._delivery.supersede(self._connection, thing.delivery_id, id_, whole=True) if thing.delivery_id else None
        needed = [found for each in _references(thing) if (found := self._find(*each))] if thing.is_present else []
        waits_live = before is not None and before.state is not before.was and not before.history
        history = self._history and not waits_live
        if not history:
            self._delivery.hasten(self._connection, [each.delivery_id for each in needed if each.delivery_id])
        return Deliver(
            id=id_,
            store_id=self._store_id,
            family=Family.CATALOG,
            history=history,
            person=key_of(thing.kind, thing.external_id),
            unique_id=f"{thing.kind}:{thing.external_id}"[:200] + f":{thing.version or thing.changed_at.isoformat()}",
            subject_json=subject(thing, None if categories is None else tuple(categories)),
            profile_json="{}",
            accepted_at=self._now,
            after=tuple(key_of(each.kind, each.external_id) for each in needed),
        )


def _references(thing: Thing) -> list[tuple[Kind, str]]:
    """What a thing refers to."""
    items: list[tuple[Kind, str]] = [("item", thing.item)] if thing.item else []
    return [*items, *(("category", name) for name in thing.categories or ())]
