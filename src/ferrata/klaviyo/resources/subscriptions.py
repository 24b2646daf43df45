"""Consent: subscribe and unsubscribe. Both are accepted first and done later, without a job to follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..bodies import document
from ..client import Klaviyo
from ..outcome import Outcome

MOST_TO_SUBSCRIBE = 1000
MOST_TO_UNSUBSCRIBE = 100


class Subscriptions:
    """Needs lists:write, profiles:write and subscriptions:write."""

    def __init__(self, client: Klaviyo) -> None:
        self._client = client

    async def subscribe(
        self,
        profiles: Sequence[Mapping[str, Any]],
        *,
        list_id: str | None = None,
        custom_source: str | None = None,
        historical_import: bool = False,
    ) -> Outcome:
        """Subscribe at most 1,000 profiles, given as their attributes with a `subscriptions` tree.

        It lifts suppressions. `consented_at` needs `historical_import`, which bypasses double opt-in. Without `list_id`
        the account's default opt-in applies.
        """
        _at_most(MOST_TO_SUBSCRIBE, profiles)
        attributes: dict[str, Any] = {"profiles": _profiles(profiles)}
        if custom_source is not None:
            attributes["custom_source"] = custom_source
        if historical_import:
            attributes["historical_import"] = True
        body = document("profile-subscription-bulk-create-job", attributes, relationships=_list(list_id))
        return await self._client.write("POST /api/profile-subscription-bulk-create-jobs", body)

    async def unsubscribe(self, profiles: Sequence[Mapping[str, Any]], *, list_id: str | None = None) -> Outcome:
        """Unsubscribe at most 100 profiles. With `list_id`, profiles that are not in that list are unsubscribed from all."""
        _at_most(MOST_TO_UNSUBSCRIBE, profiles)
        attributes = {"profiles": _profiles(profiles)}
        body = document("profile-subscription-bulk-delete-job", attributes, relationships=_list(list_id))
        return await self._client.write("POST /api/profile-subscription-bulk-delete-jobs", body)


def _profiles(profiles: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"data": [{"type": "profile", "attributes": attributes} for attributes in profiles]}


def _list(list_id: str | None) -> dict[str, Any] | None:
    return None if list_id is None else {"list": {"data": {"type": "list", "id": list_id}}}


def _at_most(most: int, profiles: Sequence[object]) -> None:
    if not 1 <= len(profiles) <= most:
        raise ValueError(f"one request takes 1 to {most} profiles")
