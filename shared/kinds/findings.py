"""What a spec refers to, looked up when its job is submitted."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from jobyard.shared.archives.members import Member
from jobyard.shared.archives.walk import walk
from jobyard.shared.errors import BadInput, JobyardError, NotFound, WorkError
from jobyard.shared.registry.datasets import Dataset
from jobyard.shared.registry.models import Model
from jobyard.shared.storage import File, Storage

# How long a request may take to check files.
CHECK_SECONDS = 10.0


@dataclass
class Findings:
    """Data sets, models and uploads by the dotted path of the field that names them."""

    storage: Storage
    max_unpacked_bytes: int
    datasets: dict[str, Dataset] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)
    _ends: float = field(default_factory=lambda: time.monotonic() + CHECK_SECONDS)

    def check_files(self, check: Callable[[IO[bytes]], object]) -> None:
        """Check every upload, within CHECK_SECONDS; the job checks all of them again.

        Raises BadInput if `check` raises a JobyardError.
        """
        for name, file in self.files.items():
            if time.monotonic() > self._ends:
                return
            try:
                with self.storage.open(file.storage_key) as stream:
                    check(stream)
            except JobyardError as error:
                raise BadInput(f"spec.{name}", f"{file.name}: {error.message}") from None

    def check_archive(self, name: str, check: Callable[[Iterator[Member]], object]) -> None:
        """Check the names in an archive, so that the request is refused for what would fail the job later.

        The job checks them again, and the contents, too. Only the job checks what would take long: an archive
        in a remote storage, and compressed ones past CHECK_SECONDS. Raises BadInput if `check` raises a
        WorkError.
        """
        if not self.storage.is_local:
            return
        file = self.files[name]

        def members(path: Path) -> Iterator[Member]:
            for member in walk(path, self.max_unpacked_bytes):
                if time.monotonic() > self._ends:
                    raise TimeoutError
                yield member

        try:
            with self.storage.local(file.storage_key, Path()) as path:
                check(members(path))
        except TimeoutError:
            return
        except (WorkError, NotFound) as error:
            raise BadInput(f"spec.{name}", f"{file.name}: {error.message}") from None
