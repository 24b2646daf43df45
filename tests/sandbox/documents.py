"""Request bodies of the sandbox's tests."""

from typing import Any


def profile(id_: str | None = None, meta: dict[str, Any] | None = None, **attributes: Any) -> dict[str, Any]:
    """A profile document."""
    resource: dict[str, Any] = {"type": "profile", "attributes": attributes}
    resource |= {"id": id_} if id_ else {}
    resource |= {"meta": meta} if meta else {}
    return {"data": resource}


def identifiers(type_: str, *ids: str) -> dict[str, Any]:
    """A list of resource identifiers."""
    return {"data": [{"type": type_, "id": id_} for id_ in ids]}


def a_list(name: str = "Newsletter", **attributes: Any) -> dict[str, Any]:
    """A list document."""
    return {"data": {"type": "list", "attributes": {"name": name, **attributes}}}


def import_job(*rows: Any, lists: tuple[str, ...] = ()) -> dict[str, Any]:
    """A bulk import of profile resources."""
    job: dict[str, Any] = {"type": "profile-bulk-import-job", "attributes": {"profiles": {"data": list(rows)}}}
    if lists:
        job["relationships"] = {"lists": identifiers("list", *lists)}
    return {"data": job}


def row(id_: str | None = None, **attributes: Any) -> dict[str, Any]:
    """One profile resource of a bulk request."""
    return profile(id_, **attributes)["data"]


def consent(*channels: str, consent: str = "SUBSCRIBED", at: str | None = None) -> dict[str, Any]:
    """A `subscriptions` tree for channels such as `email.marketing`."""
    tree: dict[str, Any] = {}
    for channel in channels:
        family, purpose = channel.split(".")
        tree.setdefault(family, {})[purpose] = {"consent": consent} | ({"consented_at": at} if at else {})
    return tree


def subscription_job(*rows: Any, list_id: str | None = None, unsubscribe: bool = False, **attributes: Any) -> dict[str, Any]:
    """A bulk subscribe or unsubscribe."""
    type_ = f"profile-subscription-bulk-{'delete' if unsubscribe else 'create'}-job"
    job: dict[str, Any] = {"type": type_, "attributes": {"profiles": {"data": list(rows)}, **attributes}}
    if list_id:
        job["relationships"] = {"list": {"data": {"type": "list", "id": list_id}}}
    return {"data": job}


def suppression_job(*emails: str, lift: bool = False, list_id: str | None = None) -> dict[str, Any]:
    """A bulk suppression, or its lifting."""
    job: dict[str, Any] = {"type": f"profile-suppression-bulk-{'delete' if lift else 'create'}-job"}
    if emails:
        job["attributes"] = {"profiles": {"data": [row(email=email) for email in emails]}}
    if list_id:
        job["relationships"] = {"list": {"data": {"type": "list", "id": list_id}}}
    return {"data": job}


def merge(destination: str, *sources: str) -> dict[str, Any]:
    """A merge of profiles."""
    relationships = {"profiles": identifiers("profile", *sources)}
    return {"data": {"type": "profile-merge", "id": destination, "relationships": relationships}}


def custom_metric(name: str = "Net revenue", **definition: Any) -> dict[str, Any]:
    """A custom metric document."""
    return {"data": {"type": "custom-metric", "attributes": {"name": name, "definition": definition}}}


CATALOG_ID = "$custom:::$default:::"
CATALOG_KINDS = {"item": "items", "variant": "variants", "category": "categories"}


def catalog_thing(
    kind: str, external_id: str, *, item: str | None = None, categories: tuple[str, ...] | None = None, **attributes: Any
) -> dict[str, Any]:
    """A thing of the catalogue with all that its creation needs; an attribute given as None is left out."""
    shown = {"title": f"The {external_id}", "description": "Good", "url": f"https://shop.test/{external_id}"}
    needed = {
        "item": shown,
        "variant": {**shown, "sku": external_id, "inventory_quantity": 5, "price": 9.5},
        "category": {"name": external_id},
    }
    given = {"external_id": external_id, **needed[kind], **attributes}
    document: dict[str, Any] = {
        "type": f"catalog-{kind}",
        "attributes": {name: value for name, value in given.items() if value is not None},
    }
    related: dict[str, Any] = {}
    if item:
        related["item"] = {"data": {"type": "catalog-item", "id": CATALOG_ID + item}}
    if categories is not None:
        related["categories"] = identifiers("catalog-category", *(CATALOG_ID + name for name in categories))
    if related:
        document["relationships"] = related
    return {"data": document}


def catalog_change(kind: str, external_id: str, **attributes: Any) -> dict[str, Any]:
    """The body of an update."""
    return {"data": {"type": f"catalog-{kind}", "id": CATALOG_ID + external_id, "attributes": attributes}}


def catalog_job(kind: str, act: str, *rows: dict[str, Any]) -> dict[str, Any]:
    """A bulk job of the catalogue."""
    attributes = {CATALOG_KINDS[kind]: {"data": list(rows)}}
    return {"data": {"type": f"catalog-{kind}-bulk-{act}-job", "attributes": attributes}}
