"""Accounts: one per key or installation; its id is the account's public API key."""

from typing import Any

from klaviyo_sandbox.errors import not_found
from klaviyo_sandbox.exchange import Answer, Call
from klaviyo_sandbox.jsonapi import Resource, collection, resource, single
from klaviyo_sandbox.resources import operation

_ADDRESS = {"address1": "1 Sandbox Lane", "address2": "", "city": "Boston", "region": "MA", "country": "United States"}


@operation("get_accounts")
def list_accounts(call: Call) -> Answer:
    """The caller's own account, as a list of one."""
    return collection(call, [_document(call, account) for account in _own(call)])


@operation("get_account")
def get_account(call: Call) -> Answer:
    """The caller's own account; every other id is unknown."""
    asked = call.path["id"]
    for account in _own(call):
        if account["id"] == asked:
            return single(call, _document(call, account))
    raise not_found(f"Account with id {asked} not found.")


def _own(call: Call) -> list[dict[str, Any]]:
    account = call.sandbox.tenants.find_account(call.account_id)
    return [account] if account else []


def _document(call: Call, account: dict[str, Any]) -> Resource:
    attributes = {
        "test_account": True,
        "contact_information": {
            "default_sender_name": account["name"],
            "default_sender_email": "hello@sandbox.invalid",
            "website_url": "https://sandbox.invalid",
            "organization_name": account["name"],
            "street_address": {**_ADDRESS, "zip": "02111"},
        },
        "industry": "Ecommerce, Apparel & Accessories",
        "timezone": account["timezone"],
        "preferred_currency": account["currency"],
        "public_api_key": account["id"],
        "locale": "en-US",
    }
    return resource(call, "account", account["id"], attributes)
