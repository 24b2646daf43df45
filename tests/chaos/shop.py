"""A merchant's application that notes what it was promised: an obligation begins with a receipt, and only with one.

Its events are a function of the seed and their number, so that the oracles know every byte without remembering it.
"""

import http.client
import json
import random
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

PERSONS_EACH = 60
LARGEST_PORTION = 60


@dataclass(frozen=True, slots=True)
class ShopEvent:
    """One event as JSON text; ``properties`` is the part that must reach Klaviyo byte for byte."""

    number: int
    clerk: int
    person: str
    history: bool
    poison: str | None
    properties: str
    value: str | None
    time: str | None
    event_id: str | None

    @property
    def text(self) -> str:
        parts = [f'"eventName": "Placed Order", "email": {json.dumps(self.person)}, "eventAttributes": {self.properties}']
        parts += [f'"{name}": {text}' for name, text in (("value", self.value), ("currency", '"EUR"')) if self.value]
        parts += [f'"{name}": "{text}"' for name, text in (("time", self.time), ("eventId", self.event_id)) if text]
        parts += ['"backfill": true'] if self.history else []
        parts += [f'"profileAttributes": {{"firstName": "P{self.number % 7}", "shoe": {self.number % 50}.50}}']
        return "{" + ", ".join(parts) + "}"


WORDS = [
    "Grüße",
    "🛒",
    "\\u00e9\\u4e2d",
    "naïve",
    "a\\\\b",
    '\\"quoted\\"',
    "שלום",
    "{{7*7}}",
    "x" * 40,
    "<b>",
    chr(0x202E),
    "\\u0001",
]
NUMBERS = ["0", "-0.0", "1.10", "1e2", "2.5E-3", "9007199254740993", "0.1", "19.990"]


def shop_event(seed: int, number: int, clerk: int, clerks: int, *, poison_share: float = 0.004) -> ShopEvent:
    chance = random.Random(f"{seed}/{number}")
    person = f"p{clerk + clerks * chance.randrange(PERSONS_EACH)}@shop.test"
    if chance.random() < 0.15:
        person = f"guest{clerk}@shop.test"  # somebody of whom there is always more than one
    poison = chance.choice(["named", "unnamed"]) if chance.random() < poison_share else None
    parts = [f'"n": {number}', f'"price":{chance.choice(NUMBERS)}', f'"words" : "{" ".join(chance.sample(WORDS, 3))}"']
    parts += [f'"lines": [{{"sku": "s{number}", "q": {chance.choice(NUMBERS)}}}, null, true]'] if chance.random() < 0.5 else []
    parts += [f'"poison": "{poison}"'] if poison else []
    chance.shuffle(parts)
    return ShopEvent(
        number,
        clerk,
        person,
        chance.random() < 0.3,
        poison,
        "{" + ", ".join(parts) + "}",
        chance.choice([None, "12.340", "0", "99.9"]),
        f"2026-11-0{1 + number % 9}T10:00:{number % 60:02d}.{number % 1000:03d}Z" if chance.random() < 0.8 else None,
        f"order-{seed}-{number}" if chance.random() < 0.9 else None,
    )


@dataclass(frozen=True, slots=True)
class Promise:
    """A receipt: this event was accepted, under the product's own id."""

    event: ShopEvent
    id: str

    @property
    def unique_id(self) -> str:
        return self.event.event_id or self.id


