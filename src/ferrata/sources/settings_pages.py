"""The page of a source's settings: its own, the mapping rules, what of a person may leave, and all versions."""

import json
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from starlette.requests import Request
from starlette.responses import Response

from ferrata.access.http import needs, store_of
from ferrata.access.schemas import Principal, Right
from ferrata.infra.errors import Conflict, Problem, Rejected
from ferrata.sources import settings_form
from ferrata.sources.configurations_store import Kept
from ferrata.sources.contract import Source
from ferrata.sources.mapping import mappers
from ferrata.sources.pages import PATH, tabs
from ferrata.sources.person_fields import PERSON_FIELDS
from ferrata.sources.rules import MappingRules
from ferrata.sources.schemas import State, Wanted
from ferrata.sources.service import Sources
from ferrata.sources.settings_form import Posted
from ferrata.ui.flash import Flash, redirect_saying
from ferrata.ui.render import Pages
from ferrata.ui.routes import page_routes

TEMPLATE, JSON, CONFIRM = "sources/settings.html", "sources/settings_json.html", "sources/confirm.html"
VERSIONS_SHOWN = 20
TRIED = 5
_FINISHED = (State.MAPPED, State.SKIPPED)

Reader = Annotated[Principal, Depends(needs(Right.SOURCES_READ))]
Keeper = Annotated[Principal, Depends(needs(Right.SOURCES_MANAGE))]
Store = Annotated[str, Depends(store_of)]
Kind = Annotated[str, Path(max_length=32)]


def router(pages: Pages, sources: Sources) -> APIRouter:
    return SettingsPages(pages, sources).router()


@dataclass(frozen=True)
class SettingsPages:
    pages: Pages
    sources: Sources

    def router(self) -> APIRouter:
        routes = page_routes()
        routes.add_api_route(f"{PATH}/{{kind}}/settings", self._show, methods=["GET"], response_model=None)
        routes.add_api_route(f"{PATH}/{{kind}}/settings", self._save, methods=["POST"], response_model=None)
        return routes

    async def _show(self, request: Request, kind: Kind, who: Reader, store_id: Store) -> Response:
        shown = self._as_json if request.query_params.get("as") == "json" else self._as_form
        return await shown(request, kind, who, store_id)

    async def _save(self, request: Request, kind: Kind, who: Keeper, store_id: Store) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        if request.query_params.get("as") == "json":
            return await self._save_json(request, kind, who, store_id, form)
        posted = settings_form.read(self.sources.configurations, store_id, kind, form)
        if "back" in form:
            return await self._as_form(request, kind, who, store_id, posted)
        try:
            if posted.problems:
                raise Rejected(problems=tuple(posted.problems))
            if "confirmed" not in form:
                return await self._ask(request, kind, store_id, posted)
            kept = await self.sources.configurations.save(
                store_id, kind, settings=posted.settings, rules=posted.rules, enabled=posted.enabled, actor=who.actor,
                if_version=posted.version,
            )  # fmt: skip
        except Rejected as error:
            posted.problems = [*error.problems] or [Problem("version", error.message)]
            status = 409 if isinstance(error, Conflict) else 422
            return await self._as_form(request, kind, who, store_id, posted, status)
        return redirect_saying(f"{PATH}/{kind}/settings", Flash(f"Saved. Version {kept.version} counts from now on."))

    async def _ask(self, request: Request, kind: str, store_id: str, posted: Posted) -> Response:
        """What would change in the settings, and what recent messages would become. Raises Rejected with every fault."""
        configurations = self.sources.configurations
        draft = await configurations.draft(store_id, kind, posted.settings, posted.rules)
        newest = next(iter(await configurations.versions(store_id, kind)), None)
        recent = (await self.sources.messages(Wanted(store_id=store_id, kind=kind, states=_FINISHED), None, TRIED)).rows
        wanted = Wanted(store_id=store_id, kind=kind, ids=tuple(each.id for each in recent))
        return self.pages.page(
            request,
            CONFIRM,
            kind=kind,
            title=draft.source.title,
            version=newest.version if newest else 0,
            changes=settings_form.changes(
                newest.document if newest else {}, configurations.document_of(draft), posted,
                was_on=newest.enabled if newest else posted.enabled,
            ),
            look=await self.sources.replaying.look(wanted, draft) if recent else None,
            posted=posted.again(),
        )  # fmt: skip

    async def _as_form(  # noqa: PLR0917 - what a page is made of
        self, request: Request, kind: str, who: Principal, store_id: str, posted: Posted | None = None, status: int = 200
    ) -> Response:
        configurations = self.sources.configurations
        versions = (await configurations.versions(store_id, kind))[:VERSIONS_SHOWN]
        values = settings_form.shown(configurations, kind, versions[0] if versions else None, posted)
        return self._page(request, TEMPLATE, kind, who, versions, values, status)

    async def _save_json(self, request: Request, kind: str, who: Principal, store_id: str, form: dict[str, str]) -> Response:
        problems: list[Problem] = []
        settings, rules = _read("settings", form, problems), _read("mapping", form, problems)
        if "limits_person" in form:
            allowed = [name for name in PERSON_FIELDS if f"person.{name}" in form]
            rules["person_fields"] = [*allowed, *(each for each in rules.get("person_fields") or [] if "." in each)]
        else:
            rules.pop("person_fields", None)
        version = int(form["version"]) if form.get("version", "").isdecimal() else None
        try:
            if problems:
                raise Rejected(problems=tuple(problems))
            kept = await self.sources.configurations.save(
                store_id, kind, settings=settings, rules=rules, enabled="enabled" in form, actor=who.actor, if_version=version
            )
        except Rejected as error:
            status = 409 if isinstance(error, Conflict) else 422
            faults = [problem.message for problem in error.problems] or [error.message]
            return await self._as_json(request, kind, who, store_id, form, faults, status)
        return redirect_saying(f"{PATH}/{kind}/settings", Flash(f"Saved. Version {kept.version} counts from now on."))

    async def _as_json(  # noqa: PLR0917 - what a page is made of
        self, request: Request, kind: str, who: Principal, store_id: str, form: dict[str, str] | None = None,
        faults: list[str] | None = None, status: int = 200,
    ) -> Response:  # fmt: skip
        configurations = self.sources.configurations
        versions = (await configurations.versions(store_id, kind))[:VERSIONS_SHOWN]
        newest = versions[0] if versions else None
        values = _values(configurations.source(kind), newest, form)
        values |= {"faults": faults or [], "hints": configurations.hints(newest) if newest else {}}
        return self._page(request, JSON, kind, who, versions, values, status)

    def _page(  # noqa: PLR0917 - what a page is made of
        self,
        request: Request,
        template: str,
        kind: str,
        who: Principal,
        versions: list[Kept],
        values: dict[str, Any],
        status: int,
    ) -> Response:
        return self.pages.page(
            request,
            template,
            status_code=status,
            kind=kind,
            title=self.sources.configurations.source(kind).title,
            tabs=tabs(kind, who),
            versions=versions,
            mappers=list(mappers()),
            may_manage=who.may(Right.SOURCES_MANAGE),
            **values,
        )


