"""Bulk subscribe and unsubscribe: everything is checked at once, then done later; there is no job to ask about."""

from klaviyo_sandbox import bodies, consents, deferred, mailing_lists
from klaviyo_sandbox.consents import SUBSCRIBED, UNSUBSCRIBED
from klaviyo_sandbox.errors import Problem, invalid
from klaviyo_sandbox.exchange import Answer, Call
from klaviyo_sandbox.profile_store import owner_of
from klaviyo_sandbox.resources import operation
from klaviyo_sandbox.subscribing import Subscription
from klaviyo_sandbox.subscription_rows import Row, Rules, read_row

SUBSCRIBED_PER_REQUEST = 1_000
UNSUBSCRIBED_PER_REQUEST = 100
_ROWS = "/data/attributes/profiles/data"


@operation("bulk_subscribe_profiles")
def subscribe(call: Call) -> Answer:
    """202 without a body."""
    data = bodies.data(call, "profile-subscription-bulk-create-job", members=["attributes", "relationships"])
    optional = ["custom_source", "historical_import"]
    attributes = bodies.attributes(data, data["type"], "/data", required=["profiles"], optional=optional)
    _check_common(attributes)
    list_id = _list(call, data)
    rules = Rules(SUBSCRIBED, call.timestamp, attributes.get("historical_import") is True)
    rows = _read_rows(attributes, rules, SUBSCRIBED_PER_REQUEST)
    bodies.refuse(_outdated(call, rows))
    source = attributes.get("custom_source")
    deferred.schedule(call, "subscribe", [_entry(row, list_id, source, rules.historical_import) for row in rows])
    return Answer(202)


@operation("bulk_unsubscribe_profiles")
def unsubscribe(call: Call) -> Answer:
    """202 without a body. Profiles that are not on the given list are unsubscribed from everything."""
    data = bodies.data(call, "profile-subscription-bulk-delete-job", members=["attributes", "relationships"])
    attributes = bodies.attributes(data, data["type"], "/data", required=["profiles"], optional=[])
    list_id = _list(call, data)
    rows = _read_rows(attributes, Rules(UNSUBSCRIBED, call.timestamp), UNSUBSCRIBED_PER_REQUEST)
    deferred.schedule(call, "unsubscribe", [_entry(row, list_id) for row in rows])
    return Answer(202)


def _check_common(attributes: bodies.Document) -> None:
    problems = bodies.typed(attributes, "custom_source", "/data/attributes", bodies.text, "a string")
    problems += bodies.typed(
        attributes, "historical_import", "/data/attributes", lambda value: isinstance(value, bool), "a boolean"
    )
    bodies.refuse(problems)


def _list(call: Call, data: bodies.Document) -> str | None:
    ids = bodies.linked(data, "list", "list")
    if not ids:
        return None
    if mailing_lists.find(call.state, call.account_id, ids[0]) is None:
        raise invalid(f"List not found with id {ids[0]}.", "/data/relationships/list/data/id")
    return ids[0]


def _read_rows(attributes: bodies.Document, rules: Rules, at_most: int) -> list[Row]:
    entries = bodies.rows(attributes["profiles"], "/data/attributes/profiles", at_most=at_most, what="profile")
    problems: list[Problem] = []
    rows: list[Row] = []
    for index, entry in enumerate(entries):
        wrong: list[Problem] = []
        rows.append(read_row(entry, rules, f"{_ROWS}/{index}", wrong))
        problems += wrong
    bodies.refuse(problems)
    return rows


def _outdated(call: Call, rows: list[Row]) -> list[Problem]:
    """Refuse consent that is older than what the person decided since (observed with historical imports)."""
    problems = []
    for index, row in enumerate(rows):
        profile_id = row.id or (owner_of(call.state, call.account_id, "email", row.email) if row.email else None)
        for channel, at in row.channels.items():
            last = consents.find(call.state, profile_id, channel) if profile_id and at is not None else None
            if last is not None and at is not None and last["consent"] == UNSUBSCRIBED and last["consented_at"] > at:
                where = f"{_ROWS}/{index}/attributes/subscriptions/{channel.replace('.', '/')}/consented_at"
                problems.append(Problem("'consented_at' must not be before the profile unsubscribed.", where))
    return problems


def _entry(row: Row, list_id: str | None, source: str | None = None, historical: bool = False) -> Subscription:
    return Subscription(row.channels, row.id, row.email, row.phone_number, list_id, source, historical)
