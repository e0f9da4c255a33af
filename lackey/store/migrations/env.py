"""What Alembic runs; always on a connection handed in by `store.schema`."""

from alembic import context

from lackey.store.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
