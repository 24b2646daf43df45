"""The official SDK, unmodified, against the sandbox: every operation that the sandbox serves, paging, errors, retries.

The SDK reads each answer into its typed models, so an answer of the wrong shape fails here as it would fail a merchant.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import openapi_client.exceptions as sdk
import pytest
from klaviyo_api import KlaviyoAPI
from klaviyo_api.filter_builder import FilterBuilder

from klaviyo_sandbox.clock import Clock
from klaviyo_sandbox.oauth import App
from klaviyo_sandbox.sandbox import Sandbox
from klaviyo_sandbox.server import running
from klaviyo_sandbox.tenants import DEFAULT_ACCOUNT, DEFAULT_KEY

from .documents import (
    CATALOG_ID,
    CATALOG_KINDS,
    a_list,
    catalog_change,
    catalog_job,
    catalog_thing,
    consent,
    custom_metric,
    identifiers,
    import_job,
    merge,
    profile,
    row,
    subscription_job,
    suppression_job,
)
from .driving import bulk, event, group, single


@pytest.fixture
def api(url: str) -> KlaviyoAPI:
    return KlaviyoAPI(DEFAULT_KEY, max_retries=1, test_host=url)


@dataclass
class Journey:
    """Calls every operation once, in an order in which each finds what it needs; `ids` is what earlier ones made."""

    api: KlaviyoAPI
    ids: dict[str, str] = field(default_factory=dict)

    def accounts(self) -> None:
        accounts = self.api.Accounts
        (account,) = accounts.get_accounts().data
        assert accounts.get_account(account.id).data.attributes.public_api_key == account.id == DEFAULT_ACCOUNT

    def profiles(self) -> None:
        profiles = self.api.Profiles
        self.ids["a"] = profiles.create_profile(profile(email="a@shop.test", properties={"plan": "pro"})).data.id
        self.ids["b"] = profiles.create_or_update_profile(profile(external_id="b")).data.id
        change = profile(self.ids["a"], {"patch_properties": {"append": {"tags": "new"}}}, first_name="Anna")
        assert profiles.update_profile(self.ids["a"], change).data.attributes.properties == {"plan": "pro", "tags": ["new"]}
        shown = profiles.get_profile(
            self.ids["a"], include=["lists"], additional_fields_profile=["subscriptions", "predictive_analytics"]
        )
        assert shown.data.attributes.subscriptions.email.marketing.consent == "NEVER_SUBSCRIBED"
        narrow = profiles.get_profiles(fields_profile=["email"], sort="-created")  # the SDK answers these as a dict
        assert [list(entry["attributes"]) for entry in narrow["data"]] == [["email"], ["email"]]
        for call in (profiles.get_segments_for_profile, profiles.get_segment_ids_for_profile):
            assert call(self.ids["a"]).data == []

    def lists(self) -> None:
        lists, a = self.api.Lists, self.ids["a"]
        self.ids["list"] = id_ = lists.create_list(a_list(opt_in_process="single_opt_in")).data.id
        renamed = a_list("Renamed")
        renamed["data"]["id"] = id_
        assert lists.update_list(id_, renamed).data.attributes.name == "Renamed"
        lists.add_profiles_to_list(id_, identifiers("profile", a, self.ids["b"]))
        lists.remove_profiles_from_list(id_, identifiers("profile", self.ids["b"]))
        assert lists.get_list(id_, additional_fields_list=["profile_count"]).data.attributes.profile_count == 1
        assert [entry.id for entry in lists.get_lists(include=["tags"]).data] == [id_]
        members = lists.get_profiles_for_list(id_, additional_fields_profile=["subscriptions"])
        assert members.data[0].attributes.joined_group_at == datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)
        assert [entry.id for entry in lists.get_profile_ids_for_list(id_).data] == [a]
        assert [entry.id for entry in self.api.Profiles.get_lists_for_profile(a).data] == [id_]
        assert [entry.id for entry in self.api.Profiles.get_list_ids_for_profile(a).data] == [id_]

    def events(self) -> None:
        events = self.api.Events
        events.create_event(single("order-1", value=9.5))
        events.bulk_create_events(bulk(group(1, event("order-2"), event("order-3"))))
        shown = events.get_events(include=["metric", "profile"], page_size=10, sort="-datetime")
        assert {entry.attributes.event_properties["$event_id"] for entry in shown.data} == {"order-1", "order-2", "order-3"}
        self.ids["event"] = shown.data[0].id
        assert events.get_event(self.ids["event"], include=["metric"]).data.attributes.event_properties["$value"] == 9.5
        self.ids["metric"] = events.get_metric_for_event(self.ids["event"]).data.id
        assert events.get_metric_id_for_event(self.ids["event"]).data.id == self.ids["metric"]
        assert events.get_profile_for_event(self.ids["event"]).data.attributes.email == "person1@shop.test"
        assert events.get_profile_id_for_event(self.ids["event"]).data.id

    def metrics(self) -> None:
        metrics = self.api.Metrics
        assert [entry.attributes.name for entry in metrics.get_metrics(include=["flow-triggers"]).data] == ["Placed Order"]
        assert metrics.get_metric(self.ids["metric"]).data.attributes.integration["name"] == "API"

    def custom_metrics(self) -> None:
        metrics = self.api.Metrics
        groups = [{"metric_id": self.ids["metric"]}]
        made = metrics.create_custom_metric(custom_metric(aggregation_method="count", metric_groups=groups)).data.id
        change = {"data": {"type": "custom-metric", "id": made, "attributes": {"name": "Orders"}}}
        assert metrics.update_custom_metric(made, change).data.attributes.name == "Orders"
        assert metrics.get_custom_metric(made).data.attributes.definition.aggregation_method == "count"
        assert [entry.id for entry in metrics.get_custom_metrics(include=["metrics"]).data] == [made]
        assert [entry.id for entry in metrics.get_metrics_for_custom_metric(made).data] == [self.ids["metric"]]
        assert [entry.id for entry in metrics.get_metric_ids_for_custom_metric(made).data] == [self.ids["metric"]]
        metrics.delete_custom_metric(made)

    def imports(self) -> None:
        profiles = self.api.Profiles
        rows = (row(email="c@shop.test"), row(email="a@shop.test", external_id="b"))
        job = profiles.bulk_import_profiles(import_job(*rows, lists=(self.ids["list"],))).data.id
        shown = profiles.get_bulk_import_profiles_job(job, include=["lists"]).data.attributes
        assert (shown.status, shown.completed_count, shown.failed_count) == ("complete", 1, 1)
        assert [entry.id for entry in profiles.get_bulk_import_profiles_jobs(sort="-created_at").data] == [job]
        assert profiles.get_profiles_for_bulk_import_profiles_job(job).data[0].attributes.email == "c@shop.test"
        assert len(profiles.get_profile_ids_for_bulk_import_profiles_job(job).data) == 1
        assert profiles.get_list_for_bulk_import_profiles_job(job).data[0].id == self.ids["list"]
        assert profiles.get_list_ids_for_bulk_import_profiles_job(job).data[0].id == self.ids["list"]
        (error,) = profiles.get_errors_for_bulk_import_profiles_job(job).data
        assert error.attributes.code == "duplicate_profile"

    def consent(self) -> None:
        profiles, list_id = self.api.Profiles, self.ids["list"]
        entry = row(email="c@shop.test", subscriptions=consent("email.marketing"))
        profiles.bulk_subscribe_profiles(subscription_job(entry, list_id=list_id))
        entry = row(email="a@shop.test", subscriptions=consent("email.marketing", consent="UNSUBSCRIBED"))
        profiles.bulk_unsubscribe_profiles(subscription_job(entry, unsubscribe=True))
        job = profiles.bulk_suppress_profiles(suppression_job("c@shop.test")).data.id
        assert profiles.get_bulk_suppress_profiles_job(job).data.attributes.completed_count == 1
        assert [entry.id for entry in profiles.get_bulk_suppress_profiles_jobs().data] == [job]
        job = profiles.bulk_unsuppress_profiles(suppression_job("c@shop.test", lift=True)).data.id
        assert profiles.get_bulk_unsuppress_profiles_job(job).data.attributes.completed_count == 1
        assert [entry.id for entry in profiles.get_bulk_unsuppress_profiles_jobs().data] == [job]
        able = {
            entry.attributes.email: entry.attributes.subscriptions.email.marketing.can_receive_email_marketing
            for entry in profiles.get_profiles(additional_fields_profile=["subscriptions"]).data
        }
        assert (able["a@shop.test"], able["c@shop.test"]) == (False, True)

    def merging(self) -> None:
        self.api.Profiles.merge_profiles(merge(self.ids["a"], self.ids["b"]))
        assert self.api.Profiles.get_profile(self.ids["a"]).data.attributes.external_id == "b"

    def catalogue(self) -> None:
        catalogs = self.api.Catalogs
        for kind, many in CATALOG_KINDS.items():
            id_, item = f"{CATALOG_ID}{kind}", "item" if kind == "variant" else None
            getattr(catalogs, f"create_catalog_{kind}")(catalog_thing(kind, kind, item=item))
            getattr(catalogs, f"update_catalog_{kind}")(id_, catalog_change(kind, kind))
            assert getattr(catalogs, f"get_catalog_{kind}")(id_).data.attributes.external_id == kind
            assert [entry.id for entry in getattr(catalogs, f"get_catalog_{many}")().data] == [id_]
        item_id, category_id = f"{CATALOG_ID}item", f"{CATALOG_ID}category"
        for owner, other, owner_id, other_id in (
            ("item", "categories", item_id, identifiers("catalog-category", category_id)),
            ("category", "items", category_id, identifiers("catalog-item", item_id)),
        ):
            getattr(catalogs, f"add_{other}_to_catalog_{owner}")(owner_id, other_id)
            getattr(catalogs, f"update_{other}_for_catalog_{owner}")(owner_id, other_id)
            assert len(getattr(catalogs, f"get_{other}_for_catalog_{owner}")(owner_id).data) == 1
            single_word = {"categories": "category", "items": "item"}[other]
            assert len(getattr(catalogs, f"get_{single_word}_ids_for_catalog_{owner}")(owner_id).data) == 1
            getattr(catalogs, f"remove_{other}_from_catalog_{owner}")(owner_id, other_id)
        assert catalogs.get_variants_for_catalog_item(item_id).data[0].attributes.sku == "variant"
        assert len(catalogs.get_variant_ids_for_catalog_item(item_id).data) == 1

    def catalogue_jobs(self) -> None:
        catalogs = self.api.Catalogs
        for kind, many in CATALOG_KINDS.items():
            rows = {
                "create": catalog_thing(kind, "bulk", item="item" if kind == "variant" else None)["data"],
                "update": catalog_change(kind, "bulk")["data"],
                "delete": {"type": f"catalog-{kind}", "id": f"{CATALOG_ID}bulk"},
            }
            noun = "catalog_items" if kind == "item" else many
            for act, entry in rows.items():
                job = getattr(catalogs, f"bulk_{act}_catalog_{many}")(catalog_job(kind, act, entry)).data.id
                assert getattr(catalogs, f"get_bulk_{act}_{noun}_job")(job).data.attributes.completed_count == 1
                assert [each.id for each in getattr(catalogs, f"get_bulk_{act}_{noun}_jobs")().data] == [job]
        for kind in ("variant", "item", "category"):
            getattr(catalogs, f"delete_catalog_{kind}")(f"{CATALOG_ID}{kind}")

    def deleting(self) -> None:
        self.api.Lists.delete_list(self.ids["list"])


class TestTheSdk:
    def test_can_use_every_operation_that_the_sandbox_serves(self, sandbox: Sandbox, api: KlaviyoAPI) -> None:
        journey = Journey(api)
        steps: list[Callable[[], None]] = [
            *(journey.accounts, journey.profiles, journey.lists, journey.events, journey.metrics),
            *(journey.custom_metrics, journey.imports, journey.consent, journey.merging, journey.deleting),
            *(journey.catalogue, journey.catalogue_jobs),
        ]
        for step in steps:
            step()
        used = {record.operation for record in sandbox.journal.requests}
        assert set(sandbox.acts) - used == set(), "not tried with the SDK"
        assert {record.status for record in sandbox.journal.requests} <= {200, 201, 202, 204}

    def test_pages_by_cursor(self, api: KlaviyoAPI) -> None:
        made = {api.Profiles.create_profile(profile(external_id=f"c-{number}")).data.id for number in range(7)}
        seen: list[str] = []
        cursor: str | None = None
        for _ in range(4):
            page = api.Profiles.get_profiles(page_size=2, **({"page_cursor": cursor} if cursor else {}))
            seen += [entry.id for entry in page.data]
            cursor = parse_qs(urlsplit(page.links.next).query)["page[cursor]"][0] if page.links.next else None
        assert (len(seen), set(seen), cursor) == (7, made, None)

    def test_filters_with_its_own_builder(self, api: KlaviyoAPI) -> None:
        made = api.Profiles.create_profile(profile(email="a+b@shop.test")).data.id
        api.Profiles.create_profile(profile(email="other@shop.test"))
        builder = FilterBuilder()
        builder.any("email", ["a+b@shop.test", "none@shop.test"])
        builder.greater_than("created", datetime(2020, 1, 1, tzinfo=UTC))
        assert [entry.id for entry in api.Profiles.get_profiles(filter=builder.build()).data] == [made]

    @pytest.mark.parametrize(
        ("act", "error", "status"),
        [
            (lambda api: api.Profiles.get_profile("NOPE01"), sdk.NotFoundException, 404),
            (lambda api: api.Profiles.create_profile(profile(email="bad")), sdk.BadRequestException, 400),
            (lambda api: api.Profiles.create_profile(profile(email="taken@shop.test")), sdk.ApiException, 409),
            (lambda api: api.Lists.get_lists(filter='contains(name,"x")'), sdk.BadRequestException, 400),
            (lambda api: api.Accounts.get_accounts(_request_auth="pk_wrong"), sdk.UnauthorizedException, 401),
            (lambda api: api.Lists.get_lists(_request_auth="pk_narrow"), sdk.ForbiddenException, 403),
        ],
        ids=["404", "400", "409", "400 filter", "401", "403"],
    )
    def test_raises_its_typed_errors(
        self, sandbox: Sandbox, api: KlaviyoAPI, act: Callable[[KlaviyoAPI], Any], error: type[Exception], status: int
    ) -> None:
        sandbox.tenants.add_key("pk_narrow", DEFAULT_ACCOUNT, ["profiles:read"])
        api.Profiles.create_profile(profile(email="taken@shop.test"))
        with pytest.raises(error) as raised:
            act(api)
        assert raised.value.status == status  # type: ignore[attr-defined]
        assert raised.value.headers["content-type"] == "application/vnd.api+json"  # type: ignore[attr-defined]

    def test_works_with_an_access_token(self, sandbox: Sandbox, url: str) -> None:
        app = sandbox.oauth.register(App("client", "secret", "Acme", "acme", [], ["accounts:read"]))
        token = sandbox.oauth.install(app, DEFAULT_ACCOUNT, ["accounts:read"], sandbox.clock.timestamp())["access_token"]
        assert KlaviyoAPI(None, test_host=url, access_token=token).Accounts.get_accounts().data[0].id == DEFAULT_ACCOUNT

    def test_waits_and_repeats_when_it_is_throttled(self) -> None:
        sandbox = Sandbox(clock=Clock(scale=1))
        with running(sandbox) as served:
            api = KlaviyoAPI(DEFAULT_KEY, max_retries=5, test_host=served.url)
            for _ in range(3):
                assert api.Accounts.get_accounts().data  # one per second is all that Klaviyo allows
            statuses = [record.status for record in sandbox.journal.requests]
        sandbox.close()
        assert statuses.count(200) == 3
        assert 429 in statuses
        assert set(statuses) == {200, 429}
