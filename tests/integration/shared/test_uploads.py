"""The list of uploads: how many jobs read each, until when it is kept, and how large they are together."""

import datetime
import uuid

import pytest
import sqlalchemy as sa

from jobyard.shared import storage, uploads
from jobyard.shared.database import Database, utcnow
from jobyard.shared.jobs import Job, State
from jobyard.shared.needs import JobInput
from jobyard.shared.retention import DAY_SECONDS
from jobyard.shared.storage import ARTIFACTS, UPLOADS, File, Storage, Total
from jobyard.shared.uploads import EXACT_READERS, Upload
from jobyard.workers.runtime.sweeper import recount
from tests import factories
from tests.factories import change
from tests.integration.shared.leftovers import DAYS, YOUNG, new_file, new_job, read_by


def listed(database: Database, days: float = DAYS) -> dict[uuid.UUID, Upload]:
    with database.read() as session:
        return {upload.file.id: upload for upload in uploads.page(session, days)}


def add_files(database: Database, count: int, job_id: uuid.UUID | None = None) -> None:
    with database.write() as session:
        row = {"media_type": "a/b", "bytes": 3, "sha256": "0" * 64, "created_at": utcnow()}
        keys = [str(uuid.uuid4()) for _ in range(count)]
        rows = [{"id": uuid.uuid4(), "job_id": job_id, "name": key, "storage_key": key} for key in keys]
        session.execute(sa.insert(File).values(**row), rows)


def test_an_upload_is_kept_until_its_retention_is_over_and_that_of_the_jobs_that_read_it(
    database: Database, store: Storage
) -> None:
    unread, read, needed, kept = (new_file(database, store, ago=20 * DAY_SECONDS) for _ in range(4))
    new_file(database, store, new_job(database))
    ended = [new_job(database, ago=days * DAY_SECONDS) for days in (15, 10)]
    for job_id in ended:
        read_by(database, job_id, read)
    read_by(database, ended[0], needed)
    read_by(database, new_job(database, State.PAUSED), needed)

    read_by(database, ended[1], kept)
    change(database, Job, Job.id == ended[1], keep=True)
    assert listed(database)[kept.id].kept_because == "a job that is to be kept needs it"
    change(database, Job, Job.id == ended[1], keep=False)

    found = listed(database)

    assert list(found) == [kept.id, needed.id, read.id, unread.id]
    assert [found[file.id].jobs for file in (unread, read, needed)] == [0, 2, 2]
    whole = datetime.timedelta(days=DAYS)
    assert found[unread.id].kept_until == found[unread.id].file.created_at + whole
    assert found[read.id].kept_until == factories.get_job(database, ended[1]).finished_at + whole
    assert found[needed.id].kept_until is None
    assert found[needed.id].kept_because == "a job that has not ended needs it"
    assert listed(database, 0)[unread.id].kept_because == "retention is off"


def test_a_page_ends_where_the_next_one_begins(database: Database, store: Storage) -> None:
    newest_first = [new_file(database, store).id for _ in range(5)][::-1]
    with database.read() as session:
        first = uploads.page(session, DAYS, limit=3)
        rest = uploads.page(session, DAYS, before=first[-1].file.id)
    assert [upload.file.id for upload in first + rest] == newest_first


def test_of_very_many_jobs_that_read_a_file_the_first_are_counted(database: Database, store: Storage) -> None:
    file, others = new_file(database, store), new_file(database, store)
    job_ids = factories.new_jobs(database, EXACT_READERS + 5)
    change(database, Job, Job.id.in_(job_ids), state=State.SUCCEEDED, finished_at=utcnow(-YOUNG))
    with database.write() as session:
        rows = [{"job_id": job_id, "file_id": file.id} for job_id in job_ids]
        session.execute(sa.insert(JobInput), rows + [row | {"file_id": others.id} for row in rows[:3]])
    found = listed(database)
    assert [found[one.id].jobs for one in (file, others)] == [EXACT_READERS + 1, 3]
    assert found[file.id].kept_because == "over 1,000 jobs need it"


@pytest.mark.parametrize("name", [UPLOADS, ARTIFACTS])
def test_a_total_is_exact_up_to_a_thousand_and_then_as_the_sweeper_counted(
    database: Database, name: str
) -> None:
    job_id = new_job(database) if name == ARTIFACTS else None
    add_files(database, 1_000, job_id)
    add_files(database, 7, None if job_id else new_job(database))

    def total() -> Total:
        with database.read() as session:
            return storage.total(session, name)

    assert total() == Total(1_000, 3_000)
    recount(database)
    add_files(database, 20, job_id)
    assert total() == Total(1_001, 3_003, is_exact=False)
    recount(database)
    assert total() == Total(1_020, 3_060, is_exact=False)
    add_files(database, 20, job_id)
    recount(database)  # not within a minute
    assert total() == Total(1_020, 3_060, is_exact=False)
