"""Who is calling, as far as the network knows: kept beside the request so that what it changes can be noted with it."""

from contextvars import ContextVar, Token
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """``via`` is method and path, without the query."""

    request_id: str | None
    address: str | None
    via: str | None


_current: ContextVar[Caller | None] = ContextVar("caller", default=None)


def current_caller() -> Caller | None:
    """Of the request that is being answered; None for commands and for what Ferrata does by itself."""
    return _current.get()


def set_caller(caller: Caller) -> Token[Caller | None]:
    return _current.set(caller)


def reset_caller(token: Token[Caller | None]) -> None:
    _current.reset(token)
