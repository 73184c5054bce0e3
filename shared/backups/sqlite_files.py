"""The file of a SQLite database, for those who need it to themselves."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from jobyard.shared.errors import ConfigError


def path_of(url: str) -> Path:
    """The file of an address `sqlite:///…`."""
    return Path(sa.make_url(url).database or "")


def require_file(url: str) -> None:
    """Raises ConfigError where the address is SQLite's and there is no such file: SQLite would make one."""
    if url.startswith("sqlite") and not path_of(url).is_file():
        raise ConfigError(
            f"there is no database {path_of(url)}; set JOBYARD_HOME or JOBYARD_DATABASE_URL as the server "
            "has them"
        )


@contextmanager
def unused(path: Path) -> Iterator[sa.Connection]:
    """A connection to a database that nobody else has open, or opens meanwhile.

    Raises ConfigError where a process has it open: each connection holds a shared lock on the file.
    """
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)), poolclass=sa.NullPool, connect_args={"timeout": 1.0}
    )

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")

    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN EXCLUSIVE")
            yield connection
            connection.exec_driver_sql("ROLLBACK")
    except sa.exc.OperationalError as error:
        if "locked" not in str(error.orig):
            raise
        raise ConfigError(
            f"a process has the database {path} open: stop web, the workers and the sweeper first"
        ) from None
