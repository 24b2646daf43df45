"""The defaults that three variables of the environment give, with the names and the meaning that they have elsewhere.

Only the text ``true`` enables, in small or capital letters. As soon as one of the three is set, one that is not is off.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from ferrata.flags.schemas import Mode, Origin, Rule
from ferrata.infra.settings import Settings

log = structlog.get_logger()

PURCHASES, SUBSCRIPTIONS, CARTS = (
    "KLAVIYO_PURCHASE_EVENTS_ENABLED",
    "KLAVIYO_SUBSCRIPTION_EVENTS_ENABLED",
    "KLAVIYO_CART_ABANDONED_ENABLED",
)
METRICS: Mapping[str, tuple[str, ...]] = {
    PURCHASES: (
        "Placed Order",
        "Ordered Product",
        "Fulfilled Order",
        "Fulfilled Partial Order",
        "Cancelled Order",
        "Refunded Order",
    ),
    SUBSCRIPTIONS: ("Subscription Started",),
    CARTS: (
        "Started Checkout",
        "Abandoned Checkout",
        "Checkout Abandoned",
        "Added to Cart",
        "Removed from Cart",
        "Updated Cart",
        "Cleared Cart",
    ),
}
_VARIABLES = {name: variable for variable, names in METRICS.items() for name in names}
_PLAIN = frozenset({"true", "false", "0", "1", "no", "yes", "off", "on", ""})


@dataclass(frozen=True, slots=True)
class Defaults:
    """By variable, what it says; empty where none of them is set."""

    rules: Mapping[str, Rule]

    @classmethod
    def of(cls, settings: Settings) -> "Defaults":
        texts = {
            PURCHASES: settings.purchase_events_enabled,
            SUBSCRIPTIONS: settings.subscription_events_enabled,
            CARTS: settings.cart_abandoned_enabled,
        }
        if all(text is None for text in texts.values()):
            return cls({})
        return cls({variable: _rule(variable, text) for variable, text in texts.items()})

    def rule_for(self, metric: str) -> Rule | None:
        """None: no variable speaks of this metric."""
        if not self.rules:
            return None
        variable = SUBSCRIPTIONS if metric.startswith("Subscription ") else _VARIABLES.get(metric)
        return self.rules[variable] if variable else None


def _rule(variable: str, text: str | None) -> Rule:
    said = (text or "").strip().lower()
    if said not in _PLAIN or said in ("1", "yes", "on"):
        log.warning("flags.text_not_understood", variable=variable, meaning="off", enables="true")
    mode = Mode.ON if said == "true" else Mode.OFF
    return Rule(mode, origin=Origin.ENVIRONMENT, source=variable if text is not None else f"{variable}, which is not set")
