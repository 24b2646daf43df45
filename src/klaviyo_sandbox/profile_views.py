"""How a profile looks in answers, the same for every endpoint that shows profiles."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from klaviyo_sandbox import consents, jsonapi
from klaviyo_sandbox.exchange import Call
from klaviyo_sandbox.ids import full_time, second_time
from klaviyo_sandbox.jsonapi import Resource
from klaviyo_sandbox.profile_documents import LOCATION_FIELDS, PLAIN_FIELDS
from klaviyo_sandbox.profile_store import Profile

ADDITIONAL = ("subscriptions", "predictive_analytics")
_PREDICTIONS = (
    *("historic_number_of_orders", "predicted_number_of_orders", "average_days_between_orders", "average_order_value"),
    *("historic_clv", "predicted_clv", "total_clv", "churn_probability", "expected_date_of_next_order"),
    "ranked_channel_affinity",
)
Talk = Literal["conversation", "conversations"]


def profile_resource(
    call: Call,
    profile: Profile,
    *,
    additional: Collection[str] = (),
    exact: bool = False,
    talk: Talk = "conversation",
    joined: float | None = None,
    linkage: Mapping[str, Any] | None = None,
) -> Resource:
    """A profile resource object.

    `exact` shows microseconds, as answers to writes do. The relationship to conversations is spelt in the plural by
    the two profile reads only (recorded). `joined` adds `joined_group_at` for members of a list.
    """
    show = full_time if exact else second_time
    attributes: dict[str, Any] = {
        "email": profile.identifiers.get("email"),
        "phone_number": profile.identifiers.get("phone_number"),
        "external_id": profile.identifiers.get("external_id"),
        "anonymous_id": profile.identifiers.get("anonymous_id"),
        "whatsapp_bsuid": None,
        **{name: profile.fields.get(name) for name in PLAIN_FIELDS},
        "created": show(moment(profile.created)),
        "updated": show(moment(profile.updated)),
        "last_event_date": second_time(moment(profile.last_event_at)) if profile.last_event_at is not None else None,
        "location": {name: profile.location.get(name) for name in LOCATION_FIELDS},
        "properties": profile.properties,
    }
    if joined is not None:
        attributes["joined_group_at"] = second_time(moment(joined))
    extra = {name: _ADDITIONS[name](call, profile) for name in additional}
    relations = ("lists", "segments", "push-tokens", talk)
    document = jsonapi.resource(call, "profile", profile.id, attributes, relations, linkage=linkage)
    document["attributes"] = {**document["attributes"], **extra}  # asked for by name, so fields[profile] keeps them
    return document


def moment(seconds: float) -> datetime:
    """Seconds since 1970 as an aware datetime."""
    return datetime.fromtimestamp(seconds, UTC)


def _subscriptions(call: Call, profile: Profile) -> dict[str, Any]:
    return consents.subscriptions(call.state, profile)


def _predictions(_call: Call, _profile: Profile) -> dict[str, Any]:
    """A small account has too little history to predict from: all null, as recorded."""
    return dict.fromkeys(_PREDICTIONS)


_ADDITIONS = {"subscriptions": _subscriptions, "predictive_analytics": _predictions}
