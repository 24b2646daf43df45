"""The page of a store's cart settings: every field with its help, everything wrong at once, and what changes before it counts."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from ferrata.access.http import needs, store_of
from ferrata.access.schemas import Principal, Right
from ferrata.carts.documents import SettingsDocument
from ferrata.carts.schemas import Recovery, Settings
from ferrata.carts.service import Carts
from ferrata.infra.errors import Problem, Rejected
from ferrata.ui.flash import Flash, redirect_saying
from ferrata.ui.render import Pages
from ferrata.ui.routes import page_routes

PATH = "/ui/carts/settings"
TEMPLATE = "carts/settings.html"
_UNSAID = "–"
_NAMES = {info.alias or name: name for name, info in SettingsDocument.model_fields.items()}

Reader = Annotated[Principal, Depends(needs(Right.SOURCES_READ))]
Keeper = Annotated[Principal, Depends(needs(Right.SOURCES_MANAGE))]
Store = Annotated[str, Depends(store_of)]


def router(pages: Pages, carts: Carts) -> APIRouter:
    return CartSettingsPages(pages, carts).router()


@dataclass(frozen=True)
class CartSettingsPages:
    pages: Pages
    carts: Carts

    def router(self) -> APIRouter:
        routes = page_routes()
        routes.add_api_route(PATH, self._show, methods=["GET"], response_model=None)
        routes.add_api_route(PATH, self._save, methods=["POST"], response_model=None)
        return routes

    async def _show(self, request: Request, who: Reader, store_id: Store) -> Response:
        return self._page(request, who, _written(await self.carts.settings(store_id)))

    async def _save(self, request: Request, who: Keeper, store_id: Store) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        try:
            wanted = _read(form)
        except Rejected as error:
            return self._page(request, who, form, errors=_by_field(error.problems), status=422)
        changes = _changes(_written(await self.carts.settings(store_id)), _written(wanted))
        if "back" in form or (changes and "confirmed" not in form):
            return self._page(request, who, form, changes=None if "back" in form else changes)
        await self.carts.change_settings(store_id, wanted, who.actor)
        return redirect_saying(PATH, Flash("Saved. It counts for everything that happens from now on."))

    def _page(  # noqa: PLR0917 - what a page is made of
        self, request: Request, who: Principal, values: dict[str, str], errors: dict[str, str] | None = None,
        changes: list[tuple[str, str, str]] | None = None, status: int = 200,
    ) -> Response:  # fmt: skip
        helps = {name: field.description or "" for name, field in SettingsDocument.model_fields.items()}
        return self.pages.page(
            request,
            TEMPLATE,
            status_code=status,
            values={name: values.get(name, "") for name in helps},
            helps=helps,
            errors=errors or {},
            changes=changes,
            recoveries=[(each.value, each.value) for each in Recovery],
            may_manage=who.may(Right.SOURCES_MANAGE),
        )


def _written(settings: Settings) -> dict[str, str]:
    """Every setting as its field shows it."""
    document: dict[str, Any] = SettingsDocument.of(settings).model_dump(mode="json")
    pairs = "\n".join(f"{name} = {mine}" for name, mine in document["names"].items())
    lines = {"names": pairs, "silent": "\n".join(document["silent"])}
    return {name: "" if value is None else str(value) for name, value in (document | lines).items()}


def _read(form: dict[str, str]) -> Settings:
    """Raises Rejected with every fault."""
    given: dict[str, Any] = {name: text.strip() for name, text in form.items() if name in SettingsDocument.model_fields}
    pairs = (line.partition("=") for line in given.pop("names", "").splitlines() if line.strip())
    names = {name.strip(): mine.strip() for name, _, mine in pairs}
    silent = [line.strip() for line in given.pop("silent", "").splitlines() if line.strip()]
    filled = {name: text for name, text in given.items() if text}
    try:
        return SettingsDocument.model_validate({**filled, "names": names, "silent": silent}).settings()
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False)
        raise Rejected(problems=tuple(Problem(".".join(map(str, each["loc"])), each["msg"]) for each in faults)) from error


def _by_field(problems: tuple[Problem, ...]) -> dict[str, str]:
    """The first problem of each field, in words of its own."""
    found: dict[str, str] = {}
    for problem in problems:
        field, words = problem.path.partition(".")[0], problem.message.partition(": ")[2] or problem.message
        words = words.removeprefix("Value error, ")
        found.setdefault(_NAMES.get(field, field), words[:1].upper() + words[1:])
    return found


def _changes(before: dict[str, str], after: dict[str, str]) -> list[tuple[str, str, str]]:
    return [(name, before[name] or _UNSAID, after[name] or _UNSAID) for name in after if before[name] != after[name]]
