"""One list of scopes: what the product asks of Klaviyo is in it, and everything that names scopes goes by it."""

import re
from pathlib import Path

from ferrata.connections.oauth_app import read_app
from ferrata.connections.scopes import ALL_SCOPES, FEATURES, QUESTIONS
from ferrata.kit.clock import MovedClock
from ferrata.klaviyo.operations import find_operation
from ferrata.klaviyo.wire import open_transport
from tests.doors import settings
from tests.house.tree import ROOT

OPERATION = re.compile(r'"((?:GET|POST|PATCH|PUT|DELETE) /api/[^"?]*)"')
SCOPE = re.compile(r"`([a-z-]+:(?:read|write))`")


def scopes_of(operation: str) -> tuple[str, ...]:
    known = find_operation(operation)
    return known.scopes if known else ()


class TestTheList:
    def test_holds_every_scope_that_an_operation_of_the_product_needs(self) -> None:
        product = ROOT / "src/ferrata"
        files = [file for file in product.rglob("*.py") if file.parent.parts[-1] not in ("klaviyo", "resources")]
        asked = {found for file in files for found in OPERATION.findall(file.read_text())}
        needed = {scope for operation in asked for scope in scopes_of(operation)}
        assert len(asked) > 10
        assert needed - set(ALL_SCOPES) == set()

    def test_has_a_question_for_each_that_needs_this_scope_and_no_other(self) -> None:
        assert {scope: scopes_of(question.operation) for scope, question in QUESTIONS.items()} == {
            scope: (scope,) for scope in ALL_SCOPES
        }

    def test_is_what_oauth_asks_for_unless_it_is_told_otherwise(self, tmp_path: Path, clock: MovedClock) -> None:
        given = {"oauth_client_id": "app", "oauth_client_secret": "secret"}
        app = read_app(settings("sqlite://", tmp_path, **given), clock, open_transport(None, None, 1))
        assert app
        assert set(app.scopes) == set(ALL_SCOPES)
        own = read_app(
            settings("sqlite://", tmp_path, **given, oauth_scopes="events:write"), clock, open_transport(None, None, 1)
        )
        assert own
        assert own.scopes == ("accounts:read", "events:write")

    def test_is_what_the_page_about_keys_lists(self) -> None:
        assert set(SCOPE.findall((ROOT / "docs/klaviyo-key.md").read_text())) == set(ALL_SCOPES)

    def test_names_events_and_profiles_as_indispensable(self) -> None:
        assert {scope for each in FEATURES if each.indispensable for scope in each.scopes} == {"events:write", "profiles:write"}
