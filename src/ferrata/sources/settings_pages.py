"""The page of a source's settings: its own, the mapping rules, what of a person may leave, and all versions."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from starlette.requests import Request
from starlette.responses import Response

from ferrata.access.http import needs, store_of
from ferrata.access.schemas import Principal, Right
from ferrata.infra.errors import Conflict, Problem, Rejected
from ferrata.sources.configurations_store import Kept
from ferrata.sources.contract import Source
from ferrata.sources.mapping import mappers
from ferrata.sources.pages import PATH, tabs
from ferrata.sources.person_fields import PERSON_FIELDS
from ferrata.sources.rules import MappingRules
from ferrata.sources.service import Sources
from ferrata.ui.flash import Flash, redirect_saying
from ferrata.ui.render import Pages
from ferrata.ui.routes import page_routes

TEMPLATE = "sources/settings.html"
VERSIONS_SHOWN = 20

Reader = Annotated[Principal, Depends(needs(Right.SOURCES_READ))]
Keeper = Annotated[Principal, Depends(needs(Right.SOURCES_MANAGE))]
Store = Annotated[str, Depends(store_of)]
Kind = Annotated[str, Path(max_length=32)]


def router(pages: Pages, sources: Sources) -> APIRouter:
    routes = page_routes()
    configurations = sources.configurations

    @routes.get(f"{PATH}/{{kind}}/settings", response_model=None)
    async def show(request: Request, kind: Kind, who: Reader, store_id: Store) -> Response:
        return await shown(request, kind, who, store_id)

    @routes.post(f"{PATH}/{{kind}}/settings", response_model=None)
    async def save(request: Request, kind: Kind, who: Keeper, store_id: Store) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
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
            kept = await configurations.save(
                store_id,
                kind,
                settings=settings,
                rules=rules,
                enabled="enabled" in form,
                actor=who.actor,
                if_version=version,
            )
        except Rejected as error:
            status = 409 if isinstance(error, Conflict) else 422
            faults = [problem.message for problem in error.problems] or [error.message]
            return await shown(request, kind, who, store_id, form, faults, status)
        return redirect_saying(f"{PATH}/{kind}/settings", Flash(f"Saved. Version {kept.version} counts from now on."))

    async def shown(  # noqa: PLR0917 - what a page is made of
        request: Request, kind: str, who: Principal, store_id: str, form: dict[str, str] | None = None,
        faults: list[str] | None = None, status: int = 200,
    ) -> Response:  # fmt: skip
        source = configurations.source(kind)
        versions = (await configurations.versions(store_id, kind))[:VERSIONS_SHOWN]
        newest = versions[0] if versions else None
        values = _values(source, newest, form)
        return pages.page(
            request,
            TEMPLATE,
            status_code=status,
            kind=kind,
            title=source.title,
            tabs=tabs(kind, who),
            faults=faults or [],
            versions=versions,
            hints=configurations.hints(newest) if newest else {},
            mappers=list(mappers()),
            may_manage=who.may(Right.SOURCES_MANAGE),
            **values,
        )

    return routes


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
    except ValueError as error:
        problems.append(Problem(name, f"{name} is not JSON: {error}"))
        return {}
    if not isinstance(document, dict):
        problems.append(Problem(name, f"{name} must be a JSON object"))
        return {}
    return document
