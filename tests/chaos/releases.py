"""Newer releases of the product, made up for a run: its tree with one migration more, which can be halted between its steps."""

import shutil
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src"
MIGRATION = '''"""A migration of a release that a hostile run made up."""

import os
import time
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "{after}"
down_revision = "{before}"


def halt(step: int) -> None:
    """Where the run is to kill this process."""
    marker, _, wanted = os.environ.get("FERRATA_CHAOS_MIGRATION", "").rpartition(":")
    if wanted == str(step):
        Path(marker).touch()
        time.sleep(60)


def upgrade() -> None:
    op.create_table("{table}", sa.Column("id", sa.String(36), primary_key=True))
    op.execute("INSERT INTO {table} SELECT id FROM events")
    halt(1)
    op.create_index("ix_{table}", "deliveries", ["accepted_at"])
    op.add_column("events", sa.Column("{table}", sa.String(8), nullable=False, server_default="x"))
    halt(2)
'''


@dataclass(frozen=True)
class Release:
    tree: Path
    before: str
    after: str
    table: str
    marker: Path


def next_release(tree: Path | None, workshop: Path, before: str) -> Release:
    """A copy of the tree (the installed one, if None) that migrates from ``before`` to something of its own."""
    number = len(list(workshop.glob("release-*"))) + 1
    home = workshop / f"release-{number}"
    copy, after, table = home / "src", f"9{number:03d}", f"made_up_{number}"
    shutil.copytree(tree or SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    written = MIGRATION.format(before=before, after=after, table=table)
    (copy / "ferrata" / "migrations" / "versions" / f"{after}_made_up.py").write_text(written)
    return Release(copy, before, after, table, home / "marker")
