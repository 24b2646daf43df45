"""What messages of a source have taught, for later messages: a customer's e-mail, the invoice of a payment."""

from sqlalchemy import Column, String, Table, Text

from ferrata.infra.columns import Instant, metadata

source_memory = Table(
    "source_memory",
    metadata,
    Column("store_id", String(32), primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("value", Text, nullable=False),
    Column("at", Instant, nullable=False),
)
