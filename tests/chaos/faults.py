"""The ways in which the hostile Klaviyo misbehaves, and the deck from which they are drawn so that each comes up."""

import random
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class Point(StrEnum):
    """Where in the protocol the sender is killed."""

    HALF_REQUEST = "half_request"
    BEFORE_EXECUTION = "before_execution"
    AFTER_EXECUTION = "after_execution"
    AFTER_ANSWER = "after_answer"
    ON_REFUSAL = "on_refusal"


class Fault(StrEnum):
    # before the request is whole
    HALF_RESET = "half_reset"
    HALF_STALL = "half_stall"
    # whole, not executed
    RESET = "reset"
    QUIET_CLOSE = "quiet_close"
    HANG = "hang"
    STATUS_500 = "status_500"
    STATUS_408 = "status_408"
    HTML_502 = "html_502"
    BUSY_503 = "busy_503"
    CHALLENGE_403 = "challenge_403"
    THROTTLE_SECONDS = "throttle_seconds"
    THROTTLE_FRACTION = "throttle_fraction"
    THROTTLE_DATE = "throttle_date"
    THROTTLE_GARBAGE = "throttle_garbage"
    THROTTLE_NEGATIVE = "throttle_negative"
    THROTTLE_SILENT = "throttle_silent"
    # executed, and then
    EXECUTED_RESET = "executed_reset"
    EXECUTED_HANG = "executed_hang"
    EXECUTED_500 = "executed_500"
    EXECUTED_503 = "executed_503"
    EXECUTED_TRUNCATED = "executed_truncated"
    EXECUTED_HTML = "executed_html"
    EXECUTED_EMPTY = "executed_empty"
    EXECUTED_HALF_STATUS = "executed_half_status"
    EXECUTED_GARBAGE = "executed_garbage"
    EXECUTED_DRIP = "executed_drip"
    # executed only when the sender has long given up
    EXECUTED_LATE = "executed_late"

    @property
    def is_executed(self) -> bool:
        return self.value.startswith("executed")


@dataclass
class Deck:
    """Draws faults for a share of the requests; every kind comes up before one comes up again."""

    chance: random.Random
    share: float = 0.25
    kinds: tuple[Fault, ...] = tuple(Fault)
    hits: Counter[str] = field(default_factory=Counter)
    _left: list[Fault] = field(default_factory=list)

    def draw(self) -> Fault | None:
        if self.chance.random() >= self.share or not self.kinds:
            return None
        if not self._left:
            self._left = self.chance.sample(self.kinds, len(self.kinds))
        fault = self._left.pop()
        self.hits[fault.value] += 1
        return fault
