"""One verb for ten thousand jobs: all that can be moved are, and others write meanwhile."""

import functools
import threading
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from jobyard.shared import audit, jobs, needs, storage
from jobyard.shared.broker import Broker
from jobyard.shared.database import Database, utcnow
from jobyard.shared.jobs import Job, JobEvent, State
from jobyard.shared.needs import Needs
from jobyard.web.backend import Backend
from jobyard.web.services import bulk
from jobyard.web.services.bulk import BATCH, MAX_JOBS, Wanted
from tests import factories
from tests.factories import change, claimed, get_job, new_job, new_jobs

if TYPE_CHECKING:
    from flask import Flask

STATES = sorted(State)
run = functools.partial(bulk.run, by="ci")


def wanted(**conditions: Any) -> Wanted:
    return Wanted(filter=jobs.JobFilter(**conditions))


@pytest.fixture
def backend(make_app: "Callable[..., Flask]", database_url: str, monkeypatch: pytest.MonkeyPatch) -> Backend:
    """Of an app whose broker is told nothing, and whose requests may take as long as a busy machine needs."""
    monkeypatch.setattr(Broker, "wake", lambda *_: None)
    monkeypatch.setattr(bulk, "BUDGET_SECONDS", 600.0)
    found: Backend = make_app(database_url=database_url).extensions["jobyard"]
    return found


def in_state(database: Database, state: State, count: int = 1) -> list[uuid.UUID]:
    """So many jobs in that state."""
    ids = new_jobs(database, count)
    values: dict[str, Any] = {"state": state}
    if state in jobs.TERMINAL:
        values |= {"finished_at": utcnow(), "error_message": "why" if state == State.FAILED else None}
    if state == State.RUNNING:
        values |= {"lease": uuid.uuid4(), "lease_expires_at": utcnow(1_000)}
    for start in range(0, count, 1_000):
        change(database, Job, Job.id.in_(ids[start : start + 1_000]), **values)
    return ids


def states(database: Database) -> dict[str, int]:
    with database.read() as session:
        return dict(session.execute(sa.select(Job.state, sa.func.count()).group_by(Job.state)).all())


def test_ten_thousand_jobs_are_moved_in_one_request_and_others_write_in_between(backend: Backend) -> None:
    database = backend.database
    in_state(database, State.QUEUED, MAX_JOBS)
    seen: list[int] = []
    ended = threading.Event()

    def write() -> None:
        while not ended.is_set():
            with database.write() as session:
                moved = sa.select(sa.func.count()).where(Job.state == State.CANCELLED)
                seen.append(session.scalar(moved) or 0)
                factories.submit(session, kind="train")
            ended.wait(0.002)

    other = threading.Thread(target=write)
    other.start()
    try:
        done = run(backend, "cancel", wanted(kind=["sentiment"], state=[State.QUEUED]))
    finally:
        ended.set()
        other.join()

    assert (done.matched, done.moved, done.refused, done.next) == (MAX_JOBS, MAX_JOBS, {}, None)
    assert [count for count in seen if 0 < count < MAX_JOBS], "nobody else has written meanwhile"
    assert {count % BATCH for count in seen} == {0}, "a batch is a transaction"
    assert states(database) == {"cancelled": MAX_JOBS, "queued": len(seen)}


def test_a_job_may_be_moved_again_and_again_and_its_timeline_tells(backend: Backend) -> None:
    ids = new_jobs(backend.database, BATCH + 1)
    moves = {"cancel": "cancelled", "retry": "queued", "pause": "paused", "resume": "queued"}
    for verb, state in moves.items():
        done = run(backend, verb, wanted(kind=["sentiment"]))  # type: ignore[arg-type]
        assert (done.moved, done.refused) == (len(ids), {})
        assert states(backend.database) == {state: len(ids)}
    with backend.database.read() as session:
        events = session.scalars(sa.select(JobEvent.message).where(JobEvent.job_id == ids[5]))
        assert list(events) == [None, *(f"{verb} requested" for verb in moves)]


def test_ten_thousand_jobs_are_deleted_with_their_files(backend: Backend) -> None:
    database = backend.database
    ids = in_state(database, State.FAILED, MAX_JOBS)
    stays = new_job(database)
    for job_id in (ids[0], ids[-1]):
        factories.put_file(backend, "a.csv", b"x", job_id=job_id)
    done = run(backend, "delete", wanted(state=[State.FAILED]))
    assert (done.matched, done.moved, done.refused) == (MAX_JOBS, MAX_JOBS, {})
    with database.read() as session:
        assert list(session.scalars(sa.select(Job.id))) == [stays]
        assert session.scalar(sa.select(sa.func.count()).select_from(JobEvent)) == 1
        noted = audit.page(session, action="job.delete", limit=100)
        assert {entry.actor for entry in noted} == {"ci"}
        assert {job_id for entry in noted for job_id in (entry.details or {})["ids"]} == set(map(str, ids))
    assert list(storage.orphans(backend.storage.objects, database)) == []


MOVED = {
    "cancel": {"queued", "running", "waiting", "paused"},
    "pause": {"queued", "running", "waiting"},
    "resume": {"paused"},
    "retry": {"failed", "cancelled"},
    "delete": {"succeeded", "failed", "cancelled"},
}


