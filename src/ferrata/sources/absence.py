"""Whether the API of a source is away: then one message asks from time to time, and the others wait for it to be answered.

Kept in memory, for one process at a time works on a line. A process that has just begun knows nothing yet: its first answer
counts as a return, so what another has put off is tried again too.
"""

from dataclasses import dataclass, field

from ferrata.sources.schemas import LineKey

FAILED_MESSAGES = 3
"""So many different ones unanswered, and none answered in between: the API is away, and not just one thing of it."""
PROBE_EVERY_SECONDS = 1.0
LONGEST_SECONDS = 30.0
"""A message that the API did not answer asks again after this long at the most: it may be the one that all others wait for."""
UNTRIED_SECONDS = 300.0
"""How long one that was not even tried waits if nobody is answered before."""


@dataclass(slots=True)
class Absence:
    """``failed``: messages without an answer since the last one came. ``version`` is that of the settings."""

    version: int
    failed: set[str] = field(default_factory=set)
    asked_at: float = float("-inf")
    known: bool = False

    @property
    def away(self) -> bool:
        return len(self.failed) >= FAILED_MESSAGES

    @property
    def waited_for(self) -> bool:
        """Whether messages may be waiting for an answer to somebody else."""
        return self.away or not self.known

    def may_ask(self, now: float) -> bool:
        """Whether the next message may ask. While the API is away at most one a second may, whatever comes meanwhile."""
        if not self.away:
            return True
        if now - self.asked_at < PROBE_EVERY_SECONDS:
            return False
        self.asked_at = now
        return True

    def failure(self, message_id: str) -> None:
        if not self.away:
            self.failed.add(message_id)

    def answered(self) -> None:
        self.failed.clear()
        self.known = True


class Absences:
    def __init__(self) -> None:
        self._of: dict[LineKey, Absence] = {}

    def of(self, line: LineKey, version: int) -> Absence:
        """What is known of a line's API with these settings; new settings are a new chance."""
        known = self._of.get(line)
        if known is None or known.version != version:
            known = self._of[line] = Absence(version)
        return known
