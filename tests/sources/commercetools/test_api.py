"""commercetools' API: asked with a token, again where that helps, and never for ever; and its history, however long."""

import pytest

from ferrata.sources.commercetools.api import ATTEMPTS, Api
from ferrata.sources.commercetools.errors import AccessRefused, QueryRefused, Unavailable
from ferrata.sources.commercetools.history import BACKFILLS
from ferrata.sources.commercetools.notification import raw_message
from ferrata.sources.commercetools.tokens import Tokens
from ferrata.sources.contract import Lookup, Span
from tests.sources.commercetools import shop
from tests.sources.commercetools.driving import NOW, HastyClock, mapped, reader, settings
from tests.sources.commercetools.mock_api import LARGEST_OFFSET, CommercetoolsMock, Fault


@pytest.fixture
def mock() -> CommercetoolsMock:
    made = CommercetoolsMock()
    made.put("customers", [shop.customer()])
    return made


@pytest.fixture
def hasty() -> HastyClock:
    return HastyClock()


def _api(mock: CommercetoolsMock, clock: HastyClock) -> Api:
    chosen = settings()
    assert chosen.client_secret is not None
    tokens = Tokens(chosen.auth, chosen.client_id, chosen.client_secret, clock, transport=mock.transport())
    return Api(chosen.api, "shop", tokens, clock, transport=mock.transport(), chance=lambda: 0.5)


class TestARequest:
    async def test_is_repeated_after_a_bad_moment_and_waits_longer_each_time(
        self, mock: CommercetoolsMock, hasty: HastyClock
    ) -> None:
        mock.faults = [Fault("/customers", 503, 1), Fault("/customers", 502, 1), Fault("/customers", 500, 1)]
        assert (await _api(mock, hasty).get("customers/customer-1"))["id"] == "customer-1"
        assert hasty.slept == [0.5, 1.0, 2.0]

    async def test_honours_how_long_commercetools_asks_to_wait(self, mock: CommercetoolsMock, hasty: HastyClock) -> None:
        mock.faults = [Fault("/customers", 429, 1, {"retry-after": "7"})]
        await _api(mock, hasty).get("customers/customer-1")
        assert hasty.slept == [7.0]
        mock.faults = [Fault("/customers", 429, 1, {"retry-after": "600"})]
        with pytest.raises(Unavailable) as told:
            await _api(mock, hasty).get("customers/customer-1")
        assert told.value.retry_after_seconds == 600

    async def test_ends_with_the_word_later_after_some_attempts(self, mock: CommercetoolsMock, hasty: HastyClock) -> None:
        mock.faults = [Fault("/customers", 503)]
        with pytest.raises(Unavailable, match="503"):
            await _api(mock, hasty).get("customers/customer-1")
        assert len(mock.asked("/customers")) == ATTEMPTS
        assert sum(hasty.slept) < 30

    async def test_gets_a_new_token_when_the_old_one_is_refused(self, mock: CommercetoolsMock, hasty: HastyClock) -> None:
        api = _api(mock, hasty)
        await api.get("customers/customer-1")
        mock.tokens.append("somebody has revoked the first one")
        assert await api.get("customers/customer-1")
        assert len([token for token in mock.tokens if token.startswith("token-")]) == 2

    async def test_gets_a_new_token_before_the_old_one_ends(self, mock: CommercetoolsMock, hasty: HastyClock) -> None:
        api = _api(mock, hasty)
        await api.get("customers/customer-1")
        hasty.advance(172_800)
        await api.get("customers/customer-1")
        assert len(mock.tokens) == 2

    @pytest.mark.parametrize("status", [401, 403])
    async def test_that_may_not_be_asked_says_so_at_once(self, mock: CommercetoolsMock, hasty: HastyClock, status: int) -> None:
        mock.faults = [Fault("/customers", status)]
        with pytest.raises(AccessRefused):
            await _api(mock, hasty).get("customers/customer-1")
        assert len(mock.asked("/customers")) <= 2

    async def test_by_an_unknown_client_says_so(self, hasty: HastyClock) -> None:
        with pytest.raises(AccessRefused, match="client_id"):
            await _api(CommercetoolsMock(secret="another"), hasty).get("customers/customer-1")

    async def test_that_makes_no_sense_is_the_messages_fault(self, mock: CommercetoolsMock, hasty: HastyClock) -> None:
        with pytest.raises(QueryRefused):
            await _api(mock, hasty).get("customers", [("where", "id = = 3")])

    async def test_for_what_is_gone_finds_nothing(self, mock: CommercetoolsMock, hasty: HastyClock) -> None:
        assert await _api(mock, hasty).get("customers/somebody") is None


