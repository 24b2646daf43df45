"""The whole application, on each engine, with its worker and the sandbox behind it: what is attacked here."""

from tests.entry.conftest import doors
from tests.readthrough.conftest import connected, sandbox

__all__ = ["connected", "doors", "sandbox"]
