"""Delivering to the sandbox: what an event costs, and how soon a live one is there. For long runs see limits and million."""

import json
import subprocess
import sys
import time
from datetime import datetime

import httpx2

from bench import orders
from bench.load import post_all
from bench.processes import SANDBOX_KEY, Running, cpu_seconds, ferrata, sandbox
from bench.results import Bench, Row

COSTED = 20_000
LIVE_SECONDS = 30
LIVE_PER_SECOND = 50
BATCH = 500
LONGEST_SECONDS = 900.0


def cost(size: float) -> list[Row]:
    """CPU of the process for each event, from waiting to delivered in bulk; and the SDK's, from dictionaries to accepted."""
    number = max(4_000, int(COSTED * size))
    with sandbox(limits=False) as klaviyo:
        sdk = _sdk_cpu_micros(klaviyo, number)
        with ferrata(klaviyo=klaviyo.url) as server:
            _fill(server, number, history=True)
            before = cpu_seconds(server.pid)
            server.connect()
            _until_drained(server)
            ours = (cpu_seconds(server.pid) - before) / number * 1e6
    peers = {"klaviyo-api, bulk": sdk}
    return [Row("delivery.cpu", "CPU for each delivered event", ours, "µs", None, peers, "ratio ≤ 0.20", ours <= 0.2 * sdk)]


def live(size: float) -> list[Row]:
    """From the accept to the moment at which the sandbox got the request, at a steady rate."""
    number = int(LIVE_SECONDS * LIVE_PER_SECOND * max(size, 0.2))
    with sandbox(limits=True) as klaviyo, ferrata(klaviyo=klaviyo.url) as server:
        server.connect()
        with server.client() as client:
            ids = _post_steadily(client, number)
            _until_drained(server)
            late = sorted(late_milliseconds(client, id_) for id_ in ids)
    p50, p99 = late[len(late) // 2], late[int(len(late) * 0.99)]
    what = f"a live event reaches Klaviyo, {LIVE_PER_SECOND} a second"
    return [
        Row("delivery.live.p50", f"{what}: median", p50, "ms", goal="≤ 50 ms", met=p50 <= 50),
        Row("delivery.live.p99", f"{what}: 99 of 100", p99, "ms", goal="≤ 300 ms", met=p99 <= 300),
    ]


def _fill(server: Running, number: int, *, history: bool) -> None:
    bodies = []
    for first in range(0, number, BATCH):
        body = json.loads(orders.many("fill", first, BATCH))
        bodies.append(json.dumps({"events": [event | {"backfill": history} for event in body["events"]]}).encode())
    load = post_all(f"{server.url}/events/bulk", server.token, bodies, connections=8)
    if load.refused:
        raise RuntimeError(f"{load.refused} batches were refused")


def _until_drained(server: Running) -> None:
    until = time.monotonic() + LONGEST_SECONDS
    with server.client() as client:
        while time.monotonic() < until:
            lanes = client.get("/lanes").raise_for_status().json()["lanes"]
            if not any(lane["waiting"] + lane["sending"] for lane in lanes):
                return
            time.sleep(0.5)
    raise RuntimeError(f"Events still wait after {LONGEST_SECONDS:g} s")


def _post_steadily(client: httpx2.Client, number: int) -> list[str]:
    ids, began = [], time.monotonic()
    for index in range(number):
        time.sleep(max(0.0, began + index / LIVE_PER_SECOND - time.monotonic()))
        headers = {"Prefer": "respond-async"}
        ids.append(client.post("/events", json=orders.order("live", index), headers=headers).raise_for_status().json()["id"])
    return ids


def late_milliseconds(client: httpx2.Client, id_: str) -> float:
    """From the accept of an event to Klaviyo's answer to its first attempt."""
    told = client.get(f"/events/{id_}").raise_for_status().json()
    accepted = datetime.fromisoformat(told["createdAt"])
    attempt = told["attempts"][0]
    return (datetime.fromisoformat(attempt["startedAt"]) - accepted).total_seconds() * 1000 + attempt["durationMs"]


def _sdk_cpu_micros(klaviyo: Running, number: int) -> float:
    command = [sys.executable, "-m", "bench.official_sdk", klaviyo.url, SANDBOX_KEY, str(number)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


BENCHES = [Bench("delivery.cpu", cost), Bench("delivery.live", live)]
