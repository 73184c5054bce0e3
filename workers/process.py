"""What one worker process keeps between jobs: made at its first job, after any fork."""

import functools
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shared.broker import Broker
from shared.config import Settings
from shared.database import Database
from shared.storage import Storage


@dataclass(frozen=True)
class Process:
    """Settings, and the connections made from them."""

    settings: Settings
    database: Database
    storage: Storage
    broker: Broker

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder of its own for one attempt of a job, gone afterwards."""
        parent = self.settings.home / "scratch"
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=parent, ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    @property
    def cache(self) -> Path:
        """Where copies of what the storage holds may lie: unpacked data sets, models."""
        return self.settings.home / "cache"


@functools.cache
def process() -> Process:
    """This process's own. Raises ConfigError where a setting is wrong."""
    settings = Settings.load()
    logging.getLogger().setLevel(settings.log_level)
    return Process(
        settings=settings,
        database=Database(settings.database),
        storage=Storage(settings.storage),
        broker=Broker(settings),
    )
