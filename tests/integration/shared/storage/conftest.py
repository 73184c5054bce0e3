"""A second database, empty or a copy of the first."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from jobyard.shared.database import Database
from tests.conftest import new_database


@pytest.fixture
def other_database(request: pytest.FixtureRequest, database: Database, tmp_path: Path) -> Iterator[Database]:
    """Another one, migrated and empty: a mistyped name, staging."""
    with ExitStack() as exits:
        if database.engine.dialect.name == "sqlite":
            shutil.copy(request.getfixturevalue("_sqlite_template"), tmp_path / "other.db")
            url = f"sqlite:///{tmp_path / 'other.db'}"
        else:
            template = request.getfixturevalue("_postgres_template")
            url = exits.enter_context(new_database(request.getfixturevalue("postgres"), template))
        opened = Database(url)
        exits.callback(opened.dispose)
        yield opened


@pytest.fixture
def dump(
    request: pytest.FixtureRequest, database: Database, tmp_path: Path
) -> Iterator[Callable[[], Database]]:
    """Restores a dump of the database, as it is now, beside it."""
    with ExitStack() as exits:

        def restore() -> Database:
            if database.engine.dialect.name == "sqlite":
                path = tmp_path / "restored.db"
                with (
                    closing(sqlite3.connect(str(database.engine.url.database))) as source,
                    closing(sqlite3.connect(path)) as target,
                ):
                    source.backup(target)
                url = f"sqlite:///{path}"
            else:
                database.dispose()  # a copy needs it to itself
                server = request.getfixturevalue("postgres")
                url = exits.enter_context(new_database(server, str(database.engine.url.database)))
            opened = Database(url)
            exits.callback(opened.dispose)
            return opened

        yield restore
