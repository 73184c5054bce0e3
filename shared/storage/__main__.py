"""`python -m jobyard.shared.storage adopt | orphans`: by hand, where no `jobyard up` runs."""

import argparse
import datetime
import logging
import sys

import sqlalchemy as sa

from jobyard.shared import logs
from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.shared.errors import ConfigError, JobyardError
from jobyard.shared.home import protect
from jobyard.shared.storage.orphans import orphans
from jobyard.shared.storage.storage import Storage


def main() -> int:
    """Returns the exit status; 2 where a setting is wrong."""
    parser = argparse.ArgumentParser(prog="python -m jobyard.shared.storage", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("adopt", help="give the storage to this database, even if it belongs to another")
    commands.add_parser("orphans", help="list the keys that nothing in this database refers to")
    arguments = parser.parse_args()
    try:
        _run(arguments.command)
    except JobyardError as error:
        print(f"jobyard: {error.message}", file=sys.stderr)  # noqa: T201 - the line for people
        return 2
    return 0


def _run(command: str) -> None:
    settings = Settings.load()
    logs.set_up(logging.INFO, settings.log_format)
    protect(settings.home)
    database = Database(settings.database)
    try:
        storage = Storage(settings.storage, database)
        (_adopt if command == "adopt" else _list)(storage, database)
    except sa.exc.SQLAlchemyError as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"JOBYARD_DATABASE_URL: can't use the database: {reason}") from None
    finally:
        database.dispose()


def _adopt(storage: Storage, _: Database) -> None:
    if not storage.identity.adopt():
        print(f"the storage {storage.objects.place} is this database's already")  # noqa: T201


def _list(storage: Storage, database: Database) -> None:
    """Keys, bytes and when they were written, and at the end how many."""
    storage.identity.require()
    count = size = 0
    for one in orphans(storage.objects, database):
        count, size = count + 1, size + one.bytes
        written = one.written and one.written.astimezone(datetime.UTC).isoformat("T", "seconds")
        print(f"{one.key}  {one.bytes:>15,}  {written or '-'}")  # noqa: T201
    print(f"{count:,} orphans of {size:,} bytes in {storage.objects.place}")  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
