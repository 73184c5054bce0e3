"""What work prints is written with the heartbeats and the outcome, bounded, and gone with its job."""

import threading
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa

from jobyard.shared import jobs
from jobyard.shared.errors import WorkError
from jobyard.shared.jobs import Job, Piece, Place
from jobyard.workers.runtime.attempt import Attempt, Finish
from jobyard.workers.runtime.context import Context
from jobyard.workers.runtime.output import Output, OutputWriter
from jobyard.workers.runtime.output.output import HEAD, TAIL
from tests.factories import get_job, new_job
from tests.waiting import wait_for
from tests.workers import attempt, work_until_stopped


def say(text: str, end: str = "\n") -> None:
    print(text, end=end)  # noqa: T201 - it is what is tested


def printed(context: Context, job_id: Any, **only: Any) -> list[tuple[int, int, str]]:
    with context.database.read() as session:
        found = jobs.read_output(session, job_id, **only)
        return [(piece.attempt, piece.begins, piece.text) for piece in found]


def test_output_is_there_while_the_job_runs_and_of_each_attempt(context: Context) -> None:
    job_id = new_job(context.database)

    def work(attempt: Attempt, spec: Any) -> Finish:
        say("started with token=of-no-use and https://me:password@host/")
        wait_for(lambda: any(one[0] == attempt.claim.attempt for one in printed(context, job_id)))
        say("an end without a line break", end="")
        if attempt.claim.attempt == 1:
            raise WorkError("no")
        return lambda _: {}

    attempt(context, job_id, work)
    with context.database.write() as session:
        jobs.retry(session, job_id, 3)
    attempt(context, job_id, work)
    first = "started with token=of-no-use and https://me:***@host/\n"
    last = "an end without a line break\n"
    found = printed(context, job_id)
    assert [(number, text) for number, _, text in found] == [
        (number, text) for number in (1, 2) for text in (first, last)
    ]
    assert printed(context, job_id, attempt=2) == found[2:]
    assert printed(context, job_id, after=Place(1, len(first))) == found[1:]
    with context.database.write() as session:
        session.execute(sa.delete(Job).where(Job.id == job_id))
    assert printed(context, job_id) == []


@pytest.mark.parametrize("fails", [False, True])
def test_what_quick_work_prints_is_written_with_its_outcome(context: Context, fails: bool) -> None:
    job_id = new_job(context.database)

    def work(attempt: Attempt, spec: Any) -> Finish:
        say("quick")
        if fails:
            raise WorkError("no")
        return lambda _: {}

    attempt(context, job_id, work)
    assert printed(context, job_id) == [(1, 0, "quick\n")]


@pytest.mark.parametrize("kind", [WorkError, RuntimeError])
def test_neither_the_error_nor_the_traceback_of_a_job_has_a_password(
    context: Context, kind: type[Exception]
) -> None:
    job_id = new_job(context.database)

    def work(attempt: Attempt, spec: Any) -> Finish:
        raise kind("can't reach postgresql://me:pass-word@host/db")

    attempt(context, job_id, work)
    job = get_job(context.database, job_id)
    with context.database.read() as session:
        told = [job.error_message, *(event.traceback for event in jobs.events(session, job_id))]
    told = [one for one in told if one is not None]
    assert len(told) == 2
    assert all("postgresql://me:***@host/db" in one for one in told)
    assert "pass-word" not in str(told)


def test_an_attempt_that_was_released_continues_its_output(context: Context) -> None:
    job_id = new_job(context.database)

    def first(attempt: Attempt, spec: Any) -> Finish:
        say("before")
        stopping.set()
        work_until_stopped(attempt)

    def second(attempt: Attempt, spec: Any) -> Finish:
        say("after")
        return lambda _: {}

    stopping = threading.Event()
    attempt(context, job_id, first, stopping)
    attempt(context, job_id, second)
    assert printed(context, job_id) == [(1, 0, "before\n"), (1, 7, "after\n")]


def test_of_endless_output_the_database_keeps_the_first_and_the_last(context: Context) -> None:
    job_id = new_job(context.database)
    output = Output(lambda text: text)
    writer = OutputWriter(job_id, 1, output)
    line = "x" * 4_095 + "\n"
    for number in range(60):
        for _ in range(9):
            output.add("stdout", line)
        assert writer.take(last=True)
        with context.database.write() as session:
            writer.write(session)
            if number % 7 == 0:  # a transaction that comes to nothing
                session.rollback()
                continue
        writer.written()
    if writer.take(last=True):
        with context.database.write() as session:
            writer.write(session)
    found = printed(context, job_id)
    ends = 60 * 9 * len(line)
    assert found[-1][1] + len(found[-1][2]) == ends
    kept = sum(len(text) for _, _, text in found)
    assert HEAD + TAIL - 2 * 9 * len(line) < kept < HEAD + TAIL + 4 * 9 * len(line)
    gaps = [after[1] - before[1] - len(before[2]) for before, after in pairwise(found)]
    assert sum(gaps) == ends - kept
    assert len([gap for gap in gaps if gap]) == 1


def test_a_piece_that_is_written_again_is_there_once(context: Context) -> None:
    job_id = new_job(context.database)
    for text in ("one\n", "one\ntwo\n"):
        with context.database.write() as session:
            jobs.write_output(session, job_id, 1, [Piece(0, text)])
    assert printed(context, job_id) == [(1, 0, "one\ntwo\n")]
