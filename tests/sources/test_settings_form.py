"""Every setting of every source as a form: what is shown, posted as it is, gives the same settings again."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from ferrata.infra.errors import Problem
from ferrata.sources.commercetools.settings import CommercetoolsSettings
from ferrata.sources.contract import SourceSettings
from ferrata.sources.form_fields import Field, Filled, Group, document_of, errors_of, fields_of, names_of
from ferrata.sources.rules import MappingRules
from ferrata.sources.segment.settings import SegmentSettings
from ferrata.sources.spelled import spelled, spelled_path
from ferrata.sources.stripe.settings import StripeSettings

RULES = {
    "off": ["Viewed Page"],
    "metrics": {"Placed Order": "Bought"},
    "properties": {
        "*": {"drop": ["a.b"], "add": {"Link": "{{ properties.OrderId }} = 1"}},
        "Placed Order": {"only": ["OrderId"]},
    },
    "profile": {"hash": ["phone"]},
}
CT = {
    "projectKey": "shop",
    "order": {
        "states": {"changed": {"cancelledOrder": ["Cancelled", "Void"]}},
        "total": "taxedPrice.totalGross",
        "returns": True,
    },
    "customer": {"customFields": {"properties": {"map": {"a": "b"}}}},
    "queue": {"type": "SQS", "queueUrl": "https://sqs/q", "maxMessages": 3},
}


def flat(fields: Sequence[Field | Group]) -> Iterator[Field]:
    for each in fields:
        yield from flat(each.fields) if isinstance(each, Group) else [each]


def posted(fields: Sequence[Field | Group]) -> dict[str, str]:
    """What a browser sends of a form that nobody has touched."""
    return {each.name: each.value for each in flat(fields) if each.kind != "check" or each.value}


def again(model: type[Any], at: str, document: Mapping[str, Any]) -> Any:
    problems: list[Problem] = []
    found = document_of(model, at, posted(fields_of(model, at, document, Filled())), problems)
    assert not problems
    return model.model_validate(found)


@pytest.mark.parametrize(
    ("model", "given"),
    [(CommercetoolsSettings, CT), (StripeSettings, {"metrics": {"Placed Order": "Bought"}}), (SegmentSettings, {"pages": False})],
)
def test_a_form_that_nobody_touched_changes_nothing(model: type[SourceSettings], given: dict[str, Any]) -> None:
    settings = model.model_validate(given)
    assert again(model, "settings", settings.model_dump(mode="json")) == settings


def test_rules_come_back_as_they_were() -> None:
    rules = MappingRules.model_validate(RULES)
    assert again(MappingRules, "mapping", rules.model_dump(mode="json", exclude_defaults=True)) == rules


def test_a_secret_is_never_in_the_form_and_stays_unless_it_is_typed_or_taken_away() -> None:
    document = {"webhook_secret": None, "api_key": None}
    fields = fields_of(StripeSettings, "settings", document, Filled(hints={"settings.api_key": "…1234"}))
    secrets = {each.name: each for each in flat(fields) if each.kind == "secret"}
    assert [each.value for each in secrets.values()] == ["", "", ""]
    assert secrets["settings.api_key"].hint == "…1234"
    untouched = document_of(StripeSettings, "settings", posted(fields), [])
    assert not {"webhook_secret", "api_key", "previous_webhook_secret"} & untouched.keys()
    assert document_of(StripeSettings, "settings", {"settings.api_key.remove": "true"}, [])["api_key"] == ""


def test_every_problem_finds_its_field() -> None:
    form = {"mapping.properties.0.key": "Placed Order"}
    filled = Filled(posted=form)
    names = [
        *names_of(fields_of(CommercetoolsSettings, "settings", {}, filled)),
        *names_of(fields_of(MappingRules, "mapping", {}, filled)),
    ]
    problems = [
        Problem("settings.projectKey", "needed"),
        Problem("settings.order.states.changed.cancelledOrder.0", "no text"),
        Problem("settings.queue.SQS.queueUrl", "needed"),
        Problem("mapping.properties.Placed Order.add.Link", "no template"),
        Problem("settings", "both or none"),
    ]
    assert set(errors_of(problems, names, form)) == {
        "settings.project_key",
        "settings.order.states.changed.cancelled_order",
        "settings.queue.SQS.queue_url",
        "mapping.properties.0.add",
        "settings",
    }


def test_settings_are_told_in_the_spelling_of_their_documentation() -> None:
    document = CommercetoolsSettings.model_validate(CT).model_dump(mode="json")
    found = spelled(CommercetoolsSettings, document)
    assert found["projectKey"] == "shop"
    assert found["order"]["states"]["changed"]["cancelledOrder"] == ["Cancelled", "Void"]
    assert found["queue"]["queueUrl"] == "https://sqs/q"
    assert not [name for name in found if "_" in name]
    assert CommercetoolsSettings.model_validate(found) == CommercetoolsSettings.model_validate(CT)
    assert spelled_path(CommercetoolsSettings, "queue.secret_access_key") == "queue.secretAccessKey"
    assert "webhook_secret" in spelled(StripeSettings, StripeSettings().model_dump(mode="json"))
