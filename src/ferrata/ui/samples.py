"""The shop that the pattern page shows: plausible events, answers and rates, all of them invented."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from ferrata.ui.charts import Chart, Limit, Series

STATES = ("accepted", "waiting", "sending", "delivered", "parked", "dead", "discarded", "not_sent")

ORDER: dict[str, Any] = {
    "OrderId": "N-104822",
    "Items": [
        {"SKU": "KB-PR-11", "Name": "Karabiner pair, screw gate", "Quantity": 2, "Price": 18.5},
        {"SKU": "LY-60-DY", "Name": "Energy-absorbing lanyard", "Quantity": 1, "Price": 89.9},
    ],
    "Discount": None,
    "FirstOrder": True,
    "Note": 'Leave it with "Café Grat" & <ring> twice',
}
ORDER_BEFORE: dict[str, Any] = {
    "OrderId": "N-104822",
    "Items": [{"SKU": "KB-PR-11", "Name": "Karabiner pair, screw gate", "Quantity": 1, "Price": 18.5}],
    "Discount": None,
    "FirstOrder": True,
    "Coupon": "SUMMIT10",
    "Note": 'Leave it with "Café Grat" & <ring> twice',
}
CURL = """curl -sS https://ferrata.example/events \\
  -H "Authorization: Bearer $FERRATA_TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{"eventName": "Placed Order", "email": "mira@example.com", "eventId": "N-104822:placed", "value": 126.9}'"""

STEPS = [
    SimpleNamespace(title="Connect the store's Klaviyo account", done=True, current=False, kind="connected"),
    SimpleNamespace(title="Send your first event", done=False, current=True, kind="send"),
    SimpleNamespace(title="Break the key, watch it park, mend it", done=False, current=False, kind="break"),
]


def rows(now: datetime) -> list[SimpleNamespace]:
    """One row of an event list for each state."""
    people = ("mira.keller@example.com", "+4915112345678", "jonas@example.org", "", "ana.ruiz@example.net", "c-20418")
    metrics = ("Placed Order", "Started Checkout", "Viewed Product", "Refunded Order", "Subscription Renewed")
    return [
        SimpleNamespace(
            id=f"0197a3c4-{position:04x}-7b20",
            at=now - timedelta(seconds=4 + position**4 * 7),
            metric=metrics[position % len(metrics)],
            person=people[position % len(people)],
            value=Decimal("126.90") * (position + 1) if position % 3 == 0 else None,
            source=("Shop API", "Stripe", "Import")[position % 3],
            state=state,
        )
        for position, state in enumerate(STATES)
    ]


def attempts(now: datetime) -> list[SimpleNamespace]:
    """A refusal for want of rate, then an answer that took the event."""
    request = SimpleNamespace(
        method="POST",
        url="https://a.klaviyo.com/api/events",
        headers=[("revision", "2026-07-15"), ("authorization", "Klaviyo-API-Key ••••4f2a")],
        body={"data": {"type": "event", "attributes": {"unique_id": "N-104822:placed", "properties": ORDER}}},
    )
    throttled = {"errors": [{"status": 429, "code": "throttled", "detail": "Request was throttled."}]}
    return [
        SimpleNamespace(
            number=1,
            at=now - timedelta(seconds=16, milliseconds=220),
            state="waiting",
            title="asked to wait",
            took=0.184,
            request=request,
            answer=SimpleNamespace(status=429, headers=[("retry-after", "12")], body=throttled),
            rate=[("Burst", "350 of 350 per second"), ("Steady", "2,911 of 3,500 per minute")],
            decision="Klaviyo asked to wait 12 s (Retry-After). The lane rests until then; nothing is lost.",
        ),
        SimpleNamespace(
            number=2,
            at=now - timedelta(seconds=4, milliseconds=12),
            state="delivered",
            title="taken",
            took=0.231,
            request=request,
            answer=SimpleNamespace(status=202, headers=[("ratelimit-remaining", "3499")], body=None),
            rate=[("Burst", "12 of 350 per second"), ("Steady", "1 of 3,500 per minute")],
            decision="Klaviyo answered 202: the event is in its queue.",
        ),
    ]


def throughput(now: datetime) -> Chart:
    """An hour in which a newsletter went out and Klaviyo asked to wait once."""
    minutes = [now.astimezone(UTC) - timedelta(minutes=60 - minute) for minute in range(60)]
    accepted = [900 + 40 * ((m * 7) % 11) + (3200 if 18 <= m < 30 else 0) for m in range(60)]
    delivered: list[float | None] = [*accepted[:18], *([3450] * 22), *accepted[40:]]
    delivered[24] = None
    return Chart(
        title="Accepted and delivered",
        frame="per minute, last hour",
        summary="A wave of 49,000 events came in at a quarter past and was worked off within ten minutes at the allowed rate.",
        labels=[f"{minute:%H:%M}" for minute in minutes],
        series=[
            Series("Accepted", accepted, "neutral"),
            Series("Delivered", delivered, "moving"),
        ],
        unit="events",
        limit=Limit("allowed 3,500", 3500),
    )


def waiting_by_age() -> Chart:
    """A bar for each age."""
    return Chart(
        title="Waiting by age",
        frame="now",
        summary="1,310 events wait, nearly all of them for less than five minutes.",
        labels=["< 10 s", "< 1 min", "< 5 min", "< 1 h", "older"],
        series=[
            Series("Waiting", [212, 640, 402, 0, 0], "neutral", "bar", stacked=True),
            Series("Parked", [0, 0, 12, 38, 6], "parked", "bar", stacked=True),
        ],
        axis="Age",
        unit="events",
    )
