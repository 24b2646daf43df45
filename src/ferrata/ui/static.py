"""Serves the kit's files under an address that carries the hash of them all, so that browsers may keep them for a year.

One hash for the whole tree, `/static/<hash>/path`: relative addresses between style sheets keep working, and no file can be
newer than the page that asked for it. Only files that were there at start exist; the path is looked up, never joined.
"""

import gzip
import hashlib
import mimetypes
from functools import lru_cache
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

FOLDER = Path(__file__).resolve().parent / "static"
_FOREVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"
_SMALLEST_TO_COMPRESS = 1_000
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".json": "application/json"}


class StaticFiles:
    """The files of one folder. `url("kit.css")` gives the address to write into a page."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files = {
            path.relative_to(folder).as_posix(): path
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.name.startswith(".")
        }
        digest = hashlib.sha256()
        for name, path in self._files.items():
            digest.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
        self.version = digest.hexdigest()[:12]
        self._gzipped = lru_cache(maxsize=64)(lambda path: gzip.compress(path.read_bytes(), 6, mtime=0))

    def url(self, name: str) -> str:
        """The address of one file. Raises KeyError for a file that is not there: a page must not link to nothing."""
        if name not in self._files:
            raise KeyError(f"there is no static file {name}")
        return f"/static/{self.version}/{name}"

    def route(self) -> Route:
        # A plain function: Starlette runs it in a thread, so reading a megabyte never holds up the loop.
        return Route("/static/{version}/{name:path}", self._serve, methods=["GET"], name="static")

    def _serve(self, request: Request) -> Response:
        path = self._files.get(request.path_params["name"])
        if path is None:
            raise HTTPException(404)
        current = request.path_params["version"] == self.version
        headers = {
            "Cache-Control": _FOREVER if current else _ASK_AGAIN,
            "X-Content-Type-Options": "nosniff",
            "Vary": "Accept-Encoding",
        }
        if path.stat().st_size >= _SMALLEST_TO_COMPRESS and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(self._gzipped(path), headers=headers | {"Content-Encoding": "gzip"}, media_type=_type(path))
        return Response(path.read_bytes(), headers=headers, media_type=_type(path))


def _type(path: Path) -> str:
    known = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return f"{known}; charset=utf-8" if known.startswith("text/") else known
