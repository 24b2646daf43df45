"""What a lane has claimed and not finished: ready to go, or to be tried again later; and whose it is."""

import heapq
from collections import Counter, deque
from itertools import count

from ferrata.delivery.request import Request


class Agenda:
    def __init__(self) -> None:
        self._ready_live: deque[Request] = deque()
        self._ready_history: deque[Request] = deque()
        self._later: list[tuple[float, int, Request]] = []
        self._sequence = count()
        self._persons: Counter[str] = Counter()
        self.under_way = 0
        self.bulk_under_way = 0

    @property
    def persons(self) -> set[str]:
        """Everybody of whom something is claimed and unfinished."""
        return set(self._persons)

    @property
    def is_empty(self) -> bool:
        return not (self._ready_live or self._ready_history or self._later or self.under_way)

    @property
    def ready_singles(self) -> int:
        return sum(not request.is_bulk for request in self.ready())

    @property
    def ready_bulks(self) -> int:
        return sum(request.is_bulk and request.job is None for request in self.ready())

    @property
    def jobs(self) -> int:
        """How many jobs of Klaviyo are followed, but for those asked about in this moment."""
        return sum(request.job is not None for request in (*self.ready(), *(each for _, _, each in self._later)))

    def add(self, request: Request, *, first: bool = False, due: float | None = None) -> None:
        """Take a newly claimed request: ready now, before everything else (``first``), or at ``due`` (monotonic seconds)."""
        self._persons.update(request.persons)
        if due is not None:
            self.postpone(request, due)
        elif first:
            self._queue(request).appendleft(request)
        else:
            self._queue(request).append(request)

    def postpone(self, request: Request, due: float) -> None:
        """Keep a request, already on the agenda, until ``due`` (monotonic seconds)."""
        heapq.heappush(self._later, (due, next(self._sequence), request))

    def again(self, request: Request) -> None:
        """Put a request, already on the agenda, back to the front."""
        self._queue(request).appendleft(request)

    def _queue(self, request: Request) -> deque[Request]:
        return self._ready_live if request.is_live else self._ready_history

    def finished(self, request: Request) -> None:
        for person in request.persons:
            self._persons[person] -= 1
            if not self._persons[person]:
                del self._persons[person]

    def wake_due(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            request = heapq.heappop(self._later)[2]
            self._queue(request).append(request)

    def next_due(self) -> float | None:
        return self._later[0][0] if self._later else None

    def ready(self) -> list[Request]:
        """In the order in which they should go: live before history."""
        return [*self._ready_live, *self._ready_history]

    def start(self, request: Request) -> None:
        self._queue(request).remove(request)
        self.under_way += 1
        self.bulk_under_way += request.is_bulk

    def stop(self, request: Request) -> None:
        self.under_way -= 1
        self.bulk_under_way -= request.is_bulk

    def next_request(self) -> Request | None:
        """The oldest claimed request, whether due or not: what a probe tries. It moves to the front of what is ready."""
        if not (self._ready_live or self._ready_history) and self._later:
            self.wake_due(self._later[0][0])
        return next(iter(self.ready()), None)
