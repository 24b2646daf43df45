"""What an examination finds."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    OK = "ok"
    WARNING = "warning"  # works, but somebody should know
    PROBLEM = "problem"  # does not work, or is not safe
    UNKNOWN = "unknown"  # could not be looked at, because of something else that is told


@dataclass(frozen=True, slots=True)
class Finding:
    """``means`` and ``mend`` are empty where all is well."""

    name: str
    state: State
    found: str
    means: str = ""
    mend: str = ""


def ok(name: str, found: str) -> Finding:
    return Finding(name, State.OK, found)


def warning(name: str, found: str, means: str, mend: str) -> Finding:
    return Finding(name, State.WARNING, found, means, mend)


def problem(name: str, found: str, means: str, mend: str) -> Finding:
    return Finding(name, State.PROBLEM, found, means, mend)


def unknown(name: str, found: str) -> Finding:
    return Finding(name, State.UNKNOWN, found)
