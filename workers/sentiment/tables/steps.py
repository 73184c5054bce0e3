"""A step from an uploaded file towards plain bytes: what it is told, and where it writes."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from jobyard.shared.disk import Room
from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.sentiment import SentimentSpec
from jobyard.workers.runtime.progress import Progress


@dataclass
class Opened:
    """What is known of a file so far: where its bytes are, what they are called, and their beginning.

    `layers` are what it was packed in, outermost first. `read_as` has what each step found, for the result;
    `warnings` are sentences for it.
    """

    path: Path
    name: str
    head: bytes
    layers: list[str] = field(default_factory=list)
    read_as: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    # What the rows of a document are in, with its point: the name of a column may begin with that.
    prefix: str = ""
    # What rows are counted by in messages: "line" or "row".
    numbered: str = "line"
    # Whether these are only the first bytes of the file, so that its end tells nothing.
    is_cut: bool = False


class Target:
    """Where a step writes: at most `limit` bytes, for which there is `room`; its own files go to `folder`.

    `is_cut`: what was written is only the beginning of what there is.
    """

    is_cut = False

    def __init__(self, path: Path, limit: int, room: Room, progress: Progress) -> None:
        self._file = path.open("wb")
        self.folder = path.parent
        self.limit = limit
        self._room = room
        self._progress = progress
        self._size = 0

    def write(self, blocks: Iterator[bytes]) -> None:
        """Raises WorkError where it is too much, and what the room raises."""
        for block in blocks:
            self._progress.check()
            self._size += len(block)
            if self._size > self.limit:
                raise too_large(self.limit)
            self._room.take(len(block))
            self._file.write(block)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()


def too_large(limit: int) -> WorkError:
    """The error for a file that unpacks to over `limit` bytes."""
    return WorkError(f"the file unpacks to over {limit:,} bytes; should unpack to fewer")


class Step(ABC):
    """Undoes one thing that keeps bytes from being plain."""

    @abstractmethod
    def applies(self, opened: Opened, spec: SentimentSpec) -> bool:
        """Whether it is for these bytes. Raises WorkError for those that nothing can read."""

    @abstractmethod
    def take(self, opened: Opened, spec: SentimentSpec, target: Target, progress: Progress) -> None:
        """Write what the bytes at `opened.path` stand for, and note that in `opened`. Raises WorkError."""
