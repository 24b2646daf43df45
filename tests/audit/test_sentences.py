"""Records as sentences."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ferrata.audit.schemas import Actor, Record
from ferrata.audit.sentences import changes, risk_of, sentence

LACKS = {"code": "lacks_right"}
MIRA = Actor("person", "p1", "Mira")


def record(action: str, *, outcome: Any = "done", target: str = "x", **more: Any) -> Record:
    at = datetime(2026, 11, 20, 9, 14, tzinfo=UTC)
    given = {"store_id": "outdoor", "via": "POST /ui/stores/outdoor/connect/key", **more}
    return Record("1", at, MIRA, action, target, outcome=outcome, **given)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Mira rotated the key of the store outdoor, from the connect page", record("connections.key_rotated")),
        ("Mira ended the connection to Klaviyo of the store outdoor", record("connections.disconnected", via=None)),
        ("Mira forgot the replaced key of the store outdoor", record("connections.replaced_key_forgotten", via=None)),
        ("Mira lost the access by OAuth of the store outdoor", record("connections.oauth_lost", via=None)),
        ("Mira created the store outdoor, from the connect page", record("connections.store_created", target="store/outdoor")),
        ("Mira signed in, from the sign-in page", record("access.signed_in", store_id=None, via="POST /sign-in")),
        ("Mira stopped sending for every store", record("flags.stopped", store_id=None, via=None)),
        ("Mira made a token “shop” in the store outdoor", record("access.key_created", via=None, after={"name": "shop"})),
        (
            "Mira was refused at GET /lanes for lack of a right, 12 times, over the API",
            record("access.refused", outcome="refused", target="GET /lanes", via="GET /lanes", count=12, after=LACKS),
        ),
        (
            "Mira was refused at GET /stores/outdoor for lack of a right, over the API",
            record("access.refused", outcome="refused", target="GET /stores/{store_id}", via="GET /stores/outdoor", after=LACKS),
        ),
        (
            "Mira made r•••@example.com viewer of the store outdoor, who was admin",
            record(
                "access.member_changed", via=None, before={"email": "r•••@example.com", "role": "admin"}, after={"role": "viewer"}
            ),
        ),
        (
            "Mira invited r•••@example.com to the installation as reader",
            record("access.person_invited", store_id=None, via=None, after={"email": "r•••@example.com", "role": "reader"}),
        ),
        ("Mira frobbed, over the API", record("odd.frobbed", store_id=None, via="POST /x")),
        ("Mira odd, over the API", record("odd", store_id=None, via="POST /x")),
    ],
)  # fmt: skip
def test_a_record_is_a_sentence(said: str, told: Record) -> None:
    assert sentence(told) == said


def test_what_opens_doors_weighs_more() -> None:
    assert [risk_of(action, "done") for action in ("access.signed_in", "access.key_created", "flags.stopped")] == [
        "low",
        "high",
        "critical",
    ]
    assert risk_of("access.refused", "refused") == "medium"


def test_only_what_differs_is_a_change() -> None:
    assert changes({"a": 1, "b": 2}, {"b": 2, "c": 3}) == [("a", 1, None), ("c", None, 3)]
