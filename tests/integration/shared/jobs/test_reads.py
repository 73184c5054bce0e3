"""What readers see: timelines, positions and pages."""

import time
import uuid
from threading import Event, Thread

from jobyard.shared import jobs
from jobyard.shared.database import Database
from jobyard.shared.jobs import JobFilter, State
from tests.factories import a_request, change_job, claimed, new_job, new_jobs
from tests.integration.shared.jobs.verbs import (
    lose,
    next_claim,
    timeline,
)


def test_every_move_is_a_row_of_the_timeline_in_order(database: Database) -> None:
    job_id = new_job(database)
    lease = claimed(database, job_id, "first").lease
    with database.write() as session:
        jobs.release(session, job_id, lease)
    lease = claimed(database, job_id, "second").lease
    with database.write() as session:
        jobs.fail(session, job_id, lease, error_type="E", message="why", traceback="where\nand how")
    with database.write() as session:
        jobs.retry(session, job_id, 3)
    lease = claimed(database, job_id, "third").lease
    with database.write() as session:
        jobs.succeed(session, job_id, lease, {})
    events = timeline(database, job_id)
    assert [(event.state, event.attempt, event.worker) for event in events] == [
        ("queued", 0, None),
        ("running", 1, "first"),
        ("queued", 0, None),
        ("running", 1, "second"),
        ("failed", 1, "second"),
        ("queued", 1, "second"),
        ("running", 2, "third"),
        ("succeeded", 2, "third"),
    ]
    assert (events[4].message, events[4].traceback) == ("why", "where\nand how")
    assert [event.at for event in events] == sorted(event.at for event in events)
    with database.read() as session:
        assert [event.id for event in jobs.events(session, job_id, after=events[5].id)] == [
            event.id for event in events[6:]
        ]


def test_a_lost_worker_is_named_in_the_timeline(database: Database) -> None:
    job_id = new_job(database)
    lose(database, job_id)
    last = timeline(database, job_id)[-1]
    assert (last.state, last.worker) == ("queued", "lost")
    assert last.message == "worker lost was lost (attempt 1 of 3)"


def test_position_is_by_priority_and_then_by_age_within_a_queue(database: Database) -> None:
    low = new_job(database, priority=1)
    first, second = new_job(database), new_job(database)
    high = new_job(database, priority=9)
    new_job(database, priority=9, queue="gpu")
    with database.autocommit() as connection:
        places = {job_id: jobs.read_version(connection, job_id).position for job_id in (low, first, second)}
    assert places == {first: 2, second: 3, low: 4}
    with database.write() as session:
        claim = next_claim(session)
        assert claim is not None
        assert claim.id == high
    with database.autocommit() as connection:
        assert jobs.read_version(connection, first).position == 1
        assert jobs.read_version(connection, high).position is None


def test_positions_are_exact_up_to_a_thousand_and_the_same_beyond(database: Database) -> None:
    high = new_jobs(database, 600, priority=9)
    low = new_jobs(database, 600)
    away = new_jobs(database, 3, queue="gpu")
    line = [*high, *low]
    places = {job_id: min(number, 1_001) for number, job_id in enumerate(line, 1)}
    with database.autocommit() as connection:
        for number in (0, 599, 600, 998, 999, 1_000, 1_001, 1_199):
            assert jobs.read_version(connection, line[number]).position == places[line[number]]
        # In pages: those within, those around and those beyond the thousandth.
        for start in (0, 580, 990, 1_150):
            page = sorted([*line[start : start + 40], *away])
            found = {job.id: job.position for job in jobs.read_snapshots(connection, page)}
            assert found == {job_id: places[job_id] for job_id in page if job_id in places} | {
                job_id: number for number, job_id in enumerate(away, 1)
            }


def test_new_jobs_far_back_have_the_position_of_all_that_are(database: Database) -> None:
    new_jobs(database, 998)
    request = a_request()
    with database.write() as session:
        made = jobs.submit_many(session.connection(), [request] * 5)
    shown = jobs.snapshots_of_new((one, request) for one in made)
    assert [shown[one.id].position for one in made] == [999, 1_000, 1_001, 1_001, 1_001]


def test_pages_are_whole_and_without_doubles_while_jobs_are_added(database: Database) -> None:
    there = {new_job(database) for _ in range(40)}
    ended = Event()

    def add() -> None:
        while not ended.is_set():
            new_job(database)
            time.sleep(0.001)

    thread = Thread(target=add)
    thread.start()
    try:
        found: list[uuid.UUID] = []
        before = None
        while True:
            with database.read() as session:
                part = jobs.find(session, JobFilter(), after=before, limit=7).ids
            if not part:
                break
            found += part
            before = part[-1]
    finally:
        ended.set()
        thread.join()
    assert len(found) == len(set(found))
    assert there <= set(found)
    assert found == sorted(found, reverse=True)


def test_pages_are_of_a_kind_and_a_state_and_without_children(database: Database) -> None:
    text = new_job(database)
    training = new_job(database, kind="train", queue="gpu")
    running = new_job(database)
    claimed(database, running)
    child = new_job(database)
    change_job(database, child, parent_id=text)
    with database.read() as session:
        assert [job.id for job in jobs.page(session)[0]] == [running, training, text]
        assert jobs.find(session, JobFilter(kind=["sentiment"])).ids == [running, text]
        assert jobs.find(session, JobFilter(kind=["sentiment"], state=[State.RUNNING])).ids == [running]
        counted = jobs.count_by_state(session)
        assert set(counted) == set(State)
        assert {state: count for state, count in counted.items() if count.jobs} == {
            "queued": jobs.Count(2),
            "running": jobs.Count(1),
        }
