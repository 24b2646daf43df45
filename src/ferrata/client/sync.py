"""The hook for applications: ``track`` puts an event into memory and returns; a thread does the rest."""

import atexit
import os
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Self

import httpx2

from ferrata.client.message import Message, make_act, make_message
from ferrata.client.outbox import Counts, OnDrop, Outbox
from ferrata.client.posting import Poster
from ferrata.client.sending import Pace, Sending
from ferrata.client.spool import Spool

SPOOL_BYTES = 1_000_000_000


class Ferrata:
    """Sends events to a running Ferrata, in the background.

    ``track`` never raises, never waits and never calls the network. What can't be kept (the queue is full, the event is refused)
    is counted, logged under ``ferrata.client`` and told to ``on_drop(event_id, reason)``.

    While Ferrata is away events wait in memory, at most ``queue_events`` and ``queue_bytes``, or, given ``spool``, in files of
    that folder, which the next process sends should this one end. At exit there are ``exit_seconds`` to hand over what waits.
    After a fork each process sends its own.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        store: str | None = None,
        on_drop: OnDrop | None = None,
        queue_events: int = 10_000,
        queue_bytes: int = 64_000_000,
        spool: Path | str | None = None,
        timeout_seconds: float = 10.0,
        exit_seconds: float = 5.0,
        pace: Pace | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._make_outbox = partial(Outbox, queue_events, queue_bytes, on_drop)
        self._make_poster = partial(Poster, url, token, store, timeout_seconds, transport)
        self._spool_folder = Path(spool) if spool else None
        self._pace = pace or Pace()
        self._exit_seconds = exit_seconds
        self._begin()
        _living.add(self)

    def _begin(self) -> None:
        self._outbox = self._make_outbox()
        self._sending: Sending | None = None
        self._starting = threading.Lock()
        self._is_closed = False

    def __repr__(self) -> str:
        return f"Ferrata({self.counts})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def track(
        self,
        event_name: str,
        *,
        email: str | None = None,
        phone: str | None = None,
        external_id: str | None = None,
        attributes: Mapping[str, Any] | None = None,
        profile: Mapping[str, Any] | None = None,
        event_id: str | None = None,
        time: datetime | None = None,
        value: Decimal | float | None = None,
        currency: str | None = None,
        backfill: bool | None = None,
    ) -> str | None:
        """Track an event about whoever ``email``, ``phone`` or ``external_id`` names; returns its id, or None if it was dropped.

        Give an ``event_id`` of your own (``order-4711-paid``) wherever the same thing may be tracked twice. Without ``time`` it
        happened now.
        """
        try:
            message = make_message(
                {
                    "eventName": event_name,
                    "eventAttributes": attributes,
                    "profileAttributes": profile,
                    "email": email,
                    "phone": phone,
                    "externalId": external_id,
                    "eventId": event_id,
                    "time": time,
                    "value": value,
                    "currency": currency,
                    "backfill": backfill,
                }
            )
            return self._take(message)
        except Exception as error:  # noqa: BLE001 - tracking must never break what is tracked
            self._outbox.drop_untold(f"no event: {error}")
            return None

    def cart(
        self,
        cart_id: str,
        act: str,
        *,
        items: Sequence[Mapping[str, Any]] | None = None,
        line_id: str | None = None,
        order_id: str | None = None,
        email: str | None = None,
        phone: str | None = None,
        external_id: str | None = None,
        currency: str | None = None,
        checkout_url: str | None = None,
        coupons: Sequence[str] | None = None,
        act_id: str | None = None,
        time: datetime | None = None,
    ) -> str | None:
        """Tell what happened to a cart; returns the act's id, or None if it was dropped. It promises what ``track`` promises.

        ``act``: ``items`` (these were added), ``update`` (these are in it now), ``remove`` (of a line), ``clear``, ``checkout``,
        ``purchase``, ``person`` (somebody became known).
        """
        try:
            return self._take(
                make_act(
                    act,
                    {
                        "cartId": cart_id,
                        "actId": act_id,
                        "time": time,
                        "items": items,
                        "lineId": line_id,
                        "orderId": order_id,
                        "email": email,
                        "phone": phone,
                        "externalId": external_id,
                        "currency": currency,
                        "checkoutUrl": checkout_url,
                        "coupons": coupons,
                    },
                )
            )
        except Exception as error:  # noqa: BLE001 - as above
            self._outbox.drop_untold(f"no act of a cart: {error}")
            return None

    def _take(self, message: Message) -> str | None:
        if self._is_closed:
            self._outbox.drop_untold("the client is closed")
            return None
        self._start()
        return message.event_id if self._outbox.put(message) else None

    def flush(self, timeout_seconds: float = 30.0) -> bool:
        """Wait until nothing waits in memory or on disk; False if that took too long."""
        deadline = time.monotonic() + timeout_seconds
        with self._outbox.changed:
            while not (self._outbox.is_idle and not self._spooled):
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._outbox.changed.wait(min(left, 0.05))
        return True

    def close(self, timeout_seconds: float | None = None) -> None:
        """Hand over what waits, within the time, and stop. What is left is spooled, or dropped and told."""
        if self._is_closed:
            return
        self._is_closed = True
        limit = self._exit_seconds if timeout_seconds is None else timeout_seconds
        if self._sending:
            started = time.monotonic()
            if not self._sending.spools_now:
                self.flush(limit)
            self._sending.end(max(1.0, limit - (time.monotonic() - started)))
        _living.discard(self)

    @property
    def counts(self) -> Counts:
        return self._outbox.counts(self._spooled)

    @property
    def _spooled(self) -> int:
        return self._sending.spooled if self._sending else 0

    def _start(self) -> None:
        if self._sending:
            return
        with self._starting:
            if not self._sending:
                spool = Spool(self._spool_folder, SPOOL_BYTES) if self._spool_folder else None
                self._sending = Sending(self._outbox, self._make_poster(), spool, self._pace)


_living: "weakref.WeakSet[Ferrata]" = weakref.WeakSet()


def _close_all() -> None:
    for client in list(_living):
        client.close()


def _begin_all_anew() -> None:
    for client in list(_living):
        client._begin()  # the threads, the locks and what waited are the parent's


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_all_anew)
