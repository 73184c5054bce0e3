"""Jobs and files of any age, and what is left of them."""

import io
import uuid
from contextlib import suppress

import sqlalchemy as sa

from jobyard.shared import needs, storage
from jobyard.shared.database import Base, Database, utcnow
from jobyard.shared.errors import NotFound
from jobyard.shared.jobs import TERMINAL, Job, State
from jobyard.shared.needs import Needs
from jobyard.shared.retention import DAY_SECONDS
from jobyard.shared.storage import File, Storage
from tests import factories
from tests.factories import change

DAYS = 30.0
OLD, YOUNG = (DAYS + 1) * DAY_SECONDS, (DAYS - 1) * DAY_SECONDS


def new_job(
    database: Database, state: State = State.SUCCEEDED, *, ago: float = OLD, parent: uuid.UUID | None = None
) -> uuid.UUID:
    """A job in that state; what happened to it happened so many seconds ago."""
    job_id = factories.new_job(database)
    running = state == State.RUNNING
    change(
        database,
        Job,
        Job.id == job_id,
        state=state,
        created_at=utcnow(-ago),
        finished_at=utcnow(-ago) if state in TERMINAL else None,
        error_message="why" if state == State.FAILED else None,
        lease=uuid.uuid4() if running else None,
        lease_expires_at=utcnow(1_000) if running else None,
        parent_id=parent,
    )
    return job_id


def new_file(
    database: Database, store: Storage, job_id: uuid.UUID | None = None, *, ago: float = OLD
) -> storage.File:
    """An artifact of the job, or an upload."""
    stored = store.put("scored" if job_id else "files", io.BytesIO(b"x"))
    with database.write() as session:
        file = storage.add_file(session, stored, name="a.csv", media_type="text/csv", job_id=job_id)
    change(database, File, File.id == file.id, created_at=utcnow(-ago))
    return file


def read_by(database: Database, job_id: uuid.UUID, file: storage.File) -> None:
    with database.write() as session:
        needs.note(session.connection(), [(job_id, Needs(files=[file.id]))])


def there(store: Storage, key: str) -> bool:
    with suppress(NotFound), store.open(key):
        return True
    return False


def ids(database: Database) -> set[uuid.UUID]:
    with database.read() as session:
        return set(session.scalars(sa.select(Job.id)))


def count(database: Database, table: type[Base]) -> int:
    with database.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def uploads(database: Database) -> set[uuid.UUID]:
    with database.read() as session:
        return set(session.scalars(sa.select(File.id).where(File.job_id.is_(None))))
