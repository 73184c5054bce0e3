"""What a worker process does with a message, done by a test."""

import os
import signal
import tempfile
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Never

from jobyard.shared.broker import Broker
from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.shared.jobs import Claim, Job
from jobyard.shared.storage import Storage
from jobyard.shared.storage.identity import NAME as IDENTITY
from jobyard.workers import kinds
from jobyard.workers.runtime.attempt import Attempt, Finish, Split, Work
from jobyard.workers.runtime.context import Context
from jobyard.workers.runtime.executor import Executor
from jobyard.workers.runtime.outcome import Outcome
from tests.factories import NO_BROKER, QUEUES, get_job
from tests.waiting import PATIENCE, wait_for


@dataclass
class AttemptLog:
    """A Watcher that records its calls: ("started", id) and (how it ended, id), in order."""

    events: list[tuple[str, uuid.UUID]] = field(default_factory=list)
    ends: list[Outcome | None] = field(default_factory=list)

    def started(self, claim: Claim) -> None:
        self.events.append(("started", claim.id))

    def ended(self, claim: Claim, outcome: Outcome | None) -> None:
        self.events.append(("lost" if outcome is None else outcome.state.value, claim.id))
        self.ends.append(outcome)

    @property
    def begun(self) -> list[uuid.UUID]:
        """The jobs that were begun, in order."""
        return [job_id for what, job_id in self.events if what == "started"]


def make_context(database: Database, home: Path, **settings: Any) -> Context:
    """A worker process, without a broker if none is given."""
    roots = {"import_roots": (Path(tempfile.gettempdir()),)}
    given = {"home": home, "broker_url": NO_BROKER, "heartbeat_seconds": 0.05, **roots} | settings
    made = Settings(**given)
    return Context(made, database, Storage(made.storage, database), Broker(made))


def stored_files(process: Context) -> list[str]:
    """What is in its storage, but for the identity."""
    folder = process.settings.home / "storage"
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if name != IDENTITY)


def run_queue(
    process: Context,
    work: Work,
    stopping: threading.Event | None = None,
    *,
    kind: str = "sentiment",
    single: bool = False,
) -> AttemptLog:
    """Do the jobs of the kind's queue with this work, as worker `w`; the calls of its watcher."""
    attempts = AttemptLog()
    queue = QUEUES.get(kind, "cpu")
    stopping = stopping or threading.Event()
    count = Executor(process, {kind: work}, queue, "w", stopping, attempts, single=single).run()
    assert count == len(attempts.begun) == len(attempts.ends)
    return attempts


def attempt(
    process: Context,
    job_id: uuid.UUID,
    work: Work,
    stopping: threading.Event | None = None,
    *,
    kind: str = "sentiment",
) -> Job | None:
    """Do a queue's only ready job. The job as it was left, None if others decide that."""
    attempts = run_queue(process, work, stopping, kind=kind)
    assert attempts.begun in ([], [job_id])
    if not attempts.ends or attempts.ends[0] is None:
        return None
    job = get_job(process.database, job_id)
    assert job.state == attempts.ends[0].state
    return job


def work_until_stopped(attempt: Attempt) -> Never:
    """The work of a job that is to be cancelled: it reports until that ends it."""
    wait_for(lambda: attempt.progress.check())
    raise AssertionError("not stopped")


def exit_code_of(work: Callable[..., None], *arguments: Any) -> int | None:
    """How a process of its own ends that does this; none of it is left."""
    process = get_context("spawn").Process(target=work, args=arguments)
    process.start()
    try:
        process.join(PATIENCE)
        return process.exitcode
    finally:
        process.kill()
        process.join()


def run_queue_until_killed(process: Context, kind: str, attempts: int) -> None:
    """In a process of its own, which dies when the work of the last of so many attempts is done."""
    count = 0

    def work(attempt: Attempt, spec: Any) -> Finish | Split:
        nonlocal count
        count += 1
        made = kinds.WORKS[kind](attempt, spec)
        if count == attempts:
            os.kill(os.getpid(), signal.SIGKILL)
        return made

    run_queue(process, work, kind=kind)
