"""``ferrata sources``, ``ferrata backfills`` and ``ferrata explain``."""

import json as jsons
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from ferrata.audit.schemas import COMMAND_LINE
from ferrata.connections.service import Connections
from ferrata.infra.errors import NotFound, Problem, Rejected
from ferrata.infra.terminal import Terminal
from ferrata.kit.clock import Clock
from ferrata.sources.contract import Lookup, PersonRef, Received
from ferrata.sources.documents import ExplanationDocument, MessageDocument, RunDocument
from ferrata.sources.explaining import ExplainedMessage, Explanation
from ferrata.sources.installed import installed
from ferrata.sources.replaying import Remapping
from ferrata.sources.schemas import Erasure, Run, State, Wanted
from ferrata.sources.service import Sources


@dataclass(frozen=True, slots=True)
class Desk:
    """What these commands work with."""

    connections: Connections
    sources: Sources
    clock: Clock


Opened = Callable[[], AbstractAsyncContextManager[Desk]]
Json = Annotated[bool, Parameter(name="--json", help="Answer with JSON.")]
StoreOption = Annotated[str | None, Parameter(name="--store", help="The store's id. Default: the first store.")]
Yes = Annotated[bool, Parameter(name="--yes", negative=(), help="Do it. Without this the command only says what it would do.")]
Since = Annotated[datetime | None, Parameter(help="From this time on; UTC where it names no offset.")]
Until = Annotated[datetime | None, Parameter(help="Before this time; UTC where it names no offset.")]


def sources(opened: Opened) -> App:
    app = App(name="sources", help="Shops and payment systems whose messages become events.")

    @app.command(name="list")
    async def list_sources(*, store: StoreOption = None, json: Json = False) -> None:
        """Every source that is installed, and how it stands for a store."""
        async with opened() as desk:
            found = await desk.sources.standings(await desk.connections.registry.choose(store))
        columns = ["kind", "title", "version", "health", "waiting", "expecting", "refused", "lag_seconds", "last_at", "reason"]
        Terminal(as_json=json).rows(columns, [msgspec.structs.asdict(each) for each in found], nothing="No source is installed.")

    @app.command
    async def check(kind: str, *, store: StoreOption = None, json: Json = False) -> None:
        """Ask the source's API whether the credentials are good, and what they lack.

        Parameters
        ----------
        kind
            The source, such as commercetools.
        """
        async with opened() as desk:
            said = await (await desk.sources.reader(await desk.connections.registry.choose(store), kind)).check()
        Terminal(as_json=json).answer({"kind": kind, "answer": said}, said=said)

    @app.command
    async def settings(kind: str, *, store: StoreOption = None, json: Json = False) -> None:
        """The settings that count now, without secrets.

        Parameters
        ----------
        kind
            The source, such as commercetools.
        """
        async with opened() as desk:
            versions = await desk.sources.configurations.versions(await desk.connections.registry.choose(store), kind)
        if not versions:
            raise NotFound(f"{kind} is not set up for this store. Set it up with: ferrata sources set {kind} --file FILE")
        newest = versions[0]
        told = {"version": newest.version, "enabled": newest.enabled, **newest.document, "secrets": sorted(newest.sealed)}
        Terminal(as_json=json).answer(told, said=jsons.dumps(told, indent=2, ensure_ascii=False))

    @app.command(name="set")
    async def set_(
        kind: str,
        *,
        file: Path | None = None,
        enable: Annotated[bool, Parameter(negative=())] = False,
        disable: Annotated[bool, Parameter(negative=())] = False,
        store: StoreOption = None,
        json: Json = False,
    ) -> None:
        """Set a source up, change it, or switch it on and off. What the file leaves out stays as it is.

        Parameters
        ----------
        kind
            The source, such as commercetools.
        file
            JSON with "settings" and "mapping", either or both.
        enable
            Map what has come and what comes.
        disable
            Keep what comes, and map nothing until it is switched on again.
        """
        document = _read_json(file) if file else {}
        if unknown := document.keys() - {"settings", "mapping"}:
            raise Rejected(problems=tuple(Problem(name, f"{name} should not exist") for name in sorted(unknown)))
        async with opened() as desk:
            kept = await desk.sources.configurations.save(
                await desk.connections.registry.choose(store),
                kind,
                settings=document.get("settings"),
                rules=document.get("mapping"),
                enabled=True if enable else False if disable else None,
                actor=COMMAND_LINE,
            )
        said = f"{kind} is set up in version {kept.version}, and {'on' if kept.enabled else 'off'}."
        Terminal(as_json=json).answer({"version": kept.version, "enabled": kept.enabled}, said=said)

    @app.command
    async def messages(
        kind: str, *, state: State | None = None, limit: int = 50, store: StoreOption = None, json: Json = False
    ) -> None:
        """The newest messages, and what became of them."""
        async with opened() as desk:
            store_id = await desk.connections.registry.choose(store)
            wanted = Wanted(store_id=store_id, kind=kind, states=(state,) if state else ())
            page = await desk.sources.messages(wanted, None, max(1, min(limit, 500)))
        columns = ["id", "received_at", "title", "state", "attempts", "reason"]
        rows = [MessageDocument.of(each).model_dump(mode="json") for each in page.rows]
        Terminal(as_json=json).rows(columns, rows, nothing="No message.")

    @app.command
    async def replay(
        kind: str,
        *ids: str,
        states: Annotated[list[State] | None, Parameter(name="--state")] = None,
        since: Since = None,
        until: Until = None,
        yes: Yes = False,
        store: StoreOption = None,
        json: Json = False,
    ) -> None:
        """Map messages again: those named, or all that were refused (or are in --state) in that time.

        Their events keep their ids, so Klaviyo keeps one of each.
        """
        async with opened() as desk:
            wanted = Wanted(
                store_id=await desk.connections.registry.choose(store),
                kind=kind,
                ids=ids,
                states=() if ids else tuple(states or (State.REFUSED,)),
                since=_aware(since),
                until=_aware(until),
            )
            replaying = desk.sources.replaying
            done = await (replaying.again(wanted, COMMAND_LINE) if yes else replaying.look(wanted))
        said = f"{done.count:,} messages are mapped again." if yes else _would(done)
        Terminal(as_json=json).answer(msgspec.to_builtins(done), said=said)

    _add_strays(app, opened)
    for source in installed().values():
        if own := source.commands(opened):
            app.command(own, name=source.kind)
    return app


