"""Whether a person or a program is asking, and where a person may be sent."""

import re

from starlette.requests import Request

_LOCAL = re.compile(r"/(?![/\\])[^\\\x00-\x20]*\Z")


def wants_page(request: Request) -> bool:
    """A browser that navigates says so in Accept; whoever sends a token is a program."""
    return "text/html" in request.headers.get("accept", "") and "authorization" not in request.headers


def local_path(url: str, otherwise: str) -> str:
    """``url`` if it is a path of ours, else ``otherwise``: nobody is sent to another site after signing in."""
    return url if _LOCAL.match(url) else otherwise
