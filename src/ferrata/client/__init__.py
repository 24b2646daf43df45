"""Track events from an application into Ferrata. Never blocks or breaks the host; needs nothing else of Ferrata.

from ferrata.client import Ferrata
ferrata = Ferrata("http://127.0.0.1:3000", token)
ferrata.track("Placed Order", email="jane@shop.com", value=Decimal("19.90"), currency="EUR")
"""

from ferrata.client.aio import AsyncFerrata
from ferrata.client.outbox import Counts
from ferrata.client.sync import Ferrata

__all__ = ["AsyncFerrata", "Counts", "Ferrata"]
