"""The check of the audit: whether what is recorded is brought into its chain."""

from ferrata.audit.service import Audit
from ferrata.health.schemas import Check, Level
from ferrata.kit.clock import Clock


class AuditChecks:
    def __init__(self, audit: Audit, clock: Clock) -> None:
        self._audit = audit
        self._clock = clock

    async def sealed(self) -> Check:
        """Sealing takes seconds. What waits for long can still be changed without a trace."""
        behind = await self._audit.behind()
        if behind is None:
            return Check("audit.sealed", Level.HEALTHY, "Every record of the audit is sealed within minutes.")
        minutes = int((self._clock.now() - behind.since).total_seconds() // 60)
        summary = (
            f"{behind.records:,} records of the audit wait to be sealed, the oldest for {minutes} min. Try: ferrata audit verify"
        )
        return Check("audit.sealed", Level.DEGRADED, summary)
