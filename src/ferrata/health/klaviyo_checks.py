"""Checks of Klaviyo: whether it can be reached, and whether it accepts each store's key.

Klaviyo's troubles never take Ferrata down: what is accepted waits. So these checks are degraded at worst, and only the service of
its own name in the report is down.
"""

from collections.abc import Mapping

from ferrata.connections.schemas import Connection, Status
from ferrata.connections.service import Connections
from ferrata.health.probes import Probe, Probes
from ferrata.health.schemas import Check, KlaviyoService, Level
from ferrata.klaviyo import Kind


class KlaviyoChecks:
    def __init__(self, connections: Connections, probes: Probes) -> None:
        self._connections = connections
        self._probes = probes

    async def close(self) -> None:
        await self._probes.close()

    async def look(self) -> tuple[list[Check], KlaviyoService]:
        """``klaviyo.reachable`` and ``klaviyo.key_valid``, and the service as a whole."""
        probes = await self._probes.by_store()
        known = await self._connections.every_connection()
        reachable, refused = _reachable(probes), _key_valid(known, probes)
        return [reachable, refused], _service(known, probes, refused)


def _reachable(probes: Mapping[str, Probe]) -> Check:
    asked = {store_id: probe for store_id, probe in probes.items() if probe.kind}
    unreached = {store_id: probe.detail or "no answer" for store_id, probe in asked.items() if not probe.reached}
    latency = max((probe.latency_ms for probe in asked.values() if probe.latency_ms is not None), default=None)
    if unreached:
        summary = f"Klaviyo does not answer as it should for {len(unreached)} of {len(asked)} stores. Events wait meanwhile."
        return Check("klaviyo.reachable", Level.DEGRADED, summary, stores=unreached)
    if throttled := {store_id: probe.detail or "429" for store_id, probe in asked.items() if probe.kind is Kind.THROTTLED}:
        return Check("klaviyo.reachable", Level.DEGRADED, "Klaviyo asks to wait (429).", latency, throttled)
    summary = "Klaviyo answers." if asked else "Klaviyo has not been asked yet."
    return Check("klaviyo.reachable", Level.HEALTHY, summary, round(latency, 1) if latency is not None else None)


def _key_valid(known: Mapping[str, Connection], probes: Mapping[str, Probe]) -> Check:
    faults = {}
    for store_id, connection in known.items():
        if connection.status is Status.NOT_CONFIGURED:
            faults[store_id] = "No key of Klaviyo is set: what is accepted waits."
        elif connection.status.is_broken:
            faults[store_id] = connection.detail or "Klaviyo refuses the key."
        elif store_id not in probes:
            faults[store_id] = "The key cannot be decrypted with this master key."
        elif probes[store_id].key_refused:
            faults[store_id] = probes[store_id].detail or "Klaviyo refuses the key."
    if faults:
        return Check(
            "klaviyo.key_valid",
            Level.DEGRADED,
            f"{len(faults)} of {len(known)} {'store lacks' if len(known) == 1 else 'stores lack'} a good key.",
            stores=faults,
        )
    return Check("klaviyo.key_valid", Level.HEALTHY, "Every store's key is accepted.")


def _service(known: Mapping[str, Connection], probes: Mapping[str, Probe], keys: Check) -> KlaviyoService:
    asked = {store_id: probe for store_id, probe in probes.items() if probe.kind}
    errors = {store_id: probe.detail or "no answer" for store_id, probe in asked.items() if not probe.reached} | dict(keys.stores)
    throttled = any(probe.kind is Kind.THROTTLED for probe in asked.values())
    level = Level.DOWN if errors and len(errors) == len(known) else Level.DEGRADED if errors or throttled else Level.HEALTHY
    return KlaviyoService(
        level=level,
        latency_ms=max((round(probe.latency_ms, 1) for probe in asked.values() if probe.latency_ms is not None), default=None),
        checked_at=min((probe.checked_at for probe in asked.values() if probe.checked_at), default=None),
        accounts={store_id: each.account_id for store_id, each in known.items() if each.account_id},
        errors=errors,
    )
