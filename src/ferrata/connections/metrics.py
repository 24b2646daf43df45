"""The metrics that a store may count as a conversion: Klaviyo's own list and the custom metrics, as one list to choose from."""

from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from ferrata.klaviyo import Klaviyo, KlaviyoError
from ferrata.klaviyo.resources.custom_metrics import CustomMetric, CustomMetrics
from ferrata.klaviyo.resources.metrics import Metric, Metrics

log = structlog.get_logger()

PLACED_ORDER, SHOPIFY = "Placed Order", "shopify"
NO_CUSTOM_METRICS = "Custom metrics could not be read and are not in this list."
NO_METRICS_SCOPE = "The key lacks the scope metrics:read, so no metric can be chosen."
NO_PLACED_ORDER = "This account has no metric Placed Order of Shopify: orders will not be read from Klaviyo."


@dataclass(frozen=True, slots=True)
class MetricChoice:
    """``name`` may be null at Klaviyo's side. The same name exists once for each integration: the id tells them apart."""

    id: str
    name: str | None
    integration: str
    category: str
    is_shopify_placed_order: bool = False


@dataclass(frozen=True, slots=True)
class MetricChoices:
    """Shopify's Placed Order first, then by name. ``warnings`` say what is lacking."""

    all: tuple[MetricChoice, ...]
    warnings: tuple[str, ...] = ()

    def find(self, metric_id: str) -> MetricChoice | None:
        return next((choice for choice in self.all if choice.id == metric_id), None)


async def read_metrics(client: Klaviyo) -> MetricChoices:
    """All pages of both lists. That custom metrics cannot be read is a warning, not an error.

    Raises:
        KlaviyoError: the standard metrics could not be read.
    """
    standard = [metric async for metric in Metrics(client).all()]
    warnings = []
    try:
        custom = [metric async for metric in CustomMetrics(client).all()]
    except KlaviyoError as error:
        log.warning("connections.custom_metrics_not_read", error=str(error))
        custom, warnings = [], [NO_CUSTOM_METRICS]
    choices = merged(standard, custom)
    if not any(choice.is_shopify_placed_order for choice in choices):
        warnings.append(NO_PLACED_ORDER)
    return MetricChoices(tuple(choices), tuple(warnings))


def merged(standard: Iterable[Metric], custom: Iterable[CustomMetric]) -> list[MetricChoice]:
    """One list without repeated ids, in the order in which people look for a metric."""
    found: dict[str, MetricChoice] = {}
    for metric in standard:
        found.setdefault(metric.id, _choice(metric))
    for own in custom:
        found.setdefault(own.id, MetricChoice(own.id, own.name, "Custom", "CUSTOM"))
    return sorted(found.values(), key=_place)


def _choice(metric: Metric) -> MetricChoice:
    integration = metric.integration or {}
    name, category = integration.get("name"), integration.get("category")
    return MetricChoice(
        metric.id,
        metric.name,
        name if isinstance(name, str) and name else "Standard",
        category if isinstance(category, str) and category else "STANDARD",
        metric.name == PLACED_ORDER and integration.get("key") == SHOPIFY,
    )


def _place(choice: MetricChoice) -> tuple[bool, bool, str]:
    return not choice.is_shopify_placed_order, choice.name is None, (choice.name or "").casefold()