class TestLookups:
    async def test_of_many_products_are_few_requests(self, mock: CommercetoolsMock) -> None:
        mock.put("products", [shop.product(f"p-{number}") for number in range(120)])
        wanted = [Lookup("product", f"p-{number}") for number in range(121)]
        found = await reader(mock, settings()).look_up(wanted)
        assert len(mock.asked("/products")) == 3
        assert found[wanted[0]]["id"] == "p-0"
        assert found[wanted[120]] is None

    async def test_cannot_be_led_astray_by_what_an_id_holds(self, mock: CommercetoolsMock) -> None:
        mock.put("inventory", [{"id": "i", "sku": 'a"b\\', "availableQuantity": 1}, {"id": "j", "sku": "other"}])
        wanted = [
            Lookup("inventory_of_sku", 'a"b\\'),
            Lookup("inventory_of_sku", 'x") or sku != ("y'),
            Lookup("customer", "../orders"),
        ]
        found = await reader(mock, settings()).look_up(wanted)
        assert [each["id"] for each in found[wanted[0]]] == ["i"]
        assert found[wanted[1]] == []
        assert found[wanted[2]] is None
        assert mock.requests[-1].path == "/customers/../orders"


class TestHistory:
    async def test_goes_past_the_largest_offset_in_the_order_of_creation_and_repeats_nothing(
        self, mock: CommercetoolsMock
    ) -> None:
        count = LARGEST_OFFSET + 500
        mock.resources["customers"].clear()
        for number in range(count):  # many at one instant, and ids in another order than time
            at = f"2026-11-01T00:{number // 400:02d}:00.000Z"
            mock.resources["customers"][f"c-{(number * 7919) % count:05d}"] = {
                "id": f"c-{(number * 7919) % count:05d}",
                "version": 1,
                "createdAt": at,
                "email": "a@example.com",
            }
        reading, cursor, seen, asked = reader(mock, settings()), None, [], 0
        while True:
            page = await reading.page("customers", cursor, Span(until=NOW))
            seen += [raw.business_key for raw in page.messages]
            asked, cursor = asked + 1, page.cursor
            if cursor is None:
                break
        assert len(seen) == len(set(seen)) == count
        assert asked == count // 200 + 1
        assert not [request for request in mock.requests if dict(request.params).get("offset")]

    async def test_goes_on_from_a_cursor_with_the_same_page(self, mock: CommercetoolsMock) -> None:
        made = [{"id": f"c-{number:03d}", "version": 1, "createdAt": shop.CREATED} for number in range(450)]
        mock.resources["customers"].clear()
        mock.put("customers", made)
        first = await reader(mock, settings()).page("customers", None, Span(until=NOW))
        again = [await reader(mock, settings()).page("customers", first.cursor, Span(until=NOW)) for _ in range(2)]
        assert again[0] == again[1]
        assert first.total == 450
        assert again[0].messages[0].business_key == "customer:c-200"

    async def test_is_of_the_given_time_only(self, mock: CommercetoolsMock) -> None:
        days = [f"2026-11-{day:02d}T00:00:00.000Z" for day in range(1, 20)]
        mock.resources["orders"].clear()
        mock.put("orders", [shop.order(f"o-{day}", createdAt=day) for day in days])
        span = Span(since=NOW.replace(day=3, hour=0), until=NOW.replace(day=5, hour=0))
        page = await reader(mock, settings()).page("orders", None, span)
        assert [raw.business_key for raw in page.messages] == [f"order:o-{days[2]}", f"order:o-{days[3]}"]

    async def test_of_messages_brings_those_that_no_queue_has_brought_as_they_are(self, mock: CommercetoolsMock) -> None:
        sent = shop.message("OrderCreated", "order", "order-1", order=shop.order())
        stored = {name: value for name, value in sent.items() if name != "notificationType"}
        mock.put("messages", [stored])
        page = await reader(mock, settings()).page("messages", None, Span(until=NOW))
        (raw,) = page.messages
        assert raw.message_id == raw_message(sent).message_id
        assert next(each for each in BACKFILLS if each.name == "messages").live
        (found,) = [await mapped(mock, settings(), raw)]
        assert [event.backfill for event in found.events] == [False, False, False]

    async def test_of_orders_brings_the_products_of_a_whole_page_in_few_requests(self, mock: CommercetoolsMock) -> None:
        mock.put("products", [shop.product("shirt"), shop.product("hat")])
        mock.put("orders", [shop.order(f"o-{number:03d}") for number in range(100)])
        page = await reader(mock, settings()).page("orders", None, Span(until=NOW))
        assert len(page.messages) == 100
        assert set(page.looked_up) == {Lookup("product", "shirt"), Lookup("product", "hat")}
        assert len(mock.asked("/products")) == 1


class TestTheCheck:
    async def test_says_that_all_is_well(self, mock: CommercetoolsMock) -> None:
        assert "may read all" in await reader(mock, settings()).check()

    async def test_fails_with_the_scopes_that_are_missing_and_for_what(self, mock: CommercetoolsMock) -> None:
        mock.scope = "view_orders:shop manage_customers:shop view_products:shop view_payments:another"
        with pytest.raises(AccessRefused) as refused:
            await reader(mock, settings()).check()
        told = refused.value.message
        assert "view_payments (for refunds)" in told
        assert "view_orders" not in told
        assert "view_customers" not in told

    async def test_fails_with_wrong_credentials(self) -> None:
        with pytest.raises(AccessRefused):
            await reader(CommercetoolsMock(secret="another"), settings()).check()
