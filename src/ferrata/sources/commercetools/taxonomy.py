"""Categories: their names as paths from the root, ``Women > Pants > Jeans``."""

from collections.abc import Sequence
from typing import Any

from ferrata.sources.commercetools.reading import Json, id_of, listed, text_in, within

SEPARATOR = " > "


def path(category: Json, locales: Sequence[str]) -> list[str]:
    """The names from the root down to this category. Ancestors that are not expanded have no name and are left out."""
    chain = [*listed(category.get("ancestors")), category]
    return [name for name in (text_in(_expanded(each).get("name"), locales) for each in chain) if name]


def levels(category: Json, locales: Sequence[str]) -> list[str]:
    """The paths of this category and of all above it: Women, Women > Pants, Women > Pants > Jeans."""
    names = path(category, locales)
    return [SEPARATOR.join(names[: depth + 1]) for depth in range(len(names))]


def of_product(product: Json | None, locales: Sequence[str]) -> tuple[str, ...]:
    """All levels of all categories of a product, each once."""
    found: list[str] = []
    for reference in listed(data_of(product).get("categories")):
        found += levels(_expanded(reference), locales)
    return tuple(dict.fromkeys(found))


def ids_of_product(product: Json) -> tuple[str, ...]:
    """The product's categories, then all above them, each once."""
    references = listed(data_of(product).get("categories"))
    above = [ancestor for each in references for ancestor in listed(_expanded(each).get("ancestors"))]
    return tuple(dict.fromkeys(id_ for id_ in map(id_of, [*references, *above]) if id_))


def chains(product: Json) -> list[list[tuple[Json, list[Json]]]]:
    """For each category of a product that came along with it: all categories from the root down, each with those above it."""
    found = []
    for reference in listed(data_of(product).get("categories")):
        chain = [_expanded(each) for each in [*listed(_expanded(reference).get("ancestors")), reference]]
        if all(each.get("name") for each in chain):
            found.append([(each, chain[:depth]) for depth, each in enumerate(chain)])
    return found


def data_of(product: Any) -> Json:
    """What of a product is published: of a product its current data, of a projection itself."""
    if not isinstance(product, dict):
        return {}
    current = within(product, "masterData", "current")
    return current if isinstance(current, dict) else product


def _expanded(reference: Json) -> Json:
    """The category that a reference stands for, if it came along; else the reference."""
    found = reference.get("obj")
    return found if isinstance(found, dict) else reference
