"""What the tests of workers share."""

from pathlib import Path

import pytest

from jobyard.shared.database import Database
from jobyard.workers.runtime.context import Process
from tests.workers import context


@pytest.fixture
def here(database: Database, tmp_path: Path) -> Process:
    """A worker process without a broker."""
    return context(database, tmp_path / "home")
