"""Alembic's environment for every service; `migrations.runner` passes the connection and the service."""

from alembic import context

from migrations.runner import service_metadata

config = context.config
connection = config.attributes["connection"]
service = config.attributes["service"]

context.configure(
    connection=connection,
    target_metadata=service_metadata(service),
    compare_type=True,
    compare_server_default=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
