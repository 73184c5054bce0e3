"""What a worker process does with a message, done by a test."""

import threading
import uuid
from dataclasses import dataclass, field

from jobyard.shared import jobs
from jobyard.shared.jobs import Claim, Job
from jobyard.workers.runtime.attempt import Work
from jobyard.workers.runtime.context import Process
from jobyard.workers.runtime.executor import Drain, Ended


@dataclass
class Notes:
    """A Watcher that remembers what it was told: ("started", id) and (how it ended, id), in order."""

    told: list[tuple[str, uuid.UUID]] = field(default_factory=list)
    ends: list[Ended | None] = field(default_factory=list)

    def started(self, claim: Claim) -> None:
        self.told.append(("started", claim.id))

    def ended(self, claim: Claim, ended: Ended | None) -> None:
        self.told.append(("lost" if ended is None else ended.state.value, claim.id))
        self.ends.append(ended)

    @property
    def begun(self) -> list[uuid.UUID]:
        """The jobs that were begun, in order."""
        return [job_id for what, job_id in self.told if what == "started"]


def drain(
    here: Process, work: Work, stopping: threading.Event | None = None, *, single: bool = False
) -> Notes:
    """Do the cpu queue's jobs with this work, as worker `w`; what its watcher was told."""
    notes = Notes()
    count = Drain(
        here, {"sentiment": work}, "cpu", "w", stopping or threading.Event(), notes, single=single
    ).run()
    assert count == len(notes.begun) == len(notes.ends)
    return notes


def attempt(
    here: Process, job_id: uuid.UUID, work: Work, stopping: threading.Event | None = None
) -> Job | None:
    """Drain a queue whose only ready job is this one. The job as it was left, None if others decide that."""
    notes = drain(here, work, stopping)
    assert notes.begun in ([], [job_id])
    if not notes.ends or notes.ends[0] is None:
        return None
    with here.database.read() as session:
        job = jobs.get(session, job_id)
    assert job.state == notes.ends[0].state
    return job
