"""The executor: runs the jobs of a queue, one after another; each attempt is claim, work, outcome."""

import logging
import threading
import time
import traceback
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared import jobs, kinds, logs, retention, storage
from jobyard.shared.config import Settings
from jobyard.shared.database import is_full as database_is_full
from jobyard.shared.disk import is_full as disk_is_full
from jobyard.shared.errors import (
    Cancelled,
    DiskFull,
    Interrupted,
    JobyardError,
    LeaseLost,
    Paused,
    Stopping,
    WorkError,
)
from jobyard.shared.jobs import State
from jobyard.shared.kinds.base import Parameters, Queue
from jobyard.shared.storage import Reason
from jobyard.shared.texts import storable
from jobyard.workers.runtime.attempt import Attempt, Split, Work
from jobyard.workers.runtime.checkpoints import Checkpoints
from jobyard.workers.runtime.context import Context
from jobyard.workers.runtime.heartbeat import Heartbeat
from jobyard.workers.runtime.hung import Limits, Watch
from jobyard.workers.runtime.outcome import Alone, Outcome, alone_of, finish, outcome_of
from jobyard.workers.runtime.output import Output, OutputWriter, capturing
from jobyard.workers.runtime.patience import Patience
from jobyard.workers.runtime.usage import Meter
from jobyard.workers.runtime.watcher import Watcher

log = logging.getLogger(__name__)

# After so long the task ends and another message is sent: a pool replaces its processes only between tasks.
MESSAGE_SECONDS = 60.0


