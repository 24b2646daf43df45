"""What a fuzz target is: a parser, what it is fed with, and what must hold whatever that is."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

CPU_SECONDS = 2.0
"""For one input of some thousand characters; what needs more grows faster than its input."""
_SHORT = 25
_LONG = 1_000


@dataclass(frozen=True, slots=True)
class Target:
    """``reads`` are the modules of ``ferrata`` that it drives; ``once_broke`` are inputs that broke it, tried first each time."""

    name: str
    reads: tuple[str, ...]
    inputs: SearchStrategy[Any]
    once_broke: tuple[Any, ...]
    holds: Callable[[Any], None]

    def feed(self, value: Any) -> None:
        began = time.process_time()
        self.holds(value)
        took = time.process_time() - began
        assert took < CPU_SECONDS, f"{self.name} took {took:.1f} s of CPU"

    def try_what_broke(self) -> None:
        for value in self.once_broke:
            self.feed(value)

    def try_some(self) -> None:
        """The same few inputs at each run."""
        self._run(settings(_base, max_examples=_SHORT, derandomize=True), None)

    def try_many(self, chance: random.Random) -> None:
        """Others at each run; what breaks is made small before it is told."""
        self._run(settings(_base, max_examples=_LONG, phases=[Phase.generate, Phase.shrink]), chance.getrandbits(64))

    def _run(self, profile: settings, number: int | None) -> None:
        def holds(value: Any) -> None:
            self.feed(value)

        test = profile(given(self.inputs)(holds))
        (test if number is None else seed(number)(test))()


TARGETS: dict[str, Target] = {}
_base = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])


def target(*reads: str, inputs: SearchStrategy[Any], once_broke: tuple[Any, ...] = ()) -> Callable[[Any], Any]:
    """Makes a function of one input, which raises where something does not hold, a target of its name."""

    def register(holds: Callable[[Any], None]) -> Callable[[Any], None]:
        assert holds.__name__ not in TARGETS
        TARGETS[holds.__name__] = Target(holds.__name__, reads, inputs, once_broke, holds)
        return holds

    return register
