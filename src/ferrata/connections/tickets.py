"""Carries a key from one page of the wizard to the next: sealed, for one person and store, for a quarter of an hour.

So nothing is kept of a key before somebody has chosen to, no page ever shows it, and any process can serve the next page.
"""

from datetime import timedelta

from ferrata.connections.errors import TicketExpired
from ferrata.infra.crypto import SecretBox, Undecryptable
from ferrata.kit.clock import Clock

__all__ = ["TicketExpired", "Tickets"]
GOOD_FOR = timedelta(minutes=15)


class Tickets:
    def __init__(self, box: SecretBox, clock: Clock) -> None:
        self._box = box
        self._clock = clock

    def issue(self, store_id: str, person_id: str, key: str) -> str:
        until = int((self._clock.now() + GOOD_FOR).timestamp())
        return self._box.seal(f"{until} {key}", row=_row(store_id, person_id))

    def redeem(self, ticket: str, store_id: str, person_id: str) -> str:
        """The key. Raises TicketExpired: too old, of another person or store, or not one of ours."""
        try:
            until, _, key = self._box.open(ticket, row=_row(store_id, person_id)).partition(" ")
        except Undecryptable:
            raise TicketExpired from None
        if int(until) < self._clock.now().timestamp():
            raise TicketExpired
        return key


def _row(store_id: str, person_id: str) -> str:
    return f"connect/{store_id}/{person_id}"
