"""The example shop: ninety days of history, live traffic, and everything that ``ferrata demo`` sets up around them."""