def _add_strays(app: App, opened: Opened) -> None:
    @app.command
    async def strays(
        kind: str | None = None, *ids: str, store: StoreOption = None, yes: Yes = False, limit: int = 50, json: Json = False
    ) -> None:
        """Deliveries that named a store which is not there. With --yes those named are taken as genuine ones of --store.

        Parameters
        ----------
        kind
            The source, such as stripe.
        ids
            Which of them.
        """
        async with opened() as desk:
            if kind and ids and yes:
                store_id = await desk.connections.registry.choose(store)
                done = await desk.sources.replaying.adopt(kind, ids, store_id, COMMAND_LINE)
                said = f"{done.count:,} deliveries are taken as messages of the store {store_id}."
                return Terminal(as_json=json).answer(msgspec.to_builtins(done), said=said)
            found = await desk.sources.strays(kind, max(1, min(limit, 500)))
        rows = [{**MessageDocument.of(each).model_dump(mode="json"), "kind": each.message.kind} for each in found]
        return Terminal(as_json=json).rows(["id", "kind", "received_at", "reason"], rows, nothing="None.")


def backfills(opened: Opened) -> App:
    app = App(name="backfills", help="Read a source's history; a running server does the work.")

    @app.command(name="list")
    async def list_runs(*, kind: str | None = None, store: StoreOption = None, json: Json = False) -> None:
        """Runs through history, the newest first."""
        async with opened() as desk:
            page = await desk.sources.backfills(await desk.connections.registry.choose(store), kind)
        columns = ["id", "kind", "backfill", "state", "messages", "total", "made", "repeated", "refused", "per_second", "note"]
        rows = [RunDocument.of(run).model_dump(mode="json") for run in page.rows]
        Terminal(as_json=json).rows(columns, rows, nothing="No run yet.")

    @app.command
    async def start(
        kind: str, backfill: str, *, since: Since = None, until: Until = None, store: StoreOption = None, json: Json = False
    ) -> None:
        """Start to read history. Its events start no flows in Klaviyo.

        Parameters
        ----------
        kind
            The source, such as commercetools.
        backfill
            What is read, such as orders.
        """
        async with opened() as desk:
            store_id = await desk.connections.registry.choose(store)
            run = await desk.sources.begin_backfill(
                store_id, kind, backfill, since=_aware(since), until=_aware(until), actor=COMMAND_LINE
            )
        _tell(run, json=json)

    for move, help_ in (
        ("pause", "Pause a run after its present page."),
        ("resume", "Go on with a run from where it stands."),
        ("cancel", "End a run for good. What it has brought stays."),
    ):
        app.command(_mover(opened, move), name=move, help=help_)
    return app


def _mover(opened: Opened, move: str) -> Callable[..., Any]:
    async def moved(id: str, *, store: StoreOption = None, json: Json = False) -> None:
        async with opened() as desk:
            store_id = await desk.connections.registry.choose(store)
            _tell(await desk.sources.move_backfill(store_id, id, move, COMMAND_LINE), json=json)

    return moved


