"""Properties under the names of Klaviyo's guide: lines, addresses, and what an order or a cart says as a whole.

Klaviyo's segments see only what stands at the top level and is no object, so names, categories, brands and SKUs of all lines are
repeated there.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ferrata.commerce.model import Address, Line, Order, Part, Product
from ferrata.commerce.terms import present


def distinct(texts: Iterable[str | None]) -> list[str]:
    """Each once, in the order of its first occurrence."""
    return list(dict.fromkeys(text for text in texts if text))


def of_product(product: Product) -> dict[str, Any]:
    return {
        **product.extra,
        **present(
            {
                "ProductID": product.id,
                "VariantID": product.variant_id,
                "SKU": product.sku,
                "ProductName": product.name,
                "ProductURL": product.url,
                "ImageURL": product.image_url,
                "Categories": list(product.categories),
                "Brand": product.brand,
            }
        ),
    }


def of_line(line: Line) -> dict[str, Any]:
    """An element of ``Items``. Amounts are in the currency of the purchase, which the event names as ``Currency``."""
    return {
        **line.extra,
        **of_product(line.product),
        "Quantity": line.quantity,
        "ItemPrice": line.unit_price.amount,
        "RowTotal": line.row_total.amount,
        **present({"CompareAtPrice": line.product.compare_at.amount if line.product.compare_at else None}),
    }


def of_lines(lines: Iterable[Line]) -> dict[str, Any]:
    """``Items`` and what segments need of them at the top level."""
    listed = list(lines)
    products = [line.product for line in listed]
    return {
        "ItemNames": distinct(product.name for product in products),
        "Categories": distinct(category for product in products for category in product.categories),
        "Brands": distinct(product.brand for product in products),
        "SKUs": distinct(product.sku for product in products),
        "ProductIDs": distinct(product.id for product in products),
        "ItemCount": sum(line.quantity for line in listed) if listed else None,
        "Items": [of_line(line) for line in listed],
    }


def of_order(order: Order) -> dict[str, Any]:
    return {
        **order.extra,
        **present(
            {
                "OrderId": order.id,
                "OrderNumber": order.number,
                **of_lines(order.lines),
                "DiscountCode": ", ".join(order.discount_codes),
                "DiscountCodes": list(order.discount_codes) if len(order.discount_codes) > 1 else None,
                "DiscountValue": order.discount.amount if order.discount is not None else None,
                "Subtotal": order.subtotal.amount if order.subtotal is not None else None,
                "Tax": order.tax.amount if order.tax is not None else None,
                "Shipping": order.shipping.amount if order.shipping is not None else None,
                "Total": order.total.amount,
                "Currency": order.total.currency,
                "PaymentMethod": order.payment_method,
                "BillingAddress": of_address(order.billing_address),
                "ShippingAddress": of_address(order.shipping_address),
            }
        ),
    }


def of_parts(order: Order, parts: Iterable[Part]) -> list[dict[str, Any]]:
    """The named pieces of an order's lines; a line that the order does not have is shown by its id alone."""
    by_id = {line.id: line for line in order.lines}
    return [
        {**(of_line(by_id[part.line_id]) if part.line_id in by_id else {"LineID": part.line_id}), "Quantity": part.quantity}
        for part in parts
    ]


_ADDRESS: Mapping[str, str] = {
    "FirstName": "first_name",
    "LastName": "last_name",
    "Company": "company",
    "Address1": "address1",
    "Address2": "address2",
    "City": "city",
    "Region": "region",
    "RegionCode": "region_code",
    "Country": "country",
    "CountryCode": "country_code",
    "Zip": "zip",
    "Phone": "phone",
}


def of_address(address: Address | None) -> dict[str, Any]:
    """An address as the guide's events show it."""
    return present({name: getattr(address, field) for name, field in _ADDRESS.items()}) if address else {}


def location_of(address: Address | None) -> dict[str, Any]:
    """An address as a profile's ``location``: Klaviyo does not take it from an event's properties by itself."""
    if address is None:
        return {}
    return present(
        {
            "address1": address.address1,
            "address2": address.address2,
            "city": address.city,
            "region": address.region or address.region_code,
            "country": address.country or address.country_code,
            "zip": address.zip,
        }
    )
