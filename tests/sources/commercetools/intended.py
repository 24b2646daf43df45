"""Where Ferrata differs from the official plugin on purpose. docs/sources/commercetools.md gives the same list to merchants."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any


@dataclass(frozen=True)
class Intended:
    """``path`` is where it shows; ``fits`` judges what the plugin and Ferrata have there."""

    name: str
    path: str
    why: str
    fits: Callable[[Any, Any], bool] = lambda theirs, ours: True
    cases: str = ".*"

    def explains(self, case: str, path: str, theirs: Any, ours: Any) -> bool:
        return bool(re.fullmatch(self.path, path) and re.fullmatch(self.cases, case) and self.fits(theirs, ours))


def _more(theirs: Any, ours: Any) -> bool:
    return theirs is None and ours is not None


def _empty_left_out(theirs: Any, ours: Any) -> bool:
    return theirs in ([], {}, "", None) and ours is None


def _later_by_seconds(theirs: Any, ours: Any) -> bool:
    return isinstance(theirs, datetime) and timedelta() < ours - theirs < timedelta(minutes=10)


def _same_number(theirs: Any, ours: Any) -> bool:
    """Left out, or as E.164 with the same last digits."""
    return ours is None or (re.fullmatch(r"\+\d+", ours) is not None and re.sub(r"\D", "", theirs)[-8:] == ours[-8:])


INTENDED = (
    Intended("guide", r"/event .*/properties/[A-Z]\w*", "Klaviyo's own names for orders and lines are added", _more),
    Intended("currency", r"/event .*/currency", "value_currency says in which currency the value is", _more),
    Intended("nothing", r"/event .*/properties/\w+", "empty lists and texts say nothing and are left out", _empty_left_out),
    Intended(
        "line times",
        r"/event .*Ordered Product .*/time",
        "each line is a second later than the one before, in history and live alike, so their order is kept",
        _later_by_seconds,
    ),
    Intended(
        "phone",
        r"/profile .*/phone_number",
        "Klaviyo refuses a whole request for a wrong number: ours is E.164, or left out",
        _same_number,
    ),
    Intended(
        "no price",
        r"/catalog-items .*/price",
        "a product without a price has none, rather than costing nothing",
        lambda theirs, ours: theirs == 0 and ours is None,
    ),
    Intended(
        "categories of a product",
        r"/catalog-categories .*",
        "the categories of a product are told with it, so that Klaviyo can put it there",
        _more,
        cases="product-.*",
    ),
    Intended(
        "euro",
        r"/catalog-.*/custom_metadata/(price|currency)_json/(price|currency)_(HR|BG)",
        "Croatia and Bulgaria have the euro",
        _more,
    ),
    Intended(
        "sku of the entry",
        r"/catalog-variants A0E200000002E49",
        "the inventory entry itself says which SKU it is of, where the notification does not",
        _more,
        cases="inventory-updated-no-sku",
    ),
    Intended(
        "no reading",
        r"/catalog-.*",
        "Klaviyo is not asked before it is told, so that its answer to the question cannot stop the telling",
        _more,
        cases=".*-klaviyo-get-500",
    ),
)
