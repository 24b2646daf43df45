"""What pages offer: no link and no form that whoever looks would be refused. The pages are found by following their links."""

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import pytest

from ferrata.access.http import KNOWN, declared_rights
from ferrata.access.roles import EVERYWHERE
from ferrata.access.schemas import AT_THE_SERVER, Right
from ferrata.kit.clock import MovedClock
from tests.access.matrix import OWN, Town, built, cookie_of
from tests.access.people import person
from tests.doors import BROWSER, open_doors

pytestmark = pytest.mark.anyio
LINK = re.compile(r'<a [^>]*href="(/[^"#]*)')
FORM = re.compile(r"(<form[^>]*>)(.*?)</form>", re.DOTALL)
ACTION, POSTS = re.compile(r'action="(/[^"]*)"'), re.compile(r'method="post"', re.IGNORECASE)
FEW = frozenset({Right.MEMBERS_READ, Right.CONNECTIONS_READ})
MOST_PAGES = 80


@pytest.fixture
async def town(tmp_path: Path, clock: MovedClock, anyio_backend: str) -> AsyncIterator[Town]:
    async with open_doors(f"sqlite:///{tmp_path / 'ferrata.db'}", tmp_path, clock) as doors:
        yield await built(doors)


@pytest.mark.parametrize("role", [*EVERYWHERE, "few"])
async def test_is_what_its_reader_may_do(town: Town, role: str) -> None:
    doors = town.doors
    await doors.wiring.access.roles.create(OWN, "few", FEW, 40, by=AT_THE_SERVER)
    rights = FEW if role == "few" else EVERYWHERE[role].effective
    headers = BROWSER | await cookie_of(doors, await person(doors, "Somebody", stores={OWN: role}))
    ahead, seen, refused = ["/"], set[str](), []
    while ahead and len(seen) < MOST_PAGES:
        path = ahead.pop(0)
        if path in seen:
            continue
        seen.add(path)
        answer = await doors.client.get(path, headers=headers)
        if answer.status_code in (301, 302, 303):
            ahead.append(answer.headers["location"])
        elif answer.status_code == 403:
            refused.append(f"the link to {path}")
        elif "text/html" in answer.headers.get("content-type", ""):
            ahead += [unescape(found) for found in LINK.findall(answer.text) if not found.startswith(("/static", "/api"))]
            refused += [f"on {path} the form to {action}" for action in _forms(answer.text) if not _may(town, action, rights)]
    assert refused == []
    assert len(seen) > 5


def _forms(html: str) -> list[str]:
    """Where forms lead that can be sent: one without a button only shows what there is."""
    able = [head for head, inside in FORM.findall(html) if POSTS.search(head) and "<button" in inside]
    return [action[1] for head in able if (action := ACTION.search(head))]


def _may(town: Town, action: str, rights: frozenset[Right]) -> bool:
    path = action.partition("?")[0]
    for route, right in declared_rights(town.doors.app.routes):
        if "POST" in (route.methods or ()) and route.path_regex.match(path):
            return right in (None, KNOWN) or right in rights
    raise AssertionError(f"a form leads to {action}, where nothing is")
