"""``ferrata events``."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from ferrata.events.importing.progress import DRY_RUN, IMPORT, Tally
from ferrata.events.importing.run import Order, check_file, import_file
from ferrata.events.importing.sender import Target
from ferrata.infra.errors import NotFound, Problem, Rejected
from ferrata.infra.terminal import Terminal
from ferrata.kit.clock import Clock, SystemClock

EXIT_SOME_REFUSED = 1


def events(clock: Clock | None = None) -> App:
    clock = clock or SystemClock()
    app = App(name="events", help="Events: bring a file of them in.")

    @app.command(name="import")
    async def import_(
        file: Path,
        *,
        url: Annotated[str, Parameter(env_var="FERRATA_URL")] = "http://127.0.0.1:3000",
        token: Annotated[str | None, Parameter(env_var="FERRATA_TOKEN")] = None,
        store: str | None = None,
        backfill: bool = True,
        rate: float = 0,
        map: tuple[str, ...] = (),
        dry_run: Annotated[bool, Parameter(negative=())] = False,
        json: Annotated[bool, Parameter(name="--json", help="Answer with JSON.")] = False,
    ) -> int:
        """Bring a file of events into a running Ferrata. Run again after a break, it goes on; nothing is stored twice.

        JSON lines, or CSV by the file's name (.csv, .tsv), plain or gzipped (.gz). Refused rows stand in FILE.rejected.ndjson,
        with their reasons. Exit code 0: all rows are in; 1: some were refused, or nothing could be done; 75: Ferrata was
        away, try again later.

        Parameters
        ----------
        file
            The file to import.
        url
            Where Ferrata runs.
        token
            A token that may write events. It belongs into the environment rather than on the command line.
        store
            The store, if the token is good for several.
        backfill
            Mark rows as history, which starts no flows and never delays what is live. Off: --no-backfill
        rate
            Rows per second at most. 0: as fast as Ferrata takes them.
        map
            COLUMN=field for CSV, as often as needed: a field of the event, or profile.X or attributes.X.
        dry_run
            Only read and validate; nothing is sent.
        """
        order = Order(_existing(file), backfill, rate, dict(_pair(text) for text in map))
        terminal = Terminal(as_json=json)
        if not dry_run and not token:
            raise Rejected("A token is needed: set FERRATA_TOKEN. Make one with: ferrata tokens create")
        console = Console(stderr=True)
        with _bar(console) as bar:
            task = bar.add_task(file.name, total=_size(order.file), rows=0)

            def watch(tally: Tally, position: int) -> None:
                bar.update(task, completed=position, rows=tally.rows)

            if dry_run:
                tally = check_file(order, clock, watch=watch)
            else:
                target = Target(url.rstrip("/"), token or "", store)
                tally = await import_file(order, target, clock, watch=watch, away=bar.console.print)
        terminal.answer(
            {"rows": tally.rows, "accepted": tally.accepted, "repeated": tally.repeated, "refused": tally.refused},
            said=_said(tally, file, dry_run=dry_run),
        )
        return EXIT_SOME_REFUSED if tally.refused else 0

    return app


def _bar(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(show_speed=False),
        TextColumn("{task.fields[rows]:,} rows"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, disable=not sys.stderr.isatty())


def _said(tally: Tally, file: Path, *, dry_run: bool) -> str:
    report_path = (DRY_RUN if dry_run else IMPORT).report_path(file)
    report = f" The refused ones stand in {report_path}." if tally.refused else ""
    if dry_run:
        return f"{tally.rows:,} rows: {tally.accepted:,} can be imported, {tally.refused:,} would be refused.{report}"
    again = f", {tally.repeated:,} were there already" if tally.repeated else ""
    return f"{tally.rows:,} rows: {tally.accepted:,} accepted{again}, {tally.refused:,} refused.{report}"


def _existing(file: Path) -> Path:
    if not file.is_file():
        raise NotFound(f"There is no file {file}.")
    return file


def _size(file: Path) -> int:
    return file.stat().st_size


def _pair(text: str) -> tuple[str, str]:
    column, equals, field = text.rpartition("=")
    if not equals or not column or not field:
        raise Rejected(problems=(Problem("map", f"--map {text!r} must be COLUMN=field"),))
    return column, field
