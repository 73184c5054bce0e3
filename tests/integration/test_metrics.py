"""Metric histories, on both databases."""

import math
import uuid
from itertools import pairwise

import pytest
import sqlalchemy as sa

from shared import jobs, metrics
from shared.database import Database
from shared.metrics import Point


@pytest.fixture
def job_id(database: Database) -> uuid.UUID:
    with database.write() as session:
        job, _ = jobs.submit(session, kind="train", queue="gpu", spec={}, priority=5, max_attempts=3)
        return job.id


def write(database: Database, job_id: uuid.UUID, *points: Point) -> None:
    with database.write() as session:
        metrics.write(session, job_id, points)


def history(
    database: Database, job_id: uuid.UUID, name: str | None = None, points: int | None = None
) -> list[tuple[str, int, float | None]]:
    with database.read() as session:
        rows = metrics.history(session, job_id, name=name, points=points)
        return [(row.name, row.step, row.value) for row in rows]


def test_history_is_by_name_and_step_whatever_the_order_of_writing(
    database: Database, job_id: uuid.UUID
) -> None:
    write(database, job_id, Point("loss", 10, 0.5), Point("loss", 9, 0.6), Point("accuracy", 10, 0.7))
    write(database, job_id, Point("loss", 1, 0.9, epoch=1))
    assert history(database, job_id) == [
        ("accuracy", 10, 0.7),
        ("loss", 1, 0.9),
        ("loss", 9, 0.6),
        ("loss", 10, 0.5),
    ]
    assert history(database, job_id, name="accuracy") == [("accuracy", 10, 0.7)]


def test_a_point_that_is_there_is_overwritten_within_one_write_and_across_two(
    database: Database, job_id: uuid.UUID
) -> None:
    write(database, job_id, Point("loss", 1, 0.9), Point("loss", 1, 0.8, epoch=1))
    assert history(database, job_id) == [("loss", 1, 0.8)]
    write(database, job_id, Point("loss", 1, 0.1, epoch=2))
    assert history(database, job_id) == [("loss", 1, 0.1)]
    with database.read() as session:
        assert metrics.history(session, job_id)[0].epoch == 2


def test_numbers_that_are_not_finite_are_kept_as_nothing(database: Database, job_id: uuid.UUID) -> None:
    write(
        database,
        job_id,
        Point("loss", 1, math.nan),
        Point("loss", 2, math.inf),
        Point("loss", 3, -math.inf),
        Point("loss", 4, 1e308),
    )
    assert history(database, job_id) == [
        ("loss", 1, None),
        ("loss", 2, None),
        ("loss", 3, None),
        ("loss", 4, 1e308),
    ]


def test_nothing_to_write_is_no_statement(database: Database, job_id: uuid.UUID) -> None:
    write(database, job_id)
    assert history(database, job_id) == []


def test_a_training_that_saved_up_many_points_can_write_them_all(
    database: Database, job_id: uuid.UUID
) -> None:
    write(database, job_id, *(Point("loss", step, step / 7) for step in range(20_000)))
    assert len(history(database, job_id)) == 20_000


@pytest.mark.parametrize("points", [1, 2, 3, 10, 99, 100, 101])
def test_a_thinned_history_keeps_first_and_last_and_order(
    database: Database, job_id: uuid.UUID, points: int
) -> None:
    write(database, job_id, *(Point("loss", step, 1.0) for step in range(100)))
    write(database, job_id, Point("accuracy", 5, 0.5))
    thinned = [step for name, step, _ in history(database, job_id, points=points) if name == "loss"]
    assert len(thinned) == min(points, 100)
    assert thinned == sorted(set(thinned))
    assert thinned[-1] == 99
    assert points == 1 or thinned[0] == 0
    gaps = [after - before for before, after in pairwise(thinned)]
    assert not gaps or max(gaps) - min(gaps) <= 1
    assert ("accuracy", 5, 0.5) in history(database, job_id, points=points)


def test_clear_forgets_this_job_only(database: Database, job_id: uuid.UUID) -> None:
    with database.write() as session:
        other, _ = jobs.submit(session, kind="train", queue="gpu", spec={}, priority=5, max_attempts=3)
    write(database, job_id, Point("loss", 1, 0.5))
    write(database, other.id, Point("loss", 1, 0.25))
    with database.write() as session:
        metrics.clear(session, job_id)
    assert history(database, job_id) == []
    assert history(database, other.id) == [("loss", 1, 0.25)]


def test_a_history_belongs_to_a_job_that_is_there_and_goes_with_it(
    database: Database, job_id: uuid.UUID
) -> None:
    with pytest.raises(sa.exc.IntegrityError):
        write(database, uuid.uuid4(), Point("loss", 1, 0.5))
    write(database, job_id, Point("loss", 1, 0.5))
    with database.write() as session:
        session.execute(sa.delete(jobs.Job).where(jobs.Job.id == job_id))
    assert history(database, job_id) == []
