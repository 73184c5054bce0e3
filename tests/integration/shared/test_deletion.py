"""What is deleted with a job that has ended, what stays, and what stands against it."""

import io
import threading
import uuid

import pytest
import sqlalchemy as sa

from jobyard.shared import jobs, metrics, needs, registry, retention, storage
from jobyard.shared.database import Base, Database
from jobyard.shared.errors import Conflict, NotFound
from jobyard.shared.jobs import TERMINAL, Job, JobEvent, State
from jobyard.shared.metrics import Metric
from jobyard.shared.needs import JobInput, Needs
from jobyard.shared.registry import Model, Prediction
from jobyard.shared.storage import File, PendingKey, Storage
from tests import factories
from tests.factories import change
from tests.integration.shared.leftovers import YOUNG, count, ids, new_file, new_job, read_by, there, uploads
from tests.waiting import all_at_once

OF_A_JOB: tuple[type[Base], ...] = (Job, JobEvent, Metric, Prediction, File, JobInput)


def delete(database: Database, store: Storage, job_id: uuid.UUID) -> None:
    """As the server does it."""
    with database.write() as session:
        keys = retention.delete_job(session, job_id)
    store.remove(keys)


def pending(database: Database) -> set[str]:
    with database.read() as session:
        return set(session.scalars(sa.select(PendingKey.key)))


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_an_ended_job_goes_with_its_parts_and_all_that_is_theirs(
    database: Database, store: Storage, state: State
) -> None:
    job_id = new_job(database, state, ago=YOUNG)
    part = new_job(database, state, ago=YOUNG, parent=job_id)
    keys = [store.put("checkpoints", io.BytesIO(b"x")).key for _ in range(2)]
    for owner, key in zip((job_id, part), keys, strict=True):
        change(
            database, Job, Job.id == owner, checkpoint_key=key, child_window=1 if owner == job_id else None
        )
        with database.write() as session:
            storage.complete(session, [key])
            metrics.write(session, owner, [metrics.Point("loss", 1, 0.5)])
            session.add(Prediction(job_id=owner, row=0, image="a.png"))
    keys += [new_file(database, store, owner).storage_key for owner in (job_id, part)]
    upload = new_file(database, store)
    for owner in (job_id, part):
        read_by(database, owner, upload)
    stays = new_job(database, ago=YOUNG)

    delete(database, store, job_id)

    assert ids(database) == {stays}
    assert [count(database, table) for table in OF_A_JOB if table not in (Job, JobEvent)] == [0] * 4
    assert not any(there(store, key) for key in (*keys, upload.storage_key))
    assert pending(database) == set()
    assert list(storage.orphans(store.objects, database)) == []


def test_a_process_that_dies_after_the_commit_leaves_its_files_to_the_sweeper(
    database: Database, store: Storage
) -> None:
    job_id = new_job(database)
    upload = new_file(database, store)
    read_by(database, job_id, upload)
    key = new_file(database, store, job_id).storage_key
    with database.write() as session:
        assert set(retention.delete_job(session, job_id)) == {key, upload.storage_key}
    assert list(storage.orphans(store.objects, database)) == []
    with database.write() as session:
        store_due = retention.due(session)
    assert set(store_due) == {key, upload.storage_key}


@pytest.mark.parametrize("state", [state for state in State if state not in TERMINAL])
def test_a_job_that_has_not_ended_stays(database: Database, state: State) -> None:
    job_id = new_job(database, state)
    with database.write() as session, pytest.raises(Conflict, match=f"is {state}; only a job that has ended"):
        retention.delete_job(session, job_id)
    assert ids(database) == {job_id}


def test_a_job_that_is_to_be_kept_stays_and_so_does_its_upload(database: Database, store: Storage) -> None:
    job_id, upload = new_job(database), new_file(database, store)
    read_by(database, job_id, upload)
    change(database, Job, Job.id == job_id, keep=True)
    with database.write() as session:
        assert retention.forget(session, 1) == ([], False)
    with database.write() as session, pytest.raises(Conflict, match="is to be kept"):
        retention.delete_job(session, job_id)
    with database.write() as session, pytest.raises(Conflict, match="or is to be kept"):
        retention.delete_upload(session, upload.id)
    change(database, Job, Job.id == job_id, keep=False)
    with database.write() as session:
        assert retention.forget(session, 1)[0] == [upload.storage_key]
    assert ids(database) == set()


