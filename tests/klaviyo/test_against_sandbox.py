"""A journey against the sandbox over a socket: the client and the emulator were written by different hands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from ferrata.klaviyo import Executed, Kind, Klaviyo, Limiter, OAuthSession, OAuthTokens, PrivateKey, Secret, Timeouts
from ferrata.klaviyo.errors import DuplicateProfile, KeyRevoked, MissingScope, NotFound, PayloadRejected
from ferrata.klaviyo.filters import equals, greater_or_equal
from ferrata.klaviyo.oauth import TokenEndpoint, code_challenge
from ferrata.klaviyo.resources import (
    Accounts,
    CatalogKind,
    Catalogs,
    Events,
    JobAct,
    Lists,
    Metrics,
    NewEvent,
    Profiles,
    Subscriptions,
)
from ferrata.klaviyo.resources.catalogs import compound_id
from klaviyo_sandbox.faults import Rule
from klaviyo_sandbox.oauth import App
from klaviyo_sandbox.sandbox import Sandbox
from klaviyo_sandbox.server import Running, running
from klaviyo_sandbox.tenants import DEFAULT_ACCOUNT, DEFAULT_KEY

pytestmark = pytest.mark.anyio

SINGLE, BULK = "POST /api/events", "POST /api/event-bulk-create-jobs"


@pytest.fixture
def service() -> Iterator[Running]:
    sandbox = Sandbox(seed=7)
    with running(sandbox) as served:
        yield served
    sandbox.close()


def client(service: Running, key: str = DEFAULT_KEY, total: float = 5.0) -> Klaviyo:
    return Klaviyo(PrivateKey(key), service.url, timeouts=Timeouts(1, total), limiter=Limiter())


def order(number: int) -> NewEvent:
    return NewEvent(
        metric="Placed Order",
        profile={"email": f"person{number}@shop.test"},
        unique_id=f"shop:{number}:placed",
        time=datetime(2026, 11, 1, 7, 0, number % 60, tzinfo=UTC),
        properties={"number": number},
    )


def job(*events: NewEvent) -> bytes:
    """A bulk job of one group per event."""
    groups = []
    for event in events:
        attributes = json.loads(event.encoded())["data"]["attributes"]
        profile = attributes.pop("profile")
        inside = {"profile": profile, "events": {"data": [{"type": "event", "attributes": attributes}]}}
        groups.append({"type": "event-bulk-create", "attributes": inside})
    body = {"type": "event-bulk-create-job", "attributes": {"events-bulk-create": {"data": groups}}}
    return json.dumps({"data": body}).encode()


class TestTheHappyPath:
    async def test_events_go_out_and_come_back(self, service: Running) -> None:
        async with client(service) as klaviyo:
            events = Events(klaviyo)
            assert (await events.create(order(1))).is_accepted
            assert (await events.create(order(1))).is_accepted
            assert (await events.create_bulk(job(*map(order, range(2, 30))))).is_accepted
            [metric] = [each async for each in Metrics(klaviyo).all() if each.name == "Placed Order"]
            where = equals("metric_id", metric.id) & greater_or_equal("datetime", datetime(2026, 11, 1, tzinfo=UTC))
            found = [each async for each in events.list(where, page_size=10)]
        assert sorted(event.unique_id or "" for event in found) == sorted(f"shop:{n}:placed" for n in range(1, 30))
        assert all(event.moment is not None and event.moment.year == 2026 for event in found)

    async def test_profiles_lists_and_consent(self, service: Running) -> None:
        async with client(service) as klaviyo:
            profiles, lists = Profiles(klaviyo), Lists(klaviyo)
            ada = await profiles.create({"email": "ada@shop.test", "first_name": "Ada"})
            found = await profiles.find(equals("email", "ada@shop.test"))
            assert found is not None
            assert found.id == ada.id
            assert (await profiles.upsert({"email": "ada@shop.test", "last_name": "L"})).id == ada.id
            with pytest.raises(DuplicateProfile) as taken:
                await profiles.create({"email": "ada@shop.test"})
            assert taken.value.duplicate_profile_id == ada.id
            news = await lists.create("News", "single_opt_in")
            await lists.add(news.id, [ada.id])
            assert [member.id async for member in lists.members(news.id)] == [ada.id]
            consent = {"email": "ada@shop.test", "subscriptions": {"email": {"marketing": {"consent": "SUBSCRIBED"}}}}
            await Subscriptions(klaviyo).subscribe([consent], list_id=news.id)
            assert (await Accounts(klaviyo).current()).id == DEFAULT_ACCOUNT

    async def test_a_bulk_import_is_followed(self, service: Running) -> None:
        rows = [{"type": "profile", "attributes": {"email": f"p{n}@shop.test"}} for n in range(5)]
        body = {"data": {"type": "profile-bulk-import-job", "attributes": {"profiles": {"data": rows}}}}
        async with client(service) as klaviyo:
            profiles = Profiles(klaviyo)
            started = await profiles.import_bulk(json.dumps(body).encode())
            service.sandbox.clock.advance(60)
            finished = await profiles.import_job(started.id)
            assert (finished.is_over, finished.completed_count) == (True, 5)
            assert [row async for row in profiles.import_errors(started.id)] == []


class TestTheCatalogue:
    async def test_is_written_and_read(self, service: Running) -> None:
        shoe = {"external_id": "shoe", "title": "Shoe", "description": "Runs", "url": "https://shop.test/shoe"}
        small = {**shoe, "external_id": "shoe-s", "sku": "S", "inventory_quantity": 3, "price": 20}
        async with client(service) as klaviyo:
            catalogs = Catalogs(klaviyo)
            await catalogs.create(CatalogKind.CATEGORY, {"external_id": "shoes", "name": "Shoes"})
            await catalogs.create(CatalogKind.ITEM, shoe, categories=["shoes"])
            await catalogs.create(CatalogKind.VARIANT, small, item="shoe")
            with pytest.raises(PayloadRejected):
                await catalogs.create(CatalogKind.ITEM, shoe)
            assert (await catalogs.update(CatalogKind.ITEM, "shoe", {"title": "Boot"})).title == "Boot"
            assert (await catalogs.get(CatalogKind.VARIANT, "shoe-s")).inventory_quantity == 3
            assert [each.name async for each in catalogs.list(CatalogKind.CATEGORY)] == ["Shoes"]
            rows = [{"type": "catalog-item", "id": compound_id("shoe")}, {"type": "catalog-item", "id": compound_id("none")}]
            started = await catalogs.start_job(CatalogKind.ITEM, JobAct.DELETE, rows)
            service.sandbox.clock.advance(60)
            job = await catalogs.job(CatalogKind.ITEM, JobAct.DELETE, started.id)
            assert (job.is_over, job.completed_count, job.failed_count) == (True, 1, 1)
            with pytest.raises(NotFound):
                await catalogs.delete(CatalogKind.ITEM, "shoe")


class TestRefusals:
    async def test_point_at_the_bad_events_of_a_job(self, service: Running) -> None:
        bad = NewEvent(metric="Placed Order", profile={}, unique_id="x", time=datetime(2026, 11, 1, tzinfo=UTC))
        async with client(service) as klaviyo:
            outcome = await klaviyo.send(BULK, job(order(1), bad, order(2)))
        assert outcome.kind is Kind.REJECTED
        assert any("/data/1/" in pointer for pointer in outcome.pointers)

    async def test_of_the_key(self, service: Running) -> None:
        async with client(service, "pk_nobody_knows_this_one") as klaviyo:
            assert (await klaviyo.send(SINGLE, order(1).encoded())).kind is Kind.CREDENTIAL
            with pytest.raises(KeyRevoked):
                await Accounts(klaviyo).current()

    async def test_of_a_scope_name_it(self, service: Running) -> None:
        service.sandbox.tenants.add_key("pk_reader", DEFAULT_ACCOUNT, ["events:read"])
        async with client(service, "pk_reader") as klaviyo:
            outcome = await klaviyo.send(SINGLE, order(1).encoded())
            with pytest.raises(MissingScope) as missing:
                await Profiles(klaviyo).get("01P")
        assert (outcome.kind, outcome.scopes) == (Kind.SCOPE, ("events:write",))
        assert missing.value.scopes == ("profiles:read",)

    async def test_of_what_is_not_there_or_not_known(self, service: Running) -> None:
        async with client(service) as klaviyo:
            with pytest.raises((NotFound, PayloadRejected)):
                await Profiles(klaviyo).get("01ARZ3NDEKTSV4RRFFQ69G5FAV")
            assert (await klaviyo.send("POST /api/never-heard-of", b"{}")).kind is Kind.GONE


class TestFaults:
    @pytest.mark.parametrize(
        ("preset", "kind", "effects"),
        [
            ("exec_500", Kind.UPSTREAM, 1),
            ("exec_reset", Kind.TRANSIENT_UNKNOWN, 1),
            ("exec_html", Kind.ACCEPTED, 1),
            ("truncated", Kind.ACCEPTED, 1),
            ("reset_before", Kind.TRANSIENT_UNKNOWN, 0),
            ("html_502", Kind.UPSTREAM, 0),
            ("cloudflare_challenge", Kind.UPSTREAM, 0),
            ("throttled_daily", Kind.THROTTLED, 0),
            ("redirect", Kind.REDIRECTED, 0),
            ("huge_body", Kind.UPSTREAM, 0),
            ("revision_retired", Kind.GONE, 0),
            ("too_large", Kind.TOO_LARGE, 0),
            ("garbage", Kind.UPSTREAM, 0),
            ("revoked", Kind.CREDENTIAL, 0),
            ("lost_scope", Kind.SCOPE, 0),
        ],
    )
    async def test_are_told_apart_and_never_told_as_executed_wrongly(
        self, service: Running, preset: str, kind: Kind, effects: int
    ) -> None:
        service.sandbox.faults.add(Rule(effect=preset))
        async with client(service) as klaviyo:
            outcome = await klaviyo.send(SINGLE, order(1).encoded())
        assert outcome.kind is kind
        events = [effect for effect in service.sandbox.effects() if effect["kind"].startswith("event")]
        assert len(events) == effects
        if effects:
            assert outcome.executed is not Executed.NO
        else:
            assert outcome.executed is not Executed.YES

    @pytest.mark.parametrize("preset", ["hang", "drip", "crlf_header", "huge_header", "gzip_bomb"])
    async def test_of_the_wire_end_within_the_deadline(self, service: Running, preset: str) -> None:
        service.sandbox.faults.add(Rule(effect=preset))
        async with client(service, total=0.5) as klaviyo:
            outcome = await klaviyo.send(SINGLE, order(1).encoded())
        assert outcome.duration_ms < 5000
        assert outcome.kind in {Kind.TRANSIENT_UNKNOWN, Kind.UPSTREAM, Kind.ACCEPTED}


class TestOAuth:
    async def test_from_consent_to_a_renewed_token_to_uninstalling(self, service: Running) -> None:
        back = "https://shop.test/back"
        scopes = ["accounts:read", "events:write"]
        app = service.sandbox.oauth.register(App("client", "s3cret", "Shop", "shop", [back], scopes))
        verifier = Secret("v" * 64)
        now = service.sandbox.clock.timestamp
        with service.sandbox.state.transaction():
            code = service.sandbox.oauth.issue_code(
                app, DEFAULT_ACCOUNT, redirect_uri=back, scopes=scopes, challenge=code_challenge(verifier), now=now()
            )
        urls = {"token_url": f"{service.url}/oauth/token", "revoke_url": f"{service.url}/oauth/revoke"}
        endpoint = TokenEndpoint("client", Secret("s3cret"), **urls)
        tokens = await endpoint.exchange(code, verifier, back)
        assert tokens.scopes == set(scopes)
        with pytest.raises(KeyRevoked, match="invalid_grant"):
            await endpoint.exchange(code, verifier, back)
        kept: list[OAuthTokens] = []

        async def refresh(old: OAuthTokens) -> OAuthTokens:
            kept.append(await endpoint.refresh(old))
            return kept[-1]

        async with Klaviyo(OAuthSession(tokens, refresh), service.url) as klaviyo:
            assert (await klaviyo.send(SINGLE, order(1).encoded())).is_accepted
            service.sandbox.clock.advance(7200)
            assert (await klaviyo.send(SINGLE, order(2).encoded())).is_accepted
            assert len(kept) == 1
            await endpoint.revoke(kept[0])
            service.sandbox.clock.advance(7200)
            assert (await klaviyo.send(SINGLE, order(3).encoded())).kind is Kind.CREDENTIAL
        await endpoint.aclose()
