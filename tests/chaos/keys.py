"""The storage's keys: which were ever there, which are gone, and whether this database's log says why."""

import contextlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared.storage import PendingKey
from tests.chaos.findings import Violation

DELETED = re.compile(r"deleted (\w+/[0-9a-f-]{36}) from the storage")


def present(storage: Path) -> set[str]:
    """What is there now; the identity at the root has no key."""
    found = set()
    for folder in os.scandir(storage):
        if folder.is_dir():
            with os.scandir(folder) as files:
                found |= {f"{folder.name}/{file.name}" for file in files if file.is_file()}
    return found


class KeyWatch:
    """A context: looks into the storage again and again, and remembers every key that it has seen."""

    def __init__(self, look: Callable[[], set[str]], every_seconds: float) -> None:
        """`look`: the keys that are there, or OSError while nobody can say."""
        self.seen: set[str] = set()
        self._look = look
        self._every_seconds = every_seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="keys", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(self._every_seconds):
            with contextlib.suppress(OSError):
                self.seen |= self._look()


def check_vanished(session: Session, storage: Path, seen: set[str], logs: Path) -> Iterator[Violation]:
    """Every key that was there and is not was deleted by a process of this database, or is about to be.

    `logs` are of its processes alone.
    """
    said = {key for log in logs.glob("*.log") for key in DELETED.findall(log.read_text(errors="replace"))}
    pending = set(session.scalars(sa.select(PendingKey.key)))
    for key in sorted(seen - present(storage) - said - pending):
        yield Violation("vanished", f"file {key}", "is gone, and no log of this database says so")
