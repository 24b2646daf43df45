"""Who did what to what."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes a change: a person, a program's token, a command on the server, or Ferrata itself."""

    kind: Literal["person", "token", "command", "system"]
    id: str
    name: str


SYSTEM = Actor("system", "ferrata", "Ferrata")
COMMAND_LINE = Actor("command", "cli", "the command line")


@dataclass(frozen=True, slots=True)
class Record:
    id: str
    at: datetime
    actor: Actor
    action: str
    target: str
    store_id: str | None
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    request_id: str | None = None
