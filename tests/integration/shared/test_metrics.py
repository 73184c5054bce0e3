"""Metric histories, on both databases."""

import math
import uuid
from itertools import pairwise

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobyard.shared import jobs, metrics
from jobyard.shared.database import Database
from jobyard.shared.metrics import Metric, Point
from tests.factories import new_job


@pytest.fixture
def job_id(database: Database) -> uuid.UUID:
    return new_job(database, kind="train")


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


@pytest.mark.parametrize("points", [1, 2, 3, 4, 10, 99, 100, 101])
def test_a_thinned_history_keeps_first_and_last_and_order(
    database: Database, job_id: uuid.UUID, points: int
) -> None:
    write(database, job_id, *(Point("loss", step, float(step)) for step in range(100)))
    write(database, job_id, Point("accuracy", 5, 0.5))
    thinned = [step for name, step, _ in history(database, job_id, points=points) if name == "loss"]
    assert min(points, 100) // 2 <= len(thinned) <= points
    assert thinned == sorted(set(thinned))
    assert thinned[-1] == 99
    assert points == 1 or thinned[0] == 0
    assert points < 100 or len(thinned) == 100
    assert ("accuracy", 5, 0.5) in history(database, job_id, points=points)


def test_what_is_chosen_is_spread_over_the_whole_history(database: Database, job_id: uuid.UUID) -> None:
    write(database, job_id, *(Point("loss", step, 1 / step) for step in range(1, 1_001)))
    steps = [step for _, step, _ in history(database, job_id, points=42)]
    assert len(steps) == 42
    # Of each of the twenty ranges, a falling curve's first and last.
    assert max(after - before for before, after in pairwise(steps)) == 49


def test_no_peak_vanishes(database: Database, job_id: uuid.UUID) -> None:
    values = dict.fromkeys(range(2_000), 1.0) | {777: 99.0, 1_500: -99.0, 1_501: math.nan}
    write(database, job_id, *(Point("loss", step, value) for step, value in values.items()))
    thinned = history(database, job_id, points=20)
    assert len(thinned) <= 20
    assert {("loss", 777, 99.0), ("loss", 1_500, -99.0)} <= set(thinned)
    assert all(value is not None for _, _, value in thinned)


@given(
    values=st.dictionaries(st.integers(-(2**40), 2**40), st.floats(), min_size=1, max_size=60),
    points=st.integers(1, 70),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_thinning_keeps_the_ends_and_the_extremes_whatever_the_steps_and_values(
    database: Database, job_id: uuid.UUID, values: dict[int, float], points: int
) -> None:
    with database.write() as session:
        metrics.clear(session, job_id)
    write(database, job_id, *(Point("loss", step, value) for step, value in values.items()))
    whole = history(database, job_id)
    thinned = history(database, job_id, points=points)
    assert len(thinned) <= points
    assert thinned == [row for row in whole if row in thinned]
    assert thinned[-1] == whole[-1]
    if len(whole) <= points:
        assert thinned == whole
    if points >= 4:
        assert thinned[0] == whole[0]
        finite = [value for _, _, value in whole if value is not None]
        kept = [value for _, _, value in thinned if value is not None]
        assert not finite or (min(kept), max(kept)) == (min(finite), max(finite))


def test_of_a_long_history_only_so_many_rows_are_looked_at_and_few_reach_python(
    database: Database, job_id: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "MAX_LOOKED_AT", 400)
    # In each of the ten ranges of 1,000 steps, the first 40 are looked at.
    values = dict.fromkeys(range(10_002), 1.0) | {2_020: 50.0, 2_500: 99.0}
    write(database, job_id, *(Point("loss", step, value) for step, value in values.items()))
    loaded = []
    sa.event.listen(Metric, "load", note := lambda row, _: loaded.append(row.step))
    try:
        steps = [step for _, step, _ in history(database, job_id, points=22)]
    finally:
        sa.event.remove(Metric, "load", note)
    assert sorted(loaded) == steps
    assert 2_020 in steps
    assert 2_500 not in steps
    assert len(steps) <= 22


def test_runs_are_compared_by_one_metric_and_their_names_are_known(
    database: Database, job_id: uuid.UUID
) -> None:
    other, empty = (new_job(database, kind="train") for _ in range(2))
    write(
        database,
        job_id,
        *(Point("loss", step, 1 / step) for step in range(1, 101)),
        Point("accuracy", 1, 0.5),
    )
    write(database, other, Point("loss", 1, 0.25), Point("val_loss", 1, 0.5))
    ids = [other, job_id, empty]
    with database.read() as session:
        found = metrics.compare(session, ids, "loss", 10)
        names = metrics.names_of(session, ids)
    assert list(found) == ids
    assert [(row.step, row.value) for row in found[other]] == [(1, 0.25)]
    assert found[empty] == []
    assert [row.step for row in found[job_id]][:: len(found[job_id]) - 1] == [1, 100]
    assert len(found[job_id]) == 10
    assert names == ["accuracy", "loss", "val_loss"]


def test_clear_forgets_this_job_only(database: Database, job_id: uuid.UUID) -> None:
    other = new_job(database, kind="train")
    write(database, job_id, Point("loss", 1, 0.5))
    write(database, other, Point("loss", 1, 0.25))
    with database.write() as session:
        metrics.clear(session, job_id)
    assert history(database, job_id) == []
    assert history(database, other) == [("loss", 1, 0.25)]


def test_a_history_belongs_to_a_job_that_is_there_and_goes_with_it(
    database: Database, job_id: uuid.UUID
) -> None:
    with pytest.raises(sa.exc.IntegrityError):
        write(database, uuid.uuid4(), Point("loss", 1, 0.5))
    write(database, job_id, Point("loss", 1, 0.5))
    with database.write() as session:
        session.execute(sa.delete(jobs.Job).where(jobs.Job.id == job_id))
    assert history(database, job_id) == []
