"""A few events posted by hand, one after the other, with the promises noted: for what is aimed at single system calls."""

import http.client
import json
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from tests.chaos.shop import Promise, ShopEvent, shop_event

SEED = 77


class SmallShop:
    """Posts event by event. Nothing is kept between two calls, so that the other side may be killed and started anew."""

    def __init__(self, port: int, token: str) -> None:
        self.port, self.token = port, token
        self.promises: list[Promise] = []
        self.statuses: list[int] = []
        self._next = 0

    def post_new(
        self, count: int, *, patience: float = 0.0, pause: float = 0.0, unless: Callable[[], bool] = lambda: False
    ) -> None:
        """Post so many new events. Without ``patience`` (seconds) each is tried once, with or without a receipt."""
        for _ in range(count):
            event = self._event()
            until = time.monotonic() + patience
            while not self.post(event) and time.monotonic() < until and not unless():
                time.sleep(0.05)
            if unless():
                return
            time.sleep(pause)

    def _event(self) -> ShopEvent:
        while True:
            event = shop_event(SEED, self._next, 0, 1, poison_share=0.0)
            self._next += 1
            if event.event_id:
                return event

    def post(self, event: ShopEvent) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", "Prefer": "respond-async"}
        with suppress(OSError, http.client.HTTPException):
            connection.request("POST", "/events", event.text.encode(), headers)
            answer = connection.getresponse()
            body = answer.read()
            self.statuses.append(answer.status)
            if answer.status in (201, 202):
                self.promises.append(Promise(event, json.loads(body)["id"]))
                connection.close()
                return True
        connection.close()
        return False

    @property
    def promised(self) -> set[str]:
        return {promise.unique_id for promise in self.promises}


def lost(promises: Iterable[Promise], executed: Iterable[str]) -> list[str]:
    return sorted({promise.unique_id for promise in promises} - set(executed))