def _values(source: Source, newest: Kept | None, form: dict[str, str] | None) -> dict[str, Any]:
    document = newest.document if newest else {"settings": {}, "mapping": {}}
    allowed = document["mapping"].get("person_fields")
    values: dict[str, Any] = {
        "version": newest.version if newest else 0,
        "enabled": newest.enabled if newest else True,
        "settings": json.dumps(document["settings"], indent=2, ensure_ascii=False),
        "mapping": json.dumps(document["mapping"], indent=2, ensure_ascii=False),
        "limits_person": allowed is not None,
        "persons": [(name, words, allowed is None or name in allowed) for name, words in PERSON_FIELDS.items()],
        "fields": _described(source.settings_type.model_json_schema()),
        "rule_fields": _described(MappingRules.model_json_schema()),
    }
    if form is not None:
        values |= {"settings": form.get("settings", ""), "mapping": form.get("mapping", ""), "enabled": "enabled" in form}
        values["limits_person"] = "limits_person" in form
        values["persons"] = [(name, words, f"person.{name}" in form) for name, words in PERSON_FIELDS.items()]
    return values


def _described(schema: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Each field's name, what it is for, and whether it has to be there."""
    needed = schema.get("required", [])
    return [(name, field.get("description", ""), name in needed) for name, field in schema.get("properties", {}).items()]


def _read(name: str, form: dict[str, str], problems: list[Problem]) -> dict[str, Any]:
    text = form.get(name, "").strip() or "{}"
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        problems.append(Problem(name, f"{name} is not JSON: {error}"))
        return {}
    if not isinstance(document, dict):
        problems.append(Problem(name, f"{name} must be a JSON object"))
        return {}
    return document
