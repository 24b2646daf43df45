"""Sends one webhook: signed, bounded in time and size, to a public address, and never led elsewhere by a redirect."""

import httpx2

from ferrata.alerts.schemas import Sent
from ferrata.alerts.signing import HEADER, signature
from ferrata.infra.public_addresses import NotAllowed, PublicAddresses
from ferrata.kit.clock import Clock
from ferrata.klaviyo.answer import NoAnswer
from ferrata.klaviyo.retry_after import parse_retry_after
from ferrata.klaviyo.wire import Bounds, exchange

CONNECT_SECONDS, DEADLINE_SECONDS = 5.0, 15.0
_SMALL = Bounds(success=64 * 1024, error=64 * 1024, page=64 * 1024)


class Webhooks:
    def __init__(self, transport: httpx2.AsyncBaseTransport, addresses: PublicAddresses, clock: Clock) -> None:
        self._transport = transport
        self._addresses = addresses
        self._clock = clock

    async def close(self) -> None:
        await self._transport.aclose()

    async def check(self, url: str) -> None:
        """Raises NotAllowed; OSError if the name cannot be resolved."""
        await self._addresses.check(url)

    async def send(self, url: str, body: bytes, *, notice_id: str, secrets: list[str]) -> Sent:
        """One attempt; never raises for what the network or the other side do."""
        began = self._clock.monotonic()
        try:
            target = await self._addresses.check(url)
        except NotAllowed as error:
            return Sent(False, f"Not sent: {error}.", 0)
        except (OSError, UnicodeError):
            return Sent(False, "Not sent: the name cannot be resolved.", round((self._clock.monotonic() - began) * 1000))
        headers = {
            "host": target.host,
            "content-type": "application/json",
            "accept": "*/*",
            "accept-encoding": "identity",
            "user-agent": "Ferrata-Alerts/1",
            "ferrata-alert-id": notice_id,
            HEADER: signature(secrets, int(self._clock.now().timestamp()), body),
        }
        request = httpx2.Request(
            "POST", target.url, headers=headers, content=body, extensions={"sni_hostname": target.server_name}
        )
        seen = await exchange(
            self._transport,
            request,
            connect_timeout_seconds=CONNECT_SECONDS,
            deadline_seconds=DEADLINE_SECONDS,
            bounds=_SMALL,
        )
        duration_ms = round(seen.duration_ms)
        if isinstance(seen, NoAnswer):
            return Sent(False, f"{seen.reason[:1].upper()}{seen.reason[1:]}.", duration_ms)
        if 200 <= seen.status < 300:
            return Sent(True, f"Answered {seen.status}.", duration_ms, seen.status)
        asked = parse_retry_after(seen.headers.get("retry-after"), self._clock.now(), seen.headers.get("date"))
        redirect = ", a redirect, which is not followed" if 300 <= seen.status < 400 else ""
        return Sent(False, f"Answered {seen.status}{redirect}.", duration_ms, seen.status, asked)
