"""Which stores a list may show to whom."""

from ferrata.access.schemas import Principal, Right


def visible_stores(who: Principal, right: Right = Right.CONNECTIONS_READ) -> frozenset[str] | None:
    """The ids of the stores in which they have the right; None: every store.

    Raises:
        LacksRight: in none of them.
    """
    if who.store_id is None and who.may(right):
        return None
    if who.kind == "person" and who.seats:
        own = frozenset(store_id for store_id, role in who.seats.items() if right in role.effective)
        if own:
            return own
    who.require(right)
    return frozenset({who.store_id} if who.store_id else ())
