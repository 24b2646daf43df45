"""Builds JSON:API request bodies as bytes. Bodies that must stay frozen are built once and then sent as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder(decimal_format="number")


def document(
    kind: str,
    attributes: Mapping[str, Any] | None = None,
    *,
    id: str | None = None,
    relationships: Mapping[str, Any] | None = None,
    meta: Mapping[str, Any] | None = None,
) -> bytes:
    """One resource of that type as a whole body; absent members are left out, nulls inside `attributes` are kept."""
    members = {"id": id, "attributes": attributes, "relationships": relationships, "meta": meta}
    data = {"type": kind} | {name: member for name, member in members.items() if member is not None}
    return _ENCODER.encode({"data": data})


def identifiers(kind: str, ids: Iterable[str]) -> bytes:
    """A body that only names resources, as the relationship endpoints take it."""
    return _ENCODER.encode({"data": [{"type": kind, "id": each} for each in ids]})
