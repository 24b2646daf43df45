"""The carts' own errors."""

from ferrata.infra.errors import NotFound, Rejected, Transient


class NoSuchCart(NotFound):
    """There is no such cart, or it was not touched for so long that it was forgotten."""

    code = "cart_unknown"


class BadLink(NotFound):
    """This link leads to no cart."""

    code = "cart_link_unknown"


class LinkExpired(Rejected):
    """This link has expired."""

    code, status = "cart_link_expired", 410


class CartBusy(Transient):
    """Too much happens to this cart at once. Nothing was kept of this; send it again."""

    code = "cart_busy"


class Outrun(Exception):
    """Somebody else has changed the cart meanwhile: read it again. Never leaves the room."""
