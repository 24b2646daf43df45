"""The catalogue: items, variants and categories, one by one. Klaviyo has no upsert for them, so one is made of its answers.

``subject_json`` holds all that is known of the thing (``Subject``); ``first`` names the request to begin with. What Klaviyo
answers leads from there: a create of what is there becomes an update, an update of what is not there a create, and to delete
what is not there is done. So however often a thing is sent, it ends as its newest version says. Shapes and ids: Klaviyo's
catalogue reference, revision 2026-07-15.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from ferrata.delivery.families.contract import Call, Part, Remedy
from ferrata.klaviyo.outcome import Kind, Outcome, Problem

CREATE, UPDATE, DELETE = "create", "update", "delete"
Kinds = Literal["item", "variant", "category"]
_PATHS: Mapping[str, str] = {
    "item": "/api/catalog-items",
    "variant": "/api/catalog-variants",
    "category": "/api/catalog-categories",
}
NEEDED: Mapping[str, Sequence[str]] = {
    "item": ("title", "description", "url"),
    "variant": ("title", "description", "sku", "inventory_quantity", "price", "url"),
    "category": ("name",),
}
"""Without these Klaviyo creates nothing."""
ID_PREFIX = "$custom:::$default:::"
_CONFLICT = 409
_ENCODER = msgspec.json.Encoder(decimal_format="number")


class Subject(msgspec.Struct, frozen=True):
    """A thing of the catalogue as it is to be at Klaviyo."""

    kind: Kinds
    external_id: str
    first: str
    attributes: dict[str, msgspec.Raw] = {}
    item: str | None = None  # external id of a variant's item
    categories: tuple[str, ...] | None = None  # external ids of an item's categories

    @property
    def missing(self) -> list[str]:
        """What Klaviyo needs to create it, and nobody has told."""
        absent = [name for name in NEEDED[self.kind] if bytes(self.attributes.get(name, msgspec.Raw(b"null"))) == b"null"]
        return absent + (["item"] if self.kind == "variant" and not self.item else [])

    @property
    def begins_with(self) -> str:
        """Of the stock alone Klaviyo creates nothing, but it may have the thing from elsewhere."""
        return UPDATE if self.first == CREATE and self.missing else self.first


_subject = msgspec.json.Decoder(Subject)
_STOCK = frozenset({"inventory_policy", "inventory_quantity", "published"})


class CatalogFamily:
    noun = "catalogue change"
    single_operation = f"POST {_PATHS['item']}"
    other_operations: Sequence[str] = tuple(
        operation
        for path in _PATHS.values()
        for operation in (f"POST {path}", f"PATCH {path}/{{id}}", f"DELETE {path}/{{id}}")
        if operation != f"POST {_PATHS['item']}"
    )
    bulk_operation: str | None = None
    job_operation: str | None = None
    errors_operation: str | None = None
    most_items = 1
    most_bytes = 0
    names_resources = True

    def single(self, part: Part) -> Call:
        subject = _subject.decode(part.subject_json)
        path, id_ = _PATHS[subject.kind], compound_id(subject.external_id)
        match part.form or subject.begins_with:
            case "create":
                attributes = {"external_id": subject.external_id, "integration_type": "$custom", "catalog_type": "$default"}
                return Call(f"POST {path}", _body(subject, None, {**attributes, **_told(subject)}))
            case "update":
                return Call(f"PATCH {path}/{{id}}", _body(subject, id_, dict(subject.attributes)), {"id": id_})
            case _:
                return Call(f"DELETE {path}/{{id}}", None, {"id": id_})

    def bulk_body(self, parts: Sequence[Part]) -> bytes:
        raise NotImplementedError("things of the catalogue go one by one")

    def bulk_bytes(self, size: int) -> int:
        return size

    def position_of(self, _pointer: str) -> None:
        return None

    def in_single_body(self, pointer: str) -> str:
        return pointer

    def title(self, subject_json: str) -> str:
        subject = _subject.decode(subject_json)
        name = subject.attributes.get("name") or subject.attributes.get("title")
        told = msgspec.json.decode(name) if name else None
        return f"{subject.kind.capitalize()}: {told or subject.external_id}"

    def says_repeated(self, _problem: Problem) -> bool:
        return False

    def remedy(self, part: Part, outcome: Outcome) -> Remedy | None:
        subject = _subject.decode(part.subject_json)
        match part.form or subject.begins_with:
            case "create" if outcome.status == _CONFLICT:
                return Remedy(UPDATE, "Klaviyo has it already: sent as an update.")
            case "update" if outcome.kind is Kind.NOT_FOUND and not subject.missing:
                return Remedy(CREATE, "Klaviyo does not have it: sent to be created.")
            case "update" if outcome.kind is Kind.NOT_FOUND and set(subject.attributes) <= _STOCK:
                return Remedy(
                    None, "Klaviyo does not have it, and the stock alone does not make it: told once it is known whole."
                )
            case "delete" if outcome.kind is Kind.NOT_FOUND:
                return Remedy(None, "Klaviyo does not have it: gone already.")
        return None


def compound_id(external_id: str) -> str:
    """Klaviyo's id of a thing of the one catalogue that the API may write."""
    return f"{ID_PREFIX}{external_id}"


def _told(subject: Subject) -> dict[str, msgspec.Raw]:
    """What there is to say in a create, where nothing can be cleared yet."""
    return {name: value for name, value in subject.attributes.items() if bytes(value) != b"null"}


def _body(subject: Subject, id_: str | None, attributes: dict[str, Any]) -> bytes:
    data: dict[str, Any] = {"type": f"catalog-{subject.kind}"} | ({"id": id_} if id_ else {}) | {"attributes": attributes}
    related: dict[str, Any] = {}
    if subject.kind == "variant" and subject.item and id_ is None:
        related["item"] = {"data": {"type": "catalog-item", "id": compound_id(subject.item)}}
    if subject.kind == "item" and subject.categories is not None:
        names = [{"type": "catalog-category", "id": compound_id(each)} for each in subject.categories]
        related["categories"] = {"data": names}
    if related:
        data["relationships"] = related
    return _ENCODER.encode({"data": data})
