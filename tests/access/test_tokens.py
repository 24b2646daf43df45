"""Tokens of programs."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from ferrata.access.schemas import STORE_RIGHTS, Right
from ferrata.audit.schemas import SYSTEM
from ferrata.infra.errors import NotFound, Rejected
from ferrata.kit.clock import MovedClock
from tests.doors import Doors

pytestmark = pytest.mark.anyio
WRITE = frozenset({Right.EVENTS_WRITE})


class TestAToken:
    async def test_says_who_holds_it_and_for_which_store(self, doors: Doors) -> None:
        created = await doors.wiring.access.tokens.create("shop", actor=SYSTEM, store_id="default", rights=WRITE)
        who = await doors.wiring.access.authenticate_token(created.secret)
        assert who is not None
        assert (who.kind, who.name, who.store_id, who.rights) == ("token", "shop", "default", WRITE)

    async def test_is_nowhere_in_the_database(self, doors: Doors) -> None:
        created = await doors.wiring.access.tokens.create("shop", actor=SYSTEM, store_id=None, rights=WRITE)

        def everything(connection: object) -> str:
            rows = [connection.execute(text(f"SELECT * FROM {table}")).all() for table in ("tokens", "audit_records")]  # type: ignore[attr-defined]
            return repr(rows)

        kept = await doors.wiring.database.read(everything)
        assert created.token.hint in kept
        assert created.secret not in kept
        assert created.secret[8:] not in kept

    async def test_is_refused_within_two_seconds_of_its_revocation_by_another_process(
        self, doors: Doors, clock: MovedClock
    ) -> None:
        access = doors.wiring.access
        created = await access.tokens.create("shop", actor=SYSTEM, store_id=None, rights=WRITE)
        assert await access.authenticate_token(created.secret)
        await doors.wiring.database.write(
            lambda connection: connection.execute(text("UPDATE tokens SET revoked_at = created_at"))
        )
        clock.advance(2)
        assert await access.authenticate_token(created.secret) is None

    async def test_is_refused_at_once_by_the_process_that_revoked_it(self, doors: Doors) -> None:
        access = doors.wiring.access
        created = await access.tokens.create("shop", actor=SYSTEM, store_id=None, rights=WRITE)
        assert await access.authenticate_token(created.secret)
        await access.tokens.revoke(created.token.id, actor=SYSTEM)
        await access.tokens.revoke(created.token.id, actor=SYSTEM)
        assert await access.authenticate_token(created.secret) is None
        actions = [record.action for record in (await doors.wiring.audit.newest()).rows]
        assert actions.count("access.key_revoked") == 1

    async def test_ends_at_its_time(self, doors: Doors, clock: MovedClock) -> None:
        access = doors.wiring.access
        end = clock.now() + timedelta(hours=1)
        created = await access.tokens.create("shop", actor=SYSTEM, store_id=None, rights=WRITE, expires_at=end)
        clock.advance(3_599)
        assert await access.authenticate_token(created.secret)
        clock.advance(1)
        assert await access.authenticate_token(created.secret) is None

    async def test_needs_a_name_a_right_and_an_end_to_come(self, doors: Doors, clock: MovedClock) -> None:
        with pytest.raises(Rejected) as refused:
            await doors.wiring.access.tokens.create(" ", actor=SYSTEM, store_id=None, rights=frozenset(), expires_at=clock.now())
        assert [problem.path for problem in refused.value.problems] == ["name", "rights", "expiresAt"]

    async def test_that_does_not_exist_cannot_be_revoked(self, doors: Doors) -> None:
        with pytest.raises(NotFound):
            await doors.wiring.access.tokens.revoke("nobody", actor=SYSTEM)

    @pytest.mark.parametrize("secret", ["", "frt_", "frt_" + "x" * 10_000, "pk_0123", "frt_ünï", "frt_%00"])
    async def test_that_was_never_made_is_nobody(self, doors: Doors, secret: str) -> None:
        assert await doors.wiring.access.authenticate_token(secret) is None


class TestThePage:
    @pytest.mark.parametrize("days", ["-3", "0", "ten", "1.5", "10000", "٣"])
    async def test_makes_no_token_whose_end_it_does_not_understand(self, doors: Doors, days: str) -> None:
        browser = await doors.administrator()
        answer = await browser.post("/ui/settings/tokens", data={"name": "shop-backend", "days": days})
        assert answer.status_code == 400
        assert "No token was made" in answer.text
        assert 'value="shop-backend"' in answer.text
        assert await doors.wiring.access.tokens.all() == []

    @pytest.mark.parametrize(("days", "end"), [("", None), (" 30 ", timedelta(days=30))])
    async def test_makes_one_that_ends_when_it_should(
        self, doors: Doors, clock: MovedClock, days: str, end: timedelta | None
    ) -> None:
        browser = await doors.administrator()
        answer = await browser.post("/ui/settings/tokens", data={"name": "shop-backend", "days": days})
        assert answer.status_code == 303
        (token,) = await doors.wiring.access.tokens.all()
        assert token.expires_at == (end and clock.now() + end)


async def test_a_token_hears_of_all_faults_at_once(doors: Doors, clock: MovedClock) -> None:
    header = await doors.token(*STORE_RIGHTS)
    asked = {"name": " ", "rights": ["nonsense", "events:read"], "expiresAt": clock.now().isoformat()}
    refused = await doors.client.post("/api/tokens", json=asked, headers=header)
    assert refused.status_code == 400
    assert {fault["path"] for fault in refused.json()["errors"]} == {"name", "rights", "expiresAt"}
    invited = await doors.client.post("/api/store/default/invitations", json={"email": "nobody", "role": "king"}, headers=header)
    assert invited.status_code == 400
    assert {fault["path"] for fault in invited.json()["errors"]} == {"email", "role"}
