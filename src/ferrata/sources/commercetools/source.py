"""commercetools as a source: how its deliveries are proven and opened, what they mean, and where its history is read."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from ferrata.sources.commercetools import envelopes, flows, mapping, proofs, sns
from ferrata.sources.commercetools.api import Api
from ferrata.sources.commercetools.history import BACKFILLS
from ferrata.sources.commercetools.queues import queue_of
from ferrata.sources.commercetools.reader import CommercetoolsReader
from ferrata.sources.commercetools.settings import CommercetoolsSettings
from ferrata.sources.commercetools.tokens import Tokens
from ferrata.sources.contract import (
    LookedUp,
    Lookup,
    Mapped,
    Message,
    Queue,
    RawMessage,
    Reader,
    Received,
    Reply,
    Source,
    Surroundings,
    Unverified,
)

_GRID_ORIGIN = "webhook-request-origin"


class Commercetools(Source):
    kind = "commercetools"
    title = "commercetools"
    settings_type = CommercetoolsSettings
    backfills = BACKFILLS
    flows = flows.FLOWS
    together = frozenset({"product", "standalone_prices"})

    def __init__(self) -> None:
        self._proofs = proofs.Proofs()

    def verify(self, received: Received, settings: CommercetoolsSettings) -> None:
        """By what the delivery itself brings; ``prove`` knows the other ways."""
        if not received.trusted and not proofs.has_secret(received, settings.push.secret):
            raise Unverified(proofs.NO_PROOF)

    async def prove(self, received: Received, settings: CommercetoolsSettings, around: Surroundings) -> None:
        found = envelopes.outermost(received.body)
        fetch = partial(proofs.fetched, transport=around.transport)
        if sns.is_sns(found) and settings.push.sns_topic_arns and not received.trusted:
            await self._proofs.sns.verify(found, settings.push.sns_topic_arns, fetch)
        elif settings.push.google_audience and not received.trusted and not proofs.has_secret(received, settings.push.secret):
            await self._proofs.google(received, settings, around.clock, around.transport)
        else:
            self.verify(received, settings)
        if sns.is_confirmation(found):
            await sns.confirm(found, fetch)

    def handshake(self, received: Received, settings: CommercetoolsSettings) -> Reply | None:
        """Azure Event Grid asks before it sends, in two ways; Amazon SNS was answered with its proof."""
        if received.method == "OPTIONS" and _GRID_ORIGIN in received.headers:
            allowed = {"webhook-allowed-origin": received.headers[_GRID_ORIGIN], "webhook-allowed-rate": "*"}
            return Reply(200, headers=allowed)
        found = envelopes.outermost(received.body)
        if sns.is_confirmation(found):
            return Reply(200)
        code = _validation_code(found)
        if code is None:
            return None
        return Reply(200, msgspec.json.encode({"validationResponse": code}), {"content-type": "application/json"})

    def open(self, received: Received, settings: CommercetoolsSettings) -> Sequence[RawMessage]:
        return envelopes.opened(received.body)

    def lookups(self, message: Message, looked_up: LookedUp, settings: CommercetoolsSettings) -> Sequence[Lookup]:
        return mapping.lookups(message, looked_up, settings)

    def map(self, message: Message, looked_up: LookedUp, settings: CommercetoolsSettings) -> Mapped:
        return mapping.mapped(message, looked_up, settings)

    def reader(self, settings: CommercetoolsSettings, around: Surroundings) -> Reader | None:
        if settings.client_secret is None:
            return None
        clock, transport = around.clock, around.transport
        tokens = Tokens(
            settings.auth, settings.client_id, settings.client_secret, clock, scopes=settings.scopes, transport=transport
        )
        api = Api(settings.api, settings.project_key, tokens, clock, transport=transport)
        return CommercetoolsReader(api, tokens, settings.project_key, clock)

    def queues(self, settings: CommercetoolsSettings, around: Surroundings) -> Sequence[Queue]:
        return (queue_of(settings.queue, around),) if settings.queue else ()

    def commands(self, opened: Any) -> Any:
        from ferrata.sources.commercetools.commands import commands

        return commands(opened)

    def title_of(self, message: Message) -> str:
        return mapping.title_of(message)


def _validation_code(found: Any) -> str | None:
    """What Event Grid's own schema wants to see again."""
    event = found[0] if isinstance(found, list) and found else None
    if not isinstance(event, dict) or event.get("eventType") != envelopes.GRID_VALIDATION:
        return None
    data = event.get("data")
    code = data.get("validationCode") if isinstance(data, dict) else None
    return code if isinstance(code, str) else None
