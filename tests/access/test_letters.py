"""Invitations and links to new passwords are mailed where a mail server is set up, and handed over where none is."""

import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ferrata.access.schemas import Role
from ferrata.kit.clock import MovedClock
from tests.access.people import person, signed_in
from tests.doors import ADDRESS, Doors, open_doors
from tests.mail import Mailbox, mail_settings

pytestmark = pytest.mark.anyio
INVITATIONS = "/api/store/default/invitations"
NORA = {"email": "nora@example.com", "role": "viewer"}
NEW = {"name": "Nora", "password": "a long enough password"}
Post = tuple[Doors, Mailbox]


@pytest.fixture
async def post(
    sqlite_template: Path,
    tmp_path: Path,
    clock: MovedClock,
    mailbox: tuple[Mailbox, int],
    anyio_backend: str,
) -> AsyncIterator[Post]:
    shutil.copy(sqlite_template, tmp_path / "ferrata.db")
    async with open_doors(f"sqlite:///{tmp_path / 'ferrata.db'}", tmp_path, clock, **mail_settings(mailbox[1])) as doors:
        yield doors, mailbox[0]


def link_in(letter: Any) -> str:
    [found] = re.findall(rf"^{ADDRESS}(/\S+)\s*$", letter.get_content(), re.MULTILINE)
    return str(found)


class TestAnInvitation:
    async def test_is_mailed_and_told_to_nobody_else(self, post: Post) -> None:
        doors, mailed = post
        owner = await signed_in(doors, "Olga", default="owner")
        made = await owner.post(INVITATIONS, json=NORA)
        assert (made.status_code, made.json()["url"], made.json()["notMailed"]) == (201, None, None)
        [letter] = mailed.letters
        assert (letter["To"], letter["Subject"]) == ("nora@example.com", "Invitation to the store default in Ferrata")
        assert letter.get_content().startswith("Olga invites nora@example.com to the store default in Ferrata, as viewer.")
        assert (await doors.browser().post(link_in(letter), data=NEW)).status_code == 303

    async def test_is_handed_over_if_that_is_wanted_or_mail_fails(self, post: Post) -> None:
        doors, mailed = post
        owner = await signed_in(doors, "Olga", default="owner")
        made = (await owner.post(INVITATIONS, json=NORA | {"handOver": True})).json()
        assert made["url"].startswith(f"{ADDRESS}/invitation/") and mailed.letters == []
        mailed.refusal = "550 not here"
        failed = (await owner.post(INVITATIONS, json=NORA)).json()
        assert "550" in failed["notMailed"]
        strange = (await owner.post(INVITATIONS, json={"email": "a,b@shop.test", "role": "viewer"})).json()
        assert "no mail server takes such an address" in strange["notMailed"]
        assert (await doors.browser().post(failed["url"].removeprefix(ADDRESS), data=NEW)).status_code == 303

    async def test_on_the_page_says_that_it_was_mailed_or_shows_the_link_and_why(self, post: Post) -> None:
        doors, mailed = post
        browser = await doors.administrator()
        for page in ("/ui/settings/members", "/ui/settings/people"):
            form = {"email": f"nora{len(mailed.letters)}@example.com", "role": "viewer" if "members" in page else "member"}
            answer = await browser.post(page, data=form)
            assert answer.headers["location"] == page
            assert "/invitation/" not in (await browser.get(page)).text
        assert len(mailed.letters) == 2
        mailed.refusal = "550 not here"
        await browser.post("/ui/settings/members", data={"email": "eve@example.com", "role": "viewer"})
        shown = (await browser.get("/ui/settings/members")).text
        assert f"{ADDRESS}/invitation/frt_once_" in shown and "It could not be mailed" in shown


class TestANewPassword:
    async def test_is_chosen_through_a_link_that_only_its_owner_gets(self, post: Post) -> None:
        doors, mailed = post
        administrator, rita = await signed_in(doors, "Mira", Role.ADMINISTRATOR), await person(doors, "Rita", default="viewer")
        offered = await administrator.post(f"/api/people/{rita.id}/new-password")
        assert (offered.status_code, offered.json()["url"]) == (201, None)
        [letter] = mailed.letters
        assert letter["To"] == "rita@example.com"
        new = {"password": "another long password"}
        assert (await doors.browser().post(link_in(letter), data=new)).status_code == 303
        browser = doors.browser()
        assert (await browser.post("/sign-in", data={"email": rita.email, **new})).status_code == 303
        assert (await administrator.post(f"/api/people/{rita.id}/new-password?handOver=true")).json()["url"]
