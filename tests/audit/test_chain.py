"""The audit as a chain that the database itself protects."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ferrata.audit import chain_store, store
from ferrata.audit.chain import GENESIS, seal
from ferrata.audit.schemas import SYSTEM, Actor, AuditFilter
from ferrata.audit.service import Audit
from ferrata.infra.database import Database
from ferrata.kit.clock import MovedClock

pytestmark = pytest.mark.anyio
MIRA = Actor("person", "p1", "Mira")


@pytest.fixture
def audit(database: Database, clock: MovedClock) -> Audit:
    return Audit(database, clock)


async def note(database: Database, audit: Audit, *names: str) -> None:
    for name in names:
        await database.write(
            lambda connection, name=name: audit.record(
                connection, MIRA, "rooms.thing_done", f"thing/{name}", after={"name": name}
            )
        )


async def tamper(database: Database, *statements: str) -> None:
    """As somebody would who may write to the database and takes its protection away first."""

    def work(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.execute(text("ALTER TABLE audit_records DISABLE TRIGGER USER"))
            connection.execute(text("ALTER TABLE audit_chain DISABLE TRIGGER USER"))
        else:
            for table in ("audit_records", "audit_chain"):
                for act in ("update", "delete"):
                    connection.execute(text(f"DROP TRIGGER {table}_no_{act}"))
        for statement in statements:
            assert connection.execute(text(statement)).rowcount == 1

    await database.write(work)


class TestARecord:
    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE audit_records SET actor_name = 'nobody'",
            "DELETE FROM audit_records",
            "UPDATE audit_chain SET hash = 'x'",
            "DELETE FROM audit_chain",
        ],
    )
    async def test_can_be_neither_changed_nor_deleted(self, database: Database, audit: Audit, statement: str) -> None:
        await note(database, audit, "a", "b")
        await audit.seal()
        with pytest.raises(DBAPIError, match="append-only"):
            await database.write(lambda connection: connection.execute(text(statement)))
        assert (await audit.verify()).fault is None

    async def test_is_sealed_after_those_before_it(self, database: Database, audit: Audit) -> None:
        await note(database, audit, "a", "b", "c")
        assert [record.seq for record in (await audit.newest()).rows] == [None, None, None]
        head = await audit.seal()
        await note(database, audit, "d")
        assert (await audit.verify()).unsealed == 1
        later = await audit.seal()
        assert head is not None and later is not None
        assert (head.seq, later.seq) == (3, 4)
        assert [record.seq for record in (await audit.newest()).rows] == [4, 3, 2, 1]
        found = await audit.verify()
        assert (found.checked, found.head, found.unsealed, found.fault) == (4, later, 0, None)

    async def test_of_many_writers_and_sealers_at_once_has_its_place_without_gaps(self, database: Database, audit: Audit) -> None:
        await asyncio.gather(*(note(database, audit, f"{number}") for number in range(40)), *(audit.seal() for _ in range(5)))
        await asyncio.gather(*(audit.seal() for _ in range(4)))
        found = await audit.verify()
        assert (found.checked, found.head.seq, found.unsealed, found.fault) == (40, 40, 0, None)

    async def test_holds_no_secret(self, database: Database, audit: Audit) -> None:
        secret = "pk_canary_0123456789abcdef0123456789"
        before = {"api_key": secret, "nested": {"password": secret}, "text": f"the key {secret}"}
        await database.write(lambda connection: audit.record(connection, MIRA, "connections.key_rotated", "x", before=before))
        rows = await database.read(lambda connection: repr(connection.execute(text("SELECT * FROM audit_records")).all()))
        assert secret not in rows and "removed" in rows


class TestVerifying:
    async def found(self, database: Database, audit: Audit, *statements: str) -> Any:
        await note(database, audit, "a", "b", "c", "d")
        await audit.seal()
        await tamper(database, *statements)
        return await audit.verify()

    async def test_finds_the_first_record_that_was_changed(self, database: Database, audit: Audit) -> None:
        changed = "UPDATE audit_records SET after_json = '{}' WHERE target = 'thing/{}'"
        found = await self.found(database, audit, changed.replace("{}'", "c'"), changed.replace("{}'", "d'"))
        assert found.fault is not None and found.fault.seq == 3 and found.checked == 2

    async def test_finds_one_that_was_deleted(self, database: Database, audit: Audit) -> None:
        found = await self.found(database, audit, "DELETE FROM audit_records WHERE target = 'thing/b'")
        assert found.fault is not None and found.fault.seq == 2 and "deleted" in found.fault.sentence

    async def test_finds_a_gap(self, database: Database, audit: Audit) -> None:
        found = await self.found(
            database,
            audit,
            "DELETE FROM audit_records WHERE target = 'thing/b'",
            "DELETE FROM audit_chain WHERE seq = 2",
        )
        assert found.fault is not None and found.fault.seq == 2 and "missing" in found.fault.sentence

    async def test_finds_that_the_end_was_cut_off_by_the_end_that_was_noted(self, database: Database, audit: Audit) -> None:
        await note(database, audit, "a", "b")
        noted = await audit.seal()
        assert noted is not None
        assert (await audit.verify(noted)).fault is None
        await tamper(database, "DELETE FROM audit_records WHERE target = 'thing/b'", "DELETE FROM audit_chain WHERE seq = 2")
        found = await audit.verify(noted)
        assert found.fault is not None and found.fault.seq == 2

    async def test_finds_a_record_that_was_inserted(self, database: Database, audit: Audit) -> None:
        columns = "actor_kind, actor_id, actor_name, action, target, outcome, count"
        found = await self.found(
            database,
            audit,
            f"INSERT INTO audit_records (id, at, {columns})"
            f" SELECT 'forged', at, {columns} FROM audit_records WHERE target = 'thing/b'",
            "UPDATE audit_chain SET seq = 5 WHERE seq = 4",
            "UPDATE audit_chain SET seq = 4 WHERE seq = 3",
            "INSERT INTO audit_chain (seq, record_id, hash, sealed_at)"
            " SELECT 3, 'forged', hash, sealed_at FROM audit_chain WHERE seq = 2",
        )
        assert found.fault is not None and (found.fault.seq, found.fault.record_id) == (3, "forged")

    async def test_finds_a_chain_that_was_written_anew_by_the_end_that_was_noted(self, database: Database, audit: Audit) -> None:
        await note(database, audit, "a", "b", "c")
        noted = await audit.seal()
        await tamper(database, "UPDATE audit_records SET actor_name = 'Eve' WHERE target = 'thing/b'")

        def write_anew(connection: Connection) -> None:
            before = GENESIS
            for row in chain_store.links(connection, 0, 10):
                before = seal(before, row.seq, store.content(row))
                written = text("UPDATE audit_chain SET hash = :hash WHERE seq = :seq")
                connection.execute(written, {"hash": before, "seq": row.seq})
            if connection.dialect.name == "postgresql":
                connection.execute(text("ALTER TABLE audit_records ENABLE TRIGGER USER"))
                connection.execute(text("ALTER TABLE audit_chain ENABLE TRIGGER USER"))

        await database.write(write_anew)
        alone = (await audit.verify()).fault
        assert alone is None or alone.seq is None  # on SQLite the triggers are gone; the chain fits
        found = await audit.verify(noted)
        assert found.fault is not None and found.fault.seq == 3 and "whose end was noted" in found.fault.sentence

    async def test_finds_what_was_kept_from_being_sealed(self, database: Database, audit: Audit, clock: MovedClock) -> None:
        await note(database, audit, "a")
        await database.write(lambda connection: connection.execute(text("DELETE FROM audit_unsealed")))
        assert (await audit.verify()).fault is None
        clock.advance(600)
        found = await audit.verify()
        assert found.fault is not None and "never sealed" in found.fault.sentence

    async def test_finds_that_the_protection_was_taken_away(self, database: Database, audit: Audit) -> None:
        await tamper(database)
        found = await audit.verify()
        assert found.fault is not None and "no longer refuses" in found.fault.sentence


class TestForgetting:
    async def test_deletes_what_is_due_and_the_chain_still_holds(
        self, database: Database, audit: Audit, clock: MovedClock
    ) -> None:
        await note(database, audit, "old", "older")
        old_head = await audit.seal()
        clock.advance(timedelta(days=2_600).total_seconds())
        await note(database, audit, "young")
        await audit.seal()
        assert await audit.forgetting.run() == 2
        assert await audit.forgetting.run() == 0
        await audit.seal()
        found = await audit.verify()
        assert found.fault is None and found.anchor is not None
        assert (found.anchor.seq, found.checked) == (2, 2)
        assert old_head is not None and found.anchor.hash == old_head.hash
        told = (await audit.page(AuditFilter(action="audit"))).rows
        assert [(record.actor, record.after["records"]) for record in told] == [(SYSTEM, 2)]

    async def test_leaves_alone_what_is_young(self, database: Database, audit: Audit, clock: MovedClock) -> None:
        await note(database, audit, "young")
        await audit.seal()
        clock.advance(timedelta(days=2_500).total_seconds())
        assert await audit.forgetting.run() == 0
        assert len((await audit.newest()).rows) == 1

    async def test_goes_on_where_it_was_broken_off(self, database: Database, clock: MovedClock) -> None:
        audit = Audit(database, clock)
        await note(database, audit, "a", "b")
        await audit.seal()
        clock.advance(timedelta(days=2_600).total_seconds())
        now = clock.now()
        before = now - timedelta(days=2_557)
        anchor = await database.write(lambda connection: chain_store.anchor_before(connection, before, now))
        assert anchor is not None
        await database.write(lambda connection: chain_store.delete_anchored(connection, anchor, 1))
        assert (await audit.verify()).fault is None
        assert await audit.forgetting.run() == 1
        assert (await audit.verify()).fault is None

    async def test_by_hand_before_its_time_is_found(self, database: Database, audit: Audit, clock: MovedClock) -> None:
        await note(database, audit, "a", "b")
        await audit.seal()
        hasty = Audit(database, clock, kept_for=timedelta(seconds=1))
        clock.advance(60)
        await hasty.forgetting.run()
        found = await audit.verify()
        assert found.fault is not None and "before their time" in found.fault.sentence
