"""What a store may be called, and how somebody shows that they mean the one they name."""

import re
from functools import cache
from zoneinfo import available_timezones

from ferrata.connections.schemas import Store
from ferrata.infra.errors import Problem, Rejected
from ferrata.kit.names import is_name

_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,30}[A-Za-z0-9])?\Z")
_CURRENCY = re.compile(r"[A-Z]{3}\Z")


@cache
def time_zones() -> tuple[str, ...]:
    """All names by the alphabet; looked for once, since that reads hundreds of files."""
    return tuple(sorted(available_timezones()))


def check(store: Store) -> None:
    """Raises Rejected with everything that is wrong."""
    problems = []
    if not _ID.match(store.id):
        problems.append(Problem("id", "id must be 1 to 32 letters, digits and hyphens, such as my-shop"))
    if not is_name(store.name):
        problems.append(Problem("name", "name must have 1 to 120 characters in one line"))
    if store.time_zone not in time_zones():
        problems.append(Problem("timeZone", "timeZone must be a name such as Europe/Berlin"))
    if not _CURRENCY.match(store.currency):
        problems.append(Problem("currency", "currency must be three letters such as EUR"))
    if problems:
        raise Rejected(problems=tuple(problems))


def check_confirmation(store: Store, confirm: str) -> None:
    """Raises Rejected unless ``confirm`` repeats the store's id."""
    if confirm.strip() != store.id:
        raise Rejected(problems=(Problem("confirm", f"confirm must repeat the store's id, {store.id}"),))
