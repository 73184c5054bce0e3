"""A file that comes over a network: its bytes, and what its host says of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from jobyard.shared.errors import WorkError
from jobyard.workers.runtime.progress import Progress


class Unreachable(WorkError):
    """A host doesn't answer now; it may soon."""


class Reads(Protocol):
    """What has bytes to read."""

    def read(self, size: int, /) -> bytes: ...


@dataclass
class Incoming:
    """A file while it comes. `size` in bytes is None where its host doesn't say it."""

    body: Reads
    size: int | None
    etag: str | None
    last_modified: str | None
    progress: Progress
    # Turns what the library raises into a WorkError without anything that may be secret.
    understood: Callable[[Exception], Exception]
    errors: tuple[type[Exception], ...]
    count: int = field(default=0, init=False)

    def read(self, size: int = -1) -> bytes:
        """Raises Unreachable at an end that comes too early, and WorkError."""
        try:
            data = self.body.read(size)
        except self.errors as error:
            raise self.understood(error) from None
        self.count += len(data)
        self.progress.update(self.count, self.size, "bytes")
        if not data and self.size is not None and self.count != self.size:
            raise Unreachable(f"the file ended after {self.count:,} of {self.size:,} bytes")
        return data
