"""A step from an uploaded file towards plain bytes: what it is told, and where it writes."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from jobyard.shared.disk import Room
from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.sentiment import SentimentSpec
from jobyard.workers.runtime.progress import Progress


@dataclass
class Opened:
    """What is known of a file so far: where its bytes are, what they are called, and their beginning.

    `read_as` has what each step found, for the result; `warnings` are sentences for it.
    """

    path: Path
    name: str
    head: bytes
    read_as: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


class Target:
    """Where a step writes: at most `limit` bytes, for which there is `room`."""

    def __init__(self, file: IO[bytes], limit: int, room: Room, progress: Progress) -> None:
        self._file = file
        self._limit = limit
        self._room = room
        self._progress = progress
        self._size = 0

    def write(self, blocks: Iterator[bytes]) -> None:
        """Raises WorkError where it is too much, and what the room raises."""
        for block in blocks:
            self._progress.check()
            self._size += len(block)
            if self._size > self._limit:
                raise WorkError(f"the file unpacks to over {self._limit:,} bytes; should unpack to fewer")
            self._room.take(len(block))
            self._file.write(block)


class Step(ABC):
    """Undoes one thing that keeps bytes from being plain."""

    @abstractmethod
    def applies(self, opened: Opened, spec: SentimentSpec) -> bool:
        """Whether it is for these bytes. Raises WorkError for those that nothing can read."""

    @abstractmethod
    def take(self, opened: Opened, spec: SentimentSpec, target: Target, progress: Progress) -> None:
        """Write what the bytes at `opened.path` stand for, and note that in `opened`. Raises WorkError."""
