"""How each source is set up for each store: validated all at once, kept in versions, secrets sealed, every change audited."""

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection

from ferrata.audit.schemas import Actor
from ferrata.audit.service import Audit
from ferrata.infra.crypto import SecretBox, Undecryptable
from ferrata.infra.database import Database
from ferrata.infra.errors import Conflict, Problem, Rejected
from ferrata.kit.clock import Clock
from ferrata.sources import configurations_store as rows
from ferrata.sources import secrets
from ferrata.sources.configurations_store import Kept
from ferrata.sources.contract import Source
from ferrata.sources.errors import NoSuchSource, NotSetUp
from ferrata.sources.mapping import mappers
from ferrata.sources.rules import MappingRules
from ferrata.sources.schemas import Configuration

CACHE_SECONDS = 0.8
LOOKING_SECONDS = 0.2
SALT_BYTES = 32


@dataclass(frozen=True, slots=True)
class _Known:
    """What counts ``until`` then (monotonic), as it is kept and as it is used."""

    until: float
    kept: Kept | None
    found: Configuration | None


class Configurations:
    """``sources`` are those that are installed, by kind."""

    def __init__(self, database: Database, clock: Clock, audit: Audit, box: SecretBox, sources: Mapping[str, Source]) -> None:
        self.sources = sources
        self._database = database
        self._clock = clock
        self._audit = audit
        self._box = box
        self._cache: dict[tuple[str, str], _Known] = {}

    def source(self, kind: str) -> Source:
        """Raises NoSuchSource."""
        found = self.sources.get(kind)
        if found is None:
            raise NoSuchSource(f"There is no source {kind!r}. There are: {', '.join(self.sources) or 'none'}.")
        return found

    async def find(self, store_id: str, kind: str) -> Configuration | None:
        """The settings that count now; None if it is not set up. Changes elsewhere are seen within a second.

        Raises:
            Rejected: this release cannot use what was kept.
        """
        known, now = self._cache.get((store_id, kind)), self._clock.monotonic()
        if known and now < known.until:
            return known.found
        if known:  # while one looks, the others go on with what was known
            self._cache[store_id, kind] = replace(known, until=now + LOOKING_SECONDS)
        kept = await self._database.read(lambda connection: rows.newest(connection, store_id, kind))
        same = known is not None and kept == known.kept
        found = known.found if known and same else await self._opened(kept) if kept else None
        self._cache[store_id, kind] = _Known(self._clock.monotonic() + CACHE_SECONDS, kept, found)
        return found

    async def get(self, store_id: str, kind: str) -> Configuration:
        """As ``find``; raises NotSetUp, NoSuchSource."""
        source = self.source(kind)
        found = await self.find(store_id, kind)
        if found is None:
            raise NotSetUp(f"{source.title} is not set up for the store {store_id!r}.")
        return found

    async def all(self) -> list[tuple[str, str, bool]]:
        """Store, kind and whether it is switched on, of everything that is set up and installed."""
        found = await self._database.read(rows.all_newest)
        return [(store_id, kind, enabled) for store_id, kind, enabled in found if kind in self.sources]

    async def versions(self, store_id: str, kind: str) -> list[Kept]:
        """Newest first; raises NoSuchSource."""
        self.source(kind)
        return await self._database.read(lambda connection: rows.versions(connection, store_id, kind))

    def hints(self, kept: Kept) -> dict[str, str]:
        """What may be shown of a version's secrets."""
        return secrets.hints(self._secrets(kept))

    def check(self, kind: str, settings: Mapping[str, Any], rules: Mapping[str, Any]) -> tuple[BaseModel, MappingRules]:
        """Both documents, validated; raises Rejected with every fault of both, and NoSuchSource."""
        source = self.source(kind)
        problems: list[Problem] = []
        valid = _validated(source.settings_type, settings, "settings", problems)
        mapping = _validated(MappingRules, rules, "mapping", problems)
        if isinstance(mapping, MappingRules) and mapping.mapper is not None and mapping.mapper not in mappers():
            there = ", ".join(mappers()) or "none"
            problems.append(
                Problem("mapping.mapper", f"mapping.mapper {mapping.mapper!r} is not installed here; there are: {there}")
            )
        if problems or valid is None or not isinstance(mapping, MappingRules):
            raise Rejected("These settings cannot be used.", problems=tuple(problems))
        return valid, mapping

    async def draft(
        self, store_id: str, kind: str, settings: Mapping[str, Any] | None, rules: Mapping[str, Any] | None
    ) -> Configuration:
        """What would count if this was saved; None takes what is kept. For explain. Raises as ``check``."""
        kept = await self._database.read(lambda connection: rows.newest(connection, store_id, kind))
        valid, mapping = self.check(kind, *self._completed(kept, settings, rules))
        now = self._clock.now()
        version, enabled = (kept.version, kept.enabled) if kept else (0, True)
        return Configuration(
            store_id=store_id, source=self.source(kind), version=version, enabled=enabled, settings=valid, rules=mapping,
            salt=await self._salt(store_id), created_at=now, created_by="",
        )  # fmt: skip

    async def save(
        self,
        store_id: str,
        kind: str,
        *,
        settings: Mapping[str, Any] | None,
        rules: Mapping[str, Any] | None,
        enabled: bool | None,
        actor: Actor,
        if_version: int | None = None,
    ) -> Kept:
        """Make a new version; what is None stays as it is. ``if_version``: only if that is the one which counts now.

        Raises:
            Rejected: with every fault.
            Conflict: somebody else has saved meanwhile.
            NoSuchSource: there is none of this kind.
        """
        earlier = await self._database.read(lambda connection: rows.newest(connection, store_id, kind))
        number = earlier.version if earlier else 0
        if if_version is not None and if_version != number:
            raise Conflict(f"These settings were changed meanwhile: version {number} counts now, not {if_version}.")
        valid, mapping = self.check(kind, *self._completed(earlier, settings, rules))
        document, found = _without_secrets(valid, mapping)
        row = f"sources/{store_id}/{kind}"
        kept = Kept(
            store_id=store_id,
            kind=kind,
            version=number + 1,
            enabled=enabled if enabled is not None else earlier.enabled if earlier else True,
            document=document,
            sealed={path: self._box.seal(secret, row=f"{row}/{path}") for path, secret in found.items()},
            created_at=self._clock.now(),
            created_by=actor.name,
        )

        def work(connection: Connection) -> None:
            newest = rows.newest(connection, store_id, kind)
            if (newest.version if newest else 0) != number:
                raise Conflict("These settings were changed meanwhile by somebody else.")
            rows.add(connection, kept)
            before = {**earlier.document, "enabled": earlier.enabled} if earlier else {}
            after = {**kept.document, "enabled": kept.enabled, "version": kept.version, "sealed": sorted(found)}
            self._audit.record(
                connection, actor, "sources.settings_saved", f"source/{kind}", store_id=store_id, before=before, after=after
            )

        await self._database.write(work)
        self._cache.pop((store_id, kind), None)
        return kept

    def _completed(
        self, kept: Kept | None, settings: Mapping[str, Any] | None, rules: Mapping[str, Any] | None
    ) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        earlier: Mapping[str, Any] = kept.document["settings"] if kept else {}
        known = self._secrets(kept) if kept else {}
        full = secrets.put_back(earlier, known) if settings is None else secrets.kept_where_unsaid(settings, earlier, known)
        return full, rules if rules is not None else (kept.document["mapping"] if kept else {})

    def _secrets(self, kept: Kept) -> dict[str, str]:
        row = f"sources/{kept.store_id}/{kept.kind}"
        return {path: self._box.open(sealed, row=f"{row}/{path}") for path, sealed in kept.sealed.items()}

    async def _opened(self, kept: Kept) -> Configuration | None:
        source = self.sources.get(kept.kind)
        if source is None:
            return None
        valid, mapping = self.check(kept.kind, *self._completed(kept, None, None))
        return Configuration(
            store_id=kept.store_id, source=source, version=kept.version, enabled=kept.enabled, settings=valid, rules=mapping,
            salt=await self._salt(kept.store_id), created_at=kept.created_at, created_by=kept.created_by,
        )  # fmt: skip

    def document_of(self, configuration: Configuration) -> dict[str, Any]:
        """Settings and rules as they are, or would be, kept: without secrets."""
        return _without_secrets(configuration.settings, configuration.rules)[0]

    def seal_typed(self, store_id: str, kind: str, path: str, secret: str) -> str:
        """A secret that somebody has just typed, for a page that asks once more before it is kept."""
        return self._box.seal(secret, row=f"sources/{store_id}/{kind}/typed/{path}")

    def open_typed(self, store_id: str, kind: str, path: str, sealed: str) -> str:
        """Raises Rejected if it is none of ours."""
        try:
            return self._box.open(sealed, row=f"sources/{store_id}/{kind}/typed/{path}")
        except Undecryptable as error:
            raise Rejected(problems=(Problem(path, f"{path}: type this secret again"),)) from error

    async def reseal_all(self) -> int:
        """Encrypt everything that is sealed here with the current master key; how many were not."""
        return await self._database.write(lambda connection: rows.reseal(connection, self._box))

    async def _salt(self, store_id: str) -> bytes:
        row = f"sources/{store_id}/salt"
        sealed = await self._database.read(lambda connection: rows.salt(connection, store_id))
        if sealed is None:
            fresh = self._box.seal(base64.b64encode(os.urandom(SALT_BYTES)).decode(), row=row)

            def work(connection: Connection) -> str | None:
                rows.add_salt(connection, store_id, fresh)
                return rows.salt(connection, store_id)

            sealed = await self._database.write(work)
        return base64.b64decode(self._box.open(sealed or "", row=row))


def _without_secrets(valid: BaseModel, mapping: MappingRules) -> tuple[dict[str, Any], dict[str, str]]:
    """Both documents as they are kept, and the secrets that were in them by their places."""
    bare, found = secrets.take_out(valid.model_dump())
    return {"settings": _plain(valid, bare), "mapping": mapping.model_dump(mode="json", exclude_defaults=True)}, found


def _plain(model: BaseModel, document: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as JSON, without those that hold secrets' masks."""
    written = model.model_dump(mode="json")
    return {name: _without_masks(value, document.get(name)) for name, value in written.items()}


def _without_masks(written: Any, bare: Any) -> Any:
    if bare is None:
        return None
    if isinstance(written, dict) and isinstance(bare, Mapping):
        return {name: _without_masks(value, bare.get(name)) for name, value in written.items()}
    if isinstance(written, list) and isinstance(bare, list) and len(written) == len(bare):
        return [_without_masks(value, bare[index]) for index, value in enumerate(written)]
    return written


def _validated(model: type[BaseModel], document: Mapping[str, Any], at: str, problems: list[Problem]) -> BaseModel | None:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False):
            path = ".".join([at, *map(str, fault["loc"])])
            problems.append(Problem(path, f"{path}: {fault['msg']}"))
        return None
