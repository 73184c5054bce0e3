"""What the work of a kind is given, and what it may return."""

import mimetypes
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from jobyard.shared import jobs, storage
from jobyard.shared.archives.members import printable
from jobyard.shared.disk import Room
from jobyard.shared.errors import WorkError
from jobyard.shared.storage import Stored
from jobyard.workers.runtime.checkpoints import Checkpoints
from jobyard.workers.runtime.context import Context, ScratchFolder
from jobyard.workers.runtime.parts import refuse_broken
from jobyard.workers.runtime.progress import Progress

# What work returns: called in the transaction that makes the job succeed, it adds its rows
# (a model, predictions, artifacts) and returns the job's result.
Finish = Callable[[Session], dict[str, Any]]


@dataclass(frozen=True)
class Split:
    """What work returns instead, if children are to do it: their specs, in order.

    The job is run again when they have ended, with `Attempt.claim.child_window` set. `window` is how many
    may be at work at once, `progress` how far the parent is, `checkpoint_key` what the children and the
    last run of the parent continue from.
    """

    specs: Sequence[dict[str, Any]]
    window: int
    progress: jobs.Progress
    checkpoint_key: str | None = None


@dataclass
class Attempt:
    """What the work of one attempt may use."""

    context: Context
    claim: jobs.Claim
    progress: Progress
    _scratch: ScratchFolder
    checkpoints: Checkpoints
    # Stores as often as it takes, while storage or database are unreachable: what stores, what looks whether
    # the job is to stop, and how many seconds the work took.
    _patiently: Callable[[Callable[[], Stored], Callable[[], None], float], Stored]
    # Keys in the storage that go if the job does not succeed, and those that go even then.
    stored: list[str] = field(default_factory=list)
    unwanted: list[str] = field(default_factory=list)
    _artifacts: dict[str, tuple[Stored, str]] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)

    @property
    def job_id(self) -> uuid.UUID:
        return self.claim.id

    @property
    def scratch(self) -> Path:
        """A folder of its own, gone when the attempt ends. Raises DiskFull."""
        return self._scratch.path

    @contextmanager
    def input(self, file_id: uuid.UUID) -> Iterator[Path]:
        """An upload as a file on this machine, to be read only. Raises NotFound."""
        with self.context.database.read() as session:
            file = storage.get_file(session, file_id)
        with self.context.storage.local(file.storage_key, self.scratch) as path:
            yield path

    def add_artifact(self, path: Path, name: str, media_type: str | None = None) -> None:
        """Keep a copy of a file as the job's, under this name, if the job succeeds."""
        stored = self._store("artifacts", path, self.context.storage.put_file)
        guessed = mimetypes.guess_type(name)[0] or "application/octet-stream"
        self._artifacts[name] = stored, media_type or guessed

    def add_artifacts(self, session: Session) -> None:
        """Write the rows of what was kept, in the transaction that makes the job succeed."""
        for name, (stored, media_type) in self._artifacts.items():
            storage.add_file(session, stored, name=name, media_type=media_type, job_id=self.job_id)

    @property
    def has_artifacts(self) -> bool:
        """Whether `add_artifacts` writes anything."""
        return bool(self._artifacts)

    def results_of_parts(self) -> list[dict[str, Any]] | None:
        """The results of the job's children, in their order; None if it was not split yet.

        Raises WorkError with what the first child that failed says.
        """
        if self.claim.child_window is None:
            return None
        with self.context.database.read() as session:
            children = jobs.children(session, self.job_id)
        refuse_broken(children)
        return [child.result or {} for child in children]

    @contextmanager
    def archive(self, upload: storage.File) -> Iterator[Path]:
        """An uploaded archive as a path on this machine. A WorkError that is raised inside gets its name."""
        try:
            with self.context.storage.local(upload.storage_key, self.scratch) as path:
                yield path
        except WorkError as error:
            raise WorkError(f"{printable(upload.name)}: {error.message}") from error

    def room(self, upload: storage.File, what: str) -> Room:
        """What the job may write that reads this upload; `what` is being written."""
        return Room(self.context.settings.max_output_bytes(upload.bytes), self.context.disk, what)

    def store(self, folder: str, path: Path) -> Stored:
        """Move a file into the storage; it is removed again unless the job succeeds or is split.

        Raises DiskFull.
        """
        return self._store(folder, path, self.context.storage.take_file)

    def _store(self, folder: str, path: Path, into: Callable[..., Stored]) -> Stored:
        self.context.disk.check(path.stat().st_size)

        def put() -> Stored:
            return into(folder, path, lease=self.claim.lease)

        stored = self._patiently(put, self.progress.check, time.monotonic() - self._began)
        self.stored.append(stored.key)
        return stored


# A result as JSON (None is an empty one), what writes rows and returns the result, or a split.
Made = Finish | Split | Mapping[str, Any] | None
Work = Callable[[Attempt, Any], Made]
