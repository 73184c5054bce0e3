"""Alembic's entry point, for `shared.migrate` and for the `alembic` command alike."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection

import jobyard.shared.tables
from jobyard.shared.config import Settings
from jobyard.shared.database import UtcDateTime
from jobyard.shared.migrate import connection_for_migrations


def _render(kind: str, item: Any, _autogen: object) -> str | Literal[False]:
    """Migrations name types of SQLAlchemy only: they must still run when ours have changed."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=jobyard.shared.tables.metadata,
        # SQLite can't alter a table in place: Alembic copies it.
        render_as_batch=connection.dialect.name == "sqlite",
        render_item=_render,
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    _run(given)
else:
    with connection_for_migrations(Settings.load().database) as own:
        _run(own)
