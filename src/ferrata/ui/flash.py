"""A message that survives one redirect: said after an act, read on the next page, then forgotten.

It travels in a short-lived cookie, so it works on any number of API processes. It is only ever shown as escaped text.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

COOKIE = "ferrata_flash"
_SECONDS = 60
_LONGEST = 1_000

Tone = Literal["delivered", "neutral", "parked", "dead"]
_TONES = ("delivered", "neutral", "parked", "dead")


@dataclass(frozen=True, slots=True)
class Flash:
    """What was done, in a sentence; ``undo_url`` (answering GET with a question) where it can be taken back."""

    text: str
    tone: Tone = "delivered"
    undo_url: str | None = None


def redirect_saying(url: str, flash: Flash) -> RedirectResponse:
    """Answer a POST: 303 to ``url``, where the message is shown once."""
    response = RedirectResponse(url, status_code=303)
    content = json.dumps([flash.text[:_LONGEST], flash.tone, flash.undo_url]).encode()
    value = urlsafe_b64encode(content).decode()
    response.set_cookie(COOKIE, value, max_age=_SECONDS, httponly=True, samesite="lax")
    return response


def read_flash(request: Request) -> Flash | None:
    """The message that waits for this browser, or None; whatever else stands in the cookie is ignored."""
    try:
        content = json.loads(urlsafe_b64decode(request.cookies.get(COOKIE, "")))
    except (NotBase64, ValueError, RecursionError):
        return None
    match content:
        case [str(text), str(tone), undo] if tone in _TONES and (undo is None or _is_local(undo)):
            return Flash(text[:_LONGEST], tone, undo)  # type: ignore[arg-type]  # the guard has checked the tone
    return None


def _is_local(url: object) -> bool:
    return isinstance(url, str) and url.startswith("/") and not url.startswith(("//", "/\\"))


def forget_flash(response: Response) -> None:
    response.delete_cookie(COOKIE, httponly=True, samesite="lax")
