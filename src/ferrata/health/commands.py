"""``ferrata doctor``."""

import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated

from cyclopts import App, Parameter
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from ferrata.health.doctor.examination import BuildRooms, examine
from ferrata.health.doctor.findings import Finding, State, problem
from ferrata.infra.settings import Settings
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
            findings = [_unfit(each["loc"], each["msg"]) for each in error.errors()]
        else:
            findings = [finding async for finding in examine(settings, clock, rooms)]
        _tell(findings, as_json=json)
        if any(finding.state is State.PROBLEM for finding in findings):
            sys.exit(EXIT_PROBLEM)


def _unfit(location: tuple[int | str, ...], message: str) -> Finding:
    name = ".".join(map(str, location))
    return problem("configuration", f"{name}: {message}", "Ferrata does not start.", f"Mend {name} in the environment or .env.")


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
