"""What waits, what is parked, what Klaviyo refuses, and whether anybody delivers."""

from collections.abc import AsyncIterator

from ferrata.connections.service import Connections
from ferrata.delivery.service import DeliveryService
from ferrata.health.delivery_checks import NOT_CONNECTED
from ferrata.health.doctor.findings import Finding, ok, warning
from ferrata.health.presence import Presence


async def deliveries(connections: Connections, delivery: DeliveryService, presence: Presence) -> AsyncIterator[Finding]:
    """Store by store; the processes once."""
    working = await presence.working()
    if working:
        yield ok("worker", "1 process delivers." if working == 1 else f"{working} processes deliver.")
    else:
        yield warning(
            "worker",
            "No process delivers at the moment.",
            "What is accepted waits.",
            "Start one: `ferrata serve`, or --role worker.",
        )
    for lane in await delivery.lanes():
        name = f"lanes.{lane.store_id}.{lane.family}"
        if lane.parked_code and lane.parked_code != NOT_CONNECTED:
            yield warning(
                name,
                f"Parked ({lane.parked_code}): {lane.parked_detail}",
                f"{lane.waiting + lane.sending} wait; nothing is lost.",
                f"Mend the connection; then `ferrata lanes probe --store {lane.store_id}`.",
            )
        else:
            standing = "Waits for a key" if lane.parked_code else "Open"
            yield ok(name, f"{standing}; {lane.waiting} wait, {lane.sending} are on their way.")
    for store in await connections.stores():
        groups = await delivery.dead_groups(store.id)
        if total := sum(group.count for group in groups):
            reasons = "; ".join(f"{group.reason_code} {group.count}" for group in groups[:5])
            yield warning(
                f"dead_letters.{store.id}",
                f"{total}: {reasons}",
                "Klaviyo refuses these events. They are kept.",
                f"`ferrata deadletters list --groups --store {store.id}`, mend the cause, then replay or discard.",
            )
        else:
            yield ok(f"dead_letters.{store.id}", "None.")
