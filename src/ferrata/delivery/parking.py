"""A lane that Klaviyo's credentials or endpoint keep from moving: it waits, tells why, and tries again from time to time."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ferrata.delivery import schedule, signals
from ferrata.delivery.models import lanes
from ferrata.delivery.schemas import Family, LaneKey
from ferrata.delivery.verdict import Reason


@dataclass(frozen=True, slots=True)
class Parked:
    code: str
    detail: str
    probe_at: datetime
    probes: int


def note_lane(connection: Connection, key: LaneKey, quota_id: str) -> Parked | None:
    """Make sure that the lane has its row; returns how it is parked, if it is."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(lanes).values(store_id=key.store_id, family=key.family.value, quota_id=quota_id)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["store_id", "family"], set_={"quota_id": statement.excluded.quota_id})
    )
    return parked(connection, key)


def parked(connection: Connection, key: LaneKey) -> Parked | None:
    row = connection.execute(
        select(lanes.c.parked_code, lanes.c.parked_detail, lanes.c.probe_at, lanes.c.probes).where(
            lanes.c.store_id == key.store_id, lanes.c.family == key.family.value, lanes.c.parked_code.is_not(None)
        )
    ).one_or_none()
    return Parked(*row) if row else None


def park(connection: Connection, key: LaneKey, reason: Reason, probes: int, now: datetime) -> Parked:
    """Park the lane, or note that one more probe was refused. When it was first parked stays as it is."""
    state = Parked(reason.code, reason.detail, now + timedelta(seconds=schedule.probe_delay(probes)), probes)
    lane = (lanes.c.store_id == key.store_id, lanes.c.family == key.family.value)
    connection.execute(update(lanes).where(*lane, lanes.c.parked_code.is_(None)).values(parked_at=now))
    connection.execute(
        update(lanes)
        .where(*lane)
        .values(parked_code=state.code, parked_detail=state.detail[:2000], probe_at=state.probe_at, probes=probes)
    )
    return state


def unpark(connection: Connection, store_id: str, family: Family | None = None) -> int:
    """Open the store's lanes (or one) again; returns how many were parked."""
    keys = [LaneKey(store_id, family)] if family else [LaneKey(store_id, each) for each in Family]
    statement = (
        update(lanes)
        .where(
            lanes.c.store_id == store_id,
            lanes.c.family.in_([key.family.value for key in keys]),
            lanes.c.parked_code.is_not(None),
        )
        .values(parked_code=None, parked_detail=None, parked_at=None, probe_at=None, probes=0)
    )
    signals.announce(connection, keys)
    return connection.execute(statement).rowcount
