"""Customers as profiles."""

import pytest

from ferrata.sources.contract import PersonRef
from tests.sources.commercetools import shop
from tests.sources.commercetools.driving import mapped, settings
from tests.sources.commercetools.mock_api import CommercetoolsMock


@pytest.fixture
def mock() -> CommercetoolsMock:
    return CommercetoolsMock()


class TestACustomer:
    async def test_who_is_new_is_told_without_asking_commercetools(self, mock: CommercetoolsMock) -> None:
        told = shop.message("CustomerCreated", "customer", "customer-1", customer=shop.customer())
        (change,) = (await mapped(mock, settings(), told)).profiles
        assert change.person == PersonRef("Jane@Example.com", "+493023125000", "customer-1")
        assert change.attributes["first_name"] == "Jane"
        assert "last_name" not in change.attributes
        assert mock.requests == []

    async def test_whose_message_was_too_large_is_fetched(self, mock: CommercetoolsMock) -> None:
        mock.put("customers", [shop.customer()])
        (change,) = (await mapped(mock, settings(), shop.not_included("CustomerCreated", "customer", "customer-1"))).profiles
        assert change.attributes["first_name"] == "Jane"

    @pytest.mark.parametrize(
        "type_",
        ["CustomerFirstNameSet", "CustomerAddressAdded", "CustomerEmailChanged", "CustomerGroupSet", "CustomerAnythingNew"],
    )
    async def test_is_told_as_he_is_now_at_each_message_of_a_change(self, mock: CommercetoolsMock, type_: str) -> None:
        mock.put("customers", [shop.customer()])
        by_message = await mapped(mock, settings(), shop.message(type_, "customer", "customer-1"))
        by_change = await mapped(mock, settings(), shop.change("ResourceUpdated", "customer", "customer-1"))
        assert by_message.profiles[0] == by_change.profiles[0], "the same version is the same change, however it was told"

    async def test_loses_only_what_a_message_takes_away(self, mock: CommercetoolsMock) -> None:
        mock.put("customers", [shop.customer(addresses=[])])
        (_, cleared) = (await mapped(mock, settings(), shop.message("CustomerLastNameSet", "customer", "customer-1"))).profiles
        assert cleared.attributes == {"last_name": None}
        (_, moved) = (await mapped(mock, settings(), shop.message("CustomerAddressRemoved", "customer", "customer-1"))).profiles
        assert moved.attributes == {"location": None}

    async def test_keeps_a_name_that_was_given_again_since(self, mock: CommercetoolsMock) -> None:
        mock.put("customers", [shop.customer()])
        found = await mapped(mock, settings(), shop.message("CustomerFirstNameSet", "customer", "customer-1"))
        assert len(found.profiles) == 1

    async def test_who_is_gone_is_left_as_he_is(self, mock: CommercetoolsMock) -> None:
        found = await mapped(mock, settings(), shop.change("ResourceUpdated", "customer", "customer-1"))
        assert not found.profiles
        assert "no such customer" in found.skipped[0].why

    async def test_brings_custom_fields_and_those_that_the_merchant_named(self, mock: CommercetoolsMock) -> None:
        whole = shop.customer(custom={"fields": {"tier": "gold", "points": 0, "secret": "x"}}, customerNumber="K-7", locale="de")
        chosen = settings(
            customer={
                "fields": ["customerNumber"],
                "customFields": {"properties": {"exclude": ["secret"], "map": {"tier": "Tier"}}},
            }
        )
        (change,) = (
            await mapped(mock, chosen, shop.message("CustomerCreated", "customer", "customer-1", customer=whole))
        ).profiles
        assert change.attributes["properties"] == {"customerNumber": "K-7", "Tier": "gold", "points": 0}

    async def test_with_a_wrong_phone_number_is_told_without_it(self, mock: CommercetoolsMock) -> None:
        whole = shop.customer(addresses=[{"id": "a", "country": "DE", "mobile": "12"}])
        found = await mapped(mock, settings(), shop.message("CustomerCreated", "customer", "customer-1", customer=whole))
        assert found.profiles[0].person.phone is None
        assert found.skipped[0].what == "phone number"

    async def test_can_be_switched_off(self, mock: CommercetoolsMock) -> None:
        chosen = settings(disabledEvents=["CustomerCreated", " OrderStateChanged"])
        found = await mapped(mock, chosen, shop.message("CustomerCreated", "customer", "customer-1", customer=shop.customer()))
        assert not found.profiles
        assert "disabledEvents" in found.skipped[0].why
