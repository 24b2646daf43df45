"""The database: SQLite embedded, PostgreSQL in production, one interface for both.

Work is a plain function of a SQLAlchemy connection. ``read`` runs it against a snapshot; ``write`` runs it in a transaction and
returns only after the commit is synced to disk. No statement runs on the event loop, and no transaction is open while anybody
waits for the network.
"""

from ferrata.infra.database.contract import Database, Work
from ferrata.infra.database.open import open_beside, open_database

__all__ = ["Database", "Work", "open_beside", "open_database"]
