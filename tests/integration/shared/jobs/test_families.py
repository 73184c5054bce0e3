"""A job that is split: its children take turns, and it goes on when they have ended, however they do."""

import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from jobyard.shared import jobs
from jobyard.shared.database import Database
from jobyard.shared.errors import Conflict
from jobyard.shared.jobs import Claim, Job, Progress, State
from tests import factories
from tests.factories import LONG_AGO, change_job, get_job, new_job, states_of
from tests.waiting import all_at_once

LEASE_SECONDS = 30.0
WINDOW = 2
ROWS = 10


def split(database: Database, count: int = 4, window: int = WINDOW, **changes: Any) -> uuid.UUID:
    """A waiting job with so many children."""
    parent = new_job(database, **changes)
    with database.write() as session:
        claim = factories.claim(session, parent)
        assert claim is not None
        job = jobs.split(
            session,
            parent,
            claim.lease,
            [{"part": number} for number in range(count)],
            window=window,
            progress=Progress("in parts", 0, count * ROWS, "rows", None),
            checkpoint_key="plans/1",
        )
        assert job is not None
        assert job.state == State.WAITING
    return parent


def take(database: Database, worker: str = "w") -> Claim:
    """The first job in line, as a worker claims it."""
    with database.write() as session:
        claim = jobs.claim(session, "cpu", worker=worker, lease_seconds=LEASE_SECONDS)
    assert claim is not None
    return claim


def succeed(database: Database, claim: Claim) -> bool:
    with database.write() as session:
        return jobs.succeed(session, claim.id, claim.lease, {"done": ROWS})


def fail(database: Database, claim: Claim, message: str = "why") -> None:
    with database.write() as session:
        assert jobs.fail(session, claim.id, claim.lease, error_type="WorkError", message=message)


def states(database: Database, parent: uuid.UUID) -> list[str]:
    with database.read() as session:
        return [child.state for child in jobs.children(session, parent)]


# ---- split


def test_a_split_job_waits_and_only_a_window_of_its_children_is_queued(database: Database) -> None:
    parent = split(database, count=5, window=2, priority=3)
    whole = get_job(database, parent)
    assert (whole.state, whole.attempt, whole.lease, whole.child_window) == ("waiting", 0, None, 2)
    assert (whole.progress_done, whole.progress_total, whole.progress_unit) == (0, 50, "rows")
    assert whole.checkpoint_key == "plans/1"
    with database.read() as session:
        children = jobs.children(session, parent)
    assert [child.spec["part"] for child in children] == [0, 1, 2, 3, 4]
    assert [child.state for child in children] == ["queued"] * 2 + ["waiting"] * 3
    assert {(child.kind, child.queue, child.priority, child.max_attempts) for child in children} == {
        ("sentiment", "cpu", 2, 3)
    }
    assert states_of(database, parent) == ["queued", "running", "waiting"]
    assert states_of(database, children[4].id) == ["waiting"]


def test_a_job_that_lost_its_lease_is_not_split(database: Database) -> None:
    parent = new_job(database)
    take(database)
    with database.write() as session:
        assert (
            jobs.split(
                session, parent, uuid.uuid4(), [{}], window=1, progress=Progress(None, 0, 1, "rows", None)
            )
            is None
        )
    assert states(database, parent) == []


@pytest.mark.parametrize(("verb", "state"), [(jobs.cancel, "cancelled"), (jobs.pause, "paused")])
def test_a_job_that_was_asked_to_stop_meanwhile_gets_no_children(
    database: Database, verb: Callable[..., Job], state: str
) -> None:
    parent = new_job(database)
    claim = take(database)
    with database.write() as session:
        verb(session, parent)
    with database.write() as session:
        progress = Progress(None, 0, 1, "rows", None)
        job = jobs.split(session, parent, claim.lease, [{}], window=1, progress=progress, checkpoint_key="k")
        assert job is not None
        assert (job.state, job.child_window, job.checkpoint_key) == (state, None, None)
    assert states(database, parent) == []


def test_other_jobs_come_between_the_children(database: Database) -> None:
    parent = split(database, count=8, window=4)
    first = take(database)
    assert get_job(database, first.id).parent_id == parent
    single = new_job(database)
    succeed(database, first)
    assert take(database).id == single


# ---- children that succeed


def test_each_child_that_succeeds_lets_the_next_one_in_and_brings_the_progress_on(database: Database) -> None:
    parent = split(database, count=4)
    for number in range(4):
        claim = take(database)
        assert claim.spec == {"part": number}
        assert claim.parent_id == parent
        before = get_job(database, parent)
        assert succeed(database, claim)
        whole = get_job(database, parent)
        assert whole.progress_done == (number + 1) * ROWS
        assert whole.version == before.version + 1
        assert whole.eta_seconds is not None or number == 3
        at_work = Counter(states(database, parent))
        assert at_work["queued"] + at_work["running"] <= WINDOW
        assert whole.state == ("waiting" if number < 3 else "queued")
    summing = take(database)
    assert (summing.id, summing.attempt, summing.child_window) == (parent, 1, WINDOW)
    assert summing.checkpoint_key == "plans/1"
    assert succeed(database, summing)
    assert states_of(database, parent) == ["queued", "running", "waiting", "queued", "running", "succeeded"]