def test_a_part_is_deleted_with_its_job_alone_and_that_only_when_no_part_runs(database: Database) -> None:
    job_id = new_job(database, State.CANCELLED)
    change(database, Job, Job.id == job_id, child_window=1)
    part = new_job(database, State.RUNNING, parent=job_id)
    for wanted, why in ((part, f"is a part of job {job_id}"), (job_id, rf"has not ended yet \(job {part}\)")):
        with database.write() as session, pytest.raises(Conflict, match=why):
            retention.delete_job(session, wanted)
    assert ids(database) == {job_id, part}
    with database.write() as session, pytest.raises(NotFound, match="there is no job"):
        retention.delete_job(session, uuid.uuid4())


def test_a_model_outlives_its_training_but_one_without_a_card_keeps_it(
    database: Database, store: Storage
) -> None:
    trainings = [new_job(database), new_job(database)]
    stored = [store.put("models", io.BytesIO(b"x")) for _ in trainings]
    for job_id, file, card in zip(trainings, stored, ({"spec": {}}, None), strict=True):
        with database.write() as session:
            storage.add_file(session, file, name="model.keras", media_type="application/zip", job_id=job_id)
            registry.add(session, factories.model(job_id=job_id, storage_key=file.key, card=card))
    delete(database, store, trainings[0])
    with database.write() as session, pytest.raises(Conflict, match=r"the model pets@2 has its card from"):
        retention.delete_job(session, trainings[1])
    assert ids(database) == {trainings[1]}
    assert all(there(store, file.key) for file in stored)
    with database.read() as session:
        assert registry.find(session, Model, "pets@1").job_id is None


def test_an_upload_stays_as_long_as_any_other_job_reads_it(database: Database, store: Storage) -> None:
    upload, job_ids = new_file(database, store), [new_job(database), new_job(database, State.QUEUED)]
    for job_id in job_ids:
        read_by(database, job_id, upload)
    delete(database, store, job_ids[0])
    assert uploads(database) == {upload.id}
    change(database, Job, Job.id == job_ids[1], state=State.SUCCEEDED, finished_at=sa.func.now())
    delete(database, store, job_ids[1])
    assert uploads(database) == set()
    assert not there(store, upload.storage_key)


def test_of_two_at_once_that_delete_the_last_readers_one_deletes_the_upload(
    database: Database, store: Storage
) -> None:
    for _ in range(5):
        upload, job_ids = new_file(database, store), [new_job(database) for _ in range(4)]
        for job_id in job_ids:
            read_by(database, job_id, upload)
        all_at_once(*(lambda job_id=job_id: delete(database, store, job_id) for job_id in job_ids))
        assert (ids(database), uploads(database)) == (set(), set())
        assert not there(store, upload.storage_key)


def test_a_job_that_takes_the_upload_at_this_moment_keeps_it(database: Database, store: Storage) -> None:
    upload, ended, new = new_file(database, store), new_job(database), new_job(database, State.QUEUED)
    read_by(database, ended, upload)
    deleting = threading.Thread(target=delete, args=(database, store, ended))
    with database.write() as session:
        needs.note(session.connection(), [(new, Needs(files=[upload.id]))])
        deleting.start()
    deleting.join()
    assert (ids(database), uploads(database)) == ({new}, {upload.id})
    assert there(store, upload.storage_key)


def test_a_retry_and_a_deletion_at_once_leave_the_job_queued_or_gone(database: Database) -> None:
    for _ in range(5):
        job_id = new_job(database, State.FAILED)
        outcomes: list[str] = []

        def note(name: str, job_id: uuid.UUID = job_id, outcomes: list[str] = outcomes) -> None:
            try:
                with database.write() as session:
                    if name == "retry":
                        jobs.retry(session, job_id, 3)
                    else:
                        retention.delete_job(session, job_id)
            except (Conflict, NotFound):
                return
            outcomes.append(name)

        all_at_once(lambda note=note: note("retry"), lambda note=note: note("delete"))
        assert outcomes in (["retry"], ["delete"])
        left = {job_id} if outcomes == ["retry"] else set()
        assert ids(database) & {job_id} == left
