"""Walks a collection along `links.next`: within our origin, never in circles, never without end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING

from .documents import Document, Resource
from .errors import UnreadableAnswer
from .outcome import Executed, Kind, Outcome

if TYPE_CHECKING:
    from .client import Klaviyo


async def pages(
    client: Klaviyo,
    operation: str,
    *,
    path: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    most_pages: int = 10_000,
) -> AsyncIterator[Document]:
    """Every page, first to last. Raises UnreadableAnswer where a link leaves our origin, repeats, or pages never end."""
    document = await client.read(operation, path=path, query=query)
    yield document
    followed: set[str] = set()
    while link := document.next_link:
        if not client.address.owns(link):
            raise _astray(operation, "links.next leads to another origin and is not followed")
        if link in followed:
            raise _astray(operation, "links.next leads in a circle")
        if len(followed) + 1 >= most_pages:
            raise _astray(operation, f"the collection does not end within {most_pages} pages")
        followed.add(link)
        document = await client.read(operation, url=link)
        yield document


async def items(
    client: Klaviyo,
    operation: str,
    *,
    path: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    most_pages: int = 10_000,
    most_items: int | None = None,
) -> AsyncIterator[Resource]:
    """Every resource of the collection, or the first `most_items` of them."""
    given = 0
    async for page in pages(client, operation, path=path, query=query, most_pages=most_pages):
        for resource in page.many():
            if most_items is not None and given >= most_items:
                return
            given += 1
            yield resource
        if most_items is not None and given >= most_items:
            return


def _astray(operation: str, reason: str) -> UnreadableAnswer:
    return UnreadableAnswer(Outcome(kind=Kind.UNREADABLE, operation=operation, executed=Executed.YES, reason=reason))
