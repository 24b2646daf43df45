"""Drives the connector as the room does: look up what mapping wants until it wants nothing more, then map."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ferrata.kit.clock import MovedClock
from ferrata.sources.commercetools import SOURCE
from ferrata.sources.commercetools.history import by_ids
from ferrata.sources.commercetools.notification import raw_message
from ferrata.sources.commercetools.reader import CommercetoolsReader
from ferrata.sources.commercetools.settings import CommercetoolsSettings
from ferrata.sources.contract import Lookup, Mapped, Message, RawMessage, Reader, Span, Surroundings
from tests.sources.commercetools.mock_api import CommercetoolsMock

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


class HastyClock(MovedClock):
    """Sleeping takes no time, and is remembered."""

    def __init__(self) -> None:
        super().__init__(NOW)
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)


def settings(**values: Any) -> CommercetoolsSettings:
    given = {
        "project_key": "shop",
        "api_url": "http://commercetools.test",
        "auth_url": "http://commercetools.test",
        "client_id": "client",
        "client_secret": "secret",
        "push": {"secret": "shared secret of the test"},
        "preferred_locale": "en-US",
        "preferred_currency": "EUR",
        "product_url_template": "https://example-store.com/products/{{productSlug}}",
    }
    return CommercetoolsSettings.model_validate(given | values)


def around(mock: Any, clock: MovedClock | None = None) -> Surroundings:
    return Surroundings(store_id="default", clock=clock or HastyClock(), transport=mock.transport())


def reader(mock: CommercetoolsMock, chosen: CommercetoolsSettings, clock: MovedClock | None = None) -> Reader:
    made = SOURCE.reader(chosen, around(mock, clock))
    assert made is not None
    return made


def message(raw: RawMessage, *, history: bool = False, explained: bool = False) -> Message:
    return Message(
        store_id="default",
        kind="commercetools",
        message_id=raw.message_id,
        business_key=raw.business_key,
        received_at=NOW,
        body=raw.body,
        history=history,
        explained=explained,
    )


async def mapped(
    mock: CommercetoolsMock, chosen: CommercetoolsSettings, notification: dict[str, Any] | RawMessage, **known: Any
) -> Mapped:
    raw = notification if isinstance(notification, RawMessage) else raw_message(notification)
    kept = message(raw, history=known.pop("history", False), explained=known.pop("explained", False))
    looked_up = known.pop("looked_up", {})
    reading = reader(mock, chosen)
    try:
        while wanted := [look for look in SOURCE.lookups(kept, looked_up, chosen) if look not in looked_up]:
            looked_up |= await reading.look_up(wanted)
    finally:
        await reading.close()
    return SOURCE.map(kept, looked_up, chosen)


async def history(mock: CommercetoolsMock, chosen: CommercetoolsSettings, kind: str, ids: Sequence[str] = ()) -> list[Mapped]:
    """Everything that a backfill of this kind makes, or reading these."""
    reading, found, cursor = reader(mock, chosen), list[Mapped](), None
    assert isinstance(reading, CommercetoolsReader)
    try:
        if ids:
            return [await mapped(mock, chosen, raw) for raw in await by_ids(reading.api, kind, ids)]
        while True:
            page = await reading.page(kind, cursor, Span(until=NOW))
            looked: dict[Lookup, Any] = dict(page.looked_up)
            found += [await mapped(mock, chosen, raw, history=True, looked_up=dict(looked)) for raw in page.messages]
            cursor = page.cursor
            if cursor is None:
                return found
    finally:
        await reading.close()


def metrics(found: Mapped | Sequence[Mapped]) -> list[tuple[str, str, str]]:
    """Metric, unique id and value of each event."""
    each = [found] if isinstance(found, Mapped) else found
    return [(event.metric, event.unique_id, str(event.value)) for one in each for event in one.events]
