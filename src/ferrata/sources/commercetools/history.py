"""Reads what was before: orders, customers, products and categories, in the order of their creation.

commercetools lets nobody skip more than 10,000 results, so a page begins behind the last one's instant and id, however far that
is. The cursor is that instant and id: the same cursor gives the same page.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec

from ferrata.infra.errors import Rejected
from ferrata.sources.commercetools.api import Api, Params
from ferrata.sources.commercetools.notification import BACKFILLED, raw_message
from ferrata.sources.commercetools.order_rules import product_lookups
from ferrata.sources.commercetools.reading import Json, listed, within
from ferrata.sources.contract import Backfill, BackfillPage, LookedUp, Lookup, RawMessage, Span

BACKFILLS: Final = (
    Backfill("categories", "Categories", by="created"),
    Backfill("products", "Products", by="created"),
    Backfill("customers", "Customers", by="created"),
    Backfill("orders", "Orders", by="created"),
    Backfill("messages", "Messages that were missed", by="created", live=True),
)
MESSAGES: Final = "message"
COUNTED: Final = 10_000
"""commercetools counts no further where a condition is given."""


class _Kind(msgspec.Struct, frozen=True):
    path: str
    resource: str
    limit: int
    params: Params = ()
    where: str = ""


_KINDS: Final[Mapping[str, _Kind]] = {
    "orders": _Kind("orders", "order", 100, (("expand", "paymentInfo.payments[*]"),)),
    "customers": _Kind("customers", "customer", 200),
    "categories": _Kind("categories", "category", 200, (("expand", "ancestors[*]"),)),
    "products": _Kind(
        "products",
        "product",
        50,
        (("expand", "masterData.current.categories[*].ancestors[*]"),),
        "masterData(published = true)",
    ),
    "messages": _Kind("messages", MESSAGES, 200),
}

LookUp = Callable[[Sequence[Lookup]], Awaitable[LookedUp]]


async def page(api: Api, look_up: LookUp, backfill: str, cursor: str | None, span: Span) -> BackfillPage:
    """The page after ``cursor``. Raises what the API raises."""
    kind = _KINDS[backfill]
    asked = [
        ("limit", str(kind.limit)),
        ("withTotal", "true" if cursor is None else "false"),
        ("sort", "createdAt asc"),
        ("sort", "id asc"),
        *kind.params,
        ("where", _where(kind, cursor, span)),
    ]
    answer = await api.get(kind.path, asked)
    found = listed(within(answer, "results"))
    total = within(answer, "total")
    known = await look_up(_wanted(kind, found)) if found else {}
    return BackfillPage(
        messages=tuple(_message(kind, each) for each in found),
        cursor=_after(found[-1]) if len(found) >= kind.limit else None,
        total=total if isinstance(total, int) and total < COUNTED else None,
        looked_up={look: _slim(each) for look, each in known.items()},
    )


async def by_ids(api: Api, backfill: str, ids: Sequence[str]) -> tuple[RawMessage, ...]:
    """Single resources as a page of history would bring them; those that are not there are left out.

    Raises:
        Rejected: there is no such history.
    """
    kind = _KINDS.get(backfill)
    if kind is None or kind.resource == MESSAGES:
        raise Rejected(f"There is no history of {backfill}; there is orders, customers, products, categories.")
    found = [await api.get(f"{kind.path}/{quote(id_, safe='')}", kind.params) for id_ in ids]
    return tuple(_message(kind, each) for each in found if isinstance(each, dict))


def _where(kind: _Kind, cursor: str | None, span: Span) -> str:
    parts = [kind.where] if kind.where else []
    parts.append(f'createdAt < "{_written(span.until)}"')
    if span.since:
        parts.append(f'createdAt >= "{_written(span.since)}"')
    if cursor:
        instant, _, id_ = cursor.partition("|")
        parts.append(f'(createdAt > "{instant}" or (createdAt = "{instant}" and id > "{id_}"))')
    return " and ".join(parts)


def _written(at: Any) -> str:
    return str(at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z")


def _after(last: Json) -> str:
    return f"{last.get('createdAt')}|{last.get('id')}"


def _message(kind: _Kind, found: Json) -> RawMessage:
    """What was read, in the form of a notification, named by its version: read again unchanged, it is the same message.

    A message is one already, and known by its id if a queue has brought it.
    """
    if kind.resource == MESSAGES:
        return raw_message({**found, "notificationType": "Message"})
    changed = found.get("lastModifiedAt") or found.get("createdAt")
    return raw_message(
        {
            "notificationType": BACKFILLED,
            "resource": {"typeId": kind.resource, "id": found.get("id")},
            "id": f"{kind.resource}:{found.get('version')}",
            "resourceVersion": found.get("version"),
            "version": found.get("version"),
            "createdAt": changed,
            kind.resource: found,
        }
    )


def _wanted(kind: _Kind, found: Sequence[Json]) -> list[Lookup]:
    """The products of a page of orders, together; for each order by itself it would be as many requests."""
    if kind.resource != "order":
        return []
    return list(dict.fromkeys(look for order in found for look in product_lookups(order)))


def _slim(product: Any) -> Any:
    """Of a product what orders need: its categories and its slug."""
    if not isinstance(product, dict):
        return None
    current = within(product, "masterData", "current") or {}
    kept = {name: current.get(name) for name in ("categories", "slug")}
    return {"id": product.get("id"), "masterData": {"current": kept}}
