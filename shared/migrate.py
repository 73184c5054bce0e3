"""Bring the database to the schema that this version of the code expects, or to another revision."""

import argparse
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from jobyard.shared import logs
from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.shared.errors import BadInput, ConfigError, JobyardError
from jobyard.shared.home import protect

# Any number will do, as long as all processes take the same one.
ADVISORY_LOCK = 0x4A6F6279

NEWEST = "head"
OLDEST = "base"
RELATIVE = re.compile(r"[+-][1-9][0-9]{0,3}")


def upgrade(settings: Settings) -> None:
    """Run all pending migrations; of several processes that do so at once, one works and the others wait.

    Raises ConfigError if the database can't be reached, or is of a later version of Jobyard.
    """
    migrate(settings, NEWEST)


def migrate(settings: Settings, revision: str) -> None:
    """Migrate up or down to a revision: its number, `head`, `base`, or so many steps from now (`-1`).

    Raises ConfigError as `upgrade` does, and BadInput if there is no such revision.
    """
    with connection_for_migrations(settings.database) as connection:
        migrate_on(connection, revision)


def migrate_on(connection: sa.Connection, revision: str) -> None:
    """Run Alembic's upgrade or downgrade, whichever leads from where the database is to the revision.

    In the transaction of this connection, which is one of `connection_for_migrations`. Raises what `migrate`
    raises.
    """
    config = alembic_config()
    config.attributes["connection"] = connection
    known = known_revisions()
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in known:
        raise ConfigError(
            f"JOBYARD_DATABASE_URL: the database is at revision {current}, from a later version of Jobyard; "
            f"this one knows {known[0]} to {known[-1]}"
        )
    if revision not in (NEWEST, OLDEST, *known) and not RELATIVE.fullmatch(revision):
        raise BadInput(
            "revision",
            f"there is no revision {revision!r}; it should be {known[0]} to {known[-1]}, {NEWEST}, {OLDEST}, "
            "or a number of steps, as -1",
        )
    earlier = known[: known.index(current)] if current is not None else []
    back = revision == OLDEST or revision.startswith("-") or revision in earlier
    try:
        (command.downgrade if back else command.upgrade)(config, revision)
    except CommandError:
        raise BadInput(
            "revision", f"{revision}: there are fewer steps than that from {current or OLDEST}"
        ) from None


@contextmanager
def connection_for_migrations(url: str) -> Iterator[sa.Connection]:
    """A connection in a transaction, which is committed at the end; one process has it at a time.

    Raises ConfigError if the database can't be used.

    SQLite changes some tables by copying them and dropping the old one. With foreign keys on, the drop
    would delete the rows that refer to it; they can only be turned off before the transaction.
    """
    if url.startswith("sqlite"):
        Path(sa.make_url(url).database or "").parent.mkdir(parents=True, exist_ok=True)
    database = Database(url)
    try:
        with database.writer.connect() as connection:
            if connection.dialect.name == "sqlite":
                driver = connection.connection.driver_connection
                driver.execute("PRAGMA foreign_keys=OFF")  # type: ignore[union-attr]
            with connection.begin():
                if connection.dialect.name == "postgresql":
                    _require_utf8(connection)
                    # What SQLite's write lock does by itself.
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ADVISORY_LOCK)))
                yield connection
    except sa.exc.OperationalError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise ConfigError(f"JOBYARD_DATABASE_URL: can't use the database: {reason}") from None
    finally:
        database.dispose()


def _require_utf8(connection: sa.Connection) -> None:
    encoding = connection.scalar(sa.text("SHOW server_encoding"))
    if encoding != "UTF8":
        raise ConfigError(f"JOBYARD_DATABASE_URL: the database should have ENCODING UTF8, not {encoding}")


@cache
def newest_revision() -> str:
    """The revision that this version of the code needs."""
    return ScriptDirectory.from_config(alembic_config()).get_current_head() or ""


def revision_problem(connection: sa.Connection) -> str | None:
    """What is wrong with the database's schema, and what to do; None: it is this version's."""
    found, needed = connection.scalar(sa.text("SELECT version_num FROM alembic_version")), newest_revision()
    if found == needed:
        return None
    is_later = found is not None and found not in known_revisions()
    remedy = "install the version that it is of" if is_later else "run `python -m jobyard.shared.migrate`"
    return f"the database is at revision {found}, and this version of Jobyard needs {needed}: {remedy}"


@cache
def known_revisions() -> tuple[str, ...]:
    """All revisions that this version of the code knows, the first one first."""
    scripts = ScriptDirectory.from_config(alembic_config()).walk_revisions()
    return tuple(script.revision for script in scripts)[::-1]


def alembic_config() -> Config:
    """Alembic's settings, wherever the package `migrations` lies."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent.parent / "migrations"))
    return config


def main() -> int:
    """`python -m jobyard.shared.migrate [REVISION]`: for compose files and deploys."""
    parser = argparse.ArgumentParser(prog="python -m jobyard.shared.migrate", description=__doc__)
    parser.add_argument(
        "revision",
        nargs="?",
        default=NEWEST,
        help="a revision, as 0003; head (the default), base, or steps, as -1",
    )
    arguments = parser.parse_args()
    try:
        settings = Settings.load()
        logs.set_up(logging.INFO, settings.log_format)
        protect(settings.home)
        migrate(settings, arguments.revision)
    except JobyardError as error:
        print(f"jobyard: {error.message}", file=sys.stderr)  # noqa: T201 - the line for people
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
