"""A verb for all jobs that match, up to 10,000 of them in one request.

They are moved in batches, each a transaction of some milliseconds, with a pause after it: on SQLite, where
one writes at a time, the others come in between.
"""

import heapq
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared import audit, jobs, retention
from jobyard.shared.jobs import Job, Refusal
from jobyard.shared.storage import Reason
from jobyard.web.backend import Backend
from jobyard.web.services import retries

MAX_JOBS: Final = 10_000
BATCH: Final = 200
PAUSE_SECONDS: Final = 0.01
# After so long the answer says where to continue: nobody should wait for an answer for ever.
BUDGET_SECONDS: Final = 20.0
# Of each reason.
EXAMPLES: Final = 3


@dataclass(frozen=True)
class Wanted:
    """Which jobs: those with these `ids`, in their order; else all that match, the newest first.

    Children of other jobs match nothing.
    """

    ids: Sequence[uuid.UUID] | None = None
    kinds: Sequence[str] = ()
    states: Sequence[jobs.State] = ()

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """Of each job, but for the order in which they come; none for ids."""
        if self.ids is not None:
            return []
        found: list[sa.ColumnElement[bool]] = [Job.parent_id.is_(None)]
        if self.kinds:
            found.append(Job.kind.in_(self.kinds))
        if self.states:
            found.append(Job.state.in_(self.states))
        return found

    def batch(self, session: Session, before: uuid.UUID | None) -> list[uuid.UUID]:
        """The ids of the first few after `before`."""
        if self.ids is not None:
            start = self.ids.index(before) + 1 if before in self.ids else 0
            return list(self.ids[start : start + BATCH])
        query = sa.select(Job.id).where(*self.conditions()).order_by(Job.id.desc()).limit(BATCH)
        query = query if before is None else query.where(Job.id < before)
        if len(self.states) < 2:
            return list(session.scalars(query))
        # Each state in the order of its index: of all together, none would be.
        each = [session.scalars(query.where(Job.state == state)).all() for state in self.states]
        return list(heapq.merge(*each, reverse=True))[:BATCH]


@dataclass
class Refused:
    """Jobs that were left as they are for one reason: how many, and the first few."""

    count: int = 0
    examples: list[tuple[uuid.UUID, str]] = field(default_factory=list)


@dataclass
class Outcome:
    """What became of the jobs. `next` is the last of them, if there may be more after it."""

    matched: int = 0
    moved: int = 0
    refused: dict[str, Refused] = field(default_factory=dict)
    next: uuid.UUID | None = None

    def add(self, batch: Sequence[uuid.UUID], refused: Mapping[uuid.UUID, Refusal]) -> None:
        self.matched += len(batch)
        self.moved += len(batch) - len(refused)
        for job_id, refusal in refused.items():
            of_reason = self.refused.setdefault(refusal.reason, Refused())
            of_reason.count += 1
            if len(of_reason.examples) < EXAMPLES:
                of_reason.examples.append((job_id, refusal.message))


def run(
    backend: Backend,
    verb: jobs.Verb,
    wanted: Wanted,
    *,
    by: str,
    before: uuid.UUID | None = None,
    dry_run: bool = False,
) -> Outcome:
    """Move the jobs that are `wanted`; with `dry_run`, say which could be moved.

    `by` is the actor, and `before` the `next` of the outcome before.
    """
    if dry_run:
        return survey(backend, [verb], wanted, before=before)[verb]
    outcome, ends = Outcome(), time.monotonic() + BUDGET_SECONDS
    for batch in _batches(backend, wanted, before):
        outcome.add(batch, _move(backend, verb, wanted, batch, by))
        time.sleep(PAUSE_SECONDS)
        if outcome.matched >= MAX_JOBS or time.monotonic() > ends:
            outcome.next = batch[-1] if len(batch) == BATCH else None
            break
    return outcome


def survey(
    backend: Backend, verbs: Sequence[jobs.Verb], wanted: Wanted, *, before: uuid.UUID | None = None
) -> dict[jobs.Verb, Outcome]:
    """What would become of the jobs by each of these verbs. Changes and locks nothing."""
    found, ends = {verb: Outcome() for verb in verbs}, time.monotonic() + BUDGET_SECONDS
    for batch in _batches(backend, wanted, before):
        with backend.database.read() as session:
            for verb, outcome in found.items():
                outcome.add(batch, _sort_out(session, verb, batch).refused)
        if found[verbs[0]].matched >= MAX_JOBS or time.monotonic() > ends:
            for outcome in found.values():
                outcome.next = batch[-1] if len(batch) == BATCH else None
            break
    return found


def _batches(backend: Backend, wanted: Wanted, before: uuid.UUID | None) -> Iterator[list[uuid.UUID]]:
    while True:
        with backend.database.read() as session:
            batch = wanted.batch(session, before)
        if batch:
            yield batch
        if len(batch) < BATCH:
            return
        before = batch[-1]


def _sort_out(session: Session, verb: jobs.Verb, batch: Sequence[uuid.UUID]) -> jobs.Sorted:
    """What could be moved now. Nothing is locked."""
    if verb == "delete":
        return retention.sort_out_deletable(session, batch, lock=False)
    found = jobs.sort_out(session, verb, batch, lock=False)
    return _without_lost(session, found) if verb == "retry" else found


def _move(
    backend: Backend, verb: jobs.Verb, wanted: Wanted, batch: Sequence[uuid.UUID], by: str
) -> Mapping[uuid.UUID, Refusal]:
    """Move those of the batch that can be; returns the others."""
    to_wake: Mapping[str, int] = {}
    keys: list[str] = []
    with backend.database.write() as session:
        if verb == "delete":
            gone, keys, refused = retention.delete_jobs(session, batch, *wanted.conditions())
            if gone:
                what = f"{len(gone)} jobs" if len(gone) > 1 else str(gone[0])
                audit.note(session, by, "job.delete", what, {"ids": [str(job_id) for job_id in gone]})
        else:
            found = jobs.sort_out(session, verb, batch, *wanted.conditions())
            ids, refused = _without_lost(session, found) if verb == "retry" else found
            to_wake = _apply(backend, session, verb, ids)
    for queue, number in to_wake.items():
        backend.broker.wake(queue, number)
    backend.storage.remove(keys, Reason.DELETED)
    return refused


def _apply(
    backend: Backend, session: Session, verb: jobs.Verb, ids: Sequence[uuid.UUID]
) -> Mapping[str, int]:
    """Returns how many workers of each queue are to be woken."""
    match verb:
        case "cancel":
            jobs.cancel_many(session, ids)
        case "pause":
            jobs.pause_many(session, ids)
        case "resume":
            jobs.resume_many(session, ids)
            return jobs.to_wake(session, ids)
        case "retry":
            jobs.retry_many(session, ids, backend.settings.max_attempts)
            return jobs.to_wake(session, ids)
    return {}


def _without_lost(session: Session, found: jobs.Sorted) -> jobs.Sorted:
    """Those that can be retried without those that name what was deleted."""
    lost = {
        job_id: Refusal("names what was deleted", f"job {job_id} {retries.GONE}; submit another job")
        for job_id in retries.lost(session, found.ids)
    }
    return jobs.Sorted([job_id for job_id in found.ids if job_id not in lost], found.refused | lost)
