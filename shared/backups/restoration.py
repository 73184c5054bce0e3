"""Restoring a backup into an empty database and an empty storage: all of it, or nothing.

The files come first and the database last, whole or not at all. So what was interrupted left no database, and
is begun again with the same command.
"""

import os
import sqlite3
from collections.abc import Container, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from jobyard.shared.backups import tables
from jobyard.shared.backups.manifest import (
    DATABASE,
    SQLITE_FILE,
    STORAGE,
    TOKEN,
    Manifest,
    check,
    copy_checked,
    damaged,
    read_sums,
    reading,
    require_file,
)
from jobyard.shared.backups.sqlite_files import path_of, unused
from jobyard.shared.backups.storages import owner_of
from jobyard.shared.backups.taking_over import take_over
from jobyard.shared.config import Settings
from jobyard.shared.errors import BadInput, ConfigError, JobyardError
from jobyard.shared.migrate import NEWEST, OLDEST, connection_for_migrations, known_revisions, migrate_on
from jobyard.shared.storage import CHUNK_BYTES, Objects


@dataclass(frozen=True)
class Restored:
    """What was restored, the revision that the database has now, and how many files were copied."""

    manifest: Manifest
    revision: str
    files: int


def restore(settings: Settings, folder: Path, *, with_storage: bool | None = None) -> Restored:
    """Restore a backup into the database and the storage of the settings, and migrate it.

    `with_storage`: False where the storage is there, and only the database was lost; None: if the backup has
    files. Raises BadInput for a backup that is damaged or from a later version, ConfigError where the
    database or the storage is not empty, or used, or of another kind; StorageFailed, and SQLAlchemy's errors.
    """
    manifest = Manifest.read(folder)
    sums = read_sums(folder, manifest)
    _check_versions(settings, manifest)
    _check_database_files(folder, manifest, sums)
    _require_empty(settings)
    objects = Objects(settings.storage, patient=True)
    copies = manifest.storage.included if with_storage is None else with_storage
    keys: dict[str, str] = {}
    there: set[str] = set()
    if copies:
        keys = {name.removeprefix(f"{STORAGE}/"): sha for name, sha in sums.items() if _is_key(name)}
        there = _require_empty_storage(objects, keys, manifest)
    else:
        _require_same_storage(objects, manifest)
    with _taken_back(objects, keys.keys() - there):
        _copy_files(objects, keys, there, folder)
        if manifest.database.dialect == "sqlite":
            _restore_sqlite(settings, folder, manifest, sums)
        else:
            _restore_postgresql(settings, folder, manifest)
    _restore_token(settings, folder, sums)
    take_over(settings)
    return Restored(manifest, known_revisions()[-1], len(keys))


@contextmanager
def _taken_back(objects: Objects, keys: Iterable[str]) -> Iterator[None]:
    """Delete what was copied where that is in vain: another backup may be the next to be tried."""
    try:
        yield
    except BaseException:
        with suppress(JobyardError):  # the error is told that led here
            for key in keys:
                objects.delete(key)
        raise


def _is_key(name: str) -> bool:
    return name.startswith(f"{STORAGE}/")


def _check_versions(settings: Settings, manifest: Manifest) -> None:
    known = known_revisions()
    if manifest.database.revision not in known:
        raise BadInput(
            "folder",
            f"the backup is of revision {manifest.database.revision}, by Jobyard {manifest.version}, and "
            f"this version knows {known[0]} to {known[-1]}: restore it with that version",
        )
    dialect = "sqlite" if settings.database.startswith("sqlite") else "postgresql"
    if dialect != manifest.database.dialect:
        raise ConfigError(
            f"JOBYARD_DATABASE_URL: the backup is of {manifest.database.dialect}, and this is {dialect}; "
            "restore it into the kind that it is of, and take it to the other with `jobyard move`"
        )


def _check_database_files(folder: Path, manifest: Manifest, sums: dict[str, str]) -> None:
    """All of them, and the token, before anything is written."""
    needed = [SQLITE_FILE]
    if manifest.database.dialect == "postgresql":
        needed = [table.file for table in manifest.database.tables]
    for name in (*needed, *({TOKEN} & sums.keys())):
        if name not in sums:
            raise BadInput("folder", f"{folder / name} is missing; take another backup")
        check(folder / name, sums[name])


