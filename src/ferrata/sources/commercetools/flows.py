"""What of commercetools' data goes where in Klaviyo, for the data-flow document."""

from ferrata.sources.contract import Flow

_ORDER = {
    "profile.email": "order.customerEmail",
    "profile.external_id": "order.customerId",
    "value": "order.totalPrice",
    "properties": "all fields of the order that order.properties lets through, and those of Klaviyo's guide",
    "properties.BillingAddress": "order.billingAddress",
    "properties.ShippingAddress": "order.shippingAddress",
}
_PERSON = ("profile.email", "profile.external_id")
_ADDRESSES = (*_PERSON, "properties.BillingAddress", "properties.ShippingAddress")

FLOWS = (
    Flow(
        "event Placed Order", "order", {**_ORDER, "profile.location": "order.billingAddress"}, (*_ADDRESSES, "profile.location")
    ),
    Flow(
        "event Ordered Product",
        "line item",
        {"profile.email": "order.customerEmail", "profile.external_id": "order.customerId", "properties": "lineItem"},
        _PERSON,
    ),
    Flow("event Fulfilled Order", "order", _ORDER, _ADDRESSES),
    Flow("event Cancelled Order", "order", _ORDER, _ADDRESSES),
    Flow("event Refunded Order", "payment transaction", {**_ORDER, "value": "transaction.amount"}, _ADDRESSES),
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
