"""Paging over HTTP: the address of the next page, as a ``Link`` header (RFC 8288) and for pages."""

from typing import Any

from starlette.requests import Request

from ferrata.infra.paging import Page


def next_url(request: Request, cursor: str | None) -> str | None:
    """The path and query of the page after this one, with every filter kept; None on the last page."""
    if cursor is None:
        return None
    url = request.url.include_query_params(cursor=cursor)
    return f"{url.path}?{url.query}"


def link_header(request: Request, page: Page[Any]) -> dict[str, str]:
    """``{"Link": "<...>; rel=\\"next\\""}``, or nothing on the last page. Relative, so no Host header can bend it."""
    url = next_url(request, page.next_cursor)
    return {"Link": f'<{url}>; rel="next"'} if url else {}