@pytest.mark.parametrize("verb", MOVED)
def test_each_verb_moves_what_it_can_and_says_why_the_others_stay(backend: Backend, verb: jobs.Verb) -> None:
    ids = {state: in_state(backend.database, state)[0] for state in STATES}
    every = Wanted([*ids.values(), uuid.UUID(int=1)])
    dry = run(backend, verb, every, dry_run=True)
    assert states(backend.database) == dict.fromkeys(STATES, 1)
    done = run(backend, verb, every)
    assert done == dry
    assert (done.matched, done.moved) == (8, len(MOVED[verb]))
    assert {reason: one.count for reason, one in done.refused.items()} == {
        **{str(state): 1 for state in STATES if state not in MOVED[verb]},
        "not found": 1,
    }
    for state, job_id in ids.items():
        if state not in MOVED[verb]:
            assert get_job(backend.database, job_id).state == state
            ((shown, message),) = done.refused[state].examples
            assert shown == job_id
            assert message.startswith(f"job {job_id} is {state}; only a")


@pytest.mark.parametrize("verb", ["cancel", "pause"])
def test_a_running_job_is_asked_once(backend: Backend, verb: jobs.Verb) -> None:
    (job_id,) = in_state(backend.database, State.RUNNING)
    for moved in (1, 0):
        done = run(backend, verb, Wanted([job_id]))
        assert (done.moved, len(done.refused)) == (moved, 1 - moved)
    assert get_job(backend.database, job_id).state == State.RUNNING


def test_a_job_that_matches_no_more_when_its_turn_comes_is_left_alone(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    stays, goes = new_jobs(backend.database, 2)
    batch = Wanted.batch

    def batch_and_claim(self: Wanted, session: Any, after: uuid.UUID | None) -> jobs.Found:
        found = batch(self, session, after)
        if after is None:
            session.rollback()
            claimed(backend.database, stays)
        return found

    monkeypatch.setattr(Wanted, "batch", batch_and_claim)
    done = run(backend, "cancel", wanted(state=[State.QUEUED]))
    assert (done.matched, done.moved, done.refused["changed"].count) == (2, 1, 1)
    assert [get_job(backend.database, job_id).state for job_id in (stays, goes)] == ["running", "cancelled"]


def test_the_servers_own_jobs_match_nothing(backend: Backend) -> None:
    database = backend.database
    first, own, last = (
        new_job(database, kind=kind) for kind in ("sentiment", jobs.UNLISTED_KIND, "sentiment")
    )
    for asked in (wanted(), wanted(state=["queued"]), wanted(kind=[jobs.UNLISTED_KIND])):
        assert run(backend, "cancel", asked, dry_run=True).matched == (0 if asked.filter.kind else 2)
    assert run(backend, "cancel", wanted()).moved == 2
    found = [get_job(database, job_id).state for job_id in (first, own, last)]
    assert found == [State.CANCELLED, State.QUEUED, State.CANCELLED]
    assert run(backend, "cancel", Wanted(ids=[own])).moved == 1


def test_a_family_is_moved_as_a_whole_and_a_part_alone_is_not(backend: Backend) -> None:
    database = backend.database
    parent = new_job(database)
    lease = claimed(database, parent).lease
    with database.write() as session:
        jobs.split(
            session, parent, lease, [{}] * 3, window=2, progress=jobs.Progress("parts", 0, 3, "rows", None)
        )
    parts = [child.id for child in factories.get_children(database, parent)]

    refused = run(backend, "cancel", Wanted(parts)).refused["a part"]
    assert refused.count == 3
    assert refused.examples[0][1] == f"job {parts[0]} is a part of job {parent}; cancel that job instead"

    def family() -> list[str]:
        return [get_job(database, job_id).state for job_id in (parent, *parts)]

    for verb, after in (
        ("pause", ["paused", "waiting", "waiting", "waiting"]),
        ("resume", ["waiting", "queued", "queued", "waiting"]),
        ("cancel", ["cancelled"] * 4),
    ):
        done = run(backend, verb, wanted(kind=["sentiment"]))  # type: ignore[arg-type]
        assert (done.matched, done.moved) == (1, 1), "children match nothing"
        assert family() == after
    assert run(backend, "retry", Wanted([parent])).moved == 1
    assert factories.get_children(database, parent) == []


def test_what_names_something_deleted_is_not_retried(backend: Backend) -> None:
    lost, good = in_state(backend.database, State.FAILED, 2)
    with backend.database.write() as session:
        needs.note(session.connection(), [(lost, Needs(referents=[uuid.uuid4()]))])
    for dry_run in (True, False):
        done = run(backend, "retry", Wanted([lost, good]), dry_run=dry_run)
        assert (done.moved, done.refused["names what was deleted"].count) == (1, 1)
    assert [get_job(backend.database, job_id).state for job_id in (lost, good)] == ["failed", "queued"]


def test_several_states_are_taken_in_one_order(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "BATCH", 2)
    ids = [in_state(backend.database, state)[0] for state in (State.FAILED, State.CANCELLED) * 3]
    in_state(backend.database, State.SUCCEEDED)
    ended = wanted(state=[State.FAILED, State.CANCELLED])
    found = [job_id for batch in bulk._batches(backend, ended, None) for job_id in batch.ids]
    assert found == ids[::-1]


@pytest.mark.parametrize(("limit", "value"), [("BUDGET_SECONDS", 0.0), ("MAX_JOBS", 1)])
def test_it_says_where_to_continue(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, limit: str, value: float
) -> None:
    monkeypatch.setattr(bulk, limit, value)
    ids = in_state(backend.database, State.QUEUED, 2 * BATCH + 1)
    for some in (wanted(kind=["sentiment"]), Wanted(ids)):
        after, moved = None, []
        while True:
            done = run(backend, "cancel", some, after=after, dry_run=True)
            moved.append(done.moved)
            after = done.next
            if after is None:
                break
        assert moved == [BATCH, BATCH, 1]
