"""What the tests of workers share."""

from pathlib import Path

import pytest

from jobyard.shared.database import Database
from jobyard.workers.runtime.context import Context
from tests.workers import make_context


@pytest.fixture
def context(database: Database, tmp_path: Path) -> Context:
    """A worker process without a broker."""
    return make_context(database, tmp_path / "home")
