"""A Klaviyo that is away as a whole: connections refused, or every API connection reset."""

import time
from collections.abc import Callable
from typing import Literal

Mode = Literal["refuse", "reset"]


class Outage:
    """The present outage, if any. Lengths are real seconds: a moved clock does not end an outage.

    While connections are refused the control API on the same port is away too; in process there is no port, so
    `refuse` resets there.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._until = float("-inf")
        self._mode: Mode | None = None
        self.suspend_listening: Callable[[float], None] | None = None
        """Set by a running server: stop accepting connections for so many seconds."""

    def begin(self, mode: Mode, seconds: float) -> None:
        """Go away for some time, from now."""
        if mode == "refuse" and self.suspend_listening is not None:
            self.suspend_listening(seconds)
            return
        self._mode, self._until = mode, self._monotonic() + seconds

    def end(self) -> None:
        """Come back at once (from resets; a closed port opens by itself)."""
        self._mode, self._until = None, float("-inf")

    @property
    def resets_connections(self) -> bool:
        """Whether API connections are reset right now."""
        return self._mode is not None and self._monotonic() < self._until
