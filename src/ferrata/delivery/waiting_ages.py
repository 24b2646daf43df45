"""How long what waits has been waiting, in one look at the index of what waits."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, case, func, literal_column, select

from ferrata.delivery.models import deliveries
from ferrata.delivery.schemas import AgeBand
from ferrata.kit.ids import first_id_at

BANDS_SECONDS = (10, 60, 300, 3600)


def waiting_ages(connection: Connection, store_id: str, now: datetime) -> list[AgeBand]:
    """What waits in the store's lanes, by age, the youngest first; the last band has no upper end."""
    ids = [first_id_at(now - timedelta(seconds=seconds)) for seconds in BANDS_SECONDS]
    younger = [func.coalesce(func.sum(case((deliveries.c.id >= id_, 1), else_=0)), 0) for id_ in ids]
    waiting = deliveries.c.state == literal_column("'waiting'")
    *counts, total = connection.execute(select(*younger, func.count()).where(deliveries.c.store_id == store_id, waiting)).one()
    bands = zip((*BANDS_SECONDS, None), (0, *counts), (*counts, total), strict=True)
    return [AgeBand(seconds, int(upto - before)) for seconds, before, upto in bands]