class Executor:
    """The jobs of one queue, in queue order, until none is ready or the worker is to stop.

    The next one is claimed in the transaction that writes the outcome of the one before. Only the first one's
    is written alone where that is one statement: mostly none comes after it, and somebody may be waiting for
    it. `single`: only one job, since its process ends with it; so does that of an executor which `is_worn`
    after a job.
    """

    def __init__(
        self,
        context: Context,
        works: dict[str, Work],
        queue: str,
        worker: str,
        stopping: threading.Event,
        watcher: Watcher,
        *,
        single: bool = False,
        is_worn: Callable[[], bool] = lambda: False,
    ) -> None:
        self._context = context
        self._works = works
        self._queue = queue
        self._front = context.fronts[queue]
        self._worker = worker
        self._stopping = stopping
        self._watcher = watcher
        self._single = single
        self._is_worn = is_worn
        self._patience = Patience(
            stopping, lease_seconds=context.settings.lease_seconds, give_up=self._claim_no_next
        )
        self._ends = time.monotonic() + MESSAGE_SECONDS
        self._next: jobs.Claim | None = None
        self._has_tried_next = False
        self._is_first = True

    def run(self) -> int:
        """Returns how many jobs were run. Never raises because of a job's work."""
        count = 0
        claim = self._claim_first()
        while claim is not None:
            count += 1
            self._next, self._has_tried_next = None, False
            self._watcher.started(claim)
            logs.name_process(job=claim.id, attempt=claim.attempt, worker=self._worker)
            outcome = self._attempt(claim)
            logs.end_job()
            self._watcher.ended(claim, outcome)
            must_claim = self._may_continue() and not self._has_tried_next
            following = self._claim_first(whole=self._front.is_due) if must_claim else self._next
            self._wake_for_owner_of(claim, following)
            claim = following
            self._is_first = False
        if count and not self._may_continue():
            # There may be more for another process, and its message may have been this one.
            self._context.broker.wake(self._queue)
        return count

    def _wake_for_owner_of(self, ended: jobs.Claim, following: jobs.Claim | None) -> None:
        """Where its owner could not have another job run until it ended, nobody looks for that one."""
        owner = ended.limited_owner
        if owner is None or (following is not None and following.limited_owner == owner):
            return
        try:
            with self._context.database.autocommit() as connection:
                queues = jobs.queues_of(connection, owner, [queue.value for queue in Queue])
        except sa.exc.SQLAlchemyError as error:
            reason = str(error).splitlines()[0]
            log.warning("left to the sweeper, the database can't be reached: jobs of %s: %s", owner, reason)
            return
        for queue in queues:
            self._context.broker.wake(queue)

    def _may_continue(self) -> bool:
        is_over = self._single or self._stopping.is_set() or time.monotonic() > self._ends
        return not (is_over or self._is_worn())

    def _claim_no_next(self) -> None:
        """There is no use in it now that the database is away."""
        self._has_tried_next = True

    def _claim(self, session: Session | sa.Connection, *, whole: bool) -> jobs.Claim | None:
        return jobs.claim(
            session,
            self._queue,
            worker=self._worker,
            lease_seconds=self._context.settings.lease_seconds,
            front=self._front,
            whole=whole,
        )

    def _claim_first(self, *, whole: bool = False) -> jobs.Claim | None:
        """The first job of the queue, claimed in a transaction of its own. Looks everywhere for it."""
        is_partial = self._front.is_slow and not whole
        is_single = not self._front.is_limited
        with self._context.database.begin(single=is_single) as connection:
            found = self._claim(connection, whole=whole)
            if found is None and is_partial:
                found = self._claim(connection, whole=True)
        # Of a queue that has got a limit, nothing is claimed without a transaction.
        is_late = found is None and is_single and self._front.is_limited
        return self._claim_first(whole=whole) if is_late else found

    def _attempt(self, claim: jobs.Claim) -> Outcome | None:
        context = self._context
        attempt: Attempt | None = None
        outcome: Outcome | None = None
        try:
            spec = _spec_of(claim)
            with context.scratch() as scratch:
                output = Output(context.redact)
                heartbeat = Heartbeat(
                    context.heartbeats,
                    context.database,
                    claim.id,
                    claim.lease,
                    lease_seconds=context.settings.lease_seconds,
                    stopping=self._stopping,
                    watch=Watch(context.database, claim.id, claim.lease, _limits_of(claim, context.settings)),
                    meter=Meter(claim.usage, claim.attempt),
                    output=OutputWriter(claim.id, claim.attempt, output),
                )
                checkpoints = Checkpoints(context, claim, scratch)
                attempt = Attempt(
                    context, claim, heartbeat, scratch, checkpoints, self._patience.until_stored
                )
                with heartbeat, capturing(output):
                    made = self._works[claim.kind](attempt, spec)
                outcome = self._write(
                    lambda session: finish(session, attempt, made, heartbeat),
                    rows=True,
                    alone=alone_of(attempt, made, heartbeat),
                )
                if outcome is None:  # the work succeeded, so the job does not fail: it runs again
                    raise LeaseLost
            if outcome.state in (State.SUCCEEDED, State.WAITING):
                attempt.stored = attempt.unwanted
            if isinstance(made, Split):
                context.broker.wake(claim.queue, made.window)
            log.info("job %s: %s", claim.id, outcome.state)
        except Interrupted as interruption:
            outcome = self._interrupted(claim, interruption)
        except Exception as error:  # noqa: BLE001 - whatever the work does, the job ends and the worker continues
            outcome = self._failed(claim, error)
        finally:
            if attempt is not None and attempt.stored:
                self._remove(attempt.stored)
            if attempt is not None and outcome is not None and outcome.state in jobs.TERMINAL:
                attempt.checkpoints.discard()
        return outcome

    def _interrupted(self, claim: jobs.Claim, interruption: Interrupted) -> Outcome | None:
        log.info("job %s: %s", claim.id, interruption.message)
        match interruption:
            case Cancelled():
                return self._write(
                    lambda session: outcome_of(jobs.finish_cancel(session, claim.id, claim.lease))
                )
            case Paused() | Stopping():
                return self._write(lambda session: outcome_of(jobs.release(session, claim.id, claim.lease)))
            case _:  # the lease is lost: its present worker decides what becomes of the job
                return None

    def _failed(self, claim: jobs.Claim, error: Exception) -> Outcome | None:
        if (failure := storage.failure_behind(error)) is not None:
            return self._postpone(claim, failure.message)
        if disk_is_full(error) or database_is_full(error):
            reason = error.message if isinstance(error, DiskFull) else "the disk is full"
            return self._postpone(claim, reason)
        if isinstance(error, JobyardError):
            return self._fail(claim, error, error.message)
        if isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError):
            # An unreachable database is not the job's fault. Its lease runs out, and it runs again; an
            # error that is always there ends it after as many attempts as a lost worker does.
            log.error("job %s: failed by the database: %s", claim.id, error)
            return None
        return self._fail(claim, error, f"unexpected {_named(error)}; the job's timeline has the traceback")

    def _postpone(self, claim: jobs.Claim, reason: str) -> Outcome | None:
        """A full disk or a storage that is away is not the job's fault, and no reason to run it at once."""
        log.warning("job %s: postponed: %s", claim.id, reason)
        return self._write(
            lambda session: outcome_of(jobs.postpone(session, claim.id, claim.lease, storable(reason)))
        )

    def _fail(self, claim: jobs.Claim, error: Exception, message: str) -> Outcome | None:
        # What the work says of an address may have its password; who reads the timeline should not.
        told = message, "".join(traceback.format_exception(error))
        message, trace = (storable(self._context.redact(one)) for one in told)
        log.error("job %s: failed: %s\n%s", claim.id, message, trace)
        kind = type(error).__name__
        return self._write(
            lambda session: outcome_of(
                jobs.fail(session, claim.id, claim.lease, error_type=kind, message=message, traceback=trace),
                trace,
            )
        )

    def _write(
        self,
        change: Callable[[Session], Outcome | None],
        *,
        rows: bool = False,
        alone: Alone | None = None,
    ) -> Outcome | None:
        """Write the outcome, however long the database is unreachable: days of work may depend on it.

        Trying again is harmless: once the outcome is written, the lease no longer holds. None if the time is
        over, which is soon if the worker is being stopped: then the lease expires by itself. With `rows` it
        may be too much for a full disk: raises the database's error, and the job is postponed instead.
        `alone` does the same where it is one statement on PostgreSQL.
        """

        def write() -> Outcome | None:
            # No outcome waits for a slow look at the whole front.
            is_quick = not (self._front.is_slow and self._front.is_due)
            is_alone = self._is_first and alone is not None
            tries_next = self._may_continue() and is_quick and not is_alone
            if alone is not None and not tries_next:
                with self._context.database.begin(single=True) as connection:
                    return alone(connection)
            with self._context.database.write() as session:
                outcome = change(session)
                following = self._claim(session, whole=False) if tries_next else None
            # Not before the commit. Should only its answer be lost, this lease runs out by itself.
            self._next, self._has_tried_next = following, tries_next
            return outcome

        try:
            return self._patience.until_done("write a job's outcome", write, until_it_fits=not rows)
        except (sa.exc.OperationalError, sa.exc.InterfaceError) as error:
            if rows and database_is_full(error):
                raise
            return None

    def _remove(self, keys: list[str]) -> None:
        """Delete what no row refers to: a commit whose answer was lost may have made the job succeed."""
        try:
            with self._context.database.write() as session:
                kept = retention.in_use(session, keys)
                unused = [key for key in keys if key not in kept]
                storage.plan_deletion(session, unused, Reason.UNUSED)
        except sa.exc.SQLAlchemyError as error:
            reason = str(error).splitlines()[0]
            log.warning("left to the sweeper, the database can't be reached: %s: %s", ", ".join(keys), reason)
            return
        self._context.storage.remove(unused, Reason.UNUSED)


def _spec_of(claim: jobs.Claim) -> Parameters:
    """The job's checked spec. Raises WorkError if this worker can't do such a job."""
    kind = kinds.of_job(claim.kind)
    if kind is None:
        known = f"it has {', '.join(kinds.by_name())}"
        why = next((line for line in kinds.problems() if repr(claim.kind) in line), known)
        raise WorkError(f"this worker has no kind {claim.kind!r}: {why}")
    model = kind.Spec if claim.parent_id is None else kind.Part
    if model is None:
        raise WorkError(f"the kind {claim.kind!r} declares no Part, which its children need")
    return model.model_validate(claim.spec)


def _limits_of(claim: jobs.Claim, settings: Settings) -> Limits:
    kind = kinds.any_of(claim.kind)
    stall_seconds = settings.stall_seconds_of(claim.kind, kind.stall_seconds)
    # No longer than a lost worker keeps its job.
    return Limits(stall_seconds, settings.stall_action, settings.lease_seconds)


def _named(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:500]}" if lines else type(error).__name__
