"""Klaviyo's operations: their published quotas and the scopes they need, from the table `operations.txt`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True, slots=True)
class Operation:
    """One method and path template with its quotas in requests; `daily` is None where there is no daily cap."""

    name: str
    burst_per_second: int
    steady_per_minute: int
    daily: int | None = None
    scopes: tuple[str, ...] = ()

    @property
    def windows(self) -> dict[float, int]:
        """Allowed requests by window length in seconds."""
        windows = {1.0: self.burst_per_second, 60.0: self.steady_per_minute}
        return windows if self.daily is None else windows | {86_400.0: self.daily}

    @property
    def method(self) -> str:
        return self.name.partition(" ")[0]

    @property
    def path(self) -> str:
        return self.name.partition(" ")[2]


SMALLEST = Operation(name="unlisted", burst_per_second=1, steady_per_minute=15)
"""What an operation that the table does not list is taken to allow, until its headers say more."""

EXTRA_BUCKETS: dict[str, Operation] = {
    "additional-fields[profile]=predictive_analytics": Operation("predictive_analytics", 10, 150),
    "additional-fields[list]=profile_count": Operation("list profile_count", 1, 15),
    "additional-fields[segment]=profile_count": Operation("segment profile_count", 1, 15),
    "include=lists,segments": Operation("profile memberships", 1, 15),
}
"""Stricter quotas that a query parameter uses up beside the operation's own, across all operations that know it."""


@cache
def all_operations() -> dict[str, Operation]:
    """Every known operation by name, for example `"POST /api/events"`."""
    text = files(__package__).joinpath("operations.txt").read_text(encoding="utf-8")
    return {operation.name: operation for operation in _parse(text)}


def find_operation(name: str) -> Operation | None:
    """The operation of that name (`"METHOD /path/{id}"`), or None where the table does not list it."""
    return all_operations().get(name)


def _parse(text: str) -> Iterator[Operation]:
    burst, steady, daily = 0, 0, None
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        if line.startswith("["):
            first, second, third = line.strip("[]").split(" ")
            burst, steady, daily = int(first), int(second), None if third == "-" else int(third)
            continue
        method, path, *scopes = line.split(" ")
        yield Operation(f"{method} {path}", burst, steady, daily, tuple(scopes))


def extra_bucket(url: str) -> str | None:
    """The bucket of `EXTRA_BUCKETS` that an address uses up by its parameters, or None."""
    query = dict(parse_qsl(urlsplit(url).query))
    for bucket in EXTRA_BUCKETS:
        name, _, wanted = bucket.partition("=")
        if set(query.get(name, "").split(",")) & set(wanted.split(",")):
            return bucket
    return None