def test_a_parent_that_lost_its_worker_sums_up_again(database: Database) -> None:
    parent = split(database, count=1)
    succeed(database, take(database))
    assert take(database).id == parent
    change_job(database, parent, lease_expires_at=LONG_AGO)
    with database.write() as session:
        assert [job.state for job in jobs.rescue(session)] == ["queued"]
    change_job(database, parent, available_at=LONG_AGO)
    again = take(database)
    assert (again.id, again.attempt, again.child_window) == (parent, 2, WINDOW)
    assert states(database, parent) == ["succeeded"]


def test_the_last_children_can_not_miss_each_other(database: Database) -> None:
    for _ in range(10):
        parent = split(database, count=4, window=4)
        taken = [take(database, f"w{number}") for number in range(4)]
        answers = all_at_once(*(lambda claim=claim: succeed(database, claim) for claim in taken))
        assert answers == [True] * 4
        whole = get_job(database, parent)
        assert (whole.state, whole.progress_done) == ("queued", 4 * ROWS)
        assert succeed(database, take(database))


def test_many_workers_at_many_files_finish_all_of_them(database: Database) -> None:
    parents = [split(database, count=12, window=3) for _ in range(3)]

    def work() -> None:
        while True:
            with database.write() as session:
                claim = jobs.claim(session, "cpu", worker="w", lease_seconds=LEASE_SECONDS)
            if claim is None:
                if all(get_job(database, parent).terminal for parent in parents):
                    return
                continue
            succeed(database, claim)

    all_at_once(*[work] * 6)
    for parent in parents:
        assert get_job(database, parent).state == "succeeded"
        assert states(database, parent) == ["succeeded"] * 12


# ---- children that don't


def test_a_child_that_fails_stops_the_others_and_its_parent_is_told(database: Database) -> None:
    parent = split(database, count=6, window=3)
    failing, running = take(database), take(database)
    fail(database, failing)
    assert states(database, parent) == ["failed", "running", *["cancelled"] * 4]
    assert get_job(database, parent).state == "waiting"
    with database.write() as session:
        told_to_stop = jobs.heartbeat(
            session, running.id, running.lease, lease_seconds=LEASE_SECONDS, progress=None
        )
        assert told_to_stop is not None
        assert told_to_stop.cancel_requested_at is not None
        assert jobs.finish_cancel(session, running.id, running.lease) is not None
    summing = take(database)
    assert (summing.id, summing.child_window) == (parent, 3)


def test_a_child_that_kills_its_workers_ends_its_parent(database: Database) -> None:
    parent = split(database, count=3, window=1)
    for _ in range(3):
        lost = take(database)
        change_job(database, lost.id, lease_expires_at=LONG_AGO)
        with database.write() as session:
            assert [job.id for job in jobs.rescue(session)] == [lost.id]
        change_job(database, lost.id, available_at=LONG_AGO)
    assert states(database, parent) == ["failed", "cancelled", "cancelled"]
    assert take(database).id == parent


def test_a_child_that_lost_its_worker_runs_again_and_its_first_worker_writes_nothing(
    database: Database,
) -> None:
    parent = split(database, count=1)
    first = take(database)
    change_job(database, first.id, lease_expires_at=LONG_AGO)
    with database.write() as session:
        jobs.rescue(session)
    assert not succeed(database, first)
    assert (states(database, parent), get_job(database, parent).progress_done) == (["queued"], 0)
    change_job(database, first.id, available_at=LONG_AGO)
    assert succeed(database, take(database))
    assert (get_job(database, parent).state, get_job(database, parent).progress_done) == ("queued", ROWS)


def test_rescues_and_ends_of_many_children_at_once_come_to_an_end(database: Database) -> None:
    parent = split(database, count=8, window=8)
    taken = [take(database, f"w{number}") for number in range(8)]
    for claim in taken[:4]:
        change_job(database, claim.id, lease_expires_at=LONG_AGO)

    def rescue() -> None:
        with database.write() as session:
            jobs.rescue(session)

    ends = [lambda claim=claim: succeed(database, claim) for claim in taken]
    all_at_once(*ends, rescue, rescue)
    found = Counter(states(database, parent))
    assert set(found) <= {"succeeded", "queued"}
    assert found["succeeded"] >= 4


# ---- the whole


def test_to_cancel_a_waiting_job_cancels_its_children(database: Database) -> None:
    parent = split(database, count=4)
    running = take(database)
    with database.write() as session:
        assert jobs.cancel(session, parent).state == "cancelled"
    assert states(database, parent) == ["running", "cancelled", "cancelled", "cancelled"]
    assert get_job(database, running.id).cancel_requested_at is not None
    # One that had done its work when it heard of that changes nothing any more.
    assert succeed(database, running)
    whole = get_job(database, parent)
    assert (whole.state, whole.progress_done) == ("cancelled", 0)


