"""Which notifications mean what: every rule that accepts one has its say, unless the merchant has switched it off."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ferrata.sources.commercetools import catalogue_rules, history_rules, order_rules, refund_rules
from ferrata.sources.commercetools import customer_rules as people
from ferrata.sources.commercetools.found import Found
from ferrata.sources.commercetools.notification import BACKFILLED, Notification
from ferrata.sources.commercetools.settings import CommercetoolsSettings
from ferrata.sources.contract import Lookup, Mapped

Accepts = Callable[[Notification, CommercetoolsSettings], bool]
Looks = Callable[[Notification, Found], Sequence[Lookup]]
Maps = Callable[[Notification, Found], Mapped]

DELIVERIES = ("DeliveryAdded", "OrderShipmentStateChanged")
RETURNS = ("ReturnInfoAdded", "ReturnInfoSet", "OrderReturnShipmentStateChanged")
_SILENT_CUSTOMER = ("CustomerCreated", "CustomerDeleted", "CustomerPasswordUpdated", "CustomerEmailTokenCreated")
_SILENT_PRODUCT = ("ProductCreated", "ProductPublished", "ProductUnpublished", "ProductDeleted")


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    resource: str
    accepts: Accepts
    looks: Looks
    maps: Maps


def _message(*types: str) -> Accepts:
    return lambda seen, _: not seen.is_change and seen.type in types


def _change(kind: str) -> Accepts:
    return lambda seen, _: seen.kind == kind


def _nothing(_seen: Notification, _found: Found) -> Sequence[Lookup]:
    return ()


def _of_customer(seen: Notification, _: CommercetoolsSettings) -> bool:
    token = seen.type.startswith(("CustomerPassword", "CustomerEmailToken"))
    return not seen.is_change and seen.type.startswith("Customer") and seen.type not in _SILENT_CUSTOMER and not token


def _of_product(seen: Notification, _: CommercetoolsSettings) -> bool:
    """A change that shows at once; others show when the product is published, and are told then."""
    return not seen.is_change and seen.type not in _SILENT_PRODUCT and seen.body.get("staged") is False


def _shipping(seen: Notification, settings: CommercetoolsSettings) -> bool:
    wanted = settings.order.deliveries or settings.order.states.changed.fulfilled_shipment
    return bool(wanted) and not seen.is_change and seen.type in DELIVERIES


def _stock_news(seen: Notification, _: CommercetoolsSettings) -> bool:
    return seen.kind == "ResourceUpdated" or seen.type == "InventoryEntryQuantitySet"


RULES: tuple[Rule, ...] = (
    Rule("CustomerCreated", "customer", _message("CustomerCreated"), people.created_lookups, people.created),
    Rule("CustomerResourceUpdated", "customer", _change("ResourceUpdated"), people.lookups, people.changed),
    Rule("CustomerChanged", "customer", _of_customer, people.lookups, people.changed),
    Rule("CustomerErased", "customer", people.is_erased, _nothing, people.erased),
    Rule(
        "OrderCreated",
        "order",
        lambda seen, settings: not seen.is_change and seen.type in settings.order.messages.created,
        order_rules.lookups,
        order_rules.placed,
    ),
    Rule(
        "OrderStateChanged",
        "order",
        lambda seen, settings: not seen.is_change and seen.type in settings.order.messages.changed,
        order_rules.changed_lookups,
        order_rules.changed,
    ),
    Rule("OrderShipped", "order", _shipping, order_rules.lookups, order_rules.shipped),
    Rule("OrderDeleted", "order", _message("OrderDeleted"), _nothing, order_rules.deleted),
    Rule(
        "OrderReturned",
        "order",
        lambda seen, settings: settings.order.returns and not seen.is_change and seen.type in RETURNS,
        order_rules.lookups,
        refund_rules.returned,
    ),
    Rule(
        "OrderRefunded",
        "payment",
        lambda seen, settings: (
            not seen.is_change
            and seen.type in (*settings.payment.messages.transaction_added, *settings.payment.messages.transaction_changed)
        ),
        refund_rules.lookups,
        refund_rules.refunded,
    ),
    Rule(
        "CategoryCreated",
        "category",
        lambda seen, settings: seen.type in settings.category.messages.created,
        catalogue_rules.category_lookups,
        catalogue_rules.category,
    ),
    Rule(
        "CategoryResourceUpdated",
        "category",
        _change("ResourceUpdated"),
        catalogue_rules.category_lookups,
        catalogue_rules.category,
    ),
    Rule("CategoryResourceDeleted", "category", _change("ResourceDeleted"), _nothing, catalogue_rules.category_gone),
    Rule(
        "ProductPublished",
        "product",
        lambda seen, settings: seen.type in settings.product.messages.published,
        catalogue_rules.product_lookups,
        catalogue_rules.product,
    ),
    Rule("ProductChanged", "product", _of_product, catalogue_rules.product_lookups, catalogue_rules.product),
    Rule(
        "ProductUnpublished",
        "product",
        lambda seen, settings: not seen.is_change and seen.type in settings.product.messages.deleted,
        _nothing,
        catalogue_rules.product_gone,
    ),
    Rule(
        "ProductResourceDeleted",
        "product",
        lambda seen, settings: seen.is_change and seen.kind in settings.product.messages.deleted,
        _nothing,
        catalogue_rules.product_gone,
    ),
    Rule("PriceChanged", "standalone-price", lambda seen, _: True, catalogue_rules.price_lookups, catalogue_rules.price),
    Rule(
        "InventoryCreated",
        "inventory-entry",
        _message("InventoryEntryCreated"),
        catalogue_rules.inventory_lookups,
        catalogue_rules.inventory,
    ),
    Rule(
        "InventoryResourceUpdated",
        "inventory-entry",
        _stock_news,
        catalogue_rules.inventory_lookups,
        catalogue_rules.inventory,
    ),
    Rule(
        "InventoryDeleted",
        "inventory-entry",
        lambda seen, _: seen.kind == "ResourceDeleted" or seen.type == "InventoryEntryDeleted",
        catalogue_rules.inventory_lookups,
        catalogue_rules.inventory_gone,
    ),
)

_HISTORY: tuple[Rule, ...] = (
    Rule("history", "order", _change(BACKFILLED), history_rules.order_lookups, history_rules.order),
    Rule("history", "customer", _change(BACKFILLED), _nothing, history_rules.customer),
    Rule("history", "category", _change(BACKFILLED), _nothing, history_rules.category),
    Rule("history", "product", _change(BACKFILLED), history_rules.product_lookups, history_rules.product),
)


def matching(seen: Notification, settings: CommercetoolsSettings) -> list[Rule]:
    """All rules that accept this, also those that are switched off."""
    rules = _HISTORY if seen.kind == BACKFILLED else RULES
    return [rule for rule in rules if rule.resource == seen.resource and rule.accepts(seen, settings)]
