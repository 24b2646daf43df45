"""An order, a cart and their lines, for tests that vary one thing of them."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from ferrata.commerce.model import Address, Cart, Line, Order, Product
from ferrata.commerce.money import Money
from ferrata.commerce.tracked import PersonRef

AT = datetime(2026, 11, 20, 9, 30, 15, 250_000, UTC)
IN_BERLIN = AT.astimezone(timezone(timedelta(hours=1)))
JANE = PersonRef(email="jane@example.com", external_id="c-17")


def eur(text: str) -> Money:
    return Money(Decimal(text), "EUR")


MUG = Product(
    id="mug",
    name="Mug",
    sku="MUG-1",
    url="https://shop.example/mug",
    image_url="https://shop.example/mug.png",
    categories=("Kitchen", "Kitchen > Mugs"),
    brand="Clay",
    price=eur("12.50"),
)
TEA = Product(id="tea", name="Tea", sku="TEA-9", categories=("Kitchen",), brand="Leaf")
TWO_MUGS = Line(id="l1", product=MUG, quantity=2, unit_price=eur("12.50"))
ONE_TEA = Line(id="l2", product=TEA, quantity=1, unit_price=eur("4.90"))
BERLIN = Address(first_name="Jane", last_name="Roe", address1="Weg 1", city="Berlin", country_code="DE", zip="10115")
ORDER = Order(
    id="o-1",
    placed_at=AT,
    person=JANE,
    total=eur("33.80"),
    lines=(TWO_MUGS, ONE_TEA),
    number="1001",
    subtotal=eur("29.90"),
    shipping=eur("4.90"),
    discount=eur("1.00"),
    discount_codes=("HELLO",),
    billing_address=BERLIN,
)
CART = Cart(id="k-1", person=JANE, currency="EUR", updated_at=AT, lines=(TWO_MUGS, ONE_TEA), url="https://shop.example/back/k-1")
