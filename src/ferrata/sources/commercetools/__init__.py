"""commercetools: customers, orders and refunds as profiles and events, products and stock as Klaviyo's catalogue."""

from ferrata.sources.commercetools.source import Commercetools

SOURCE = Commercetools()
