"""``ferrata audit``: list, export, verify, report."""

import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

from cyclopts import App, Parameter

from ferrata.audit.documents import Format, document, lines
from ferrata.audit.errors import ChainBroken
from ferrata.audit.schemas import AuditFilter, Head
from ferrata.audit.service import Audit
from ferrata.infra.errors import Problem, Rejected
from ferrata.infra.terminal import Terminal

Opened = Callable[[], AbstractAsyncContextManager[Audit]]
MOST_LISTED = 500
Json = Annotated[bool, Parameter(name="--json", help="Answer with JSON.")]
By = Annotated[str | None, Parameter(name="--actor", help="Of this person, token or command, by id or exact name.")]
Act = Annotated[str | None, Parameter(name="--action", help="This action, such as access.key_created, or a room's: access.")]
On = Annotated[str | None, Parameter(name="--target", help="On this target, such as store/outdoor, or on a kind of them: store.")]
StoreOption = Annotated[str | None, Parameter(name="--store", help="Of this store only.")]
Since = Annotated[datetime | None, Parameter(help="At or after this time; UTC where it names no offset.")]
Until = Annotated[datetime | None, Parameter(help="Before this time; UTC where it names no offset.")]
RefusedOption = Annotated[bool | None, Parameter(name="--refused", negative="--done", help="Only refused attempts, or none.")]


def audit(opened: Opened) -> App:
    app = App(name="audit", help="Who did what, and who was refused: list, export, verify that nothing was changed.")

    @app.command(name="list")
    async def list_records(
        *,
        actor: By = None,
        action: Act = None,
        target: On = None,
        store: StoreOption = None,
        since: Since = None,
        until: Until = None,
        refused: RefusedOption = None,
        limit: Annotated[int, Parameter(help=f"How many at most, up to {MOST_LISTED}.")] = 50,
        json: Json = False,
    ) -> None:
        """Newest first."""
        filter_ = AuditFilter(actor, action, target, store, _aware(since), _aware(until), refused)
        async with opened() as room:
            page = await room.page(filter_, None, max(1, min(limit, MOST_LISTED)))
        rows = [document(record) for record in page.rows]
        columns = list(rows[0]) if json and rows else ["at", "sentence", "target", "address", "id"]
        Terminal(as_json=json).rows(columns, rows, nothing="Nothing was noted.")

    @app.command
    async def export(
        *,
        form: Annotated[Format, Parameter(name="--format", help="ndjson or csv.")] = "ndjson",
        actor: By = None,
        action: Act = None,
        target: On = None,
        store: StoreOption = None,
        since: Since = None,
        until: Until = None,
        refused: RefusedOption = None,
    ) -> None:
        """Write every record that fits to the standard output, newest first."""
        filter_ = AuditFilter(actor, action, target, store, _aware(since), _aware(until), refused)
        async with opened() as room:
            async for line in lines(room.all(filter_), form):
                sys.stdout.write(line)

    @app.command
    async def report(*, store: StoreOption = None, since: Since = None, until: Until = None, json: Json = False) -> None:
        """How often what was done or refused, with its risk."""
        async with opened() as room:
            counted = await room.counts(AuditFilter(store_id=store, since=_aware(since), until=_aware(until)))
        columns = ["action", "outcome", "risk", "records", "attempts"]
        Terminal(as_json=json).rows(columns, [asdict(line) for line in counted], nothing="Nothing was noted.")

    @app.command
    async def verify(
        *,
        head: Annotated[str | None, Parameter(help="An end of the chain noted earlier, SEQUENCE:HASH.")] = None,
        json: Json = False,
    ) -> None:
        """Walk along the whole chain. Fails with the first record that is not as it was sealed.

        Whoever may write to the database could write a whole new chain. Note the end that this prints somewhere else, such as in
        a ticket, and give it back with --head later: then that shows too.
        """
        noted = read_head(head) if head else None
        async with opened() as room:
            found = await room.verify(noted)
        fault = found.fault
        if fault:
            raise ChainBroken(f"{fault.sentence} {found.checked:,} records before it are in order.")
        said = f"{found.checked:,} records are as they were sealed. The end of the chain: {found.head}"
        if found.anchor:
            said += f"\nWhat is older than {found.anchor.last_at:%d %b %Y} was deleted as due, up to record {found.anchor.seq:,}."
        if found.unsealed:
            said += f"\n{found.unsealed:,} of the last minutes wait to be sealed by the server."
        answer = {"ok": True, "checked": found.checked, "head": str(found.head), "unsealed": found.unsealed}
        Terminal(as_json=json).answer(answer, said=said)

    return app


def read_head(text: str) -> Head:
    """Raises Rejected if this is no end of a chain."""
    seq, _, hash_ = text.strip().partition(":")
    if not (seq.isascii() and seq.isdecimal() and len(seq) < 19) or len(hash_) != 64:
        raise Rejected(problems=(Problem("head", "head must read SEQUENCE:HASH, as `ferrata audit verify` prints it"),))
    return Head(int(seq), hash_.lower())


def _aware(instant: datetime | None) -> datetime | None:
    return instant.replace(tzinfo=UTC) if instant and instant.tzinfo is None else instant
