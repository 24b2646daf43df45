"""One request with many events, and what its answer means for each of them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import httpx2

from ferrata.client.message import Message

HEADERS = {
    "Content-Type": "application/json",
    "Prefer": "handling=lenient, return=minimal, respond-async",
    "Ferrata-Source": "client",
}
LONGEST_RETRY_AFTER_SECONDS = 300.0
_OF_BATCH = re.compile(r"^(?:events|acts)\.\d+\.")  # the place in a request says nothing to the host


class Away(Exception):
    """Nothing is known to be accepted: send the same events again, after ``wait_seconds`` if that is known."""

    def __init__(self, reason: str, wait_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.wait_seconds = wait_seconds


class TooLarge(Exception):
    """The request was too large as a whole: send fewer events at once."""


@dataclass(frozen=True, slots=True)
class Posted:
    accepted: int
    refused: list[tuple[Message, str]]


class Poster:
    def __init__(
        self, url: str, token: str, store: str | None, timeout_seconds: float, transport: httpx2.BaseTransport | None
    ) -> None:
        headers = HEADERS | {"Authorization": f"Bearer {token}"} | ({"Ferrata-Store": store} if store else {})
        self._client = httpx2.Client(
            base_url=url, headers=headers, timeout=timeout_seconds, transport=transport, trust_env=False, follow_redirects=False
        )

    def close(self) -> None:
        self._client.close()

    def post(self, messages: Sequence[Message]) -> Posted:
        """Hand the messages over, events and acts of carts each in their order.

        Raises:
            Away: Ferrata cannot be reached, is overloaded, or does not accept the token for now.
            TooLarge: there is more than it takes at once.
        """
        events = [message for message in messages if not message.is_act]
        acts = [message for message in messages if message.is_act]
        posted = self._post("/events/bulk", "events", events) if events else Posted(0, [])
        if not acts:
            return posted
        more = self._post("/carts/acts", "acts", acts)  # if this breaks off, both are sent again, which changes nothing
        return Posted(posted.accepted + more.accepted, [*posted.refused, *more.refused])

    def _post(self, path: str, name: str, messages: Sequence[Message]) -> Posted:
        body = f'{{"{name}":['.encode() + b",".join(message.body for message in messages) + b"]}"
        try:
            answer = self._client.post(path, content=body)
            answers = answer.json() if answer.status_code in (200, 201, 202, 207) else None
        except (httpx2.HTTPError, ValueError, RecursionError) as error:
            raise Away(type(error).__name__) from error
        if _are_of(answers, messages):
            refused = [(message, _why(told)) for message, told in zip(messages, answers, strict=True) if "id" not in told]
            return Posted(len(messages) - len(refused), refused)
        if answer.status_code == 413 or (answer.status_code == 400 and len(messages) > 1):
            raise TooLarge  # or one of them spoils the others: by halves it is found
        if answer.status_code == 400:
            return Posted(0, [(message, _why_of(answer)) for message in messages])
        why = (
            f"it does not accept the token ({answer.status_code})"
            if answer.status_code in (401, 403)
            else f"status {answer.status_code}"
        )
        raise Away(why, _retry_after(answer.headers))


def _are_of(answers: object, messages: Sequence[Message]) -> TypeGuard[list[Mapping[str, Any]]]:
    """Whether these are Ferrata's: something else may answer in its place."""
    return isinstance(answers, list) and len(answers) == len(messages) and all(isinstance(told, dict) for told in answers)


def _why(told: Mapping[str, Any]) -> str:
    message = told.get("message", "refused")
    lines = message if isinstance(message, list) else [message]
    return "; ".join(_OF_BATCH.sub("", str(line)) for line in lines)


def _why_of(answer: httpx2.Response) -> str:
    try:
        return _why(answer.json())
    except (ValueError, AttributeError, RecursionError):
        return "refused"


def _retry_after(headers: Mapping[str, str]) -> float | None:
    text = headers.get("retry-after", "")
    return min(float(text), LONGEST_RETRY_AFTER_SECONDS) if text.isdecimal() else None
