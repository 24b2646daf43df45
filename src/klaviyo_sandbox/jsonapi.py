"""JSON:API as Klaviyo speaks it: resources, links with full URLs, sparse fieldsets, includes, filters.

A resource's `links.self` ends with a slash, the top-level one repeats the request without it; both as recorded.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from klaviyo_sandbox.errors import invalid
from klaviyo_sandbox.exchange import Answer, Call
from klaviyo_sandbox.filter_table import FILTERS
from klaviyo_sandbox.filters import Condition, InvalidFilter, parse
from klaviyo_sandbox.paging import Page

Resource = dict[str, Any]


def resource(
    call: Call,
    type_: str,
    id_: str,
    attributes: Mapping[str, Any],
    relationships: Iterable[str] = (),
    *,
    linkage: Mapping[str, Any] | None = None,
    collection: str | None = None,
) -> Resource:
    """One resource object.

    `relationships` are names that get `links`; `linkage` gives the `data` of those that are inlined (`identifier()`
    or a list of them). `collection` is the path segment under /api where it is not just the type with an s.
    `fields[type]` of the request narrows the attributes; unknown field names are ignored.
    """
    asked = call.query.get(f"fields[{type_}]")
    if asked is not None:
        wanted = set(asked.split(","))
        attributes = {name: value for name, value in attributes.items() if name in wanted}
    url = f"{call.base_url}/api/{collection or type_ + 's'}/{quote(id_, safe='')}/"
    document: Resource = {"type": type_, "id": id_, "attributes": attributes}
    related = {name: _relationship(url, name, linkage or {}) for name in relationships}
    if related:
        document["relationships"] = related
    document["links"] = {"self": url}
    return document


def _relationship(url: str, name: str, linkage: Mapping[str, Any]) -> dict[str, Any]:
    links = {"self": f"{url}relationships/{name}/", "related": f"{url}{name}/"}
    return {"data": linkage[name], "links": links} if name in linkage else {"links": links}


def identifier(type_: str, id_: str) -> dict[str, str]:
    """A resource identifier, as relationships and `/relationships/` endpoints carry."""
    return {"type": type_, "id": id_}


def single(call: Call, data: Resource | None, *, status: int = 200, included: Sequence[Resource] | None = None) -> Answer:
    """A document about one resource. Pass `included` (even empty) whenever the request asked for an include."""
    document: dict[str, Any] = {"data": data, "links": {"self": self_url(call)}}
    return Answer(status, _with_included(call, document, included))


def collection(call: Call, page: Page | Sequence[Resource], *, included: Sequence[Resource] | None = None) -> Answer:
    """A document about many: a `Page` whose rows were turned into resources, or a list that has no pages."""
    rows, next_, previous = (page.rows, page.next, page.previous) if isinstance(page, Page) else (page, None, None)
    links = {"self": self_url(call), "next": page_url(call, next_), "prev": page_url(call, previous)}
    return Answer(200, _with_included(call, {"data": list(rows), "links": links}, included))


def _with_included(call: Call, document: dict[str, Any], included: Sequence[Resource] | None) -> dict[str, Any]:
    if included is not None or "include" in call.query:
        seen = {(entry["type"], entry["id"]): entry for entry in included or ()}
        document["included"] = list(seen.values())
    return document


def self_url(call: Call) -> str:
    """The request's own URL: no trailing slash, parameters percent-encoded."""
    query = _query(call.query)
    return f"{call.base_url}{call.raw_path.rstrip('/')}{'?' + query if query else ''}"


def page_url(call: Call, cursor: str | None) -> str | None:
    """The same request at another cursor, all parameters kept; None without cursor."""
    if cursor is None:
        return None
    return f"{call.base_url}{call.raw_path.rstrip('/')}?{_query({**call.query, 'page[cursor]': cursor})}"


def _query(query: Mapping[str, str]) -> str:
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query.items())


def includes(call: Call, *allowed: str) -> set[str]:
    """The relationships that `include` asks for. Raises 400 for any that the operation does not offer."""
    asked = [name for name in call.query.get("include", "").split(",") if name]
    for name in asked:
        if name not in allowed:
            raise invalid(f"'{name}' is not an allowed include parameter for this resource.", parameter="include")
    return set(asked)


def additional_fields(call: Call, type_: str, *allowed: str) -> set[str]:
    """The costly attributes that `additional-fields[type]` asks for. Raises 400 for any that are not offered."""
    parameter = f"additional-fields[{type_}]"
    asked = [name for name in call.query.get(parameter, "").split(",") if name]
    for name in asked:
        if name not in allowed:
            raise invalid(f"'{name}' is not an allowed additional field for this resource.", parameter=parameter)
    return set(asked)


def filters(call: Call) -> list[Condition]:
    """The request's filter, checked against the operation's table. Raises 400 at parameter `filter`."""
    text = call.query.get("filter")
    if text is None:
        return []
    try:
        return parse(text, FILTERS.get(call.operation.path, {}))
    except InvalidFilter as error:
        raise invalid(str(error), parameter="filter") from error


def sort(call: Call, allowed: Mapping[str, str], default: str) -> tuple[str, bool]:
    """(SQL column, descending) from the `sort` parameter; `allowed` maps Klaviyo's field names to columns."""
    asked = call.query.get("sort") or default
    name = asked.removeprefix("-")
    if name not in allowed:
        offered = ", ".join(f"{field}, -{field}" for field in allowed)
        raise invalid(f"'{asked}' is not an allowed sort. Allowed sorts are: {offered}", parameter="sort")
    return allowed[name], asked.startswith("-")
