"""Renders pages: one Jinja environment for the kit and for every room's `templates/` folder.

A template is named `room/page.html`, the kit's own `base.html` or `macros/x.html`. All macros of `templates/macros/` are
at hand in every template as `ui.<macro>`, without an import. Everything is escaped; an undefined name is an error.
"""

import json
from collections.abc import Callable
from contextvars import ContextVar
from datetime import tzinfo
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

from jinja2 import BaseLoader, ChoiceLoader, Environment, FileSystemLoader, StrictUndefined, TemplateNotFound
from jinja2.bccache import Bucket, BytecodeCache
from jinja2.loaders import split_template_path
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from ferrata.kit import masking
from ferrata.kit.clock import Clock
from ferrata.ui import addresses, figures, moments
from ferrata.ui.chrome import Chrome, ChromeHook
from ferrata.ui.flash import COOKIE, forget_flash, read_flash
from ferrata.ui.json_view import json_view
from ferrata.ui.moments import Viewpoint
from ferrata.ui.static import StaticFiles

ROOMS = Path(__file__).resolve().parent.parent
KIT_TEMPLATES = Path(__file__).resolve().parent / "templates"
THEME_COOKIE = "ferrata_theme"

_Rendered = TypeVar("_Rendered")
# A macro does not see the variables of the page that calls it, so what the time filters need travels beside the template.
_viewpoint: ContextVar[Viewpoint] = ContextVar("viewpoint")


class RoomLoader(BaseLoader):
    """Finds `events/list.html` as `<rooms>/events/templates/list.html`."""

    def __init__(self, rooms: Path) -> None:
        self._rooms = rooms

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        room, *rest = split_template_path(template)
        path = self._rooms.joinpath(room, "templates", *rest)
        if not rest or not path.is_file():
            raise TemplateNotFound(template, f"{template}: there is no {path.relative_to(self._rooms)}")
        changed_at = path.stat().st_mtime_ns
        return path.read_text("utf-8"), str(path), lambda: path.is_file() and path.stat().st_mtime_ns == changed_at


class Compiled(BytecodeCache):
    """Templates that this process has compiled, by name and content, for all environments in it."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, str], bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        code = self._code.get((bucket.key, bucket.checksum))
        if code is not None:
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._code[bucket.key, bucket.checksum] = bucket.bytecode_to_string()


_compiled = Compiled()


def environment(static: StaticFiles, rooms: Path = ROOMS) -> Environment:
    """The Jinja environment; ``rooms`` is the folder that holds the rooms' folders."""
    env = Environment(
        loader=ChoiceLoader([FileSystemLoader(KIT_TEMPLATES), RoomLoader(rooms)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=_compiled,
    )
    env.filters |= {
        "number": figures.number,
        "short_number": figures.short_number,
        "share_of": figures.share,
        "byte_size": figures.byte_size,
        "money": figures.money,
        "duration": figures.duration,
        "ago": lambda instant: moments.time_tag(instant, _viewpoint.get()),
        "exact_time": lambda instant: moments.time_tag(instant, _viewpoint.get(), "exact"),
        "clock_time": lambda instant: moments.time_tag(instant, _viewpoint.get(), "clock"),
        "mask_email": masking.mask_email,
        "mask_person": masking.mask_person,
        "json_view": json_view,
        "plain_json": lambda value: json.dumps(value, indent=2, ensure_ascii=False, default=str),
    }
    env.globals |= {
        "address": addresses.address,
        "count_of": figures.count_of,
        "rendered_at": lambda: _viewpoint.get().now,
        "static": static.url,
    }
    env.globals["ui"] = _macros(env)
    return env


def _macros(env: Environment) -> SimpleNamespace:
    """Every public macro of the kit by name. Macros reach each other through the same `ui`, so it is filled after it is set."""
    kit = SimpleNamespace()
    env.globals["ui"] = kit
    for path in sorted((KIT_TEMPLATES / "macros").glob("*.html")):
        module = env.get_template(f"macros/{path.name}").module
        for name, macro in vars(module).items():
            if name.startswith("_"):
                continue
            if hasattr(kit, name):
                raise ValueError(f"two macros are called {name}; the second stands in {path.name}")
            setattr(kit, name, macro)
    return kit


class Pages:
    """What a room's `pages.py` renders with: whole pages, and single blocks of them for htmx and live updates."""

    def __init__(self, env: Environment, clock: Clock, chrome: ChromeHook) -> None:
        self._env = env
        self._clock = clock
        self._chrome = chrome

    def page(self, request: Request, template: str, *, status_code: int = 200, **context: Any) -> HTMLResponse:
        """A whole page. Adds `chrome`, `path`, `theme` and `now` to ``context``, and shows a waiting flash once."""
        chrome = self._chrome(request)
        flash = read_flash(request)
        values = self._values(request, chrome) | {"flash": flash} | context
        html = self._in_zone(chrome.zone, lambda: self._env.get_template(template).render(values))
        response = HTMLResponse(html, status_code, headers={"Cache-Control": "no-store", "Vary": "HX-Request"})
        if COOKIE in request.cookies:
            forget_flash(response)
        if chrome.finish is not None:
            chrome.finish(response)
        return response

    def zone(self, request: Request) -> tzinfo:
        """The time zone in which this reader's pages show times: that of the store."""
        return self._chrome(request).zone

    def currency(self, request: Request) -> str:
        """What amounts without a currency of their own are in: that of the store."""
        return self._chrome(request).currency

    def block(self, request: Request, template: str, block: str, **context: Any) -> HTMLResponse:
        """One `{% block %}` of a page as its own answer: what htmx swaps in."""
        html = self.block_text(template, block, request=request, **context)
        return HTMLResponse(html, headers={"Cache-Control": "no-store", "Vary": "HX-Request"})

    def block_text(self, template: str, block: str, *, request: Request, **context: Any) -> Markup:
        """One `{% block %}` as text: what a live stream sends. Raises KeyError for an unknown block."""
        chrome = self._chrome(request)
        found = self._env.get_template(template)
        render_block = found.blocks[block]
        values = self._values(request, chrome) | context

        def render() -> Markup:
            return Markup("".join(render_block(found.new_context(values))))  # noqa: S704  (rendered with autoescape)

        return self._in_zone(chrome.zone, render)

    def _values(self, request: Request, chrome: Chrome) -> dict[str, Any]:
        theme = request.cookies.get(THEME_COOKIE, "auto")
        return {
            "chrome": chrome,
            "path": request.url.path,
            "theme": theme if theme in ("light", "dark") else "auto",
            "now": self._clock.now(),
            "live": None,
        }

    def _in_zone(self, zone: tzinfo, render: Callable[[], _Rendered]) -> _Rendered:
        token = _viewpoint.set(Viewpoint(self._clock.now(), zone))
        try:
            return render()
        finally:
            _viewpoint.reset(token)
