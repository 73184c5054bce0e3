"""Everything that was sent and answered: what the checker holds the database against."""

import json
import math
import random
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.findings import Answer, Wish


@dataclass
class Record:
    """Everything that was sent, and what was answered; also in a file, should the test die."""

    path: Path
    asked: dict[str, str] = field(default_factory=dict)
    # Keys of jobs that can't be done.
    doomed: set[str] = field(default_factory=set)
    answers: list[Answer] = field(default_factory=list)
    wishes: list[Wish] = field(default_factory=list)
    # (when, seconds) of each submit, retries included
    seconds: list[tuple[float, float]] = field(default_factory=list)
    # What was answered and should not have been.
    refusals: list[str] = field(default_factory=list)
    # Jobs that somebody asked to delete.
    deleted: set[uuid.UUID] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, key: str, kind: str, *, doomed: bool = False) -> None:
        with self._lock:
            self.asked[key] = kind
            if doomed:
                self.doomed.add(key)

    def answer(self, key: str, job_id: str, spec: dict[str, Any], seconds: float) -> None:
        with self._lock:
            self.answers.append(Answer(key, uuid.UUID(job_id)))
            self.seconds.append((time.time() - seconds, seconds))
            self._write({"key": key, "job": job_id, "spec": spec})

    def some(self, chance: random.Random, count: int, before: float = math.inf) -> list[uuid.UUID]:
        """Jobs that the load has submitted, at most `count`, all before a moment; the newest are likelier."""
        with self._lock:
            sent = [
                one.job_id for one, (at, _) in zip(self.answers, self.seconds, strict=True) if at < before
            ]
            first = {one.job_id for one in self.answers if one.key.startswith("first-")}
        known = [
            job_id for job_id in dict.fromkeys(sent) if job_id not in first and job_id not in self.deleted
        ]
        latest = known[-10 * count :]
        return chance.sample(latest, min(count, len(latest)))

    def delete(self, job_ids: Sequence[uuid.UUID]) -> None:
        with self._lock:
            self.deleted.update(job_ids)
            self._write({"deleted": [str(job_id) for job_id in job_ids]})

    def wish(self, job_id: str, verb: str, at: float, granted: bool | None) -> None:
        with self._lock:
            self.wishes.append(Wish(uuid.UUID(job_id), verb, at, granted))
            self._write({"job": job_id, "wish": verb, "at": at, "granted": granted})

    def refuse(self, key: str, what: object) -> None:
        with self._lock:
            named = f"{type(what).__name__}: {what}" if isinstance(what, Exception) else str(what)
            self.refusals.append(f"{key}: {named}")

    def _write(self, line: dict[str, Any]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
