"""Every route, everybody, in their own and in a foreign store. The routes are walked: a new one is tried without being named."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ferrata.access.http import KNOWN
from ferrata.access.roles import EVERYWHERE
from ferrata.access.schemas import AT_THE_SERVER, STORE_RIGHTS, Right
from ferrata.kit.clock import MovedClock
from tests.access.matrix import (
    FOREIGN,
    OWN,
    REFUSALS,
    Door,
    Town,
    around,
    built,
    code_of,
    cookie_of,
    every_door,
    guarded_doors,
    tells,
)
from tests.access.people import person
from tests.doors import open_doors

pytestmark = pytest.mark.anyio
CUSTOM = frozenset({Right.FLAGS_READ, Right.MEMBERS_READ, Right.CONNECTIONS_MANAGE})
EXPECTED = {name: role.effective for name, role in EVERYWHERE.items()} | {
    "custom": CUSTOM - {Right.CONNECTIONS_MANAGE},  # its level does not reach 80
    "nowhere": frozenset[Right](),
}


@pytest.fixture
async def town(tmp_path: Path, clock: MovedClock, anyio_backend: str) -> AsyncIterator[Town]:
    async with open_doors(f"sqlite:///{tmp_path / 'ferrata.db'}", tmp_path, clock) as doors:
        yield await built(doors)


class TestEveryRole:
    @pytest.mark.parametrize("role", EXPECTED)
    async def test_may_in_its_own_store_exactly_what_it_holds_and_in_the_other_nothing(self, town: Town, role: str) -> None:
        doors = town.doors
        if role == "custom":
            await doors.wiring.access.roles.create(OWN, "custom", CUSTOM, 50, by=AT_THE_SERVER)
        somebody = await person(doors, "Somebody", stores={} if role == "nowhere" else {OWN: role})
        headers = await cookie_of(doors, somebody)
        wrong = []
        for door in guarded_doors(doors):
            if not door.changes or door.right not in EXPECTED[role]:  # what is allowed and changes things has tests of its own
                answer = await town.knock(door, headers)
                refused = answer.status_code == 403 and code_of(answer) in REFUSALS
                if refused is (door.right in EXPECTED[role]) or answer.status_code in (401, 500):
                    wrong.append((door.name, door.right, "own", answer.status_code, answer.text[:200]))
            foreign = await town.knock(door, headers, FOREIGN)
            if foreign.status_code != 403 or code_of(foreign) not in REFUSALS:
                wrong.append((door.name, door.right, "foreign", foreign.status_code, foreign.text[:200]))
        assert wrong == []
        assert len(guarded_doors(doors)) > 60


class TestAStranger:
    async def test_with_a_session_learns_and_changes_nothing_on_any_route(self, town: Town) -> None:
        await _try_everything(town, await cookie_of(town.doors, await person(town.doors, "Stranger", second="owner")))

    async def test_with_a_token_learns_and_changes_nothing_on_any_route(self, town: Town) -> None:
        await _try_everything(town, await town.doors.token(*STORE_RIGHTS, store_id=FOREIGN))

    async def test_who_is_nobody_is_let_in_nowhere(self, town: Town) -> None:
        before = await town.rows()
        for door in every_door(town.doors):
            answer = await town.knock(door, {})
            assert door.right is None or answer.status_code == 401, (door.name, answer.text[:200])
            assert not tells(answer), (door.name, answer.text[:500])
        assert await town.rows() == before

    async def test_with_a_token_without_the_right_is_refused_everywhere(self, town: Town) -> None:
        for door in guarded_doors(town.doors):
            headers = await town.doors.token(*(STORE_RIGHTS - {Right(str(door.right))}))
            answer = await town.knock(door, headers)
            assert (answer.status_code, code_of(answer)) == (403, "lacks_right"), (door.name, answer.text[:200])


class TestAnotherSite:
    async def test_makes_a_signed_in_browser_change_nothing(self, town: Town) -> None:
        administrator = await cookie_of(town.doors, await person(town.doors, "Olga", default="owner"))
        evil = administrator | {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}
        before = await town.rows()
        for door in every_door(town.doors):
            if door.changes:
                answer = await town.knock(door, evil)
                assert (answer.status_code, code_of(answer)) == (403, "cross_site"), (door.name, answer.text[:200])
        assert await town.rows() == before


class TestAGet:
    async def test_asked_again_changes_nothing_however_much_may_be_done(self, town: Town) -> None:
        """Asked the first time it may make what a store has once, such as the key that its links are signed with."""
        headers = await cookie_of(town.doors, await person(town.doors, "Olga", default="owner"))
        states = []
        for _ in range(2):
            for door in every_door(town.doors):
                if not door.changes:
                    await town.knock(door, headers)
            states.append(await town.rows())
        assert {name: rows for name, rows in states[1].items() if rows != states[0][name]} == {}


async def _try_everything(town: Town, headers: dict[str, str]) -> None:
    """The first store's ids in every place; the store named in the header, then not named, then as the last choice."""
    before, tried = await town.rows(), 0
    wrong: list[tuple[object, ...]] = []
    for door in every_door(town.doors):
        if _ends_the_session(door):
            continue
        for named, more in ((True, {}), (False, {}), (False, {"cookie": "; ".join(_cookies(headers))})):
            answer = await town.knock(door, headers | more, named=named)
            tried += 1
            if tells(answer) or (answer.status_code >= 500 and answer.status_code != 503):
                wrong.append((door.name, named, answer.status_code, around(answer)))
            if named and door.right not in (None, KNOWN) and (answer.status_code != 403 or code_of(answer) not in REFUSALS):
                wrong.append((door.name, "named", answer.status_code, answer.text[:200]))
    after = await town.rows()
    assert wrong == []
    assert {name: rows for name, rows in after.items() if rows != before[name]} == {}
    assert tried > 200


def _ends_the_session(door: Door) -> bool:
    return door.right in (None, KNOWN) and door.changes


def _cookies(headers: dict[str, str]) -> list[str]:
    return [part for part in (headers.get("cookie"), f"ferrata_store={OWN}") if part]
