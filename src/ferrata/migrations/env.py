"""Alembic's entry: migrates over the connection it is handed, so that the caller decides on transaction and lock."""

from alembic import context

from ferrata.entry.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, user_module_prefix="")
with context.begin_transaction():
    context.run_migrations()
