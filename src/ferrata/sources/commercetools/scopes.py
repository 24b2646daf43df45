"""Which scopes an API client needs, and for what."""

from collections.abc import Iterable

NEEDED: dict[str, str] = {
    "view_orders": "orders",
    "view_customers": "customers",
    "view_payments": "refunds",
    "view_products": "products, prices and stock",
    "view_categories": "categories",
}
SUBSCRIBING = "manage_subscriptions"
_WITHIN = {"view_categories": ("view_products",)}  # who may see products may see their categories


def missing(granted: Iterable[str], project: str) -> dict[str, str]:
    """The needed scopes that these do not include, with what they are for."""
    names = {scope.partition(":")[0] for scope in granted if scope.partition(":")[2].split(":")[0] in ("", project)}
    return {scope: use for scope, use in NEEDED.items() if not _allows(names, scope)}


def _allows(names: set[str], scope: str) -> bool:
    if "manage_project" in names:
        return True
    asked = (scope, *_WITHIN.get(scope, ()))
    return any(name in names or name.replace("view_", "manage_") in names for name in asked)
