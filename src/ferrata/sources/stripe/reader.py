"""Stripe's API as one store may use it: what mapping has to know, events that were missed, and history."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx2
import msgspec

from ferrata.infra.errors import NeedsReconnect, Rejected, Transient
from ferrata.klaviyo.retry_after import parse_retry_after
from ferrata.sources.contract import BackfillPage, LookedUp, Lookup, RawMessage, Span, Surroundings
from ferrata.sources.stripe import shapes
from ferrata.sources.stripe.opening import of_history, raw
from ferrata.sources.stripe.settings import StripeSettings

VERSION = "2025-03-31.basil"
PAGE = 100
MISSED = "missed_events"
_TIMEOUT_SECONDS = 30.0
_AT_ONCE = 8
_ACCOUNT = re.compile(r"[A-Za-z0-9_]{1,255}")
_OBJECT = re.compile(r"/?v[0-9](?:/[A-Za-z0-9_-]{1,255}){1,8}")
"""Where a thin event says that its object is: a path of Stripe's API that leads nowhere else."""

# By the name of the backfill: path, what else to ask, and the name of a single one in messages.
_LISTS: Mapping[str, tuple[str, Mapping[str, str], str]] = {
    "charges": ("/v1/charges", {"expand[]": "data.refunds"}, "charge"),
    "invoices": ("/v1/invoices", {"status": "paid"}, "invoice"),
    "subscriptions": ("/v1/subscriptions", {"status": "all"}, "subscription"),
    "customers": ("/v1/customers", {}, "customer"),
}


class StripeReader:
    """Reads with one key. Of a lookup's key, ``acct_1/cus_1``, the part before the slash is a connected account."""

    def __init__(self, settings: StripeSettings, around: Surroundings, event_types: Sequence[str]) -> None:
        assert settings.api_key is not None  # noqa: S101 - for the type: the source makes a reader only with a key
        self._types, self._clock = event_types, around.clock
        self._client = httpx2.AsyncClient(
            base_url=str(settings.api_url).rstrip("/"),
            transport=around.transport,
            timeout=_TIMEOUT_SECONDS,
            trust_env=False,
            headers={"authorization": f"Bearer {settings.api_key.get_secret_value()}", "stripe-version": VERSION},
        )
        self._few = asyncio.Semaphore(_AT_ONCE)

    async def look_up(self, lookups: Sequence[Lookup]) -> LookedUp:
        answers = await asyncio.gather(*(self._answer(lookup) for lookup in lookups))
        return dict(zip(lookups, answers, strict=True))

    async def page(self, backfill: str, cursor: str | None, span: Span) -> BackfillPage:
        asked: dict[str, Any] = {"limit": PAGE, "created[lt]": int(span.until.timestamp())}
        if span.since is not None:
            asked["created[gte]"] = int(span.since.timestamp())
        if cursor is not None:
            asked["starting_after"] = cursor
        if backfill == MISSED:
            return await self._missed(asked)
        path, more, kind = _LISTS[backfill]
        listed = await self._get(path, {**asked, **more})
        found = shapes.items_of(listed)
        return BackfillPage(tuple(of_history(kind, each, _created(each)) for each in found), _next(listed, found), _total(listed))

    async def check(self) -> str:
        listed = await self._get("/v1/events", {"limit": 1})
        if listed is None:
            raise Rejected("Stripe's API has no events at this address. Is api_url right?")
        return "Stripe answers, and the key may read events."

    async def close(self) -> None:
        await self._client.aclose()

    async def _missed(self, asked: Mapping[str, Any]) -> BackfillPage:
        """Events whose delivery failed, as Stripe keeps them for 30 days: they are taken as if they had just arrived."""
        listed = await self._get("/v1/events", {**asked, "delivery_success": "false", "types[]": list(self._types)[:20]})
        found = shapes.items_of(listed)
        messages: list[RawMessage] = [
            raw(each, msgspec.json.encode(each)) for each in found if each.get("id") and each.get("type")
        ]
        return BackfillPage(tuple(messages), _next(listed, found), _total(listed))

    async def _answer(self, lookup: Lookup) -> Any:
        account, slash, id_ = lookup.key.partition("/")
        if not slash or lookup.key.startswith("/"):
            account, id_ = "", lookup.key
        if account and not _ACCOUNT.fullmatch(account):
            return None  # there is no such account, and a header holds no such name
        in_path = quote(id_, safe="")
        match lookup.what:
            case "customer":
                return await self._get(f"/v1/customers/{in_path}", {}, account)
            case "line_items":
                expanded = {"limit": PAGE, "expand[]": "data.price.product"}
                return await self._get(f"/v1/checkout/sessions/{in_path}/line_items", expanded, account)
            case "session_of":
                return await self._get("/v1/checkout/sessions", {"payment_intent": id_, "limit": 1}, account)
            case "invoice_of":
                of = {"payment[type]": "payment_intent", "payment[payment_intent]": id_, "limit": 1}
                return await self._get("/v1/invoice_payments", of, account)
            case "object":
                return await self._get(f"/{id_.lstrip('/')}", {}, account) if _OBJECT.fullmatch(id_) else None
            case unknown:
                raise Rejected(f"Stripe's API is not asked for {unknown!r}.")

    async def _get(self, path: str, asked: Mapping[str, Any], account: str = "") -> Any:
        """The JSON at a path; None where there is nothing.

        Raises:
            Transient: no answer, a throttle, or a fault at Stripe. NeedsReconnect: the key is not taken. Rejected: any other.
        """
        headers = {"stripe-account": account} if account else {}
        try:
            async with self._few:
                answer = await self._client.get(path, params=dict(asked), headers=headers)
        except (httpx2.RequestError, httpx2.InvalidURL) as error:
            raise Transient(f"Stripe's API did not answer: {type(error).__name__}.") from error
        if answer.status_code == 404:
            return None
        if answer.status_code in (401, 403):
            raise NeedsReconnect(
                f"Stripe refuses the API key for {path.partition('?')[0]} ({answer.status_code}). Set a key that may."
            )
        if answer.status_code == 429 or answer.status_code >= 500:
            waiting = Transient(f"Stripe's API answered {answer.status_code}.")
            after = parse_retry_after(answer.headers.get("retry-after"), self._clock.now())
            waiting.retry_after_seconds = waiting.retry_after_seconds if after is None else after
            raise waiting
        if answer.status_code != 200:
            raise Rejected(f"Stripe's API answered {answer.status_code} to {path}.")
        try:
            return answer.json()
        except (ValueError, RecursionError) as error:
            raise Transient("Stripe's API answered with something that is no JSON.") from error


def _created(about: Mapping[str, Any]) -> Any:
    """When it happened: an invoice when it was paid."""
    paid = shapes.thing(about.get("status_transitions")).get("paid_at")
    return paid or about.get("created") or about.get("date")


def _next(listed: Any, found: Sequence[Mapping[str, Any]]) -> str | None:
    return shapes.id_of(found[-1]) if found and shapes.thing(listed).get("has_more") else None


def _total(listed: Any) -> int | None:
    total = shapes.thing(listed).get("total_count")
    return total if isinstance(total, int) else None
