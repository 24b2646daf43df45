"""The command line: ``ferrata``. Each room brings its commands; this file gathers them and turns errors into exit codes."""

import sys
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

from cyclopts import App, Parameter
from pydantic import ValidationError
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

import ferrata
from ferrata.access import commands as access
from ferrata.access import store_commands
from ferrata.alerts import commands as alerts
from ferrata.audit import commands as audit
from ferrata.audit.schemas import COMMAND_LINE
from ferrata.carts import commands as carts
from ferrata.catalog import commands as catalog
from ferrata.connections import commands as connections
from ferrata.connections import oauth_commands
from ferrata.delivery import commands as delivery
from ferrata.delivery.changes import DeadLetterChanges
from ferrata.entry.demo import Options, demo
from ferrata.entry.serve import Role
from ferrata.entry.serve import serve as run_server
from ferrata.entry.tables import metadata
from ferrata.entry.wiring import Wiring, build
from ferrata.events import commands as events
from ferrata.flags import commands as flags
from ferrata.health.commands import add_connection_status, add_doctor
from ferrata.health.doctor.examination import Rooms
from ferrata.infra.crypto import generate_key
from ferrata.infra.database import Database
from ferrata.infra.errors import FerrataError, Recovery
from ferrata.infra.logging import configure_logging
from ferrata.infra.resealing import sealed_by_key
from ferrata.infra.settings import Settings
from ferrata.infra.settings_errors import sentences
from ferrata.infra.terminal import Terminal
from ferrata.kit.clock import SystemClock
from ferrata.retention import commands as retention
from ferrata.sources import commands as sources

EXIT_REJECTED, EXIT_USAGE, EXIT_TRANSIENT = 1, 2, 75  # 75 is EX_TEMPFAIL of sysexits.h: the same command may work later
Json = Annotated[bool, Parameter(name="--json", help="Answer with JSON.")]
Room = TypeVar("Room")

app = App(name="ferrata", version=ferrata.__version__, help="Commerce events in, kept, and delivered to Klaviyo exactly once.")


def read_settings() -> Settings:
    """From the environment and ``.env``. Raises ValidationError with every fault at once."""
    return Settings()  # type: ignore[call-arg]  # pydantic fills every field from the environment


def _missing_file(settings: Settings) -> Path | None:
    """The embedded database's file, if there is none yet."""
    try:
        url = make_url(settings.database())
    except ArgumentError:  # opening it says what is wrong, in words
        return None
    file = Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None
    return file if file and not file.exists() else None


@asynccontextmanager
async def opened() -> AsyncIterator[Wiring]:
    """Everything, for the time of one command; beside the server, if one runs."""
    settings, clock = read_settings(), SystemClock()
    configure_logging("warning", settings.log_format, clock.monotonic)
    begun = _missing_file(settings)
    wiring = build(settings, clock=clock, beside=True)
    if begun:
        sys.stderr.write(f"There was no installation here: began a new one in {begun}. FERRATA_DATA_DIR names another place.\n")
    try:
        await wiring.connections.registry.ensure_default()
        yield wiring
    finally:
        await wiring.close()


def room(choose: Callable[[Wiring], Room]) -> Callable[[], AbstractAsyncContextManager[Room]]:
    """Opens everything and gives one room of it: all that its commands see."""

    @asynccontextmanager
    async def open_room() -> AsyncIterator[Room]:
        async with opened() as wiring:
            yield choose(wiring)

    return open_room


def _rooms_to_examine(settings: Settings, database: Database) -> Rooms:
    wiring = build(settings, database=database)
    return Rooms(wiring.connections, wiring.delivery)


def _access_desk(wiring: Wiring) -> access.Desk:
    return access.Desk(wiring.access, wiring.connections.registry.choose, wiring.settings.public_address())


def _sources_desk(wiring: Wiring) -> sources.Desk:
    return sources.Desk(wiring.connections, wiring.sources, wiring.clock)


def _delivery_desk(wiring: Wiring) -> delivery.Desk:
    return delivery.Desk(wiring.connections, wiring.delivery, DeadLetterChanges(wiring.delivery, wiring.audit))


app.command(access.tokens(room(_access_desk)))
app.command(access.people(room(_access_desk)))
app.command(audit.audit(room(lambda wiring: wiring.audit)))
app.command(store_commands.members(room(_access_desk)))
app.command(store_commands.access(room(_access_desk)))
app.command(connections.stores(room(lambda wiring: wiring.connections)))
connection_commands = connections.connections(room(lambda wiring: wiring.connections))
add_connection_status(connection_commands, room(lambda wiring: (wiring.health.of_connections, wiring.connections)))
connection_commands.command(oauth_commands.oauth(room(lambda wiring: (wiring.oauth, wiring.connections))))
app.command(connection_commands)
app.command(events.events())
app.command(alerts.alerts(room(lambda wiring: alerts.Desk(wiring.alerts, wiring.connections))))
app.command(flags.flags(room(lambda wiring: flags.Desk(wiring.connections, wiring.flags, wiring.events))))
app.command(catalog.catalog(room(lambda wiring: catalog.Desk(wiring.connections, wiring.catalog))))
app.command(delivery.lanes(room(_delivery_desk)))
app.command(delivery.dead_letters(room(_delivery_desk)))
app.command(sources.sources(room(_sources_desk)))
app.command(sources.backfills(room(_sources_desk)))
app.command(sources.explain(room(_sources_desk)))
app.command(sources.erase(room(_sources_desk)))
app.command(carts.carts(room(lambda wiring: carts.Desk(wiring.connections, wiring.carts))))
app.command(retention.cleanup(room(lambda wiring: retention.Desk(wiring.connections, wiring.retention))))
add_doctor(app, read_settings, SystemClock(), _rooms_to_examine)
keys = App(name="keys", help="The master key, which encrypts Klaviyo's keys at rest.")
app.command(keys)


