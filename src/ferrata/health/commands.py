"""``ferrata doctor`` and ``ferrata connections status``."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict
from typing import Annotated

from cyclopts import App, Parameter
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from ferrata.connections.service import Connections
from ferrata.health.connection_api import ConnectionHealthDocument
from ferrata.health.connection_health import ConnectionHealth, ConnectionHealths
from ferrata.health.doctor.examination import BuildRooms, examine
from ferrata.health.doctor.findings import Finding, State, problem
from ferrata.infra.settings import Settings
from ferrata.infra.settings_errors import faults
from ferrata.infra.terminal import Terminal
from ferrata.kit.clock import Clock

Json = Annotated[bool, Parameter(name="--json", help="Answer with JSON.")]
MARKS = {State.OK: ("✓", "green"), State.WARNING: ("!", "yellow"), State.PROBLEM: ("✗", "red"), State.UNKNOWN: ("?", "dim")}
EXIT_PROBLEM = 1


def add_doctor(app: App, read_settings: Callable[[], Settings], clock: Clock, rooms: BuildRooms) -> None:
    @app.command
    async def doctor(*, json: Json = False) -> None:
        """Say what is wrong and how to mend it. Only looks; also beside a running server. Exits with 1 if there is a problem."""
        findings = []
        try:
            settings = read_settings()
        except ValidationError as error:
            findings = [_unfit(name, said) for name, said in faults(error)]
        else:
            findings = [finding async for finding in examine(settings, clock, rooms)]
        _tell(findings, as_json=json)
        if any(finding.state is State.PROBLEM for finding in findings):
            sys.exit(EXIT_PROBLEM)


def _unfit(name: str, said: str) -> Finding:
    return problem("configuration", f"{name} {said}.", "Ferrata does not start.", f"Mend {name} in the environment or .env.")


StatusDesk = Callable[[], AbstractAsyncContextManager[tuple[ConnectionHealths, Connections]]]


def add_connection_status(app: App, opened: StatusDesk) -> None:
    @app.command
    async def status(
        *,
        store: Annotated[str | None, Parameter(name="--store", help="The store's id. Default: the first store.")] = None,
        json: Json = False,
    ) -> None:
        """How the store's connection fares: whether the key is good, the last success, limits in use, missing scopes."""
        async with opened() as (healths, connections):
            health = await healths.of(await connections.registry.choose(store))
        told = ConnectionHealthDocument.of(health).model_dump(mode="json", by_alias=True)
        Terminal(as_json=json).answer(told, said="\n".join(_health_lines(health)))


def _health_lines(health: ConnectionHealth) -> Iterator[str]:
    seen = health.connection
    named = f", account {seen.account_name or ''} {seen.account_id}" if seen.account_id else ""
    yield f"{seen.store_id}: {seen.status.replace('_', ' ')}{named}{f', key {seen.hint}' if seen.hint else ''}"
    if seen.detail:
        yield f"  {seen.detail}"
    good = {True: "Klaviyo accepts it", False: "Klaviyo refuses it", None: "not known"}[health.key_valid]
    yield f"  key: {good}" + (f", asked {health.checked_at:%H:%M:%S} UTC" if health.checked_at else "")
    yield "  last success: " + (f"{health.last_success_at:%Y-%m-%d %H:%M:%S} UTC" if health.last_success_at else "none yet")
    yield f"  waiting: {health.waiting}"
    for lane in health.lanes:
        yield from (f"  {w.operation}: {w.used} of {w.allowed} in {w.seconds} s" for w in lane.windows)
    for each in health.features:
        lacks = f"lacks {', '.join(each.missing)}" if each.missing else (each.held or "not looked yet")
        yield f"  {each.feature.words}: {lacks}"
    for key in health.retiring:
        yield f"  the replaced key {key.hint} is forgotten at {key.forget_at:%H:%M:%S} UTC"


def _tell(findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        well = not any(finding.state is State.PROBLEM for finding in findings)
        Terminal(as_json=True).answer({"ok": well, "findings": [asdict(finding) for finding in findings]}, said="")
        return
    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        mark, style = MARKS[finding.state]
        console.print(Text(f"{mark} ", style=style) + Text(f"{finding.name}  ", style="bold") + Text(finding.found))
        for label, text in (("", finding.means), ("→ ", finding.mend)):
            if text:
                console.print(Text(f"    {label}{text}", style="" if label else "dim"))
