"""Jobs are listed by when they ended, or as they are served, page by page in both directions."""

import datetime
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared import jobs
from jobyard.shared.database import Database
from jobyard.shared.errors import BadInput
from jobyard.shared.jobs import Job, JobFilter, Order, OrderKey, State, finding, ordered
from tests.factories import LONG_AGO, a_request, change_job, new_job

SECOND = datetime.timedelta(seconds=1)


@pytest.fixture(params=["few", "many"])
def looks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that a condition has are few enough to be sorted, or jobs are looked at a few at a time."""
    monkeypatch.setattr(finding, "SECONDS", 60.0)
    if request.param == "many":
        monkeypatch.setattr(finding, "LOOK", 4)
        monkeypatch.setattr(ordered, "FIRST_LOOK", 1)


def add(database: Database, number: int) -> uuid.UUID:
    """Several ended at the same moment, and have the same priority; each fourth has a word."""
    queue, kind = ("gpu", "train") if number % 3 == 0 else ("cpu", "sentiment")
    made = a_request(kind=kind, queue=queue, priority=(5, 5, 9, 0, 4)[number % 5])
    with database.write() as session:
        [job] = jobs.submit_many(session.connection(), [made])
        words = ["all", "fourth"] if number % 4 == 0 else ["all"]
        jobs.keep_terms(session.connection(), [(job.id, jobs.terms_of(words))])
        if number % 2:
            jobs.cancel(session, job.id)
    if number % 2:
        # Those that came later ended earlier, ten within a second.
        change_job(database, job.id, finished_at=LONG_AGO - number // 10 * SECOND)
    return job.id


def pages(
    session: Session, asked: JobFilter, order: Order, limit: int, after: OrderKey | None, *, backwards: bool
) -> list[uuid.UUID]:
    """Those of all pages; cursors are read as clients send them."""
    ids: list[uuid.UUID] = []
    while True:
        found = jobs.find_in_order(session, asked, order, after=after, limit=limit, backwards=backwards)
        assert len(found.ids) <= limit
        ids += found.ids
        if found.next is None:
            return ids
        assert found.next != after
        after = OrderKey.read(order, str(found.next))
        assert after == found.next


@pytest.mark.usefixtures("looks")
@pytest.mark.parametrize(
    ("order", "is_in", "rank"),
    [
        (Order.FINISHED, lambda job: job.finished_at is not None, lambda job: (job.finished_at, job.id)),
        (Order.PRIORITY, lambda job: job.state == "queued", lambda job: (job.priority, -job.id.int)),
    ],
)
def test_pages_are_whole_in_both_directions_also_of_equal_ones(
    database: Database, order: Order, is_in: Callable[[Job], bool], rank: Callable[[Job], Any]
) -> None:
    for number in range(40):
        add(database, number)
    child = new_job(database, priority=9)
    change_job(database, child, parent_id=new_job(database, priority=9))
    with database.read() as session:
        everything = session.scalars(sa.select(Job).where(Job.parent_id.is_(None))).all()
        terms = session.execute(sa.select(jobs.JobTerm.term, jobs.JobTerm.job_id)).all()
        have = {word: {job_id for term, job_id in terms if term == word} for word in ("all", "fourth")}
        for asked, matches in (
            ({}, lambda job: True),
            ({"q": "all"}, lambda job: job.id in have["all"]),
            ({"q": "fourth"}, lambda job: job.id in have["fourth"]),
            ({"kind": ["train"]}, lambda job: job.kind == "train"),
            ({"kind": ["train"], "q": "all", "created_by": ["admin"]}, lambda job: job.kind == "train"),
            ({"q": "nothing"}, lambda job: False),
            ({"after": "2999-01-01"}, lambda job: False),
        ):
            wanted = sorted((job for job in everything if is_in(job) and matches(job)), key=rank)[::-1]
            ids = [job.id for job in wanted]
            for limit in (1, 3, 50):
                which = JobFilter(**asked)
                assert pages(session, which, order, limit, None, backwards=False) == ids, asked
                for place in (0, len(ids) // 2, len(ids) - 1) if ids else ():
                    key = OrderKey.of(order, wanted[place])
                    before, rest = ids[:place][::-1], ids[place + 1 :]
                    assert pages(session, which, order, limit, key, backwards=True) == before, asked
                    assert pages(session, which, order, limit, key, backwards=False) == rest, asked


def test_queued_jobs_are_listed_as_their_positions_are(database: Database) -> None:
    ids = [new_job(database, priority=priority) for priority in (0, 5, 9, 5, 0, 9)]
    with database.read() as session:
        found = jobs.find_in_order(session, JobFilter(), Order.PRIORITY).ids
        positions = [jobs.read_version(session.connection(), job_id).position for job_id in found]
    assert sorted(found) == sorted(ids)
    assert positions == [1, 2, 3, 4, 5, 6]


def test_an_order_says_what_it_does_not_list(database: Database) -> None:
    with database.read() as session:
        for order, asked, parent, said in (
            (Order.FINISHED, {"state": ["failed", "running"]}, None, "succeeded, failed, cancelled"),
            (Order.PRIORITY, {"state": ["paused"]}, None, "lists jobs that are queued: state should be"),
            (Order.FINISHED, {}, uuid.uuid4(), "lists no parts of a job"),
        ):
            with pytest.raises(BadInput, match=said):
                jobs.find_in_order(session, JobFilter(**asked), order, parent=parent)
        found = jobs.find_in_order(session, JobFilter(state=[State.FAILED]), Order.FINISHED)
    assert found == ([], None)


def test_a_cursor_of_another_order_is_refused() -> None:
    job_id = str(uuid.uuid4())
    for order, cursor in (
        (Order.NEWEST, f"5.{job_id}"),
        (Order.NEWEST, "5"),
        (Order.FINISHED, job_id),
        (Order.FINISHED, f"{10**30}.{job_id}"),
        (Order.FINISHED, f"-1.{job_id}"),
        (Order.PRIORITY, f"{10**30}.{job_id}"),
        (Order.PRIORITY, f"².{job_id}"),
        (Order.PRIORITY, "5."),
    ):
        with pytest.raises(BadInput, match=f"with the same sort .{order}"):
            OrderKey.read(order, cursor)
