"""Posts batches of rows to a running Ferrata, and tries again for as long as that may help."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2
import msgspec

from ferrata.events.importing.rows import Row
from ferrata.infra.errors import Forbidden, Rejected, StorageUnavailable
from ferrata.kit.clock import Clock

HEADERS = {
    "Content-Type": "application/json",
    "Prefer": "handling=lenient, return=minimal, respond-async",
    "Ferrata-Source": "import",
}
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 30.0
_encode = msgspec.json.encode


@dataclass(frozen=True, slots=True)
class Target:
    url: str
    token: str
    store: str | None = None


class Sender:
    """``away`` is told, in words, whenever Ferrata does not take a batch and it will be tried again."""

    def __init__(
        self,
        target: Target,
        clock: Clock,
        away: Callable[[str], None],
        *,
        patience_seconds: float,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        headers = HEADERS | {"Authorization": f"Bearer {target.token}"}
        headers |= {"Ferrata-Store": target.store} if target.store else {}
        self._client = httpx2.AsyncClient(base_url=target.url, headers=headers, transport=transport, timeout=60)
        self._clock = clock
        self._away = away
        self._patience_seconds = patience_seconds

    async def close(self) -> None:
        await self._client.aclose()

    async def send(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """The answer to each row, in order.

        Raises:
            Rejected: Ferrata does not take anything from this caller; waiting would not help.
            StorageUnavailable: it was away longer than the patience.
        """
        body = _encode({"events": [row.fields for row in rows]})
        deadline = self._clock.monotonic() + self._patience_seconds
        wait = FIRST_WAIT_SECONDS
        while True:
            try:
                answer = await self._client.post("/events/bulk", content=body)
            except httpx2.RequestError as error:
                reason, told_wait = f"Ferrata does not answer ({type(error).__name__})", None
            else:
                if answer.status_code in (201, 202, 207):
                    return _answers(answer, len(rows))
                reason, told_wait = _refused(answer)
            seconds = told_wait if told_wait is not None else wait
            if self._clock.monotonic() + seconds > deadline:
                raise StorageUnavailable(f"{reason}. Run the same command again later: it goes on where it stopped.")
            self._away(f"{reason}; trying again in {seconds:g} s")
            await self._clock.sleep(seconds)
            wait = min(wait * 2, LONGEST_WAIT_SECONDS)


def _answers(answer: httpx2.Response, count: int) -> list[dict[str, Any]]:
    """One for each row. Raises Rejected: something else answers in Ferrata's place."""
    try:
        found = msgspec.json.decode(answer.content, type=list[dict[str, Any]])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = []
    if len(found) != count:
        raise Rejected("What answers there is no Ferrata. Is --url right?")
    return found


def _refused(answer: httpx2.Response) -> tuple[str, float | None]:
    """Why, and after how many seconds to try again if the answer says so. Raises what waiting can't mend."""
    message = _message(answer)
    if answer.status_code in (401, 403):
        raise Forbidden(f"Ferrata refuses this token: {message}")
    if answer.status_code in (408, 425, 429) or answer.status_code >= 500:
        told = answer.headers.get("retry-after", "")
        return f"Ferrata answers {answer.status_code}: {message}", min(float(told), 300.0) if told.isdecimal() else None
    raise Rejected(f"Ferrata answers {answer.status_code}: {message}")


def _message(answer: httpx2.Response) -> str:
    try:
        message = answer.json()["message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return answer.text[:200]
    return "; ".join(message[:3]) if isinstance(message, list) else str(message)
