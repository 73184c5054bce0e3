"""What one worker process keeps between jobs: made at its first job, after any fork."""

import fcntl
import functools
import logging
import os
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from jobyard.shared import jobs
from jobyard.shared.broker import Broker
from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.shared.disk import Disk
from jobyard.shared.import_roots import ImportRoots
from jobyard.shared.pictures import LIMITS
from jobyard.shared.redaction import Redactor
from jobyard.shared.storage import Storage
from jobyard.workers.runtime.heartbeat import HeartbeatThread

# A folder in scratch that is younger may be about to be locked by its maker.
NEW_SECONDS = 60.0


@dataclass(frozen=True)
class Context:
    """Settings, and the connections made from them."""

    settings: Settings
    database: Database
    storage: Storage
    broker: Broker

    def scratch(self) -> "ScratchFolder":
        """A folder of its own for one attempt of a job, as a context manager."""
        return ScratchFolder(self.settings.home / "scratch", self.disk)

    @functools.cached_property
    def heartbeats(self) -> HeartbeatThread:
        """The thread that sends the heartbeats of the running job."""
        return HeartbeatThread(self.settings.heartbeat_seconds)

    @functools.cached_property
    def fronts(self) -> defaultdict[str, jobs.Front]:
        """By queue: where this process found its last job."""
        return defaultdict(jobs.Front)

    @functools.cached_property
    def redact(self) -> Redactor:
        """Takes secrets out of what work prints."""
        return Redactor.of(self.settings)

    @functools.cached_property
    def import_roots(self) -> ImportRoots:
        """Which folders of this machine an import may read: never those that Jobyard keeps its data in."""
        return ImportRoots(self.settings.import_roots, private=self._folders)

    @functools.cached_property
    def disk(self) -> Disk:
        """Where jobs write: scratch, caches, and the storage if it is a folder."""
        return Disk(self._folders, self.settings.min_free_bytes)

    @property
    def _folders(self) -> list[Path]:
        """HOME, and the storage if it is a folder."""
        return [folder for folder in (self.settings.home, self.storage.folder) if folder is not None]

    @property
    def cache(self) -> Path:
        """Where copies of what the storage holds may lie: unpacked data sets, models."""
        return self.settings.home / "cache"


class ScratchFolder:
    """A folder that is made when it is first asked for, if the disk has room, and gone afterwards.

    A killed process can't clean up: the next one removes the folders that no process has locked.
    """

    def __init__(self, parent: Path, disk: Disk) -> None:
        self._parent = parent
        self._disk = disk
        self._exits = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    @functools.cached_property
    def path(self) -> Path:
        """Raises DiskFull."""
        self._parent.mkdir(parents=True, exist_ok=True)
        for left in self._parent.iterdir():
            with _held(left) as is_ours:
                # A new folder is not held yet for a moment.
                if is_ours and left.stat().st_mtime < time.time() - NEW_SECONDS:
                    shutil.rmtree(left, ignore_errors=True)
        self._disk.check()
        folder = tempfile.TemporaryDirectory(dir=self._parent, ignore_cleanup_errors=True)
        path = Path(self._exits.enter_context(folder))
        self._exits.enter_context(_held(path))
        return path


@functools.cache
def current_context() -> Context:
    """This process's own. Raises ConfigError where a setting is wrong."""
    settings = Settings.load()
    logging.getLogger().setLevel(settings.log_level)
    LIMITS.pixels = settings.max_picture_pixels
    database = Database(settings.database)
    return Context(
        settings=settings,
        database=database,
        storage=Storage(settings.storage, database, patient=True),
        broker=Broker(settings),
    )


@contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """Lock a folder for as long as this process lives; False if another process holds it, or it is gone."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(descriptor)
