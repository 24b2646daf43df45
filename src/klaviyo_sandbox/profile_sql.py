"""How fields that filters name are found in the tables of profiles."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from klaviyo_sandbox.errors import invalid
from klaviyo_sandbox.filter_sql import Column, where
from klaviyo_sandbox.filters import Condition, Scalar
from klaviyo_sandbox.identity import profile_id_of

_SUPPRESSION: Final = "subscriptions.email.marketing.suppression."
_LIST_SUPPRESSION: Final = "subscriptions.email.marketing.list_suppressions."


def instant(value: Scalar) -> Scalar:
    """A datetime as seconds since 1970, as all tables keep it."""
    return value.timestamp() if isinstance(value, datetime) else value


def _from_exchange_id(value: Scalar) -> Scalar:
    return profile_id_of(str(value)) or ""


def _stripped(value: Scalar) -> Scalar:
    return str(value).strip()


_COMMON: Final = {
    "email": Column("email COLLATE NOCASE", _stripped),
    "phone_number": Column("phone_number"),
    "_kx": Column("id", _from_exchange_id),
}
PROFILE_COLUMNS: Final = _COMMON | {
    "id": Column("id"),
    "external_id": Column("external_id"),
    "created": Column("created", instant),
    "updated": Column("updated", instant),
}
MEMBER_COLUMNS: Final = _COMMON | {
    # No profile of the sandbox has a push token, so none is ever found by one.
    "push_token": Column("NULL"),
    "joined_group_at": Column("joined_group_at", instant),
}
_SUPPRESSION_COLUMNS: Final = {
    "reason": Column("s.reason"),
    "timestamp": Column("s.at", instant),
    "list_id": Column("s.list_id"),
}


def profiles_where(conditions: Sequence[Condition]) -> tuple[str, list[Scalar]]:
    """SQL over the table `profiles`. Raises 400 where the two kinds of suppression are mixed or no list is named."""
    everywhere = [condition for condition in conditions if condition.field.startswith(_SUPPRESSION)]
    on_list = [condition for condition in conditions if condition.field.startswith(_LIST_SUPPRESSION)]
    plain = [condition for condition in conditions if condition not in (*everywhere, *on_list)]
    if everywhere and on_list:
        raise invalid("Filters on suppression and on list_suppressions cannot be combined.", parameter="filter")
    if on_list and not any(condition.field.endswith(".list_id") for condition in on_list):
        raise invalid("Filters on list_suppressions need one on their list_id.", parameter="filter")
    sql, parameters = where(plain, PROFILE_COLUMNS)
    for prefix, suppressed, scope in ((_SUPPRESSION, everywhere, "s.list_id = ''"), (_LIST_SUPPRESSION, on_list, "1")):
        if suppressed:
            short = [Condition(c.operator, c.field.removeprefix(prefix), c.value) for c in suppressed]
            inner, values = where(short, _SUPPRESSION_COLUMNS)
            found = "SELECT 1 FROM suppressions s WHERE s.profile_id = profiles.id"
            sql += f" AND EXISTS ({found} AND {scope} AND {inner})"
            parameters += values
    return sql, parameters