def test_to_cancel_while_children_end_leaves_nothing_at_work(database: Database) -> None:
    for _ in range(10):
        parent = split(database, count=6, window=3)
        taken = [take(database) for _ in range(3)]

        def cancel(parent: uuid.UUID = parent) -> None:
            with database.write() as session:
                jobs.cancel(session, parent)

        all_at_once(cancel, *(lambda claim=claim: succeed(database, claim) for claim in taken))
        assert get_job(database, parent).state == "cancelled"
        assert set(states(database, parent)) <= {"succeeded", "cancelled"}


def test_a_retry_begins_anew(database: Database) -> None:
    parent = split(database, count=2)
    running = take(database)
    with database.write() as session:
        jobs.cancel(session, parent)
    with database.write() as session:
        again = jobs.retry(session, parent, 3)
        assert (again.state, again.child_window, again.checkpoint_key) == ("queued", None, None)
    assert states(database, parent) == []
    assert not succeed(database, running)
    assert take(database).child_window is None


def test_a_waiting_job_is_paused_with_its_children_and_resumed(database: Database) -> None:
    parent = split(database, count=4)
    running = take(database)
    with database.write() as session:
        assert jobs.pause(session, parent).state == "paused"
    assert states(database, parent) == ["running", "waiting", "waiting", "waiting"]
    assert succeed(database, running)
    assert states(database, parent) == ["succeeded", "waiting", "waiting", "waiting"]
    assert (get_job(database, parent).state, get_job(database, parent).progress_done) == ("paused", ROWS)
    with database.write() as session:
        assert jobs.resume(session, parent).state == "waiting"
    assert states(database, parent) == ["succeeded", "queued", "queued", "waiting"]


def test_a_job_whose_last_child_ended_while_it_was_paused_sums_up_when_it_is_resumed(
    database: Database,
) -> None:
    parent = split(database, count=1)
    running = take(database)
    with database.write() as session:
        jobs.pause(session, parent)
    assert succeed(database, running)
    assert get_job(database, parent).state == "paused"
    with database.write() as session:
        assert jobs.resume(session, parent).state == "queued"
    assert take(database).id == parent


def test_a_waiting_job_past_its_deadline_fails_and_its_children_stop(database: Database) -> None:
    parent = split(database, count=3, deadline_seconds=60.0)
    take(database)
    change_job(database, parent, deadline_at=LONG_AGO)
    with database.write() as session:
        assert [job.id for job in jobs.expire(session)] == [parent]
    whole = get_job(database, parent)
    assert (whole.state, whole.error_type) == ("failed", "DeadlineExceeded")
    assert states(database, parent) == ["running", "cancelled", "cancelled"]


@pytest.mark.parametrize("verb", ["cancel", "pause", "resume", "retry"])
def test_a_child_is_not_its_owners_to_move(database: Database, verb: str) -> None:
    parent = split(database)
    with database.read() as session:
        child = jobs.children(session, parent)[0].id
    do: dict[str, Callable[..., Any]] = {
        "cancel": jobs.cancel,
        "pause": jobs.pause,
        "resume": jobs.resume,
        "retry": lambda session, job_id: jobs.retry(session, job_id, 3),
    }
    with database.write() as session, pytest.raises(Conflict, match=f"is a part of job {parent}"):
        do[verb](session, child)
    assert states(database, parent) == ["queued", "queued", "waiting", "waiting"]


# ---- the safety net


def test_the_sweeper_goes_on_where_nobody_does(database: Database) -> None:
    idle, due, busy = (split(database, count=3) for _ in range(3))
    with database.write() as session:
        theirs = sa.update(Job.__table__).where(Job.parent_id == idle)
        session.execute(theirs.values(state=State.WAITING))
        theirs = sa.update(Job.__table__).where(Job.parent_id == due)
        session.execute(theirs.values(state=State.SUCCEEDED, finished_at=LONG_AGO))
    with database.write() as session:
        assert {job.id: job.state for job in jobs.settle(session)} == {idle: "waiting", due: "queued"}
    assert states(database, idle) == ["queued", "queued", "waiting"]
    assert states(database, busy) == ["queued", "queued", "waiting"]
    with database.write() as session:
        assert jobs.settle(session) == []


def test_lists_leave_children_out_unless_they_are_asked_for(database: Database) -> None:
    parent = split(database, count=3)
    with database.read() as session:
        assert [job.id for job in jobs.page(session)[0]] == [parent]
        listed, more = jobs.page(session, parent=parent, limit=2)
        assert [job.spec["part"] for job in listed] == [2, 1]
        rest, _ = jobs.page(session, parent=parent, after=more)
        assert [job.spec["part"] for job in rest] == [0]
