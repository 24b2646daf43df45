"""``ferrata sources commercetools``: what only this source needs."""

import json as jsons
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from ferrata.audit.schemas import COMMAND_LINE
from ferrata.infra.errors import NotFound, Rejected
from ferrata.infra.terminal import Terminal
from ferrata.sources.commercetools import history, subscriptions
from ferrata.sources.commercetools.plugin import from_plugin
from ferrata.sources.commercetools.reader import CommercetoolsReader
from ferrata.sources.schemas import LineKey

if TYPE_CHECKING:
    from ferrata.sources.commands import Desk, Opened

KIND = "commercetools"
Json = Annotated[bool, Parameter(name="--json", help="Answer with JSON.")]
StoreOption = Annotated[str | None, Parameter(name="--store", help="The store's id. Default: the first store.")]
Yes = Annotated[bool, Parameter(name="--yes", negative=(), help="Do it. Without this the command only says what it would do.")]


def commands(opened: "Opened") -> App:
    app = App(name=KIND, help="commercetools: its subscription, single resources, and the official plugin's settings.")

    @app.command
    async def subscribe(
        destination: Path, *, key: str = subscriptions.KEY, yes: Yes = False, store: StoreOption = None, json: Json = False
    ) -> None:
        """Create or change the subscription that makes commercetools send its messages. The client needs manage_subscriptions.

        Parameters
        ----------
        destination
            JSON with where to, such as {"type": "SQS", "queueUrl": "...", "region": "..."}.
        key
            The subscription's key.
        """
        wanted = _read_json(destination)
        async with opened() as desk:
            store_id = await desk.connections.registry.choose(store)
            configuration = await desk.sources.configurations.get(store_id, KIND)
            draft = subscriptions.draft(configuration.settings, wanted, key)
            reader = await _reader(desk, store_id)
            plan = await subscriptions.plan(reader.api, draft)
            if yes and plan.act != "unchanged":
                await subscriptions.carry_out(reader.api, plan)
                await desk.sources.record(COMMAND_LINE, "sources.subscription_set", store_id, KIND, plan.shown())
        Terminal(as_json=json).answer({**plan.shown(), "done": yes}, said=_told(plan, done=yes))

    @app.command
    async def read(what: str, *ids: str, store: StoreOption = None, json: Json = False) -> None:
        """Read single orders, customers, products or categories now, as history: no flow starts.

        Parameters
        ----------
        what
            orders, customers, products or categories.
        ids
            Their ids in commercetools.
        """
        async with opened() as desk:
            store_id = await desk.connections.registry.choose(store)
            found = await history.by_ids((await _reader(desk, store_id)).api, what, ids)
            receipt = await desk.sources.reception.keep(LineKey(store_id, KIND), found)
            after = {"what": what, "ids": list(ids)[:100], "found": len(found)}
            await desk.sources.record(COMMAND_LINE, "sources.resources_read", store_id, KIND, after)
        told = (
            f"{len(found)} of {len(ids)} {what} read: {receipt.kept} are new and will be mapped, {receipt.repeated} were known."
        )
        Terminal(as_json=json).answer({**after, "kept": receipt.kept, "repeated": receipt.repeated}, said=told)

    @app.command(name="from-plugin")
    def from_plugin_(config: Path, *, env: Path | None = None) -> None:
        """Translate the official plugin's configuration: prints a file for `ferrata sources set commercetools --file`.

        Parameters
        ----------
        config
            Its configuration, such as config/default.json.
        env
            Its environment, a line NAME=value each. Secrets in it are printed too.
        """
        settings, left = from_plugin(_read_json(config), _read_env(env) if env else {})
        terminal = Terminal(as_json=True)
        terminal.answer({"settings": settings}, said="")
        if left:
            terminal.say(f"Not needed here: {', '.join(left)}.")

    return app


async def _reader(desk: "Desk", store_id: str) -> CommercetoolsReader:
    reader = await desk.sources.reader(store_id, KIND)
    if not isinstance(reader, CommercetoolsReader):
        raise Rejected("This source is not commercetools.")
    return reader


def _told(plan: subscriptions.Plan, *, done: bool) -> str:
    if plan.act == "unchanged":
        return f"The subscription {plan.key} is as it should be."
    shown = jsons.dumps(plan.shown(), indent=2, ensure_ascii=False)
    if done:
        return f"{shown}\nDone: commercetools sends from now on, within a minute."
    return f"{shown}\nDry run: add --yes to {plan.act} it."


def _read_json(file: Path) -> dict[str, Any]:
    try:
        document = jsons.loads(file.read_text())
    except OSError as error:
        raise NotFound(f"{file} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise Rejected(f"{file} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise Rejected(f"{file} must hold a JSON object.")
    return document


def _read_env(file: Path) -> dict[str, str]:
    try:
        lines = file.read_text().splitlines()
    except OSError as error:
        raise NotFound(f"{file} cannot be read: {error.strerror}.") from error
    pairs = [line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith("#")]
    return {name.strip(): value.strip() for name, _, value in pairs}
