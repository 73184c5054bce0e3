"""A database with a bit of everything, its storage, and empty ones to restore into."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from jobyard.shared import metrics
from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.shared.jobs import State
from tests.conftest import new_database
from tests.factories import (
    LONG_AGO,
    change_job,
    claimed,
    dataset,
    new_job,
    put_file,
    register,
)
from tests.workers import make_context

# What databases, JSON and text formats treat in a way of their own.
ODD = 'tab\t, \\N, "quotes", \\. and é ☕ 𝄞'


@dataclass(frozen=True)
class Yard:
    """A server's database and home, with what was made in it."""

    settings: Settings
    database: Database
    ended: uuid.UUID
    running: uuid.UUID
    kept: list[str]
    upload: uuid.UUID
    upload_key: str


def fill(database: Database, home: Path, url: str) -> Yard:
    """Two jobs, one of which runs, with files and metrics; a data set; an upload."""
    context = make_context(database, home, database_url=url)
    ended = new_job(database, spec={"texts": [ODD, "nul \0", "x" * 5_000]})
    running = new_job(database, kind="train")
    kept = [
        put_file(context, f"{n}.csv", f"text\n{n}\n".encode(), job_id=ended).storage_key for n in range(3)
    ]
    change_job(database, ended, state=State.SUCCEEDED, finished_at=LONG_AGO, result={"score": 0.1 + 0.2})
    claimed(database, running)
    with database.write() as session:
        metrics.write(session, running, [metrics.Point("loss", n, 1 / (n + 1)) for n in range(50)])
    stored = context.storage.put_file("datasets", Path(__file__))
    register(database, dataset("pets", storage_key=stored.key))
    upload = put_file(context, "gone.csv", b"text\ngone\n")
    settings = context.settings
    return Yard(settings, database, ended, running, [*kept, stored.key], upload.id, upload.storage_key)


@pytest.fixture
def yard(database: Database, database_url: str, tmp_path: Path) -> Yard:
    """On SQLite and on PostgreSQL."""
    return fill(database, tmp_path / "a", database_url)


@pytest.fixture
def elsewhere(
    request: pytest.FixtureRequest, database_url: str, tmp_path: Path
) -> Iterator[Callable[[], Settings]]:
    """Makes the settings of another server of the same kind of database, in which nothing is yet."""
    with ExitStack() as exits:

        def make() -> Settings:
            home = tmp_path / "b"
            url = f"sqlite:///{home}/jobyard.db"
            if database_url.startswith("postgresql"):
                url = exits.enter_context(new_database(request.getfixturevalue("postgres")))
            return Settings(home=home, database_url=url)

        yield make
