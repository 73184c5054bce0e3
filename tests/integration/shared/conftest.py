"""What the tests of the shared folder share."""

from pathlib import Path

import pytest

from jobyard.shared.database import Database
from jobyard.shared.storage import Storage
from tests.factories import storage_of


@pytest.fixture
def store(database: Database, tmp_path: Path) -> Storage:
    """On a local folder beside SQLite, and on a file system that is not local beside PostgreSQL."""
    if database.engine.dialect.name == "sqlite":
        return Storage((tmp_path / "storage").as_uri(), database)
    return storage_of(database)
