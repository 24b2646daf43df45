"""The subscription that Ferrata sets up in commercetools."""

from typing import Any

import pytest

from ferrata.infra.errors import Rejected
from ferrata.sources.commercetools import subscriptions
from ferrata.sources.commercetools.api import Api
from ferrata.sources.commercetools.settings import CommercetoolsSettings
from ferrata.sources.commercetools.tokens import Tokens
from tests.sources.commercetools.driving import HastyClock, settings
from tests.sources.commercetools.mock_api import CommercetoolsMock

SQS = {"type": "SQS", "queueUrl": "https://sqs.eu-central-1.amazonaws.com/1/orders", "region": "eu-central-1"}


async def _set_up(mock: CommercetoolsMock, chosen: CommercetoolsSettings, destination: dict[str, Any]) -> str:
    clock, transport = HastyClock(), mock.transport()
    assert chosen.client_secret is not None
    tokens = Tokens(chosen.auth, chosen.client_id, chosen.client_secret, clock, transport=transport)
    api = Api(chosen.api, chosen.project_key, tokens, clock, transport=transport)
    plan = await subscriptions.plan(api, subscriptions.draft(chosen, destination))
    await subscriptions.carry_out(api, plan)
    return plan.act


class TestTheSubscription:
    async def test_is_made_once_and_changed_only_when_it_differs(self) -> None:
        mock = CommercetoolsMock()
        assert await _set_up(mock, settings(), SQS) == "create"
        (made,) = mock.resources["subscriptions"].values()
        made["destination"]["authenticationMode"] = "IAM"
        assert await _set_up(mock, settings(), SQS) == "unchanged"
        more = settings(order={"returns": True})
        assert await _set_up(mock, more, SQS) == "update"
        assert "ReturnInfoSet" in made["messages"][0]["types"]
        assert await _set_up(mock, more, SQS) == "unchanged"
        assert await _set_up(mock, more, SQS | {"region": "eu-west-1"}) == "update"
        assert made["destination"]["region"] == "eu-west-1"

    async def test_follows_everything_that_the_rules_need(self) -> None:
        wanted = subscriptions.draft(settings(), SQS)
        assert {each["resourceTypeId"] for each in wanted["changes"]} == {
            "customer",
            "category",
            "product",
            "inventory-entry",
            "standalone-price",
        }
        off = settings(disabledEvents=["CustomerResourceUpdated"])
        assert "customer" not in {each["resourceTypeId"] for each in subscriptions.draft(off, SQS)["changes"]}

    async def test_of_event_grid_is_in_the_only_format_that_it_takes(self) -> None:
        grid = {"type": "EventGrid", "uri": "https://topic.example.com", "accessKey": "very secret"}
        wanted = subscriptions.draft(settings(), grid)
        assert wanted["format"]["type"] == "CloudEvents"
        assert "very secret" not in str(subscriptions.Plan("create", "ferrata", wanted).shown())

    @pytest.mark.parametrize("destination", [{"type": "Carrier pigeon"}, {"type": "SQS"}, {}])
    async def test_to_nowhere_is_refused(self, destination: dict[str, Any]) -> None:
        with pytest.raises(Rejected):
            subscriptions.draft(settings(), destination)
