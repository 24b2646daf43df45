"""What flags ask of the room of events, which stands above this one and is handed in."""

from datetime import date
from typing import Protocol


class Audience(Protocol):
    async def metrics(self, store_id: str) -> list[str]:
        """The metrics in use."""

    async def persons(self, store_id: str, day: date, metric: str | None = None) -> list[str]:
        """Whose events were accepted on a day of UTC, each once, as flags are decided by: ``email:jane@example.com``."""
