"""Making a backup: the database first, then the files that this copy of it refers to.

A file is stored before the row that names it, so each row that was copied finds its file, unless that is
deleted in between. Nothing is: as long as the backup runs it holds back the deletion of bytes
(`storage.holds`). Rows are deleted as ever, and their bytes when the hold has ended.
"""

import datetime
import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from jobyard import __version__
from jobyard.shared.backups import snapshot
from jobyard.shared.backups.manifest import (
    DATABASE,
    FORMAT,
    NAMED,
    STORAGE,
    TOKEN,
    Manifest,
    StorageCopy,
    Sums,
    digest_of,
)
from jobyard.shared.backups.sqlite_files import require_file
from jobyard.shared.backups.storages import require_storage_of
from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.shared.errors import BadInput, NotFound
from jobyard.shared.storage import CHUNK_BYTES, Hold, Objects

MODE = 0o700


def back_up(settings: Settings, folder: Path, *, with_storage: bool | None = None) -> Manifest:
    """Back up into a folder, which is made and must be empty; returns what the backup says of itself.

    `with_storage`: whether the files are copied, too, and not only named; None: if they lie in a folder.
    Raises BadInput for a folder that can't be used, or is full; ConfigError for a database that can't be, or
    a storage that is not its own; StorageFailed for a storage that can't be read; and SQLAlchemy's errors.
    """
    require_file(settings.database)
    is_new = _make(folder)
    database = Database(settings.database)
    try:
        with Sums(folder) as sums:
            return _back_up(settings, database, folder, sums, with_storage)
    except OSError as error:
        _empty(folder, remove=is_new)
        place = error.filename or folder
        raise BadInput(
            "folder", f"{place} can't be used: {error.strerror or error}; there is no backup"
        ) from None
    except BaseException:
        _empty(folder, remove=is_new)
        raise
    finally:
        database.dispose()


def _back_up(
    settings: Settings, database: Database, folder: Path, sums: Sums, with_storage: bool | None
) -> Manifest:
    objects = Objects(settings.storage, patient=True)
    included = objects.is_local if with_storage is None else with_storage
    (folder / DATABASE).mkdir()
    with Hold(database):
        found = snapshot.take(database, folder, sums)
        if included and found.keys:
            require_storage_of(objects, found.database_id)
        copied = _copy_files(objects, found.keys, folder, sums) if included else _Copied(0, 0, [])
    token = settings.home / TOKEN
    if token.is_file():
        shutil.copy(token, folder / TOKEN)
        sums.add(TOKEN, digest_of(folder / TOKEN))
    manifest = Manifest(
        format=FORMAT,
        version=__version__,
        made_at=datetime.datetime.now(datetime.UTC),
        database=found.copy,
        storage=StorageCopy(
            included=included,
            place=objects.place,
            database_id=found.database_id,
            epoch=found.epoch,
            keys=len(found.keys),
            files=copied.files,
            bytes=copied.bytes,
            missing_count=len(copied.missing),
            missing=copied.missing[:NAMED],
        ),
        sums_sha256=sums.close(),
    )
    os.sync()  # what the manifest names is on the disk before it
    manifest.write(folder)
    return manifest


@dataclass
class _Copied:
    files: int
    bytes: int
    missing: list[str]


def _copy_files(objects: Objects, keys: set[str], folder: Path, sums: Sums) -> _Copied:
    copied = _Copied(0, 0, [])
    (folder / STORAGE).mkdir()
    for key in sorted(keys):
        target = folder / STORAGE / key
        try:
            with objects.open(key) as source:
                target.parent.mkdir(exist_ok=True)
                size, sha256 = _copy(source, target)
        except NotFound:
            copied.missing.append(key)
            continue
        sums.add(f"{STORAGE}/{key}", sha256)
        copied.files += 1
        copied.bytes += size
    return copied


def _copy(source: IO[bytes], target: Path) -> tuple[int, str]:
    """Bytes and SHA-256 of what was copied."""
    digest, size = hashlib.sha256(), 0
    with target.open("wb") as file:
        while chunk := source.read(CHUNK_BYTES):
            digest.update(chunk)
            file.write(chunk)
            size += len(chunk)
    return size, digest.hexdigest()


def _make(folder: Path) -> bool:
    """Whether the folder is new."""
    try:
        is_new = not folder.exists()
        folder.mkdir(mode=MODE, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise BadInput("folder", f"{folder} is not empty; name a new folder for each backup")
    except OSError as error:
        raise BadInput("folder", f"{folder} can't be used: {error.strerror}") from None
    return is_new


def _empty(folder: Path, *, remove: bool) -> None:
    """Leave nothing that looks like a backup."""
    if remove:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for path in folder.iterdir():
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
