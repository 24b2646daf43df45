"""A PostgreSQL of the bench's own, with synced commits as in production."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.postgres import find_postgres, postgres_server


@contextmanager
def server() -> Iterator[str]:
    """The URL of its database."""
    home = find_postgres()
    if home is None:
        raise RuntimeError("There is no PostgreSQL here: neither the wheel of the test requirements nor the system's.")
    with postgres_server(home, durable=True) as url:
        yield url
