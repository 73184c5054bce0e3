"""What a worker writes of work that has hung; here nothing ends the process."""

import sys
import threading
import traceback
import uuid
from collections.abc import Callable

import pytest

from jobyard.shared import jobs
from jobyard.shared.config import StallAction
from jobyard.shared.database import Database
from jobyard.shared.errors import Cancelled, Interrupted, LeaseLost, Paused, Stopping
from jobyard.shared.jobs import Claim, Job, State
from jobyard.workers.runtime.hung import Limits, Watch
from tests.factories import change_job, claimed, get_job, new_job, rename_table
from tests.waiting import wait_for


def watch(database: Database, claim: Claim, action: StallAction = "report", **limits: float) -> Watch:
    """Of work that may make no progress for a moment; `ended` counts the ends of its process."""
    given = Limits(limits.get("stall", 0.0), action, limits.get("stop", 1_000.0))
    return Watch(database, claim.id, claim.lease, given, end=lambda: ended.append(claim.id))


ended: list[uuid.UUID] = []


@pytest.fixture(autouse=True)
def _none_ended() -> None:
    ended.clear()


def last_event(database: Database, job_id: uuid.UUID) -> jobs.JobEvent:
    with database.read() as session:
        return jobs.events(session, job_id)[-1]


def look_until(watching: Watch, asked: Interrupted | None, is_so: Callable[[], object]) -> None:
    """A clock may need two looks to move."""
    for _ in range(1_000):
        watching.look(1, asked)
        if is_so():
            return
    raise AssertionError("never")


def test_a_stall_is_seen_once_and_so_is_its_end(database: Database) -> None:
    claim = claimed(database, new_job(database))
    watching = watch(database, claim)
    look_until(watching, None, lambda: get_job(database, claim.id).stalled_since)
    stalled = get_job(database, claim.id)
    noted = last_event(database, claim.id)
    assert (noted.message or "").startswith("no progress for ")
    assert "test_watch.py" in (noted.traceback or "")
    watching.look(1, None)
    assert last_event(database, claim.id).id == noted.id
    watching.look(2, None)
    again = get_job(database, claim.id)
    assert (again.stalled_since, again.state) == (None, State.RUNNING)
    assert (last_event(database, claim.id).message or "").startswith("progress again after ")
    # Readers that know a version learn of both.
    assert again.version > stalled.version > 2
    assert not ended


def test_work_that_gets_on_or_may_stand_still_is_left_alone(database: Database) -> None:
    claim = claimed(database, new_job(database))
    patient = Watch(database, claim.id, claim.lease, Limits(None, "fail", 0.0))
    busy = Watch(database, claim.id, claim.lease, Limits(1_000.0, "fail", 0.0))
    for step in range(10):
        patient.look(1, None)
        busy.look(step, None)
    assert get_job(database, claim.id).stalled_since is None


@pytest.mark.parametrize("last", [False, True])
def test_a_restart_costs_an_attempt(database: Database, last: bool) -> None:
    claim = claimed(database, new_job(database))
    if last:
        change_job(database, claim.id, max_attempts=1)
    look_until(watch(database, claim, "restart"), None, lambda: ended)
    job = get_job(database, claim.id)
    assert job.state == (State.FAILED if last else State.QUEUED)
    assert (job.attempt, job.error_type, job.stalled_since) == (1, "Stalled" if last else None, None)
    assert job.finished_at is not None if last else job.available_at > job.queued_at
    assert f"(attempt 1 of {1 if last else 3})" in (last_event(database, claim.id).message or "")


def test_a_stalled_job_fails_if_that_is_set(database: Database) -> None:
    claim = claimed(database, new_job(database))
    look_until(watch(database, claim, "fail"), None, lambda: ended)
    job = get_job(database, claim.id)
    assert (job.state, job.error_type) == (State.FAILED, "Stalled")
    assert (job.error_message or "").startswith("no progress for ")
    assert "test_watch.py" in (last_event(database, claim.id).traceback or "")


@pytest.mark.parametrize(
    ("request_", "asked", "state", "attempt"),
    [
        (jobs.cancel, Cancelled(), State.CANCELLED, 1),
        (jobs.pause, Paused(), State.PAUSED, 0),
        (None, Stopping(), State.QUEUED, 0),
    ],
    ids=["cancelled", "paused", "stopping"],
)
def test_work_that_does_not_stop_is_ended_as_it_was_asked_to(
    database: Database,
    request_: Callable[..., Job] | None,
    asked: Interrupted,
    state: State,
    attempt: int,
) -> None:
    claim = claimed(database, new_job(database))
    if request_ is not None:
        with database.write() as session:
            request_(session, claim.id)
    look_until(watch(database, claim, stop=0.0), asked, lambda: ended)
    job = get_job(database, claim.id)
    assert (job.state, job.attempt, job.lease) == (state, attempt, None)
    assert (last_event(database, claim.id).message or "").startswith("its work did not stop within ")


def test_work_that_does_not_see_that_its_job_is_anothers_is_ended_without_a_word(database: Database) -> None:
    claim = claimed(database, new_job(database))
    before = last_event(database, claim.id).id
    look_until(watch(database, claim, stop=0.0), LeaseLost(), lambda: ended)
    assert last_event(database, claim.id).id == before
    assert get_job(database, claim.id).state == State.RUNNING


def test_a_job_that_is_anothers_by_now_is_no_reason_to_end(database: Database) -> None:
    claim = claimed(database, new_job(database))
    change_job(database, claim.id, lease=uuid.uuid4())
    for _ in range(10):
        watch(database, claim, "restart").look(1, None)
    assert get_job(database, claim.id).state == State.RUNNING
    assert not ended


def test_what_the_database_does_not_take_is_tried_again(database: Database) -> None:
    claim = claimed(database, new_job(database))
    watching = watch(database, claim, "fail")
    rename_table(database, "job_events", "elsewhere")
    for _ in range(10):
        watching.look(1, None)
    assert not ended
    rename_table(database, "elsewhere", "job_events")
    look_until(watching, None, lambda: ended)
    assert get_job(database, claim.id).state == State.FAILED


def test_the_traceback_is_that_of_the_work(database: Database) -> None:
    claim = claimed(database, new_job(database))
    watching = watch(database, claim)
    work = threading.get_ident()

    def works() -> bool:
        return "thread.join()" in "".join(traceback.format_stack(sys._current_frames()[work]))

    def heartbeats() -> None:
        wait_for(works)  # a busy machine may still be in `start`
        look_until(watching, None, lambda: get_job(database, claim.id).stalled_since)

    thread = threading.Thread(target=heartbeats)
    thread.start()
    thread.join()
    assert "thread.join()" in (last_event(database, claim.id).traceback or "")
