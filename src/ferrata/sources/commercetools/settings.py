"""What a merchant decides about commercetools: whose project, which messages and states mean what, and what is sent.

The names are those of the official plugin's configuration, so that its file can be pasted here: ``order.states.changed.
cancelledOrder`` stays ``order.states.changed.cancelledOrder``. Both ``cancelledOrder`` and ``cancelled_order`` are understood.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from ferrata.sources.commercetools.queue_settings import QueueSettings
from ferrata.sources.commercetools.spelling import Part
from ferrata.sources.contract import SourceSettings

RULES = (
    "CustomerCreated",
    "CustomerResourceUpdated",
    "CustomerChanged",
    "CustomerErased",
    "OrderCreated",
    "OrderStateChanged",
    "OrderShipped",
    "OrderDeleted",
    "OrderReturned",
    "OrderRefunded",
    "CategoryCreated",
    "CategoryResourceUpdated",
    "CategoryResourceDeleted",
    "ProductPublished",
    "ProductChanged",
    "ProductUnpublished",
    "ProductResourceDeleted",
    "PriceChanged",
    "InventoryCreated",
    "InventoryResourceUpdated",
    "InventoryDeleted",
)
"""What can be switched off, by the plugin's names where it has one."""

_PLUGIN_ONLY = ("CustomerCompanyNameSet",)  # the plugin's rules that are part of one of ours


def _known_rules(names: tuple[str, ...]) -> tuple[str, ...]:
    cleaned = tuple(name.strip() for name in names)  # the plugin's own name of one rule begins with a space
    unknown = sorted(set(cleaned) - set(RULES) - set(_PLUGIN_ONLY))
    if unknown:
        raise ValueError(f"no such rule: {', '.join(unknown)}. There are {', '.join(RULES)}")
    return cleaned


def _address(text: str) -> str:
    if not text.startswith(("https://", "http://")):
        raise ValueError("an address begins with https://")
    return text.rstrip("/")


Address = Annotated[str, AfterValidator(_address)]
Texts = tuple[str, ...]


class Selection(Part):
    """Which fields of an object are sent: those of ``include`` (empty: all), without ``exclude``, renamed by ``map``."""

    include: Texts = Field(default=(), description="Only these fields; empty means all.")
    exclude: Texts = Field(default=(), description="Never these fields.")
    map: dict[str, str] = Field(default={}, description='New names for fields: {"oldName": "newName"}.')


class CustomFields(Part):
    properties: Selection = Field(default=Selection(), description="Which custom fields are sent.")


class Changed(Part):
    cancelled_order: Texts = Field(default=("Cancelled",), description="Order states that mean Cancelled Order.")
    fulfilled_order: Texts = Field(default=("Confirmed", "Complete"), description="Order states that mean Fulfilled Order.")
    fulfilled_shipment: Texts = Field(
        default=(), description="Shipment states that mean Fulfilled Order, such as Shipped or Delivered."
    )


class Created(Part):
    placed_order: Texts = Field(default=("Open",), description="States in which a new order means Placed Order.")


class OrderStates(Part):
    changed: Changed = Changed()
    created: Created = Created()


class OrderMessages(Part):
    changed: Texts = Field(default=("OrderStateChanged",), description="Messages that tell of a new state.")
    created: Texts = Field(
        default=("OrderCreated", "OrderImported", "OrderCustomerSet", "OrderCreatedFromRecurringOrder"),
        description="Messages that tell of a new order.",
    )


class Metrics(Part):
    placed_order: str = Field(default="Placed Order", description="Name of the metric.")
    ordered_product: str = Field(default="Ordered Product", description="Name of the metric.")
    fulfilled_order: str = Field(default="Fulfilled Order", description="Name of the metric.")
    fulfilled_partial_order: str = Field(default="Fulfilled Partial Order", description="Name of the metric.")
    cancelled_order: str = Field(default="Cancelled Order", description="Name of the metric.")
    refunded_order: str = Field(default="Refunded Order", description="Name of the metric.")


class Orders(Part):
    states: OrderStates = OrderStates()
    messages: OrderMessages = OrderMessages()
    properties: Selection = Field(
        default=Selection(), description="Which fields of the order are sent beside Klaviyo's own names."
    )
    line_properties: Selection = Field(default=Selection(), description="Which fields of a line are sent with Ordered Product.")
    custom_fields: CustomFields = CustomFields()
    metrics: Metrics = Metrics()
    total: Literal["totalPrice", "taxedPrice.totalGross"] = Field(
        default="totalPrice", description="Which amount is an order's value."
    )
    deliveries: bool = Field(
        default=False, description="Whether each delivery of a part of the order is a Fulfilled Partial Order."
    )
    deleted: Literal["ignore", "cancelled"] = Field(default="ignore", description="What a deleted order means.")
    returns: bool = Field(default=False, description="Whether items returned and refunded by return info mean Refunded Order.")
    profile_from_address: tuple[Literal["location", "first_name", "last_name", "phone_number", "organization"], ...] = Field(
        default=("location",), description="What the billing address of an order tells about the person."
    )


class Deduplication(Part):
    enabled: bool = Field(
        default=False, description="Understood and not needed: Klaviyo's profile import always finds the one profile."
    )


class CustomerMessages(Part):
    address_changed: Texts = Field(default=(), description="Understood and not needed: every change of a customer is followed.")


class Customers(Part):
    custom_fields: CustomFields = CustomFields()
    fields: Texts = Field(
        default=(), description="More fields of the customer to send as properties, such as customerNumber or locale."
    )
    erase: Literal["dataErasure", "always", "never"] = Field(
        default="dataErasure",
        description="When a deleted customer is forgotten here too: if deleted with dataErasure (the subscription must send "
        "changes of customers), whenever deleted, or never.",
    )
    messages: CustomerMessages = CustomerMessages()
    deduplication: Deduplication = Deduplication()


