"""The promise: what was accepted is delivered once, unaltered and in order, whatever Klaviyo does and however we are killed."""

import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from klaviyo_sandbox.faults import Rule
from klaviyo_sandbox.sandbox import Sandbox
from klaviyo_sandbox.server import Running, running
from klaviyo_sandbox.switches import Switches
from klaviyo_sandbox.tenants import DEFAULT_KEY
from tests.journeys.processes import Installation, Shop

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

EVENTS = 5000
MOST_EVENTS = 20_000
PORTION = 40
PERSONS = 400
LEAST_FAULTS = 8
HOSTILE = [
    "exec_500", "exec_503", "exec_reset", "reset_before", "reset_before_read", "server_error", "html_502", "truncated",
    "exec_html", "unavailable", "throttled", "cloudflare_challenge", "garbage",
]  # fmt: skip
SHARE_OF_ANSWERS = 0.25


@pytest.fixture(params=["in_request", "strict", "silent"])
def klaviyo(request: pytest.FixtureRequest) -> Iterator[Running]:
    sandbox = Sandbox(seed=7, switches=Switches(dedupe=request.param, journal_limit=100_000))
    with running(sandbox) as served:
        yield served
    sandbox.close()


def unleash(sandbox: Sandbox) -> None:
    """Each answer is bad with probability ``SHARE_OF_ANSWERS``, in a way that is drawn anew."""
    remaining = SHARE_OF_ANSWERS
    rules = []
    for left in range(len(HOSTILE), 0, -1):
        # The rules are tried in turn, so each takes its share of what the earlier ones have let pass.
        share = remaining / left
        rules.append(Rule(HOSTILE[left - 1], probability=share / (1 - (SHARE_OF_ANSWERS - remaining))))
        remaining -= share
    sandbox.unleash(rules, seed=11)


def faults(sandbox: Sandbox) -> int:
    return sum(rule["hits"] for rule in sandbox.faults.summaries())


def shop_event(number: int) -> dict[str, object]:
    return {
        "eventName": "Placed Order",
        "eventId": f"order-{number}",
        "email": f"person{number % PERSONS}@shop.test",
        "time": f"2026-11-0{1 + number % 9}T10:00:{number % 60:02d}.{number % 1000:03d}Z",
        "value": round(number * 1.37, 2),
        "currency": "EUR",
        "eventAttributes": {"number": number, "text": "Grüße 🛒 " + "x" * (number % 50), "nested": {"price": 0.1 + number}},
        "profileAttributes": {"firstName": f"P{number % PERSONS}"},
    }


def judge(sandbox: Sandbox, sent: dict[str, dict[str, object]], *, in_order: bool = True) -> None:
    stored = sandbox.effects(kind="event_stored")
    counts = Counter(effect["unique_id"] for effect in stored)
    assert not (lost := set(sent) - set(counts)), f"{len(lost)} lost, such as {sorted(lost)[:5]}"
    assert not (invented := set(counts) - set(sent)), f"invented: {sorted(invented)[:5]}"
    assert not (doubled := [unique_id for unique_id, count in counts.items() if count > 1]), f"doubled: {doubled[:5]}"
    numbers: dict[str, list[int]] = defaultdict(list)
    for effect in stored:
        original = sent[effect["unique_id"]]
        assert effect["payload"]["properties"] == original["eventAttributes"]
        assert effect["payload"]["value"] == original["value"]
        numbers[str(original["email"])].append(effect["payload"]["properties"]["number"])
    if in_order:
        assert all(found == sorted(found) for found in numbers.values())


def settle(shop: Shop, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        lanes = shop.get("/lanes")["lanes"]
        if all(lane["waiting"] + lane["sending"] == 0 for lane in lanes):
            return
        time.sleep(0.25)
    raise AssertionError(f"not drained: {shop.get('/lanes')}")


def test_killed_while_klaviyo_misbehaves_on_sqlite(tmp_path: Path, klaviyo: Running) -> None:
    ferrata = Installation(tmp_path, f"sqlite:///{tmp_path / 'ferrata.db'}", klaviyo.url, DEFAULT_KEY)
    run(ferrata, klaviyo.sandbox, kills=["all"] * 6, starts={"all": "all"})


def test_killed_while_klaviyo_misbehaves_on_postgresql(tmp_path: Path, klaviyo: Running, postgres_database: str) -> None:
    ferrata = Installation(tmp_path, postgres_database, klaviyo.url, DEFAULT_KEY)
    roles = {"api": "api", "first": "worker", "second": "worker"}
    run(ferrata, klaviyo.sandbox, kills=["first", "second", "api", "first", "second", "first"], starts=roles)


def run(ferrata: Installation, sandbox: Sandbox, kills: list[str], starts: dict[str, str]) -> None:
    token = ferrata.token()
    for name, role in starts.items():
        ferrata.start(name, role)
    try:
        ferrata.await_ready()
        unleash(sandbox)
        shop, sent, due = Shop(ferrata.url, token), {}, list(kills)
        chance = random.Random(3)
        every = EVENTS // PORTION // (len(kills) + 1)
        # A quick machine needs few requests for many events: the shop goes on selling until enough of them went wrong.
        while len(sent) < EVENTS or (faults(sandbox) < LEAST_FAULTS and len(sent) < MOST_EVENTS):
            events = [shop_event(number) for number in range(len(sent), len(sent) + PORTION)]
            sent |= {str(event["eventId"]): event for event in events}
            shop.send(events)
            time.sleep(chance.random() * 0.2)
            if due and len(sent) // PORTION % every == 0:
                ferrata.kill(name := due.pop(0))
                ferrata.start(name, starts[name])
        assert not due and len(shop.receipts) == len(sent)
        settle(shop, 200)
        assert faults(sandbox) >= LEAST_FAULTS, f"only {faults(sandbox)} faults: the run proves nothing"
        judge(sandbox, sent)
        assert not [r for r in sandbox.journal.requests if r.status == 429 and not r.fault], "a rate limit of our own making"
    finally:
        codes = ferrata.stop()
    assert codes == [0] * len(starts), ferrata.logs()[-3000:]
