"""Signing in with an OpenID provider, against a real one on a socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from joserfc.jwk import RSAKey
from pydantic import SecretStr

from ferrata.access.schemas import Role
from ferrata.audit.schemas import SYSTEM
from ferrata.infra.errors import Rejected
from ferrata.infra.settings import Environment
from ferrata.kit.clock import MovedClock
from tests.access.people import person
from tests.access.provider import CLIENT_ID, CLIENT_SECRET, OpenIdProvider
from tests.browser import serve
from tests.doors import ADDRESS, PASSWORD, Doors, open_doors

pytestmark = pytest.mark.anyio
CORP = "rita@corp.example"


@dataclass
class Corporate:
    doors: Doors
    provider: OpenIdProvider

    async def sign_in(self, browser: httpx2.AsyncClient | None = None, path: str = "/sign-in/oidc") -> httpx2.Response:
        """Out to the provider and back, as a browser goes."""
        browser = browser or self.doors.browser()
        out = await browser.get(path)
        assert out.status_code == 303, out.text
        return await browser.get(await self.back(out.headers["location"]))

    async def back(self, authorize: str) -> str:
        """The path and query with which the provider sends the browser back."""
        async with httpx2.AsyncClient() as there:
            answer = await there.get(authorize)
        assert answer.status_code == 302
        return answer.headers["location"].removeprefix(ADDRESS)

    async def people(self) -> dict[str, Role]:
        return {each.email: each.role for each in await self.doors.wiring.access.people.all()}


@asynccontextmanager
async def opened(folder: Path, clock: MovedClock, **values: Any) -> AsyncIterator[Corporate]:
    provider = OpenIdProvider(clock)
    async with serve(provider.app()) as url:
        provider.url = url
        registered: dict[str, Any] = {
            "oidc_issuer": url,
            "oidc_client_id": CLIENT_ID,
            "oidc_client_secret": SecretStr(CLIENT_SECRET),
        }
        async with open_doors(f"sqlite:///{folder / 'ferrata.db'}", folder, clock, **(registered | values)) as doors:
            yield Corporate(doors, provider)


@pytest.fixture
async def corporate(tmp_path: Path, clock: MovedClock, anyio_backend: str) -> AsyncIterator[Corporate]:
    async with opened(tmp_path, clock, oidc_domains="corp.example, @other.example") as found:
        await person(found.doors, "Olga", default="owner")
        yield found


class TestSomebodyWhoIsHere:
    async def test_signs_in_by_a_verified_address_and_goes_where_they_wanted(self, corporate: Corporate) -> None:
        await corporate.doors.wiring.access.people.create(CORP, "Rita", PASSWORD, Role.READER, actor=SYSTEM)
        browser = corporate.doors.browser()
        answer = await corporate.sign_in(browser, "/sign-in/oidc?next=/ui/lanes")
        assert answer.headers["location"] == "/ui/lanes"
        assert (await browser.get("/api/session")).json()["email"] == CORP
        assert "ferrata_oidc" not in browser.cookies

    async def test_is_known_afterwards_by_the_providers_name_for_them(self, corporate: Corporate) -> None:
        await corporate.sign_in()
        corporate.provider.person["email"] = "rita.married@corp.example"
        browser = corporate.doors.browser()
        await corporate.sign_in(browser)
        assert (await browser.get("/api/session")).json()["email"] == CORP

    async def test_is_not_whoever_gets_their_address_later(self, corporate: Corporate) -> None:
        await corporate.sign_in()
        corporate.provider.person["sub"] = "p-2"
        refused = await corporate.sign_in()
        assert refused.status_code == 403
        assert "belongs to somebody else" in refused.text


class TestANewcomer:
    async def test_of_a_configured_domain_comes_in_with_no_role_anywhere(self, corporate: Corporate) -> None:
        browser = corporate.doors.browser()
        answer = await corporate.sign_in(browser)
        assert answer.headers["location"] == "/"
        who = (await browser.get("/api/session")).json()
        assert (who["email"], who["rights"], who["stores"]) == (CORP, [], [])
        assert (await corporate.people())[CORP] is Role.MEMBER

    async def test_has_no_password_that_could_be_guessed(self, corporate: Corporate) -> None:
        await corporate.sign_in()
        for password in ("", "nobody has this password"):
            answer = await corporate.doors.client.post("/api/session", json={"email": CORP, "password": password})
            assert answer.status_code == 401

    @pytest.mark.parametrize("email", ["rita@elsewhere.example", "rita@corp.example.evil.example", "rita@sub.corp.example"])
    async def test_of_another_domain_is_told_to_ask_for_an_invitation(self, corporate: Corporate, email: str) -> None:
        corporate.provider.person["email"] = email
        refused = await corporate.sign_in()
        assert refused.status_code == 403
        assert "Ask an administrator" in refused.text
        assert email not in await corporate.people()


class TestATokenOfTheProvider:
    @pytest.mark.parametrize(
        "claims",
        [
            {"nonce": "another"},
            {"nonce": None},
            {"aud": "another application"},
            {"aud": [CLIENT_ID, "another"], "azp": "another"},
            {"iss": "https://evil.example"},
            {"exp": 1_000},
            {"exp": None},
            {"sub": None},
            {"email_verified": False},
            {"email_verified": None},
            {"email": None, "email_verified": None},
        ],
    )
    async def test_that_is_not_for_us_and_now_signs_nobody_in(self, corporate: Corporate, claims: dict[str, Any]) -> None:
        corporate.provider.claims = claims
        corporate.provider.told_by_userinfo = {"sub": "somebody else", "email": CORP, "email_verified": True}
        await self.refused(corporate)

    @pytest.mark.parametrize("signing", ["none", "HS256"])
    async def test_that_anybody_could_have_made_signs_nobody_in(self, corporate: Corporate, signing: str) -> None:
        corporate.provider.signing = signing
        await self.refused(corporate)

    async def test_that_is_signed_with_a_strange_key_signs_nobody_in(self, corporate: Corporate) -> None:
        corporate.provider.key = RSAKey.generate_key(2048, {"kid": corporate.provider.key.kid or ""})
        await self.refused(corporate)

    async def test_of_changed_keys_is_good(self, corporate: Corporate) -> None:
        await corporate.sign_in()
        corporate.provider.change_keys()
        assert (await corporate.sign_in()).status_code == 303

    async def test_proves_no_address_that_it_does_not_name(self, corporate: Corporate) -> None:
        corporate.provider.claims = {"email": None, "email_verified": True}
        corporate.provider.told_by_userinfo = {"sub": "p-1", "email": CORP, "email_verified": False}
        await self.refused(corporate)

    async def test_may_leave_the_address_to_its_userinfo(self, corporate: Corporate) -> None:
        corporate.provider.claims = {"email": None, "email_verified": None}
        assert (await corporate.sign_in()).status_code == 303

    async def refused(self, corporate: Corporate) -> None:
        browser = corporate.doors.browser()
        answer = await corporate.sign_in(browser)
        assert answer.status_code == 403, answer.text
        assert "ferrata_session" not in browser.cookies
        assert CORP not in await corporate.people()


class TestTheWayBack:
    async def test_is_open_only_in_the_browser_that_went_out(self, corporate: Corporate) -> None:
        out = await corporate.doors.browser().get("/sign-in/oidc")
        back = await corporate.back(out.headers["location"])
        for browser in (corporate.doors.browser(), corporate.doors.browser(cookie="ferrata_oidc=invented")):
            assert (await browser.get(back)).status_code == 403
        assert (await corporate.people()).keys() == {"olga@example.com"}

    async def test_is_open_once_and_for_ten_minutes(self, corporate: Corporate, clock: MovedClock) -> None:
        browser = corporate.doors.browser()
        out = await browser.get("/sign-in/oidc")
        known = browser.cookies["ferrata_oidc"]
        back = await corporate.back(out.headers["location"])
        assert (await browser.get(back)).status_code == 303
        assert (await corporate.doors.browser(cookie=f"ferrata_oidc={known}").get(back)).status_code == 403
        out = await browser.get("/sign-in/oidc")
        back = await corporate.back(out.headers["location"])
        clock.advance(600)
        assert (await browser.get(back)).status_code == 403

    async def test_with_another_attempts_code_is_shut_by_pkce(self, corporate: Corporate) -> None:
        victim, thief = corporate.doors.browser(), corporate.doors.browser()
        stolen = parse_qs(urlsplit(await corporate.back((await victim.get("/sign-in/oidc")).headers["location"])).query)["code"][
            0
        ]
        back = await corporate.back((await thief.get("/sign-in/oidc")).headers["location"])
        state = parse_qs(urlsplit(back).query)["state"][0]
        assert (await thief.get(f"/sign-in/oidc/callback?state={state}&code={stolen}")).status_code == 403

    async def test_shows_no_words_that_somebody_put_into_the_address(self, corporate: Corporate) -> None:
        answer = await corporate.doors.browser().get("/sign-in/oidc/callback?error=Call+555-0100+to+unlock")
        assert (answer.status_code, "555-0100" in answer.text) == (403, False)

    @pytest.mark.parametrize("query", ["", "?error=access_denied", "?state=x&code=y", "?state=&code=", "?code=" + "x" * 5_000])
    async def test_with_nonsense_says_so(self, corporate: Corporate, query: str) -> None:
        answer = await corporate.doors.browser().get(f"/sign-in/oidc/callback{query}")
        assert answer.status_code == 403
        assert "Sign in" in answer.text

    @pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example", "/\\evil.example"])
    async def test_leads_to_no_other_site(self, corporate: Corporate, wanted: str) -> None:
        answer = await corporate.sign_in(path=f"/sign-in/oidc?next={wanted}")
        assert answer.headers["location"] == "/"


class TestAProviderThatIsAway:
    async def test_is_told_and_passwords_go_on_working(self, corporate: Corporate) -> None:
        corporate.provider.is_broken = True
        browser = corporate.doors.browser()
        answer = await browser.get("/sign-in/oidc")
        assert answer.status_code == 503
        assert "The provider answered 502" in answer.text
        signed_in = await browser.post("/sign-in", data={"email": "olga@example.com", "password": PASSWORD})
        assert signed_in.status_code == 303


class TestTheSettings:
    async def test_offer_it_by_name_on_the_sign_in_page(self, corporate: Corporate) -> None:
        page = (await corporate.doors.browser().get("/sign-in?next=/ui/lanes")).text
        assert "Sign in with your organisation" in page

    @pytest.mark.parametrize(
        "values",
        [
            {"oidc_client_id": None},
            {"oidc_client_secret": None},
            {"oidc_issuer": None},
            {"environment": Environment.PRODUCTION},
        ],
    )
    async def test_that_name_it_in_part_or_in_clear_are_refused_at_the_start(
        self, tmp_path: Path, clock: MovedClock, values: dict[str, Any]
    ) -> None:
        with pytest.raises(Rejected, match="OIDC"):
            async with opened(tmp_path, clock, **values):
                pass
