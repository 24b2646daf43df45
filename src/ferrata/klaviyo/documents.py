"""JSON:API documents as typed structs that keep what they do not know."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import msgspec

from .answer import Answer
from .errors import UnreadableAnswer
from .outcome import Executed, Kind, Outcome


class Resource(msgspec.Struct, frozen=True):
    """One resource object. `attributes` and `relationships` are kept whole, unknown members included."""

    type: str
    id: str
    attributes: dict[str, Any] = {}
    relationships: dict[str, Any] = {}
    links: dict[str, Any] = {}

    def related_id(self, name: str) -> str | None:
        """The id of a to-one relationship, if the answer inlined it."""
        relation = self.relationships.get(name)
        data = relation.get("data") if isinstance(relation, dict) else None
        found = data.get("id") if isinstance(data, dict) else None
        return found if isinstance(found, str) else None


class Links(msgspec.Struct, frozen=True):
    """Where the collection goes on; None at its end."""

    next: str | None = None


class Document(msgspec.Struct, frozen=True):
    """A top-level document. `data` must be there; use `one()` or `many()` for what the endpoint gives."""

    data: Resource | list[Resource]
    links: Links | None = None
    included: list[Resource] = []
    meta: dict[str, Any] = {}

    def one(self) -> Resource:
        """The single resource; UnreadableAnswer if the document holds a collection."""
        if isinstance(self.data, list):
            raise _unexpected("document", "a collection came where one resource was expected")
        return self.data

    def many(self) -> list[Resource]:
        """The resources; a single one counts as a list of one."""
        return self.data if isinstance(self.data, list) else [self.data]

    def first(self) -> Resource:
        """The first resource; UnreadableAnswer if there is none."""
        if not (found := self.many()):
            raise _unexpected("document", "an empty collection came where a resource was expected")
        return found[0]

    @property
    def next_link(self) -> str | None:
        return self.links.next if self.links else None


_DECODER = msgspec.json.Decoder(Document)


def document_of(answer: Answer, outcome: Outcome) -> Document:
    """The document in a 2xx. Raises UnreadableAnswer on bad JSON, a missing `data` or wrong types."""
    try:
        return _DECODER.decode(answer.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(outcome, answer, f"answered {answer.status} with an unreadable document: {error}") from None


def unreadable(outcome: Outcome, answer: Answer, reason: str) -> UnreadableAnswer:
    """The error for an accepted request whose answer was needed and is of no use."""
    return UnreadableAnswer(replace(outcome, kind=Kind.UNREADABLE, reason=reason, excerpt=answer.excerpt))


Shape = TypeVar("Shape", bound=msgspec.Struct)


def view(resource: Resource, shape: type[Shape]) -> Shape:
    """The resource seen as `shape`: its fields come from the attributes, `id` and `resource` from the resource itself.

    Whatever `shape` does not name stays in `resource.attributes`. Raises UnreadableAnswer if a named field has a wrong type.
    """
    try:
        return msgspec.convert({**resource.attributes, "id": resource.id, "resource": resource}, shape)
    except msgspec.ValidationError as error:
        reason = f"a {resource.type} came with an unexpected shape: {error}"
    raise _unexpected(resource.type, reason)


def _unexpected(what: str, reason: str) -> UnreadableAnswer:
    return UnreadableAnswer(Outcome(Kind.UNREADABLE, f"read {what}", Executed.YES, reason=reason))
