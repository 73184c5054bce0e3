"""The database: reached, writable, of this version, with this machine's clock, without old transactions."""

import datetime
from collections.abc import Generator

import sqlalchemy as sa

from jobyard.shared.backups.sqlite_files import require_file
from jobyard.shared.config import Settings
from jobyard.shared.database import Database, utcnow
from jobyard.shared.doctor.findings import Finding, warning, well, wrong
from jobyard.shared.errors import ConfigError
from jobyard.shared.migrate import known_revisions, newest_revision
from jobyard.shared.open_transactions import oldest_transaction

TOPIC = "database"
CLOCKS_SECONDS = 2.0


def check(settings: Settings, database: Database) -> Generator[Finding, None, bool]:
    """Returns whether the other checks can use it."""
    try:
        require_file(settings.database)
        with database.writer.connect() as connection:
            yield from _check_server(connection)
            if not (yield from _check_revision(connection)):
                return False
            yield from _check_writing(connection)
            yield from _check_clock(connection)
        with database.read() as session:
            found = oldest_transaction(session)
        if found is not None and found.is_long:
            minutes = found.seconds / 60
            yield warning(
                TOPIC,
                f"a transaction has been open for {minutes:.0f} min: {found.holder}",
                "end it: PostgreSQL keeps outdated rows for it, and becomes slower",
            )
    except ConfigError as error:
        yield wrong(TOPIC, error.message, "start the server once, which makes it")
        return False
    except sa.exc.SQLAlchemyError as error:
        yield unusable(error)
        return False
    return True


def unusable(error: sa.exc.SQLAlchemyError) -> Finding:
    """For an error of the driver: its first line."""
    reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    return wrong(
        TOPIC,
        f"can't be used: {reason}",
        "check that its server runs, and address, role and password in JOBYARD_DATABASE_URL",
    )


def _check_server(connection: sa.Connection) -> Generator[Finding, None, None]:
    is_postgresql = connection.dialect.name == "postgresql"
    version = sa.text("SHOW server_version" if is_postgresql else "SELECT sqlite_version()")
    place = connection.engine.url
    where = f"{place.host or 'socket'}/{place.database}" if is_postgresql else place.database
    yield well(
        TOPIC, f"{'PostgreSQL' if is_postgresql else 'SQLite'} {connection.scalar(version)} at {where}"
    )


def _check_revision(connection: sa.Connection) -> Generator[Finding, None, bool]:
    needed = newest_revision()
    there = sa.inspect(connection).has_table("alembic_version")
    found = connection.scalar(sa.text("SELECT version_num FROM alembic_version")) if there else None
    if found == needed:
        yield well("migrations", f"revision {found}, the newest")
        return True
    if found in (None, *known_revisions()):
        yield wrong(
            "migrations",
            f"the database is at revision {found or 'none'}, and this version needs {needed}",
            "`jobyard up` migrates it, or `python -m jobyard.shared.migrate`",
        )
    else:
        yield wrong(
            "migrations",
            f"the database is at revision {found}, of a later version than this one, which knows {needed}",
            "run the version that migrated it, or migrate it back with that one",
        )
    return False


def _check_writing(connection: sa.Connection) -> Generator[Finding, None, None]:
    """What is written is rolled back: a server that is only read from refuses it all the same."""
    connection.rollback()
    with connection.begin() as transaction:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = version_num"))
        transaction.rollback()
    yield well(TOPIC, "can be written to")


def _check_clock(connection: sa.Connection) -> Generator[Finding, None, None]:
    before = datetime.datetime.now(datetime.UTC)
    theirs = connection.scalar(sa.select(utcnow()))
    after = datetime.datetime.now(datetime.UTC)
    if theirs is None:
        return
    ahead = (theirs - (before + (after - before) / 2)).total_seconds()
    way = "ahead of" if ahead > 0 else "behind"
    if abs(ahead) > CLOCKS_SECONDS + (after - before).total_seconds():
        yield warning(
            "clocks",
            f"the database's clock is {abs(ahead):.1f} s {way} this machine's",
            "let both follow NTP; Jobyard goes by the database's, an object store and logs by this one's",
        )
    else:
        yield well("clocks", f"this machine and the database differ by {abs(ahead):.1f} s")