class PaymentMessages(Part):
    transaction_added: Texts = Field(default=("PaymentTransactionAdded",), description="Messages that tell of a new transaction.")
    transaction_changed: Texts = Field(
        default=("PaymentTransactionStateChanged",), description="Messages that tell of its new state."
    )


class PaymentStates(Part):
    valid_transaction_states: Texts = Field(
        default=("Success",), description="States of a transaction in which money counts as refunded."
    )


class Payments(Part):
    messages: PaymentMessages = PaymentMessages()
    states: PaymentStates = PaymentStates()
    types: Texts = Field(default=("Refund",), description="Types of transactions that give money back; Chargeback may be added.")


class CategoryMessages(Part):
    created: Texts = Field(default=("CategoryCreated",), description="Messages that tell of a new category.")


class Categories(Part):
    messages: CategoryMessages = CategoryMessages()


class ProductMessages(Part):
    published: Texts = Field(default=("ProductPublished",), description="Messages that tell of a published product.")
    deleted: Texts = Field(
        default=("ProductUnpublished", "ProductDeleted", "ResourceDeleted"), description="Messages after which a product is gone."
    )


class Inventory(Part):
    use_channel_inventory: str = Field(
        default="", description="Id of the supply channel whose stock counts; empty: stock without channel."
    )
    channels: Texts = Field(default=(), description="More supply channels, whose stock is added.")

    @property
    def chosen(self) -> frozenset[str]:
        return frozenset(channel for channel in (self.use_channel_inventory, *self.channels) if channel)


class Prices(Part):
    country: str = Field(default="", description="Country whose prices are preferred, such as DE.")
    channel: str = Field(default="", description="Id of the distribution channel whose prices are preferred.")
    customer_group: str = Field(default="", description="Id of the customer group whose prices are preferred.")


class Products(Part):
    messages: ProductMessages = ProductMessages()
    inventory: Inventory = Inventory()
    prices: Prices = Prices()
    brand_attribute: str = Field(default="brand", description="Product attribute that holds the brand.")


class Push(Part):
    """How deliveries to ``POST /sources/commercetools/{store}`` prove who sends them."""

    secret: SecretStr | None = Field(
        default=None,
        description="A secret of your own: as `Authorization: Bearer`, `X-Ferrata-Secret`, or `?secret=` in the address.",
    )
    google_audience: str = Field(default="", description="Audience of the OpenID token that Google Pub/Sub sends along.")
    google_service_account: str = Field(default="", description="E-mail of the service account whose token Google Pub/Sub sends.")
    sns_topic_arns: Texts = Field(default=(), description="Topics of AWS SNS whose signed notifications are taken.")


class CommercetoolsSettings(Part, SourceSettings):
    """Everything that Ferrata has to know of one store's commercetools."""

    project_key: str = Field(min_length=1, max_length=256, description="The project's key.")
    region: str = Field(default="europe-west1.gcp", description="The project's region; api_url and auth_url come of it.")
    api_url: Address | None = Field(default=None, description="Address of the HTTP API, where it is not the region's.")
    auth_url: Address | None = Field(
        default=None, description="Address of the authorization server, where it is not the region's."
    )
    client_id: str = Field(
        default="", description="Id of the API client. Without one only messages that hold everything can be mapped."
    )
    client_secret: SecretStr | None = Field(default=None, description="Secret of the API client.")
    scopes: Texts = Field(default=(), description="Scopes to ask for; empty: all that the client has.")
    preferred_locale: str = Field(default="", description="Locale of texts, such as en-GB; empty: the first there is.")
    fallback_locales: Texts = Field(default=(), description="Locales to try next, in order.")
    preferred_currency: str = Field(
        default="", description="Currency of catalogue prices, such as EUR; empty: the first there is."
    )
    product_url_template: str = Field(
        default="",
        description="Address of a product: {{productSlug}}, {{productId}}, {{productKey}}, {{productName}}, {{sku}}, {{locale}}.",
    )
    disabled_events: Annotated[Texts, AfterValidator(_known_rules)] = Field(
        default=(), description="Rules that are switched off."
    )
    order: Orders = Field(default=Orders(), description="Which orders mean which events, and what is sent of them.")
    customer: Customers = Field(default=Customers(), description="What is sent of customers.")
    payment: Payments = Field(default=Payments(), description="Which payments mean refunds.")
    category: Categories = Field(default=Categories(), description="Which messages tell of categories.")
    product: Products = Field(
        default=Products(), description="Which messages tell of products, and whose stock and prices are shown."
    )
    push: Push = Field(default=Push(), description="How pushed deliveries are proven.")
    queue: QueueSettings | None = Field(default=None, description="A queue to pull messages from.")

    @model_validator(mode="after")
    def _whole(self) -> "CommercetoolsSettings":
        if bool(self.client_id) != bool(self.client_secret):
            raise ValueError("client_id and client_secret belong together: give both or none")
        return self

    @property
    def api(self) -> str:
        return self.api_url or f"https://api.{self.region}.commercetools.com"

    @property
    def auth(self) -> str:
        return self.auth_url or f"https://auth.{self.region}.commercetools.com"

    @property
    def locales(self) -> tuple[str, ...]:
        return tuple(locale for locale in (self.preferred_locale, *self.fallback_locales) if locale)

    def metric_names(self) -> dict[str, str]:
        """The merchant's names by the default ones."""
        fields = Metrics.model_fields
        return {str(field.default): getattr(self.order.metrics, name) for name, field in fields.items()}