class Clerk(threading.Thread):
    """Posts the events of its own persons one portion after the other, each again until it has a receipt.

    ``may_post(number)`` waits until the event's turn has come; it gives False when the run is over.
    """

    def __init__(self, shop: "Shop", index: int) -> None:
        super().__init__(daemon=True)
        self.shop, self.index = shop, index
        self.promises: list[Promise] = []
        self.posts: dict[int, int] = {}  # how often events without an id of their own were posted
        self.refused: list[str] = []
        self.error: BaseException | None = None
        self._connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - the run looks at it
            self.error = error

    def _work(self) -> None:
        shop, number = self.shop, self.index
        chance = random.Random(f"{shop.seed}/clerk/{self.index}")
        while number < shop.events:
            size = chance.choice([1, 1, 2, 10, LARGEST_PORTION])
            numbers = [n for n in range(number, number + size * shop.clerks, shop.clerks) if n < shop.events]
            number = numbers[-1] + shop.clerks
            if not shop.may_post(numbers[-1]):
                return
            events = [shop_event(shop.seed, n, self.index, shop.clerks, poison_share=shop.poison_share) for n in numbers]
            self._post_until_accepted(events)
            shop.done(len(events))

    def _post_until_accepted(self, events: list[ShopEvent]) -> None:
        single = len(events) == 1
        path = "/events" if single else "/events/bulk"
        body = events[0].text if single else '{"events": [' + ", ".join(event.text for event in events) + "]}"
        until = time.monotonic() + self.shop.patience
        while True:
            for event in events:
                if event.event_id is None:
                    self.posts[event.number] = self.posts.get(event.number, 0) + 1
            answer = self._post(path, body.encode())
            if answer and answer[0] in (200, 201, 202):
                receipts = json.loads(answer[1])
                receipts = [receipts] if single else receipts
                self.promises += [Promise(event, receipt["id"]) for event, receipt in zip(events, receipts, strict=True)]
                self.shop.accepted()
                return
            if answer and answer[0] not in (429, 503):
                self.refused.append(f"{answer[0]} {answer[1][:300]!r}")
                return
            if time.monotonic() > until:
                raise AssertionError("no receipt in time")
            time.sleep(0.05)

    def _post(self, path: str, body: bytes) -> tuple[int, bytes] | None:
        headers = {"Authorization": f"Bearer {self.shop.token}", "Content-Type": "application/json", "Prefer": "respond-async"}
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", self.shop.port, timeout=20)
            self._connection.request("POST", path, body, headers)
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            if self._connection:
                self._connection.close()
            self._connection = None
            return None


class Shop:
    """All clerks, and the gate that lets them go on. ``on_accepted`` is called right after a 2xx, in the clerk's thread."""

    def __init__(self, port: int, token: str, *, seed: int, events: int, clerks: int = 3, poison_share: float = 0.004) -> None:
        self.port, self.token, self.seed, self.events, self.clerks = port, token, seed, events, clerks
        self.poison_share = poison_share
        self.patience = 90.0
        self.on_accepted: Callable[[], None] | None = None
        self._gate = threading.Condition()
        self._open_until = 0
        self._closed = False
        self.posted = 0
        self._idle = 0
        self.staff = [Clerk(self, index) for index in range(clerks)]

    def start(self) -> None:
        for clerk in self.staff:
            clerk.start()

    def open_until(self, number: int) -> None:
        with self._gate:
            self._open_until = max(self._open_until, min(number, self.events))
            self._gate.notify_all()

    def may_post(self, number: int) -> bool:
        with self._gate:
            self._idle += 1
            self._gate.notify_all()
            self._gate.wait_for(lambda: self._closed or number < self._open_until + LARGEST_PORTION * self.clerks)
            self._idle -= 1
            return not self._closed

    def await_idle(self, seconds: float) -> bool:
        """Wait until every clerk has its receipts, and none posts before the gate is opened further."""
        with self._gate:
            return self._gate.wait_for(lambda: self._idle >= sum(clerk.is_alive() for clerk in self.staff), seconds)

    def done(self, count: int) -> None:
        with self._gate:
            self.posted += count
            self._gate.notify_all()

    def wait_posted(self, count: int, seconds: float) -> bool:
        with self._gate:
            return self._gate.wait_for(lambda: self.posted >= count or any(c.error for c in self.staff), seconds)

    def accepted(self) -> None:
        hook, self.on_accepted = self.on_accepted, None
        if hook:
            hook()

    def finish(self, seconds: float) -> None:
        """Whatever has been begun is posted until it has its receipt; then the shop closes."""
        self.await_idle(seconds)
        self.close()
        for clerk in self.staff:
            clerk.join(seconds)
        problems = [clerk.error for clerk in self.staff if clerk.error] + [r for clerk in self.staff for r in clerk.refused]
        assert not problems, problems[:3]
        assert not any(clerk.is_alive() for clerk in self.staff), "a clerk still waits for a receipt"

    def close(self) -> None:
        with self._gate:
            self._closed = True
            self._gate.notify_all()

    @property
    def promises(self) -> list[Promise]:
        return [promise for clerk in self.staff for promise in clerk.promises]

    @property
    def posts(self) -> dict[int, int]:
        return {number: count for clerk in self.staff for number, count in clerk.posts.items()}

    def half_a_request(self) -> socket.socket:
        """A request of which only half the body has been sent; the caller closes it."""
        body = shop_event(self.seed, self.events + 1, 0, 1).text.encode()
        half = socket.create_connection(("127.0.0.1", self.port), 10)
        head = f"POST /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.token}\r\nContent-Type: application/json\r\n"
        half.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[: len(body) // 2])
        return half