@app.command
def serve(*, role: Role = Role.ALL, host: str | None = None, port: int | None = None) -> None:
    """Accept and deliver events until told to end (SIGTERM or Ctrl-C).

    Parameters
    ----------
    role
        all does both in one process; api and worker share the work among processes, on PostgreSQL.
    host
        The address to listen on, instead of FERRATA_HOST.
    port
        The port to listen on, instead of FERRATA_PORT.
    """
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    run_server(read_settings().model_copy(update=given), role)


@app.command(name="demo")
def run_demo(
    *, port: int | None = None, sandbox_port: int = 3001, data: Path | None = None, browser: bool = True, fresh: bool = False
) -> None:
    """Try everything on this machine: an example shop with history and live traffic, and a sandbox as Klaviyo.

    With KLAVIYO_API_KEY in the environment it uses that account instead of the sandbox, and sends only your own events.

    Parameters
    ----------
    port
        The port of Ferrata; 0 finds a free one. Default: FERRATA_PORT, or 3000.
    sandbox_port
        The port of the sandbox; 0 finds a free one.
    data
        Where everything is kept, with demo.json: addresses, keys and tokens. Default: demo-data.
    browser
        Open the browser, where there is one.
    fresh
        Delete what an earlier demo made there, and begin again.
    """
    demo(Options(port, sandbox_port, data, browser, fresh), read_settings())


@app.command
async def migrate(*, json: Json = False) -> None:
    """Bring the database's schema to this release. ``serve`` does so too when it starts."""
    async with opened() as wiring:
        engine = wiring.database.engine.dialect.name
    Terminal(as_json=json).answer({"engine": engine, "migrated": True}, said="The database is up to date.")


@keys.command
def generate() -> None:
    """Print a new master key, for FERRATA_MASTER_KEY."""
    print(generate_key())  # noqa: T201 - the answer of the command


@keys.command
async def rotate(*, json: Json = False) -> None:
    """Encrypt with the first key of FERRATA_MASTER_KEY. Put the new one in front of the old, run this, drop the old."""
    async with opened() as wiring:
        count = await wiring.connections.reseal_all(actor=COMMAND_LINE)
        count += await wiring.alerts.channels.reseal_all(actor=COMMAND_LINE)
        count += await wiring.sources.configurations.reseal_all() + await wiring.carts.reseal_all()
    said = f"{count} secrets are encrypted with the current master key now." if count else "Everything was already."
    Terminal(as_json=json).answer({"resealed": count}, said=said)


@keys.command(name="status")
async def keys_status(*, json: Json = False) -> None:
    """How many secrets are encrypted with which master key. Exit code 1 while some need another than the first."""
    async with opened() as wiring:
        found = await wiring.database.read(lambda connection: sealed_by_key(connection, metadata))
        current, given = wiring.box.current_key_id, wiring.box.key_ids
    rows = [{"key": name, "secrets": found[name], "state": _key_state(name, current, given)} for name in sorted({*found, *given})]
    Terminal(as_json=json).rows(["key", "secrets", "state"], rows, nothing="There are no secrets yet.")
    if any(count for name, count in found.items() if name != current):
        sys.exit(EXIT_REJECTED)


def _key_state(name: str, current: str, given: Collection[str]) -> str:
    if name == current:
        return "encrypts"
    return "still decrypts" if name in given else "not given: these secrets cannot be read"


@app.command
def version() -> None:
    """Print the version."""
    print(ferrata.__version__)  # noqa: T201 - the answer of the command


def main() -> NoReturn:
    """The entry of the installed command."""
    try:
        app()
    except ValidationError as error:
        _fail("\n".join(["The settings cannot be used.", *(f"  {line}" for line in sentences(error))]), EXIT_USAGE)
    except FerrataError as error:
        lines = [error.message, *(f"  {problem.message}" for problem in error.problems)]
        _fail("\n".join(lines), EXIT_TRANSIENT if error.recovery is Recovery.RETRY else EXIT_REJECTED)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0)


def _fail(message: str, code: int) -> NoReturn:
    print(f"ferrata: {message}", file=sys.stderr)  # noqa: T201 - what the person at the terminal must know
    sys.exit(code)
