"""The storage: this database's, writable, with room, and with the files that rows name and no others."""

import uuid
from collections.abc import Iterator

import sqlalchemy as sa

from jobyard.shared.config import Settings
from jobyard.shared.database import Database, utcnow
from jobyard.shared.disk import free_bytes
from jobyard.shared.doctor.findings import Finding, warning, well, wrong
from jobyard.shared.errors import ConfigError, DiskFull, NotFound, StorageFailed
from jobyard.shared.storage import LIST_ORPHANS, Objects, StorageIdentity, orphans
from jobyard.shared.storage.identity import NAME, REMEDY, Mark
from jobyard.shared.storage.known import sample
from jobyard.shared.texts import size

TOPIC = "storage"
# So many keys are compared with the database.
LISTED_KEYS = 10_000


def check(settings: Settings, database: Database) -> Iterator[Finding]:
    """All of it; the errors of SQLAlchemy are the caller's."""
    yield from check_disk(settings)
    try:
        objects = Objects(settings.storage)
        yield from _check_identity(objects, database)
        name = f"jobyard-doctor-{uuid.uuid4()}.json"
        objects.write_note(name, b"{}\n")
        objects.delete(name)
        yield well(TOPIC, f"{objects.place} can be written to")
        yield from _check_files(objects, database)
    except ConfigError as error:
        yield wrong(TOPIC, error.message, "correct JOBYARD_STORAGE_URL")
    except (StorageFailed, DiskFull) as error:
        yield wrong(TOPIC, error.message, "jobs that need files wait until it can be used again")


def check_disk(settings: Settings) -> Iterator[Finding]:
    """HOME, and the storage's folder, if it is one."""
    folders = {settings.home}
    try:
        folder = Objects(settings.storage).folder
    except ConfigError:
        folder = None
    if folder is not None:
        folders.add(folder)
    for one in sorted(folders):
        free, least = free_bytes(one), settings.min_free_bytes
        text = f"{size(free)} are free at {one}"
        if free < least:
            yield wrong(
                "disk",
                f"{text}, and {size(least)} should stay: uploads are refused, and jobs that write files wait",
                "free some space, delete jobs, or lower JOBYARD_MIN_FREE_BYTES",
            )
        elif free < 2 * least:
            yield warning("disk", f"{text}; below {size(least)} jobs wait", "free some space")
        else:
            yield well("disk", text)


def _check_identity(objects: Objects, database: Database) -> Iterator[Finding]:
    """As every process compares them; nothing is claimed."""
    content = objects.read_note(NAME)
    with database.read() as session:
        row = session.get(StorageIdentity, 1)
        held = session.scalar(sa.select(StorageIdentity.held_until > utcnow()))
        has_files = bool(sample(session, 1))
    try:
        stored = None if content is None else Mark.of(content)
    except ValueError:
        yield wrong(TOPIC, f"{NAME} in {objects.place} is damaged", REMEDY)
        return
    if stored is None:
        if has_files or (row is not None and row.claimed_at is not None):
            yield wrong(
                TOPIC,
                f"{objects.place} has no identity, and this database has a storage",
                f"mount the volume or name the right bucket; if its files are lost, {REMEDY}",
            )
        else:
            yield well(TOPIC, f"{objects.place} is new; the first start makes it this database's")
    elif row is None or row.database_id != stored.database_id:
        yield wrong(
            TOPIC,
            f"{objects.place} belongs to another database",
            f"correct JOBYARD_STORAGE_URL or JOBYARD_DATABASE_URL, or to give it to this one, {REMEDY}",
        )
    elif Mark(row.database_id, row.epoch, row.mark).precedes(stored):
        yield warning(
            TOPIC,
            f"a later state or a second copy of this database used {objects.place}: nothing is deleted",
            f"stop the other one; if there is none, {REMEDY}",
        )
    else:
        yield well(TOPIC, f"{objects.place} is this database's")
    if held:
        yield well(TOPIC, "a backup runs, or has just run: bytes are deleted after it")


def _check_files(objects: Objects, database: Database) -> Iterator[Finding]:
    with database.read() as session:
        keys = sample(session)
    missing = []
    for key in keys:
        try:
            with objects.open(key) as file:  # there, and for this user to read
                file.read(1)
        except NotFound:
            missing.append(key)
        except StorageFailed as error:
            yield wrong(
                TOPIC,
                f"the file {key} can't be read: {error.message}",
                "let the server's user own all that is in the storage; jobs that need the file wait",
            )
            return
    if missing:
        yield wrong(
            TOPIC,
            f"{len(missing)} of {len(keys)} files that were looked for are missing, such as {missing[0]}",
            "restore them from a backup; jobs that need them fail",
        )
    elif keys:
        yield well(TOPIC, f"{len(keys)} files that were looked for are there")
    found = list(orphans(objects, database, most=LISTED_KEYS))
    if found:
        taken = size(sum(one.bytes for one in found))
        yield warning(
            "orphans",
            f"{len(found):,} of up to {LISTED_KEYS:,} files, {taken}, have no row, and stay",
            f"{LIST_ORPHANS} lists all of them",
        )
    else:
        yield well("orphans", f"none among up to {LISTED_KEYS:,} files")