def explain(opened: Opened) -> App:
    app = App(name="explain", help="What a message would do: every request to Klaviyo, and why. Nothing is kept or sent.")

    @app.default
    async def explain_(
        file: Path,
        *,
        source: str = "commercetools",
        lookups: Path | None = None,
        settings: Path | None = None,
        store: StoreOption = None,
        json: Json = False,
    ) -> None:
        """Show every request to Klaviyo that a message would lead to, with the reason for each field.

        Parameters
        ----------
        file
            A message as the source sends it, in whatever envelope.
        source
            The source that it is of.
        lookups
            JSON with answers to what the source's API would be asked, such as {"order/4711": {...}}.
        settings
            JSON with "settings" and "mapping" to explain with, instead of those that are kept.
        """
        draft = _read_json(settings) if settings else {}
        async with opened() as desk:
            configuration = await desk.sources.configurations.draft(
                await desk.connections.registry.choose(store), source, draft.get("settings"), draft.get("mapping")
            )
            received = Received(body=_read(file), at=desk.clock.now(), trusted=True)
            answers = _read_json(lookups) if lookups else {}
            given = {Lookup(*name.partition("/")[::2]): found for name, found in answers.items()}
            found = await desk.sources.explainer.explain(configuration, received, given=given)
        told = ExplanationDocument.of(found).model_dump(mode="json", by_alias=True)
        Terminal(as_json=json).answer(told, said="\n".join(_lines(found)))

    return app


def erase(opened: Opened) -> App:
    app = App(name="erase", help="Forget a person: events, profile, carts, raw messages, and what waits to be sent.")

    @app.default
    async def erase_person(
        *, email: str | None = None, phone: str | None = None, external_id: str | None = None, store: StoreOption = None,
        yes: Yes = False, json: Json = False,
    ) -> None:  # fmt: skip
        """Delete everything that is kept here of somebody in one store. Klaviyo's own copy is not touched.

        Parameters
        ----------
        email
            Their e-mail address.
        phone
            Their phone number, as +49...
        external_id
            The shop's id of them.
        """
        async with opened() as desk:
            store_id = await desk.connections.registry.choose(store)
            person = PersonRef(email, phone, external_id)
            done = await desk.sources.erasing.erase(store_id, person, COMMAND_LINE, dry_run=not yes)
        Terminal(as_json=json).answer(msgspec.structs.asdict(done), said=_erased(done))

    return app


def _erased(done: Erasure) -> str:
    counted = (
        f"{done.events:,} events, {done.profiles:,} profiles, {done.carts:,} carts, {done.messages:,} raw messages, "
        f"{done.tellings:,} changes told of them and {done.memories:,} things remembered"
    )
    if done.dry_run:
        return f"Dry run: {counted} would be deleted. Add --yes."
    if done.under_way:
        return f"{done.under_way:,} deliveries are being sent at this moment. Say it again in a minute for the rest."
    return f"Deleted: {counted}. Klaviyo keeps its own copy until you delete it there."


def _lines(explanation: Explanation) -> list[str]:
    if explanation.refused:
        return [f"Refused: {explanation.refused}"]
    lines = [f"{explanation.source} for the store {explanation.store}: {len(explanation.messages)} messages"]
    for message in explanation.messages:
        lines += ["", *_message_lines(message)]
    return lines


def _message_lines(message: ExplainedMessage) -> list[str]:
    lines = [f"{message.title} ({message.message_id}): {message.outcome}"]
    lines += [f"  because: {message.reason}"] if message.reason else []
    lines += [f"  reads first: {lookup}" for lookup in message.lookups]
    for request in message.requests:
        lines += ["", f"  {request.method} {request.path}", f"  {request.body or ''}"]
        lines += [f"    {tie.target}  <-  {tie.source or 'nothing'}  {tie.why}".rstrip() for tie in request.ties if tie.why]
    lines += [f"  not sent: {each.what}: {each.why}" for each in message.skipped]
    return lines


def _would(look: Remapping) -> str:
    tried = f"Of {look.looked_at:,} tried, {len(look.differences):,} come out otherwise"
    dead = f", and {look.dead:,} dead letters would be replaced and sent again" if look.dead else ""
    return f"Dry run: {look.count:,} messages would be mapped again. {tried}{dead}. Add --yes."


def _tell(run: Run, *, json: bool) -> None:
    of = f" of {run.total:,}" if run.total is not None else ""
    said = f"Run {run.id}: {run.backfill} of {run.kind}, {run.state.value}, {run.messages:,}{of} read."
    Terminal(as_json=json).answer(RunDocument.of(run).model_dump(mode="json", by_alias=True), said=said)


def _aware(at: datetime | None) -> datetime | None:
    return at.replace(tzinfo=UTC) if at and at.tzinfo is None else at


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise NotFound(f"{file} cannot be read: {error.strerror}.") from error


def _read_json(file: Path) -> dict[str, Any]:
    try:
        document = jsons.loads(_read(file))
    except (ValueError, RecursionError) as error:
        raise Rejected(f"{file} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise Rejected(f"{file} must hold a JSON object.")
    return document
