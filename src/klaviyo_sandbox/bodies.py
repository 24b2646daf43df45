"""Reading a request body step by step: each step names the JSON pointer of what it refuses, in Klaviyo's words."""

from collections.abc import Callable, Collection
from typing import Any, TypeGuard

from klaviyo_sandbox.errors import ApiError, Problem, invalid
from klaviyo_sandbox.exchange import Call

Document = dict[str, Any]


def data(call: Call, type_: str, members: Collection[str] = ("attributes",)) -> Document:
    """`data` of the body: an object of the given type whose further members are among `id` and `members`."""
    value = call.document.get("data")
    if value is None:
        raise invalid("'data' is a required field for the resource 'request-data'.", "/data")
    return resource(value, type_, "/data", members)


def resource(value: object, type_: str, pointer: str, members: Collection[str] = ("attributes",)) -> Document:
    """A resource object of the given type; raises 400 for anything else."""
    if not is_object(value):
        raise invalid(f"'{pointer.rpartition('/')[2]}' must be an object.", pointer)
    problems = unknown_members(value, {"type", "id", "links", *members}, "request-data", pointer)
    if "type" not in value:
        problems.append(missing("type", "request-data", pointer))
    elif value["type"] != type_:
        problems.append(Problem(f"Invalid type. The type of this resource must be '{type_}'.", f"{pointer}/type"))
    refuse(problems)
    return value


def attributes(owner: Document, name: str, pointer: str, *, required: Collection[str], optional: Collection[str]) -> Document:
    """`attributes` of a resource called `name`, with all missing and all unknown fields told at once."""
    value = owner.get("attributes")
    if not is_object(value):
        raise invalid(f"'attributes' is a required field for the resource '{name}'.", f"{pointer}/attributes")
    problems = unknown_members(value, {*required, *optional}, name, f"{pointer}/attributes")
    problems += [missing(field, name, f"{pointer}/attributes") for field in required if value.get(field) is None]
    refuse(problems)
    return value


def linked(owner: Document, name: str, type_: str) -> list[str]:
    """Ids under `relationships.<name>`, one or many; empty when the relationship is not given. Raises 400 if malformed."""
    related = owner.get("relationships")
    if related is None:
        return []
    if not is_object(related):
        raise invalid("'relationships' must be an object.", "/data/relationships")
    value = related.get(name)
    if value is None:
        return []
    pointer = f"/data/relationships/{name}/data"
    if not is_object(value) or not (is_object(value.get("data")) or isinstance(value.get("data"), list)):
        raise invalid(f"'data' is a required field for the relationship '{name}'.", pointer)
    entries = value["data"] if isinstance(value["data"], list) else [value["data"]]
    return identifiers(entries, type_, pointer)


def identifiers(entries: object, type_: str, pointer: str) -> list[str]:
    """Ids of a list of resource identifiers, in order; raises 400 naming every malformed one."""
    if not isinstance(entries, list):
        raise invalid("'data' must be a list of resource identifiers.", pointer)
    refuse(
        Problem(f"A resource identifier needs the type '{type_}' and an id.", f"{pointer}/{index}")
        for index, entry in enumerate(entries)
        if not (is_object(entry) and entry.get("type") == type_ and isinstance(entry.get("id"), str) and entry["id"])
    )
    return [entry["id"] for entry in entries]


def rows(value: object, pointer: str, *, at_most: int, what: str) -> list[Any]:
    """The list under `<value>.data`, with 1 to `at_most` entries."""
    entries = value.get("data") if is_object(value) else None
    if not isinstance(entries, list):
        raise invalid("'data' must be a list.", f"{pointer}/data")
    if not entries:
        raise invalid(f"At least one {what} is required.", f"{pointer}/data")
    if len(entries) > at_most:
        raise invalid(f"The maximum number of {what}s per request is {at_most}, got {len(entries)}.", f"{pointer}/data")
    return entries


def typed(owner: Document, field: str, pointer: str, fits: Callable[[object], bool], expected: str) -> list[Problem]:
    """A problem if the field is given, not null, and of another type."""
    value = owner.get(field)
    return [] if value is None or fits(value) else [Problem(f"'{field}' must be {expected}.", f"{pointer}/{field}")]


def same_id(owner: Document, id_: str) -> None:
    """Raise 400 unless the body repeats the id of the path."""
    if owner.get("id") != id_:
        raise invalid("The id of the body must be the id of the path.", "/data/id")


def not_among(field: str, choices: Collection[str], pointer: str) -> Problem:
    """The words for a value outside its enumeration."""
    return Problem(f"'{field}' must be one of {', '.join(repr(one) for one in choices)}.", f"{pointer}/{field}")


def text(value: object) -> bool:
    """Whether the value is a string."""
    return isinstance(value, str)


def is_object(value: object) -> TypeGuard[Document]:
    """Whether the value is a JSON object."""
    return isinstance(value, dict)


def missing(field: str, resource_name: str, pointer: str) -> Problem:
    """The words for a required field that is not there."""
    return Problem(f"'{field}' is a required field for the resource '{resource_name}'.", f"{pointer}/{field}")


def unknown_members(value: Document, known: Collection[str], resource_name: str, pointer: str) -> list[Problem]:
    """The words for fields that the resource does not have."""
    if all(map(known.__contains__, value)):
        return []
    return [
        Problem(f"'{field}' is not a valid field for the resource '{resource_name}'.", f"{pointer}/{_escaped(field)}")
        for field in value
        if field not in known
    ]


def _escaped(name: str) -> str:
    """A name as part of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def refuse(problems: Any) -> None:
    """Raise all problems at once, if there are any."""
    found = list(problems)
    if found:
        raise ApiError(*found)
