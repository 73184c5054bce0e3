"""After a slow look a process begins where it was: the same order, each job once, and none is left behind."""

import uuid
from collections.abc import Iterator

import pytest

from jobyard.shared import jobs
from jobyard.shared.database import Database
from tests.factories import LONG_AGO, change_job, new_job, new_jobs, slow_front
from tests.integration.shared.jobs.verbs import VERBS, expire, next_claim, row
from tests.waiting import at_once


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    """On PostgreSQL alone: SQLite's index has no entries that are out of date."""
    opened = Database(postgres_url)
    yield opened
    opened.dispose()


def claim_after(database: Database, front: jobs.Front) -> uuid.UUID | None:
    with database.write() as session:
        claim = next_claim(session, front=front, whole=False)
    return None if claim is None else claim.id


def front_of(database: Database) -> jobs.Front:
    with database.write() as session:
        return slow_front(session)


def test_the_order_stays_and_new_jobs_of_a_higher_priority_come_first(database: Database) -> None:
    made = [(number * 7 % 10, new_job(database, priority=number * 7 % 10)) for number in range(40)]
    _, *waiting = [job_id for _, job_id in sorted(made, key=lambda one: (-one[0], one[1]))]
    front = front_of(database)
    for number in range(len(waiting)):
        if number in (0, 7, 20, 38):
            urgent = new_job(database, priority=9)
            waiting.insert(sum(row(database, job_id)["priority"] == 9 for job_id in waiting), urgent)
        assert claim_after(database, front) == waiting.pop(0)
        assert front.is_slow
    assert [claim_after(database, front) for _ in range(5)] == [*waiting, None]


@pytest.mark.parametrize("verb", ["release", "postpone", "rescue", "retry", "resume"])
def test_a_job_that_comes_back_is_the_next_that_a_look_at_all_finds(database: Database, verb: str) -> None:
    back, first, second, third = new_jobs(database, 4)
    with database.write() as session:
        if verb == "resume":
            jobs.pause(session, back)
        elif verb == "retry":
            jobs.cancel(session, back)
        else:
            claim = next_claim(session)
            assert claim is not None
            assert claim.id == back
    front = front_of(database)  # which claims the first of the others
    lease = row(database, back)["lease"]
    if verb == "rescue":
        expire(database, back)
    with database.write() as session:
        VERBS[verb](session, back, lease)
    change_job(database, back, available_at=LONG_AGO)
    assert claim_after(database, front) == second
    with database.write() as session:
        claim = next_claim(session, front=front, whole=True)
    assert claim is not None
    assert claim.id == back
    assert (claim_after(database, front), claim_after(database, front)) == (third, None)
    assert row(database, first)["state"] == "running"


def test_looks_at_all_are_due_after_a_while_and_always_where_they_are_quick(database: Database) -> None:
    new_jobs(database, 3)
    front = front_of(database)
    assert not front.is_due
    with database.write() as session:  # its row says that the table has few outdated versions
        next_claim(session, front=front, whole=True)
    assert front.is_due
    assert not front.is_slow


def test_sixteen_slow_fronts_claim_each_job_once(database: Database) -> None:
    made = set(new_jobs(database, 16 + 160))
    fronts = [front_of(database) for _ in range(16)]

    def all_of(number: int) -> list[uuid.UUID]:
        return list(iter(lambda: claim_after(database, fronts[number]), None))

    found = [job_id for some in at_once(16, all_of) for job_id in some]
    assert len(found) == len(set(found)) == 160
    assert set(found) < made
