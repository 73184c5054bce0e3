"""Bring the database to the schema that this version of the code expects."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.shared.errors import ConfigError, JobyardError

# Any number will do, as long as all processes take the same one.
ADVISORY_LOCK = 0x4A6F6279


def upgrade(settings: Settings) -> None:
    """Run all pending migrations; of several processes that do so at once, one works and the others wait.

    Raises ConfigError if the database can't be reached.
    """
    if settings.database.startswith("sqlite"):
        Path(sa.make_url(settings.database).database or "").parent.mkdir(parents=True, exist_ok=True)
    try:
        with connection_for_migrations(settings.database) as connection:
            if connection.dialect.name == "postgresql":
                encoding = connection.scalar(sa.text("SHOW server_encoding"))
                if encoding != "UTF8":
                    raise ConfigError(
                        f"JOBYARD_DATABASE_URL: the database should have ENCODING UTF8, not {encoding}"
                    )
                # What SQLite's write lock does by itself.
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ADVISORY_LOCK)))
            config = alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except sa.exc.OperationalError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise ConfigError(f"JOBYARD_DATABASE_URL: can't use the database: {reason}") from None


@contextmanager
def connection_for_migrations(url: str) -> Iterator[sa.Connection]:
    """A connection in a transaction, which is committed at the end.

    SQLite changes some tables by copying them and dropping the old one. With foreign keys on, the drop
    would delete the rows that refer to it; they can only be turned off before the transaction.
    """
    database = Database(url)
    try:
        with database.writer.connect() as connection:
            if connection.dialect.name == "sqlite":
                driver = connection.connection.driver_connection
                driver.execute("PRAGMA foreign_keys=OFF")  # type: ignore[union-attr]
            with connection.begin():
                yield connection
    finally:
        database.dispose()


def alembic_config() -> Config:
    """Alembic's settings, wherever the package `migrations` lies."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent.parent / "migrations"))
    return config


def main() -> int:
    """`python -m jobyard.shared.migrate`: for compose files and deploys."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        upgrade(Settings.load())
    except JobyardError as error:
        print(f"jobyard: {error.message}", file=sys.stderr)  # noqa: T201 - the line for people
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
