"""How one store's connection to Klaviyo fares: is the key good, when did something last succeed, what is used of the limits."""

from dataclasses import dataclass
from datetime import datetime

from ferrata.connections.schemas import Connection, Held, Retiring, Status
from ferrata.connections.service import FEATURES, Connections, Feature
from ferrata.delivery.schemas import Lane
from ferrata.delivery.service import DeliveryService
from ferrata.health.probes import Probe, Probes
from ferrata.infra.crypto import Undecryptable


@dataclass(frozen=True, slots=True)
class FeatureState:
    """Whether the connection may do what a feature needs. ``held`` None: not looked yet."""

    feature: Feature
    held: Held | None
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConnectionHealth:
    """``probe`` is Klaviyo's last answer to whether it knows the key, at most a minute old once somebody has asked."""

    connection: Connection
    probe: Probe
    lanes: tuple[Lane, ...]
    features: tuple[FeatureState, ...]
    retiring: tuple[Retiring, ...]
    undecryptable: bool = False

    @property
    def last_success_at(self) -> datetime | None:
        """When Klaviyo last took something of this store."""
        return max((lane.last_success_at for lane in self.lanes if lane.last_success_at), default=None)

    @property
    def waiting(self) -> int:
        return sum(lane.waiting for lane in self.lanes)

    @property
    def _refused_since(self) -> bool:
        """Whether a request or a test was refused after the last probe."""
        seen, checked_at = self.connection, self.probe.checked_at
        broken = seen.status.is_broken
        return broken and (checked_at is None or (seen.status_since is not None and seen.status_since >= checked_at))

    @property
    def checked_at(self) -> datetime | None:
        """When ``key_valid`` was last known."""
        return self.connection.status_since if self._refused_since else self.probe.checked_at

    @property
    def key_valid(self) -> bool | None:
        """None: not known at the moment."""
        if self.probe.key_refused or self.undecryptable or self._refused_since:
            return False
        return True if self.probe.reached else None


class ConnectionHealths:
    def __init__(self, connections: Connections, delivery: DeliveryService, probes: Probes) -> None:
        self._connections = connections
        self._delivery = delivery
        self._probes = probes

    async def of(self, store_id: str) -> ConnectionHealth:
        """Raises NotFound."""
        connection = await self._connections.connection(store_id)
        probe, undecryptable = Probe(), False
        try:
            credential = await self._connections.credential(store_id)
        except Undecryptable:
            credential, undecryptable = None, True
        if credential:
            probe = await self._probes.of(credential)
            connection = await self._connections.connection(store_id)
        lanes = await self._delivery.lanes(store_id)
        retiring = await self._connections.rotation.retiring(store_id)
        features = features_of(connection)
        return ConnectionHealth(connection, probe, tuple(lanes), features, tuple(retiring), undecryptable)


def features_of(connection: Connection) -> tuple[FeatureState, ...]:
    """What works with the scopes that the connection was found to have."""
    if connection.status is Status.NOT_CONFIGURED or not connection.scopes:
        return tuple(FeatureState(feature, None, ()) for feature in FEATURES)
    return tuple(_state(feature, connection) for feature in FEATURES)


def _state(feature: Feature, connection: Connection) -> FeatureState:
    held = {scope: connection.scopes.get(scope, Held.UNKNOWN) for scope in feature.scopes}
    missing = tuple(scope for scope, how in held.items() if how is Held.MISSING)
    if missing:
        return FeatureState(feature, Held.MISSING, missing)
    return FeatureState(feature, Held.UNKNOWN if Held.UNKNOWN in held.values() else Held.PRESENT, ())
