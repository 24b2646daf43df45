"""Settings as their form shows them, and what was posted of it: values, hints, all that is wrong, and what would change."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ferrata.infra.errors import Problem, Rejected
from ferrata.sources import form_fields, paths
from ferrata.sources.configurations import Configurations
from ferrata.sources.configurations_store import Kept
from ferrata.sources.form_fields import SEALED, Filled
from ferrata.sources.person_fields import PERSON_FIELDS
from ferrata.sources.rules import MappingRules

_UNSAID = "–"
_TYPED = "typed just now"


@dataclass(slots=True)
class Posted:
    """``form`` as it goes back to the page: secrets that were typed are sealed in it. ``settings`` holds them open."""

    form: dict[str, str]
    settings: dict[str, Any] = field(default_factory=dict)
    rules: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @property
    def version(self) -> int | None:
        given = self.form.get("version", "")
        return int(given[:9]) if given.isdecimal() else None

    @property
    def enabled(self) -> bool:
        return "enabled" in self.form

    def again(self) -> list[tuple[str, str]]:
        """The same once more, for a page that asks before it is saved."""
        return [(name, value) for name, value in self.form.items() if name not in ("confirmed", "back")]


def read(configurations: Configurations, store_id: str, kind: str, given: Mapping[str, str]) -> Posted:
    """What was posted. Raises NoSuchSource."""
    model = configurations.source(kind).settings_type
    posted, opened = Posted(dict(given)), dict(given)
    for name, sealed in given.items():
        path = name.removesuffix(f".{SEALED}")
        if name != path and not given.get(path):
            try:
                opened[path] = configurations.open_typed(store_id, kind, path, sealed)
            except Rejected as error:
                posted.problems += error.problems
    posted.settings = form_fields.document_of(model, "settings", opened, posted.problems)
    posted.rules = _rules(opened, posted.problems)
    for each in form_fields.secrets_of(form_fields.fields_of(model, "settings", {}, Filled(posted=opened))):
        if typed := given.get(each, "").strip():
            posted.form[each] = ""
            posted.form[f"{each}.{SEALED}"] = configurations.seal_typed(store_id, kind, each, typed)
    return posted


def _rules(form: Mapping[str, str], problems: list[Problem]) -> dict[str, Any]:
    rules = form_fields.document_of(MappingRules, "mapping", form, problems)
    if "limits_person" in form:
        custom = [line.strip() for line in form.get("person_properties", "").splitlines() if line.strip()]
        rules["person_fields"] = [*(name for name in PERSON_FIELDS if f"person.{name}" in form), *custom]
    return rules


def shown(configurations: Configurations, kind: str, newest: Kept | None, posted: Posted | None) -> dict[str, Any]:
    """The values of the page."""
    document = newest.document if newest else {"settings": {}, "mapping": {}}
    hints = {f"settings.{path}": hint for path, hint in (configurations.hints(newest) if newest else {}).items()}
    model, form = configurations.source(kind).settings_type, posted.form if posted else None

    def both(errors: Mapping[str, str]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        filled = Filled(hints=_variant_hints(hints, document["settings"]), posted=form, errors=errors)
        return (
            form_fields.fields_of(model, "settings", document["settings"], filled),
            form_fields.fields_of(MappingRules, "mapping", document["mapping"], filled),
        )

    fields, rule_fields = both({})
    errors: dict[str, str] = {}
    if posted and posted.problems:
        names = [*form_fields.names_of(fields), *form_fields.names_of(rule_fields)]
        errors = form_fields.errors_of(posted.problems, names, posted.form)
        fields, rule_fields = both(errors)
    allowed = document["mapping"].get("person_fields")
    ticked = {name: allowed is None or name in allowed for name in PERSON_FIELDS}
    custom = [name for name in allowed or [] if name not in PERSON_FIELDS]
    return {
        "fields": fields,
        "rule_fields": rule_fields,
        "errors": errors,
        "version": newest.version if newest else 0,
        "enabled": posted.enabled if posted else newest.enabled if newest else True,
        "limits_person": "limits_person" in posted.form if posted else allowed is not None,
        "persons": [
            (name, words, f"person.{name}" in posted.form if posted else ticked[name]) for name, words in PERSON_FIELDS.items()
        ],
        "person_properties": posted.form.get("person_properties", "") if posted else "\n".join(custom),
    }


def _variant_hints(hints: Mapping[str, str], settings: Mapping[str, Any]) -> dict[str, str]:
    """Under the names of fields, which say what variant a part is: ``settings.queue.SQS.secret_access_key``."""
    found = dict(hints)
    for path, hint in hints.items():
        owner, _, name = path.rpartition(".")
        part = settings.get(owner.removeprefix("settings."))
        if isinstance(part, Mapping) and "type" in part:
            found[f"{owner}.{part['type']}.{name}"] = hint
    return found


def changes(before: Mapping[str, Any], after: Mapping[str, Any], posted: Posted, *, was_on: bool) -> list[tuple[str, str, str]]:
    """Every setting that would be another one; secrets only as such."""
    old, new = paths.leaves(before), paths.leaves(after)
    found = [
        (_place(pointer), _text(old.get(pointer)), _text(new.get(pointer)))
        for pointer in dict.fromkeys([*new, *old])
        if old.get(pointer) != new.get(pointer) and not (_empty(old.get(pointer)) and _empty(new.get(pointer)))
    ]
    typed = [name.removesuffix(f".{SEALED}") for name in posted.form if name.endswith(f".{SEALED}")]
    found += [(name, _UNSAID, _TYPED) for name in typed]
    found += [(name.removesuffix(".remove"), "set", "taken away") for name in posted.form if name.endswith(".remove")]
    return found if was_on == posted.enabled else [("enabled", _text(was_on), _text(posted.enabled)), *found]


def _place(pointer: str) -> str:
    return pointer.lstrip("/").replace("/", ".").replace("~1", "/").replace("~0", "~")


def _empty(value: Any) -> bool:
    return value is None or value in ("", [], {})


def _text(value: Any) -> str:
    return _UNSAID if _empty(value) else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
