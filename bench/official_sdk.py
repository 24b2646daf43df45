"""The peer of delivery: the official SDK sends the same orders by its bulk call. ``python -m bench.official_sdk URL KEY NUMBER``

Prints the CPU microseconds for each event, from a dictionary to the accepted job. It keeps nothing, retries nothing, and knows
no quota: what it does is the least that a program on top of it would do.
"""

import sys
import time
from typing import Any

from klaviyo_api import KlaviyoAPI

from bench.orders import order

BATCH = 1_000
WARM_UP = 100


def event(number: int) -> dict[str, Any]:
    given = order("sdk", number)
    attributes = {
        "properties": given["eventAttributes"],
        "time": "2026-01-31T12:00:00Z",
        "value": given["value"],
        "value_currency": given["currency"],
        "unique_id": given["eventId"],
        "metric": {"data": {"type": "metric", "attributes": {"name": given["eventName"]}}},
    }
    return {"type": "event", "attributes": attributes}


def job(first: int, count: int) -> dict[str, Any]:
    """A bulk job: events under the profile that they belong to, one profile each."""
    entries = []
    for number in range(first, first + count):
        attributes = {"email": order("sdk", number)["email"], "first_name": "Ada", "last_name": "Example"}
        profile = {"data": {"type": "profile", "attributes": attributes}}
        attributes_of_entry = {"profile": profile, "events": {"data": [event(number)]}}
        entries.append({"type": "event-bulk-create", "attributes": attributes_of_entry})
    return {"data": {"type": "event-bulk-create-job", "attributes": {"events-bulk-create": {"data": entries}}}}


def main(url: str, key: str, number: int) -> float:
    api = KlaviyoAPI(key, max_retries=1, test_host=url)
    api.Events.bulk_create_events(job(number, WARM_UP))
    began = time.process_time()
    for first in range(0, number, BATCH):
        api.Events.bulk_create_events(job(first, min(BATCH, number - first)))
    return (time.process_time() - began) / number * 1e6


if __name__ == "__main__":
    print(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
