"""Alembic's entry point, for `shared.migrate` and for the `alembic` command alike."""

import logging
from typing import Any, Literal

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection

import jobyard.shared.tables
from jobyard.shared.config import Settings
from jobyard.shared.database import UtcDateTime
from jobyard.shared.errors import JobyardError
from jobyard.shared.home import protect
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


def _run_by_itself() -> None:
    """For the command `alembic`, which shows a CommandError as one line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        settings = Settings.load()
        protect(settings.home)
        with connection_for_migrations(settings.database) as own:
            _run(own)
    except JobyardError as error:
        raise CommandError(error.message) from None


given = context.config.attributes.get("connection")
if given is not None:
    _run(given)
else:
    _run_by_itself()
