"""Opaque cursors over sorted SQL: a cursor holds the sort value and id of a row, so pages stay true while rows come."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from klaviyo_sandbox.errors import invalid

if TYPE_CHECKING:
    from klaviyo_sandbox.exchange import Call

CURSOR = "page[cursor]"
SIZE = "page[size]"


class Position(msgspec.Struct, array_like=True):
    """What a cursor says: the row to go on from, and whether forward. Events at Klaviyo use this very layout."""

    value: str | int | float | None
    id: str | int
    forward: bool


@dataclass(slots=True)
class Page:
    """Rows of one page and the cursors of its neighbours."""

    rows: list[Any]
    next: str | None = None
    previous: str | None = None

    def each(self, build: Callable[[Any], Any]) -> "Page":
        """The same page with every row turned into something else."""
        return Page([build(row) for row in self.rows], self.next, self.previous)


def page_size(call: "Call", default: int, maximum: int) -> int:
    """`page[size]` of the request. Raises 400 unless it is a whole number from 1 to `maximum`."""
    text = call.query.get(SIZE)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) <= maximum:
        raise invalid(f"Page size must be an integer between 1 and {maximum}.", parameter=SIZE)
    return int(text)


def keyset(
    call: "Call",
    *,
    select: str,
    where: str,
    parameters: Sequence[Any],
    order: str,
    identity: str,
    descending: bool = False,
    size: int,
) -> Page:
    """One page of `select WHERE where`, sorted by `order` and then `identity`.

    Both columns must be in the selection under the names that stand after their last dot, and `order` never NULL.
    """
    position = _position(call)
    forward = position is None or position.forward
    down = descending == forward
    bound: list[Any] = [*parameters]
    if position is not None:
        where = f"({where}) AND ({order}, {identity}) {'<' if down else '>'} (?, ?)"
        bound += [position.value, position.id]
    way = "DESC" if down else "ASC"
    sql = f"{select} WHERE {where} ORDER BY {order} {way}, {identity} {way} LIMIT ?"
    rows = call.state.all(sql, [*bound, size + 1])
    more, rows = len(rows) > size, rows[:size]
    if not forward:
        rows.reverse()
    if not rows:
        return Page([])
    keys = order.rpartition(".")[2], identity.rpartition(".")[2]
    has_next = more if forward else True
    has_previous = position is not None if forward else more
    return Page(
        rows,
        _cursor(rows[-1], keys, forward=True) if has_next else None,
        _cursor(rows[0], keys, forward=False) if has_previous else None,
    )


def _cursor(row: Any, keys: tuple[str, str], *, forward: bool) -> str:
    position = Position(row[keys[0]], row[keys[1]], forward)
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def _position(call: "Call") -> Position | None:
    text = call.query.get(CURSOR)
    if not text:
        return None
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        position = msgspec.json.decode(raw, type=Position)
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise invalid("Invalid cursor provided.", parameter=CURSOR) from error
    if any(isinstance(part, int) and not -(2**63) <= part < 2**63 for part in (position.value, position.id)):
        raise invalid("Invalid cursor provided.", parameter=CURSOR)  # no column holds such a number
    return position
