"""What the example shop sells, and to whom. Every person is invented, and their addresses cannot exist (RFC 2606)."""

from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

SHOP_NAME = "Col & Cornice"
SHOP_ADDRESS = "https://shop.example"
CURRENCY = "EUR"
TIME_ZONE = "Europe/Berlin"
PEOPLE = 340
_REGULARS_LEAD = 4  # the larger, the less the most faithful customers stand out


@dataclass(frozen=True, slots=True)
class Product:
    sku: str
    name: str
    category: str
    price: Decimal
    popularity: int

    def as_item(self, quantity: int) -> dict[str, Any]:
        """One line of a basket, with the property names that Klaviyo's own templates expect."""
        return {
            "ProductID": self.sku,
            "ProductName": self.name,
            "Quantity": quantity,
            "ItemPrice": float(self.price),
            "RowTotal": float(self.price * quantity),
            "ProductURL": f"{SHOP_ADDRESS}/products/{self.sku.lower()}",
            "ProductCategories": [self.category],
        }


@dataclass(frozen=True, slots=True)
class Person:
    """``joined`` says when they first came, as a share of the history: 0 at its begin, 1 at its end."""

    first_name: str
    last_name: str
    email: str
    city: str
    country: str
    joined: float
    faithfulness: float

    def attributes(self) -> dict[str, Any]:
        location = {"city": self.city, "country": self.country}
        return {"firstName": self.first_name, "lastName": self.last_name, "location": location}


PRODUCTS = tuple(
    Product(sku, name, category, Decimal(price), popularity)
    for sku, name, category, price, popularity in (
        ("CC-ROPE-60", "Single rope 9.5 mm, 60 m", "Ropes", "169.00", 6),
        ("CC-ROPE-40", "Gym rope 9.8 mm, 40 m", "Ropes", "109.00", 5),
        ("CC-HARN-01", "Harness Lattice", "Harnesses", "74.90", 9),
        ("CC-HARN-02", "Harness Lattice light", "Harnesses", "89.90", 5),
        ("CC-SHOE-11", "Climbing shoe Dihedral", "Shoes", "119.00", 12),
        ("CC-SHOE-12", "Climbing shoe Slab", "Shoes", "94.50", 14),
        ("CC-SHOE-31", "Approach shoe Scree", "Shoes", "139.00", 8),
        ("CC-QUIC-06", "Quickdraws, set of 6", "Hardware", "84.90", 10),
        ("CC-CARA-HM", "Carabiner HMS, screw gate", "Hardware", "12.90", 15),
        ("CC-BELA-02", "Belay device Tuber", "Hardware", "29.90", 11),
        ("CC-HELM-03", "Helmet Overhang", "Helmets", "64.00", 8),
        ("CC-CHAL-01", "Chalk bag", "Accessories", "17.50", 18),
        ("CC-CHAL-BL", "Chalk ball, 60 g", "Accessories", "4.90", 20),
        ("CC-TAPE-25", "Finger tape, 25 mm", "Accessories", "3.50", 16),
        ("CC-PACK-22", "Rucksack Plateau, 22 l", "Rucksacks", "79.00", 7),
        ("CC-PACK-38", "Rucksack Traverse, 38 l", "Rucksacks", "134.90", 4),
        ("CC-JACK-01", "Insulated jacket Firn", "Clothing", "189.00", 5),
        ("CC-TROU-02", "Climbing trousers Chimney", "Clothing", "69.90", 9),
        ("CC-GUID-04", "Guidebook: limestone of the north", "Books", "34.80", 6),
    )
)

_FIRST_NAMES = (
    "Ada",
    "Carla",
    "Dario",
    "Edda",
    "Greta",
    "Henk",
    "Jonas",
    "Kaja",
    "Lorenz",
    "Mila",
    "Nils",
    "Pavel",
    "Romy",
    "Thea",
)
_LAST_NAMES = (
    "Abel",
    "Brandt",
    "Castell",
    "Dorn",
    "Eder",
    "Falke",
    "Hagen",
    "Imhof",
    "Kofler",
    "Moser",
    "Novak",
    "Perner",
    "Stein",
)
_PLACES = (("Berlin", "Germany"), ("Leipzig", "Germany"), ("Innsbruck", "Austria"), ("Graz", "Austria"), ("Bern", "Switzerland"))


def people(random: Random) -> list[Person]:
    """The customers; a few are far more faithful than most, and half of all joined during the history."""
    found = []
    for number in range(PEOPLE):
        first, last = random.choice(_FIRST_NAMES), random.choice(_LAST_NAMES)
        city, country = random.choice(_PLACES)
        email = f"{first}.{last}.{number}@{random.choice(('mail', 'post'))}.example.org".lower()
        joined = max(0.0, random.uniform(-1, 0.97))
        found.append(Person(first, last, email, city, country, joined, 1 / (number + _REGULARS_LEAD)))
    return found
