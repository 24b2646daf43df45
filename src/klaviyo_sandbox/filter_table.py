"""Which fields each endpoint lets you filter by, with which operators and values.

Source: `x-klaviyo-filters` of Klaviyo's API description, revision 2026-07-15.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from klaviyo_sandbox.filters import Allowed

AFTER_OR_BEFORE: Final = ("greater-or-equal", "greater-than", "less-or-equal", "less-than")
JOB_STATUSES: Final = ("queued", "processing", "complete")


def _text(*operators: str, values: tuple[str, ...] = ()) -> Allowed:
    return Allowed(str, operators or ("any", "equals"), values, equals_list=not operators or "any" in operators)


def _moment(*operators: str) -> Allowed:
    return Allowed(datetime, operators or AFTER_OR_BEFORE)


_EXACT = _text("equals")
_SUPPRESSION = "subscriptions.email.marketing.suppression"
_LIST_SUPPRESSION = "subscriptions.email.marketing.list_suppressions"

_MEMBERS: Mapping[str, Allowed] = {
    "email": _text(),
    "phone_number": _text(),
    "push_token": _text(),
    "_kx": _EXACT,
    "joined_group_at": _moment(),
}
_SUPPRESSION_JOBS: Mapping[str, Allowed] = {
    "status": _text("equals", values=(*JOB_STATUSES, "cancelled")),
    "list_id": _EXACT,
    "segment_id": _EXACT,
}

_ITEMS: Mapping[str, Allowed] = {
    "ids": Allowed(str, ("any",)),
    "category.id": _EXACT,
    "title": Allowed(str, ("contains",)),
    "published": Allowed(bool, ("equals",)),
}
_VARIANTS: Mapping[str, Allowed] = {
    "ids": Allowed(str, ("any",)),
    "item.id": _EXACT,
    "sku": _EXACT,
    "title": Allowed(str, ("contains",)),
    "published": Allowed(bool, ("equals",)),
}
_CATEGORIES: Mapping[str, Allowed] = {
    "ids": Allowed(str, ("any",)),
    "item.id": _EXACT,
    "name": Allowed(str, ("contains",)),
}
_CATALOG_JOBS: Mapping[str, Allowed] = {"status": _text("equals", values=(*JOB_STATUSES, "cancelled"))}

FILTERS: Final[Mapping[str, Mapping[str, Allowed]]] = {
    "/api/catalog-items": _ITEMS,
    "/api/catalog-categories/{id}/items": _ITEMS,
    "/api/catalog-categories/{id}/relationships/items": _ITEMS,
    "/api/catalog-variants": _VARIANTS,
    "/api/catalog-items/{id}/variants": _VARIANTS,
    "/api/catalog-items/{id}/relationships/variants": _VARIANTS,
    "/api/catalog-categories": _CATEGORIES,
    "/api/catalog-items/{id}/categories": _CATEGORIES,
    "/api/catalog-items/{id}/relationships/categories": _CATEGORIES,
    **{
        f"/api/catalog-{kind}-bulk-{act}-jobs": _CATALOG_JOBS
        for kind in ("item", "variant", "category")
        for act in ("create", "update", "delete")
    },
    "/api/events": {
        "metric_id": Allowed(str, ("equals",), equals_list=True),
        "profile_id": _EXACT,
        "profile": Allowed(str, ("has",)),
        "metric": Allowed(str, ("has",)),
        "datetime": _moment(),
        "timestamp": Allowed(float, AFTER_OR_BEFORE),
    },
    "/api/lists": {
        "name": _text(),
        "id": _text(),
        "created": _moment("greater-than"),
        "updated": _moment("greater-than"),
    },
    "/api/lists/{id}/profiles": _MEMBERS,
    "/api/lists/{id}/relationships/profiles": _MEMBERS,
    "/api/metrics": {"integration.name": _EXACT, "integration.category": _EXACT},
    "/api/profiles": {
        "id": _text(),
        "email": _text(),
        "phone_number": _text(),
        "external_id": _text(),
        "_kx": _EXACT,
        "created": _moment("greater-than", "less-than"),
        "updated": _moment("greater-than", "less-than"),
        f"{_LIST_SUPPRESSION}.reason": _EXACT,
        f"{_LIST_SUPPRESSION}.timestamp": _moment(),
        f"{_LIST_SUPPRESSION}.list_id": _EXACT,
        f"{_SUPPRESSION}.reason": _EXACT,
        f"{_SUPPRESSION}.timestamp": _moment(),
    },
    "/api/profile-bulk-import-jobs": {"status": _text("any", "equals", values=JOB_STATUSES)},
    "/api/profile-suppression-bulk-create-jobs": _SUPPRESSION_JOBS,
    "/api/profile-suppression-bulk-delete-jobs": _SUPPRESSION_JOBS,
}
