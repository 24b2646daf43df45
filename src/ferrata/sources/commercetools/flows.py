"""What of commercetools' data goes where in Klaviyo, for the data-flow document."""

from ferrata.sources.contract import Flow

_BUYER = {"email": "order.customerEmail", "external_id": "order.customerId"}
_ORDER = {
    **_BUYER,
    "value": "order.totalPrice",
    "properties": "the order with its billing and shipping address, as far as order.properties lets it through",
}
_PERSONAL = ("email", "external_id", "properties")

FLOWS = (
    Flow("event Placed Order", "order", {**_ORDER, "location": "order.billingAddress"}, (*_PERSONAL, "location")),
    Flow(
        "event Ordered Product", "line item", {**_BUYER, "value": "lineItem.totalPrice", "properties": "lineItem"}, _PERSONAL[:2]
    ),
    Flow("event Fulfilled Order", "order", _ORDER, _PERSONAL),
    Flow("event Fulfilled Partial Order", "order, delivery", _ORDER, _PERSONAL),
    Flow("event Cancelled Order", "order", _ORDER, _PERSONAL),
    Flow("event Refunded Order", "order, payment transaction", {**_ORDER, "value": "transaction.amount"}, _PERSONAL),
    Flow(
        "profile",
        "customer",
        {
            "email": "customer.email",
            "external_id": "customer.id",
            "first_name": "customer.firstName",
            "last_name": "customer.lastName",
            "title": "customer.title",
            "organization": "customer.companyName",
            "phone_number": "mobile or phone of the default billing address",
            "location": "the default billing address",
            "properties": "customer.custom.fields, and customer fields named in customer.fields",
        },
        ("email", "external_id", "first_name", "last_name", "title", "organization", "phone_number", "location", "properties"),
    ),
    Flow("catalog item", "product", {"title": "name", "description": "description", "price": "prices", "url": "slug"}),
    Flow("catalog variant", "variant, inventory entry", {"sku": "sku", "price": "prices", "inventory_quantity": "availability"}),
    Flow("catalog category", "category", {"name": "the names of the category and of those above it"}),
)
