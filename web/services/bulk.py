"""A verb for all jobs that match, up to 10,000 of them in one request.

They are moved in batches, each a transaction of some milliseconds, with a pause after it: on SQLite, where
one writes at a time, the others come in between.
"""

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared import audit, jobs, retention
from jobyard.shared.jobs import Refusal
from jobyard.shared.storage import Reason
from jobyard.shared.tokens import Identity
from jobyard.web.backend import Backend
from jobyard.web.services import quotas, retries

MAX_JOBS: Final = 10_000
BATCH: Final = 200
PAUSE_SECONDS: Final = 0.01
# After so long the answer says where to continue: nobody should wait for an answer for ever.
BUDGET_SECONDS: Final = 20.0
# Of each reason.
EXAMPLES: Final = 3


@dataclass(frozen=True)
class Wanted:
    """Which jobs: those with these `ids`, in their order; else all that the filter has, the newest first.

    Children of other jobs match no filter, nor do the server's own jobs (`jobs.UNLISTED_KIND`).
    """

    ids: Sequence[uuid.UUID] | None = None
    filter: jobs.JobFilter = field(default_factory=jobs.JobFilter)

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """Of each job; none for ids."""
        return jobs.conditions(self.filter) if self.ids is None else []

    def batch(self, session: Session, after: uuid.UUID | None) -> jobs.Found:
        """The ids of the next few."""
        if self.ids is None:
            found = jobs.find(session, self.filter, after=after, limit=BATCH)
            return found._replace(ids=jobs.listed_ids(session, found.ids))
        start = self.ids.index(after) + 1 if after in self.ids else 0
        ids = list(self.ids[start : start + BATCH])
        return jobs.Found(ids, ids[-1] if start + BATCH < len(self.ids) else None)


@dataclass
class Refused:
    """Jobs that were left as they are for one reason: how many, and the first few."""

    count: int = 0
    examples: list[tuple[uuid.UUID, str]] = field(default_factory=list)


@dataclass
class Outcome:
    """What became of the jobs. `next`: where to continue, if there may be more."""

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
    submitter: Identity | None = None,
    after: uuid.UUID | None = None,
    dry_run: bool = False,
) -> Outcome:
    """Move the jobs that are `wanted`; with `dry_run`, say which could be moved.

    `by` is the actor, whose quota is that of `submitter`, and `after` the `next` of the outcome before.
    """
    if dry_run:
        return survey(backend, [verb], wanted, submitter=submitter, after=after)[verb]
    outcome, ends = Outcome(), time.monotonic() + BUDGET_SECONDS
    for batch in _batches(backend, wanted, after):
        if batch.ids:
            outcome.add(batch.ids, _move(backend, verb, wanted, batch.ids, by, submitter))
            time.sleep(PAUSE_SECONDS)
        outcome.next = batch.next
        if outcome.matched >= MAX_JOBS or time.monotonic() > ends:
            break
    return outcome


def survey(
    backend: Backend,
    verbs: Sequence[jobs.Verb],
    wanted: Wanted,
    *,
    submitter: Identity | None = None,
    after: uuid.UUID | None = None,
) -> dict[jobs.Verb, Outcome]:
    """What would become of the jobs by each of these verbs. Changes and locks nothing."""
    found, ends = {verb: Outcome() for verb in verbs}, time.monotonic() + BUDGET_SECONDS
    for batch in _batches(backend, wanted, after):
        with backend.database.read() as session:
            for verb, outcome in found.items():
                outcome.add(batch.ids, _sort_out(session, verb, batch.ids, submitter).refused)
                outcome.next = batch.next
        if found[verbs[0]].matched >= MAX_JOBS or time.monotonic() > ends:
            break
    return found


def _batches(backend: Backend, wanted: Wanted, after: uuid.UUID | None) -> Iterator[jobs.Found]:
    while True:
        with backend.database.read() as session:
            batch = wanted.batch(session, after)
        yield batch
        if batch.next is None:
            return
        after = batch.next


def _sort_out(
    session: Session, verb: jobs.Verb, batch: Sequence[uuid.UUID], submitter: Identity | None
) -> jobs.Sorted:
    """What could be moved now. Nothing is locked."""
    if verb == "delete":
        return retention.sort_out_deletable(session, batch, lock=False)
    found = jobs.sort_out(session, verb, batch, lock=False)
    return _to_queue(session, verb, found, submitter, lock=False)


def _to_queue(
    session: Session, verb: jobs.Verb, found: jobs.Sorted, submitter: Identity | None, *, lock: bool
) -> jobs.Sorted:
    """Without those that a verb can't queue again: they name what was deleted, or are over a quota."""
    if verb == "retry":
        found = _without_lost(session, found)
    return quotas.sort_out(session, submitter, found, lock=lock) if verb in ("retry", "resume") else found


def _move(
    backend: Backend,
    verb: jobs.Verb,
    wanted: Wanted,
    batch: Sequence[uuid.UUID],
    by: str,
    submitter: Identity | None,
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
            ids, refused = _to_queue(session, verb, found, submitter, lock=True)
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
