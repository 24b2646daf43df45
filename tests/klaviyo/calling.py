"""A client of the raw server, with a key that must never show."""

from __future__ import annotations

from ferrata.klaviyo import Bounds, Klaviyo, PrivateKey, Timeouts

from .raw_server import RawServer

KEY = "pk_canary0123456789canary0123456789ab"
EVENT = "POST /api/events"
MEGABYTE = 1024 * 1024


def client(server: RawServer, *, total: float = 5.0, bounds: Bounds | None = None, ca_file: str | None = None) -> Klaviyo:
    return Klaviyo(PrivateKey(KEY), server.url, timeouts=Timeouts(1.0, total), bounds=bounds, ca_file=ca_file)
