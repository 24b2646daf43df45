"""Asks Klaviyo whether a key is good, and whose it is.

``GET /api/accounts`` tells both. A key without the scope ``accounts:read`` gets a 403 there, which already shows that Klaviyo
knows it; a second question, for metrics, shows whether it can do anything here.
"""

from collections.abc import Mapping
from typing import Any

from ferrata.connections.errors import KeyRefused, KeyUntested, KlaviyoBusy
from ferrata.connections.patience import patiently
from ferrata.connections.schemas import Tested
from ferrata.infra.errors import FerrataError
from ferrata.kit.clock import Clock
from ferrata.klaviyo import Document, Klaviyo, KlaviyoError, NeedsReconnect, Rejected
from ferrata.klaviyo.errors import MissingScope, Throttled

NO_ACCOUNT_SCOPE = "The key lacks the scope accounts:read, so the account's name and currency are not known."
NO_SCOPES = "Klaviyo knows this key, but it has neither accounts:read nor metrics:read. Events will need events:write."


async def test_key(client: Klaviyo, clock: Clock) -> Tested:
    """What the key that ``client`` carries is good for. Where Klaviyo asks to wait a second or two, that is waited for.

    Raises:
        KeyRefused: Klaviyo does not accept it.
        KeyUntested: Klaviyo could not be asked, or did not answer as it does.
    """
    try:
        return _account(await patiently(clock, lambda: client.read("GET /api/accounts")))
    except MissingScope:
        pass
    except KlaviyoError as error:
        raise asked_in_vain(error) from error
    try:
        await client.read("GET /api/metrics")
    except MissingScope:
        return Tested(None, None, None, None, NO_SCOPES, lacks_accounts_scope=True)
    except KlaviyoError as error:
        raise asked_in_vain(error) from error
    return Tested(None, None, None, None, NO_ACCOUNT_SCOPE, lacks_accounts_scope=True)


def asked_in_vain(error: KlaviyoError) -> FerrataError:
    """What to tell whoever asked about a key: it was refused, or Klaviyo could not be asked now."""
    if isinstance(error, NeedsReconnect | Rejected):
        return KeyRefused(f"Failed to validate API key: Klaviyo does not accept this key: {error.outcome.reason.rstrip('.')}.")
    make = KlaviyoBusy if isinstance(error, Throttled) else KeyUntested
    untested = make(f"Klaviyo could not be asked about this key: {error.outcome.reason.rstrip('.')}. Try again later.")
    untested.retry_after_seconds = error.retry_after_seconds or untested.retry_after_seconds
    return untested


def _account(document: Document) -> Tested:
    accounts = document.many()
    first = accounts[0] if accounts else None
    if first is None:
        return Tested(None, None, None, None, "Klaviyo accepted the key but named no account.")
    return told_of(first.id, first.attributes)


def told_of(account_id: str | None, attributes: Mapping[str, Any]) -> Tested:
    """What an account's attributes, as Klaviyo gives them, tell of it."""
    contact = attributes.get("contact_information")
    contact = contact if isinstance(contact, dict) else {}
    name = _text(contact.get("organization_name")) or _text(contact.get("default_sender_email"))
    time_zone, currency = _text(attributes.get("timezone")), _text(attributes.get("preferred_currency"))
    return Tested(account_id, name, time_zone, currency, None, attributes)


def _text(value: object) -> str | None:
    return value[:255] if isinstance(value, str) and value else None
