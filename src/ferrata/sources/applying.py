"""Applies the merchant's rules to what a source has mapped. No I/O; what was changed or left out is said with its reason."""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from ferrata.sources import paths, templates
from ferrata.sources.contract import Mapped, Message, PersonRef, ProfileChange, Reason, Skipped, TrackedEvent
from ferrata.sources.person_fields import IDENTIFIERS
from ferrata.sources.rules import EVERY, FieldRules, MappingRules

_NOT_ALLOWED = "the allow-list of personal data does not name it"
_REFS = {"email": "email", "phone_number": "phone", "external_id": "external_id"}


def apply(rules: MappingRules, mapped: Mapped, message: Message, salt: bytes) -> Mapped:
    """What is left of ``mapped`` under these rules."""
    work = _Applying(rules, _context(message), salt)
    events = [work.event(event, f"/events/{index}") for index, event in enumerate(mapped.events)]
    profiles = [work.profile(change, f"/profiles/{index}") for index, change in enumerate(mapped.profiles)]
    return msgspec.structs.replace(
        mapped,
        events=tuple(event for event in events if event is not None),
        keys=tuple(event.key for event, left in zip(mapped.events, events, strict=True) if left is not None),
        profiles=tuple(change for change in profiles if change is not None),
        skipped=(*mapped.skipped, *work.skipped),
        fields=(*mapped.fields, *work.reasons),
    )


def _context(message: Message) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(message.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        body = None  # not every source speaks JSON; templates then see no message
    return {"message": body, "store": message.store_id, "source": message.kind}


class _Applying:
    def __init__(self, rules: MappingRules, context: Mapping[str, Any], salt: bytes) -> None:
        self._rules = rules
        self._context = context
        self._salt = salt
        self.skipped: list[Skipped] = []
        self.reasons: list[Reason] = []

    def event(self, event: TrackedEvent, at: str) -> TrackedEvent | None:
        rules = self._rules
        if event.metric in rules.off:
            self.skipped.append(Skipped(f"{at} {event.metric}", "this metric is switched off"))
            return None
        context = {
            **self._context,
            "properties": event.properties,
            "person": _named(event.person),
            "profile": event.profile,
            "metric": event.metric,
            "value": event.value,
            "currency": event.currency,
        }
        properties = dict(event.properties)
        for name in (EVERY, event.metric):
            if name in rules.properties:
                properties = self._fields(rules.properties[name], properties, context, f"{at}/properties")
        profile = self._fields(rules.profile, dict(event.profile), context, f"{at}/profile")
        person, profile = self._person(event.person, profile, at, f"{at}/profile")
        metric = rules.metrics.get(event.metric, event.metric)
        if metric != event.metric:
            self.reasons.append(Reason(f"{at}/metric", "", f"the rules call {event.metric} so"))
        return msgspec.structs.replace(event, metric=metric, properties=properties, profile=profile, person=person)

    def profile(self, change: ProfileChange, at: str) -> ProfileChange | None:
        context = {**self._context, "person": _named(change.person), "profile": change.attributes}
        attributes = self._fields(self._rules.profile, dict(change.attributes), context, f"{at}/attributes")
        person, attributes = self._person(change.person, attributes, at, f"{at}/attributes")
        if not person.known:
            self.skipped.append(Skipped(f"{at} profile", "the allow-list of personal data leaves nothing that names the person"))
            return None
        return msgspec.structs.replace(change, person=person, attributes=attributes)

    def _fields(self, rules: FieldRules, data: dict[str, Any], context: Mapping[str, Any], at: str) -> dict[str, Any]:
        if rules.only is not None:
            left = paths.only(data, rules.only)
            self._note_gone(data, left, at, "the rules name only other fields")
            data = left
        for path in rules.drop:
            left = paths.changed(data, path, lambda owner, name: owner.pop(name))
            self._note_gone(data, left, at, "the rules drop it")
            data = left
        for path, new in rules.rename.items():
            data = self._renamed(data, path, new, at)
        for path in rules.hash:
            data = paths.changed(data, path, self._hash)
            self.reasons.append(Reason(f"{at}/{path.replace('.', '/')}", "", "the rules hash it"))
        for name, template in rules.add.items():
            value = templates.fill(template, {**context, "properties": context.get("properties", data)})
            if value is not templates.ABSENT:
                data = {**data, name: value}
                self.reasons.append(Reason(f"{at}/{paths.escaped(name)}", "", f"the rules add it as {template}"))
        return data

    def _renamed(self, data: dict[str, Any], path: str, new: str, at: str) -> dict[str, Any]:
        def rename(owner: dict[str, Any], name: str) -> None:
            items = [(new if known == name else known, value) for known, value in owner.items() if known != new]
            owner.clear()
            owner.update(items)

        changed = paths.changed(data, path, rename)
        if changed != data:
            pointer = "/".join([*path.split(".")[:-1], paths.escaped(new)])
            self.reasons.append(Reason(f"{at}/{pointer}", "", f"the rules rename {path}"))
        return changed

    def _hash(self, owner: dict[str, Any], name: str) -> None:
        value = owner[name]
        if value is not None:
            text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
            owner[name] = hashlib.sha256(self._salt + text.encode()).hexdigest()

    def _note_gone(self, before: Mapping[str, Any], after: Mapping[str, Any], at: str, why: str) -> None:
        gone = paths.leaves(before).keys() - paths.leaves(after).keys()
        self.skipped += [Skipped(f"{at}{pointer}", why) for pointer in sorted(gone)]

    def _person(
        self, person: PersonRef, attributes: dict[str, Any], at: str, attributes_at: str
    ) -> tuple[PersonRef, dict[str, Any]]:
        allowed = self._rules.person_fields
        if allowed is None:
            return person, attributes
        for field in IDENTIFIERS:
            if getattr(person, _REFS[field]) and field not in allowed:
                person = msgspec.structs.replace(person, **{_REFS[field]: None})
                self.skipped.append(Skipped(f"{at} {field}", _NOT_ALLOWED))
        custom = attributes.get("properties")
        left = {name: value for name, value in attributes.items() if name in allowed}
        if isinstance(custom, Mapping) and "properties" not in allowed:
            some = {name: value for name, value in custom.items() if f"properties.{name}" in allowed}
            if some:
                left["properties"] = some
        self._note_gone(attributes, left, attributes_at, _NOT_ALLOWED)
        return person, left


def _named(person: PersonRef) -> dict[str, str | None]:
    return {field: getattr(person, ref) for field, ref in _REFS.items()}
