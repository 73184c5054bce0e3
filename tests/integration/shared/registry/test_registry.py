"""Data sets, models and predictions, on both databases."""

import uuid
from typing import Any

import pytest
import sqlalchemy as sa

from jobyard.shared import jobs, registry, retention
from jobyard.shared.database import Database
from jobyard.shared.errors import BadInput, Conflict, NotFound
from jobyard.shared.needs import Needs, note
from jobyard.shared.registry import Dataset, Model, Prediction
from tests.factories import dataset, model, new_job, register, submit
from tests.waiting import at_once

THREADS = 8


def test_eight_jobs_that_register_one_name_at_once_get_eight_versions(database: Database) -> None:
    versions = at_once(THREADS, lambda _: register(database, model("pets")).version)
    assert sorted(versions) == list(range(1, THREADS + 1))


def test_eight_jobs_that_import_the_same_files_at_once_get_one_version(database: Database) -> None:
    def one(_: int) -> str:
        with database.write() as session:
            return registry.add_dataset(session, dataset("pets")).reference

    assert set(at_once(THREADS, one)) == {"pets@1"}


def test_the_same_contents_are_the_same_version_however_old(database: Database) -> None:
    def imported(name: str, sha256: str) -> str:
        with database.write() as session:
            return registry.add_dataset(session, dataset(name, sha256=sha256)).reference

    assert [imported("pets", sha256) for sha256 in ("a", "b", "a", "b", "c")] == [
        "pets@1",
        "pets@2",
        "pets@1",
        "pets@2",
        "pets@3",
    ]
    assert imported("birds", "a") == "birds@1"


def test_a_data_set_from_before_there_were_reports_gets_one_and_keeps_it(database: Database) -> None:
    for report in (None, {"warnings": ["first"]}, {"warnings": ["second"]}):
        with database.write() as session:
            registry.add_dataset(session, dataset("pets", report=report))
    with database.read() as session:
        assert registry.find(session, Dataset, "pets@1").report == {"warnings": ["first"]}


def test_a_data_set_is_deleted_when_no_job_needs_it(database: Database) -> None:
    kept, gone = (register(database, dataset("pets")) for _ in range(2))
    job = new_job(database, kind="train", spec={"dataset": gone.reference})
    with database.write() as session:
        note(session.connection(), [(job, Needs(referents=[gone.id]))])
    with database.write() as session, pytest.raises(Conflict, match=f"the job {job} uses pets@2"):
        retention.delete_dataset(session, "pets@2")
    with database.write() as session:
        jobs.cancel(session, job)
        assert retention.delete_dataset(session, "pets@2") == [gone.storage_key]
    with database.write() as session, pytest.raises(NotFound):
        retention.delete_dataset(session, "pets@2")
    with database.write() as session, pytest.raises(BadInput, match="the newest is pets@1"):
        retention.delete_dataset(session, "pets")
    with database.read() as session:
        assert registry.find(session, Dataset, "pets").id == kept.id


def test_a_deleted_versions_number_is_not_given_again(database: Database) -> None:
    for make in (dataset, model):
        things = [register(database, make("pets")) for _ in range(2)]
        with database.write() as session:
            session.delete(session.get_one(type(things[1]), things[1].id))
        assert register(database, make("pets")).reference == "pets@3"


def test_versions_are_of_a_name_and_a_noun(database: Database) -> None:
    assert register(database, dataset("pets")).reference == "pets@1"
    assert register(database, dataset("pets")).reference == "pets@2"
    assert register(database, dataset("birds")).reference == "birds@1"
    assert register(database, model("pets")).reference == "pets@1"


def test_what_is_added_is_found_by_name_version_and_id_with_all_it_has(database: Database) -> None:
    first, second = (
        register(database, dataset("pets", pictures=1)),
        register(database, dataset("pets", pictures=2)),
    )
    with database.read() as session:
        assert registry.find(session, Dataset, "pets").id == second.id
        assert registry.find(session, Dataset, "pets@1").id == first.id
        assert registry.find(session, Dataset, "pets@2").id == second.id
        found = registry.find(session, Dataset, str(first.id))
    assert (found.id, found.pictures, found.class_names) == (first.id, 1, ["cats", "dogs"])
    assert found.classes == {"train": {"cats": 2, "dogs": 3}, "validation": {"cats": 1, "dogs": 1}}


def test_a_name_that_looks_like_an_id_is_found(database: Database) -> None:
    # 32 hexadecimal digits are a UUID to Python, and a name to Name.
    name = uuid.uuid4().hex
    added = register(database, dataset(name))
    with database.read() as session:
        assert registry.find(session, Dataset, name).id == added.id


@pytest.mark.parametrize(
    "reference",
    ["dogs", "pets@3", "pets@0", "Pets", str(uuid.UUID(int=1)), "pets@999999999", "%", "pets@1' --"],
)
def test_what_is_not_there_is_not_found_and_the_message_says_what_is(
    database: Database, reference: str
) -> None:
    for name in ("pets", "birds", "pets"):
        register(database, dataset(name))
    with database.read() as session, pytest.raises(NotFound) as caught:
        registry.find(session, Dataset, reference)
    assert caught.value.message == f"no data set {reference!r}; there are: birds, pets"


