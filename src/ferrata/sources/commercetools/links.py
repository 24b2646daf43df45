"""The address of a product in the shop, made of the merchant's template."""

import re
from collections.abc import Mapping
from urllib.parse import quote

NO_TEMPLATE = "None"
"""What the official plugin sends where no template is set: Klaviyo demands a text."""

_PLACE = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def product_url(template: str, values: Mapping[str, str]) -> str:
    """``{{productSlug}}`` and its like are replaced by their values, safe within an address; without a template: ``None``."""
    if not template:
        return NO_TEMPLATE
    return _PLACE.sub(lambda place: quote(values.get(place[1], ""), safe="-._~"), template)
