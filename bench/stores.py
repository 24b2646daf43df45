"""Many stores in one process: what they cost while little happens, and what one that fails wholly does to the others."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import httpx2

from bench import filling
from bench.orders import order
from bench.processes import Running, cpu_seconds, ferrata, sandbox
from bench.results import Bench, Row

STORES = 1_000
ACTIVE_SHARE = 0.01
IDLE_SECONDS = 60
BESIDE = 20
BESIDE_SECONDS = 30
SETTLE_SECONDS = 5.0


def idle(size: float) -> list[Row]:
    """Every store is connected to an account of its own; one in a hundred gets an event each second."""
    stores, seconds = [f"store-{number}" for number in range(max(100, int(STORES * size)))], max(15.0, IDLE_SECONDS * size)
    active = stores[: max(1, int(len(stores) * ACTIVE_SHARE))]
    with _installation(stores) as (_, server), server.client() as client:
        _post(client, active, 2)
        time.sleep(SETTLE_SECONDS)
        began, before = time.monotonic(), cpu_seconds(server.pid)
        _post(client, active, int(seconds))
        share = (cpu_seconds(server.pid) - before) / (time.monotonic() - began) * 100
    what = f"CPU of one core with {len(stores):,} connected stores, {len(active)} of which get an event each second"
    return [Row("stores.idle", what, share, "%", goal="≤ 5 %", met=share <= 5)]


def beside_a_failing_one(size: float) -> list[Row]:
    """How late events of healthy stores are, with and without a store whose every request fails."""
    stores, seconds = [f"store-{number}" for number in range(BESIDE)], max(8, int(BESIDE_SECONDS * size))
    with _installation(stores) as (klaviyo, server), server.client() as client:
        _post(client, stores, 2)
        without = _late(client, _post(client, stores[1:], seconds))
        rule = {"effect": "server_error", "match": {"account": "ACC0000"}}
        httpx2.post(f"{klaviyo.url}/_sandbox/faults", json=rule).raise_for_status()
        both = _post(client, stores, seconds)
        beside = _late(client, {store: ids for store, ids in both.items() if store != stores[0]})
    what = f"a live event of {BESIDE - 1} stores reaches Klaviyo while another store fails wholly: 99 of 100"
    return [Row("stores.beside", what, beside, "ms", without, goal="ratio ≤ 1.2", met=beside <= 1.2 * without)]


@contextmanager
def _installation(stores: Sequence[str]) -> Iterator[tuple[Running, Running]]:
    """The sandbox, and one process with these stores."""
    with sandbox(limits=True) as klaviyo, ferrata(klaviyo=klaviyo.url, prepare=_connected(klaviyo.url, stores)) as server:
        yield klaviyo, server


def _connected(klaviyo: str, stores: Sequence[str]) -> Callable[[Path], None]:
    """Makes the stores, each with an account of its own at the sandbox, in an installation that has not started yet."""

    def prepare(home: Path) -> None:
        with httpx2.Client(base_url=klaviyo) as control:
            for number, store in enumerate(stores):
                account = {"id": f"ACC{number:04d}", "key": _key(number), "name": store}
                control.post("/_sandbox/accounts", json=account).raise_for_status()
        filling.found_stores(home, stores, _key)

    return prepare


def _key(number: int) -> str:
    return f"pk_{number:034d}"


def _post(client: httpx2.Client, stores: Sequence[str], seconds: int) -> dict[str, list[str]]:
    """An event for each store in each second, spread over it; the ids by store."""
    found: dict[str, list[str]] = {store: [] for store in stores}
    began, run = time.monotonic(), f"{time.time_ns()}"
    for turn in range(seconds):
        for place, store in enumerate(stores):
            time.sleep(max(0.0, began + turn + place / len(stores) - time.monotonic()))
            headers = {"Prefer": "respond-async, return=minimal", "Ferrata-Store": store}
            answer = client.post("/events", json=order(f"{run}-{store}", turn), headers=headers).raise_for_status()
            found[store].append(answer.json()["id"])
    return found


def _late(client: httpx2.Client, ids: dict[str, list[str]]) -> float:
    """Milliseconds from the accept to Klaviyo's answer, of 99 in 100."""
    time.sleep(1.0)
    late: list[float] = []
    for store, of_store in ids.items():
        for id_ in of_store:
            told = client.get(f"/events/{id_}", headers={"Ferrata-Store": store}).raise_for_status().json()
            attempt = told["attempts"][0]
            waited = datetime.fromisoformat(attempt["startedAt"]) - datetime.fromisoformat(told["createdAt"])
            late.append(waited.total_seconds() * 1000 + float(attempt["durationMs"]))
    return sorted(late)[int(len(late) * 0.99)]


BENCHES = [Bench("stores.idle", idle), Bench("stores.beside", beside_a_failing_one)]
