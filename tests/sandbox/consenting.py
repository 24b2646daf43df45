"""Subscribing, unsubscribing and asking about consent, as the tests of both do it."""

from typing import Any

from klaviyo_sandbox.tenants import DEFAULT_ACCOUNT

from .documents import consent, row, subscription_job
from .driving import Caller
from .judged import JudgedCaller

SUBSCRIBE = "/api/profile-subscription-bulk-create-jobs"
UNSUBSCRIBE = "/api/profile-subscription-bulk-delete-jobs"
ROW = "/data/attributes/profiles/data/0/attributes"
PHONE = "+12345678901"
YESTERDAY, TOMORROW = "2026-09-20T00:00:00Z", "2026-09-22T00:00:00Z"
EMAIL = "email.marketing"


def subscribe(klaviyo: JudgedCaller, *channels: str, list_id: str | None = None, **attributes: Any) -> None:
    entry = row(subscriptions=consent(*channels), **attributes)
    assert klaviyo.post(SUBSCRIBE, subscription_job(entry, list_id=list_id)).status == 202


def unsubscribe(klaviyo: JudgedCaller, *channels: str, list_id: str | None = None, **attributes: Any) -> None:
    entry = row(subscriptions=consent(*channels, consent="UNSUBSCRIBED"), **attributes)
    assert klaviyo.post(UNSUBSCRIBE, subscription_job(entry, list_id=list_id, unsubscribe=True)).status == 202


def subscriptions(klaviyo: JudgedCaller, email: str) -> dict[str, Any]:
    found = klaviyo.get("/api/profiles", filter=f'equals(email,"{email}")', additional_fields__profile="subscriptions")
    (entry,) = found.data
    return entry["attributes"]["subscriptions"]


def marketing(klaviyo: JudgedCaller, email: str) -> dict[str, Any]:
    return subscriptions(klaviyo, email)["email"]["marketing"]


def control(klaviyo: JudgedCaller, path: str, **body: str) -> dict[str, Any]:
    reply = Caller(klaviyo.url).control("POST", path, {"account_id": DEFAULT_ACCOUNT, **body})
    assert reply.status_code == 200, reply.text
    return reply.json()


def confirm(klaviyo: JudgedCaller, address: str) -> int:
    return control(klaviyo, "/people/confirm", address=address)["confirmed"]
