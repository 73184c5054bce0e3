"""Jobs that are submitted at the same time: one transaction, and to each what is his."""

import time
import uuid
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from jobyard.shared import jobs, storage
from jobyard.shared.broker import Broker
from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.shared.errors import Conflict, QuotaReached
from jobyard.shared.jobs import Job, JobEvent, Request
from jobyard.shared.needs import JobInput, Needs
from jobyard.shared.tokens import Identity, Scope
from jobyard.web.services.group_commit import MOST, Accepted, GroupCommit
from tests.counting import counting
from tests.waiting import at_once

if TYPE_CHECKING:
    from tests.conftest import RedisProcess

# Only to end a hang.
WAIT_SECONDS = 30


@pytest.fixture
def group_commit(database: Database, redis_server: "RedisProcess", tmp_path: Path) -> GroupCommit:
    return GroupCommit(database, Broker(Settings(home=tmp_path, broker_url=redis_server.url)))


def a_request(**changes: Any) -> Request:
    given = {"kind": "sentiment", "queue": "cpu", "spec": {"texts": ["a\x00 ☃"]}, "priority": 5}
    return Request(**{**given, "max_attempts": 3, **changes})


def in_one_turn(
    group_commit: GroupCommit, requests: Sequence[Request], submitter: Identity | None = None
) -> "list[Future[Accepted]]":
    """All of them in one turn, in their order."""
    with ThreadPoolExecutor(len(requests)) as pool:
        with group_commit._turn:
            found = []
            for number, request in enumerate(requests, 1):
                found.append(pool.submit(group_commit.accept, request, submitter=submitter))
                ends = time.monotonic() + WAIT_SECONDS
                while len(group_commit._waiting) < number and time.monotonic() < ends:
                    time.sleep(0.001)
        for one in found:
            one.exception(WAIT_SECONDS)
    return found


def test_who_comes_while_another_commits_goes_with_the_next(
    group_commit: GroupCommit, database: Database, redis_server: "RedisProcess"
) -> None:
    requests = [a_request(spec={"texts": [f"{number}"]}, priority=number % 3) for number in range(12)]
    with counting("commit") as commits, counting("before_cursor_execute") as statements:
        made = [one.result() for one in in_one_turn(group_commit, requests)]
    assert len(commits) == 1
    assert len(statements) < len(requests)
    assert len(redis_server.messages("cpu")) == len(requests)
    assert all(one.is_new for one in made)
    with database.autocommit() as connection:
        for one, request in zip(made, requests, strict=True):
            assert one.job == jobs.read_snapshot(connection, one.job.id)
            assert one.job.spec == sa.JSON().bind_processor(connection.dialect)(request.spec)  # type: ignore[misc]
        assert sorted(one.job.position or 0 for one in made) == list(range(1, 13))
        told = connection.execute(sa.select(JobEvent.job_id, JobEvent.state)).all()
    assert sorted(told) == sorted((one.job.id, "queued") for one in made)


def test_more_than_fit_into_one_turn_are_all_accepted(group_commit: GroupCommit, database: Database) -> None:
    made = {one.result().job.id for one in in_one_turn(group_commit, [a_request()] * (MOST + 3))}
    with database.read() as session:
        assert set(session.scalars(sa.select(Job.id))) == made
    assert len(made) == MOST + 3


def test_one_key_in_one_turn_makes_one_job(group_commit: GroupCommit, redis_server: "RedisProcess") -> None:
    same = a_request(idempotency_key="key", request_sha256="a" * 64)
    other = a_request(idempotency_key="key", request_sha256="b" * 64)
    first, again, conflict, free = in_one_turn(group_commit, [same, same, other, a_request()])
    assert [one.result().is_new for one in (first, again, free)] == [True, False, True]
    assert first.result().job.id == again.result().job.id != free.result().job.id
    assert again.result().job.version == 1
    with pytest.raises(Conflict, match="'key' was already used for a different request"):
        conflict.result()
    assert len(redis_server.messages("cpu")) == 2


def test_a_repeat_takes_nothing_of_a_quota_from_what_comes_with_it(group_commit: GroupCommit) -> None:
    submitter = Identity("ci", Scope.SUBMIT, "0" * 64, max_queued=2)
    known = a_request(created_by="ci", idempotency_key="key", request_sha256="a" * 64)
    new = a_request(created_by="ci")
    group_commit.accept(known, submitter=submitter)
    again, last, late = in_one_turn(group_commit, [known, new, new], submitter)
    assert [one.result().is_new for one in (again, last)] == [False, True]
    with pytest.raises(QuotaReached, match="may have 2 queued jobs, and has 2"):
        late.result()


def test_what_the_database_refuses_of_one_is_not_the_others_fault(
    group_commit: GroupCommit, database: Database
) -> None:
    fine, bad, good = in_one_turn(group_commit, [a_request(), a_request(priority=10), a_request()])
    with pytest.raises(sa.exc.IntegrityError):
        bad.result()
    with database.read() as session:
        assert set(session.scalars(sa.select(Job.id))) == {fine.result().job.id, good.result().job.id}


def test_nobody_is_accepted_while_the_database_is_away(
    group_commit: GroupCommit, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(**_: Any) -> Any:
        raise sa.exc.OperationalError("BEGIN", None, OSError("away"))

    with monkeypatch.context() as patch:
        patch.setattr(database, "begin", away)
        refused = in_one_turn(group_commit, [a_request(), a_request()])
    assert all(isinstance(one.exception(), sa.exc.OperationalError) for one in refused)
    assert group_commit.accept(a_request()).is_new
    with database.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Job)) == 1


def test_the_files_of_each_are_noted(group_commit: GroupCommit, database: Database) -> None:
    with database.write() as session:
        kept = storage.Stored(key=f"files/{uuid.uuid4()}", bytes=1, sha256="0" * 64)
        file_id = storage.add_file(session, kept, name="x.csv", media_type="text/csv").id
    job_id = group_commit.accept(a_request(), Needs(files=[file_id, file_id])).job.id
    with database.read() as session:
        assert [(row.job_id, row.file_id) for row in session.scalars(sa.select(JobInput))] == [
            (job_id, file_id)
        ]


def test_threads_that_come_as_they_like_are_all_accepted_once(
    group_commit: GroupCommit, database: Database
) -> None:
    def some(_: int) -> list[uuid.UUID]:
        return [group_commit.accept(a_request()).job.id for _ in range(10)]

    made = [job_id for found in at_once(8, some) for job_id in found]
    with database.read() as session:
        assert sorted(session.scalars(sa.select(Job.id))) == sorted(set(made))
    assert len(made) == 80
