"""Checks of sources: whether what shops and payment systems have sent moves on."""

from ferrata.health.schemas import Check, Level
from ferrata.kit.clock import Clock
from ferrata.sources.service import Sources


class SourceChecks:
    def __init__(self, sources: Sources, clock: Clock) -> None:
        self._sources = sources
        self._clock = clock

    async def lag(self) -> Check:
        """Messages that wait for another message, or while their source is switched off, are not late."""
        stuck, now, stores = await self._sources.stuck(), self._clock.now(), dict[str, str]()
        for each in stuck:
            minutes = int((now - each.oldest_at).total_seconds() // 60)
            told = f"{each.count} of {each.line.kind} wait to be mapped, the oldest for {minutes} min."
            stores[each.line.store_id] = " ".join(filter(None, [stores.get(each.line.store_id), told]))
        if stores:
            summary = f"Messages of sources wait for more than 5 minutes in {len(stores)} stores."
            return Check("sources.lag", Level.DEGRADED, summary, stores=stores)
        return Check("sources.lag", Level.HEALTHY, "No message of a source waits for long.")
