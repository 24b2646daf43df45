"""The flags that were set, and a version by which every process notices a change."""

from sqlalchemy import BigInteger, Column, Integer, String, Table

from ferrata.infra.columns import Instant, metadata

flags = Table(
    "flags",
    metadata,
    Column("store_id", String(32), primary_key=True),
    Column("metric", String(127), primary_key=True),  # "*": every metric of the store without a flag of its own
    Column("mode", String(12), nullable=False),  # see schemas.Mode
    Column("percentage", Integer, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("changed_by", String(120), nullable=False),
)

flag_versions = Table(
    "flag_versions",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("version", BigInteger, nullable=False),
)