@pytest.mark.parametrize(
    "reference", ["pets@one", "pets@", "@1", "pets@1@2", "pets@" + "9" * 30, "pets@²", "pets@-1", "", "\x00"]
)
def test_a_reference_that_means_nothing_is_not_found(database: Database, reference: str) -> None:
    register(database, dataset("pets"))
    with database.read() as session, pytest.raises(NotFound, match="there are: pets"):
        registry.find(session, Dataset, reference)


def test_an_empty_catalogue_says_so(database: Database) -> None:
    with database.read() as session, pytest.raises(NotFound) as caught:
        registry.find(session, Model, "pets")
    assert caught.value.message == "no model 'pets'; there are none yet"


def test_at_most_ten_names_are_listed(database: Database) -> None:
    for number in range(12):
        register(database, model(f"m{number:02}"))
    with database.read() as session, pytest.raises(NotFound) as caught:
        registry.find(session, Model, "pets")
    assert "m09" in caught.value.message
    assert "m10" not in caught.value.message


def test_pages_are_newest_first_and_whole(database: Database) -> None:
    added = [register(database, dataset(f"d{number}")).id for number in range(7)]
    with database.read() as session:
        first = [thing.id for thing in registry.page(session, Dataset, limit=4)]
        rest = [thing.id for thing in registry.page(session, Dataset, before=first[-1], limit=4)]
    assert first + rest == added[::-1]


def test_a_data_set_outlives_its_job_and_predictions_go_with_theirs(database: Database) -> None:
    with database.write() as session:
        job = submit(session, kind="import")
        made = registry.add(session, dataset("pets", job_id=job.id))
        session.add(Prediction(job_id=job.id, row=0, image="a.jpg", label="cats", probability=0.5))
    with database.write() as session:
        session.execute(sa.delete(jobs.Job))
    with database.read() as session:
        assert registry.find(session, Dataset, str(made.id)).job_id is None
        assert registry.read_predictions(session, job.id) == []


def rows_of(database: Database, job_id: uuid.UUID, **asked: Any) -> list[int]:
    with database.read() as session:
        return [row.row for row in registry.read_predictions(session, job_id, **asked)]


def predicted(database: Database, sure: list[float | None]) -> uuid.UUID:
    """A prediction of so many pictures, by turns labelled "a" and "b"; None: one that failed."""
    with database.write() as session:
        job = submit(session, kind="predict")
        rows = [
            {
                "image": f"{row}.jpg",
                "label": None if probability is None else "ab"[row % 2],
                "probability": probability,
                "probabilities": {},
                "error": "not a picture" if probability is None else None,
            }
            for row, probability in enumerate(sure)
        ]
        registry.keep_predictions(session, job.id, rows)
    return job.id


def test_predictions_are_in_the_pictures_order_or_the_least_sure_first(database: Database) -> None:
    job_id = predicted(database, [0.9, 0.6, None, 0.7, 0.6, None])
    assert rows_of(database, job_id) == [0, 1, 2, 3, 4, 5]
    assert rows_of(database, job_id, unsure_first=True) == [1, 4, 3, 0, 2, 5]
    assert rows_of(database, job_id, label="b") == [1, 3]
    assert rows_of(database, job_id, label="a", unsure_first=True) == [4, 0]
    assert rows_of(database, job_id, label="c") == []
    with database.read() as session:
        assert registry.count_predictions(session, job_id) == {"a": 2, "b": 2, None: 2}


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
def test_predictions_go_on_where_the_part_before_ended(database: Database, limit: int) -> None:
    job_id = predicted(database, [0.5, 1 / 3, None, 0.5, 1.0, None, 0.1 + 0.2])
    for unsure_first in (False, True):
        whole = rows_of(database, job_id, unsure_first=unsure_first)
        found: list[int] = []
        after: registry.Place | None = None
        while True:
            with database.read() as session:
                part = registry.read_predictions(
                    session, job_id, unsure_first=unsure_first, after=after, limit=limit
                )
            if not part:
                break
            found += [row.row for row in part]
            after = part[-1].probability, part[-1].row
        assert found == whole


def test_rows_of_an_earlier_attempt_make_room_and_others_stay(database: Database) -> None:
    job_id = predicted(database, [0.9] * 6)
    row = {"image": "new.jpg", "label": "b", "probability": 0.2, "probabilities": {}, "error": None}
    with database.write() as session:
        registry.keep_predictions(session, job_id, [row] * 2, 3)
    assert rows_of(database, job_id, unsure_first=True) == [3, 4, 0, 1, 2, 5]
    with database.read() as session:
        assert [row.image for row in registry.read_predictions(session, job_id)][2:5] == [
            "2.jpg",
            *["new.jpg"] * 2,
        ]