def _require_empty(settings: Settings) -> None:
    if not settings.database.startswith("sqlite"):
        with connection_for_migrations(settings.database) as connection:
            tables.require_empty(connection)
            tables.require_stopped(connection)
    elif (path := path_of(settings.database)).is_file():
        with unused(path) as connection:
            tables.require_empty(connection)


def _require_empty_storage(objects: Objects, keys: Container[str], manifest: Manifest) -> set[str]:
    """The storage may hold what an interrupted restore left there, which is returned, and nothing else."""
    if not manifest.storage.included:
        raise BadInput("folder", f"the backup has no files; they are those of {manifest.storage.place}")
    there = {one.key for one in objects.listing()}
    other = next((key for key in there if key not in keys), None)
    if other is not None:
        raise ConfigError(
            f"JOBYARD_STORAGE_URL: the storage {objects.place} is not empty: it holds {other}; name an empty "
            "one, or if it is the one that the backup was made of, restore with --no-storage"
        )
    return there


def _copy_files(objects: Objects, keys: dict[str, str], there: set[str], folder: Path) -> None:
    for key, sha256 in keys.items():
        path = folder / STORAGE / key
        if key in there:  # it may be the last good copy
            check(path, sha256)
        with reading(path):  # the storage's errors are others
            require_file(path)
            with path.open("rb") as source:
                stored = objects.write(key, source)
        if stored.sha256 != sha256:
            raise damaged(path)


def _require_same_storage(objects: Objects, manifest: Manifest) -> None:
    """Files that are not copied are where they were."""
    if manifest.storage.keys and owner_of(objects) != manifest.storage.database_id:
        raise ConfigError(
            f"JOBYARD_STORAGE_URL: no files are restored, and the storage {objects.place} is not the one "
            f"that the backup was made of ({manifest.storage.place}), nor a copy of it"
        )


def _restore_sqlite(settings: Settings, folder: Path, manifest: Manifest, sums: dict[str, str]) -> None:
    """Beside its place, where it is migrated, and then into it."""
    path = path_of(settings.database)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}-restoring")
    _remove(draft)
    copy_checked(folder / SQLITE_FILE, draft, sums[SQLITE_FILE])
    url = sa.URL.create("sqlite", database=str(draft)).render_as_string()
    with connection_for_migrations(url) as connection:
        _check_counts(connection, manifest)
        migrate_on(connection, NEWEST)
    with closing(sqlite3.connect(draft)) as connection_to_draft:  # one file, whatever wrote to it
        connection_to_draft.execute("PRAGMA journal_mode=DELETE")
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    _remove(path)
    draft.replace(path)


def _remove(path: Path) -> None:
    """A database of SQLite with the files beside it."""
    for suffix in ("-wal", "-shm", "-journal", ""):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _restore_postgresql(settings: Settings, folder: Path, manifest: Manifest) -> None:
    """In one transaction: the tables of the backup's revision, their rows, and the migrations after it."""
    with connection_for_migrations(settings.database) as connection:
        tables.require_empty(connection)
        if tables.revision(connection) is not None:
            migrate_on(connection, OLDEST)
        migrate_on(connection, manifest.database.revision)
        tables.clear(connection)
        for table in manifest.database.tables:
            name, columns = tables.Found(table.name, table.columns).quoted(connection)
            driver: Any = connection.connection.driver_connection
            try:
                with (
                    (folder / table.file).open("rb") as file,
                    driver.cursor() as cursor,
                    cursor.copy(f"COPY {name} ({columns}) FROM STDIN") as copy,
                ):
                    while data := file.read(CHUNK_BYTES):
                        copy.write(data)
            except connection.dialect.loaded_dbapi.Error as error:
                reason = str(error).strip().splitlines()[0]
                raise ConfigError(f"{folder / table.file} can't be restored: {reason}") from None
        _check_counts(connection, manifest)
        tables.set_sequences(connection)
        migrate_on(connection, NEWEST)


def _check_counts(connection: sa.Connection, manifest: Manifest) -> None:
    for table in manifest.database.tables:
        found = tables.count(connection, table.name)
        if found != table.rows:
            raise BadInput("folder", f"{DATABASE}: {table.name} has {found:,} rows and not {table.rows:,}")


def _restore_token(settings: Settings, folder: Path, sums: dict[str, str]) -> None:
    """Unless HOME has one, which its programs may know."""
    path = settings.home / TOKEN
    if TOKEN in sums and not path.exists():
        path.touch(mode=0o600)
        copy_checked(folder / TOKEN, path, sums[TOKEN])
