"""A registered data set as a folder on this machine."""

import shutil
from pathlib import Path

import sqlalchemy as sa

from jobyard.shared import registry
from jobyard.workers.datasets.unpack import unpack
from jobyard.workers.runtime.attempt import Attempt


def find_dataset(attempt: Attempt, reference: str) -> registry.Dataset:
    """Raises NotFound."""
    with attempt.context.database.read() as session:
        return registry.find(session, registry.Dataset, reference)


def folder_of(attempt: Attempt, dataset: registry.Dataset) -> Path:
    """Unpacked once per machine: `<split>/<class>/<picture>`. Raises DiskFull."""
    folder = attempt.context.cache / "datasets" / str(dataset.id)
    if not folder.is_dir():
        attempt.progress.phase("unpacking")
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_deleted(attempt, folder.parent)
        attempt.context.disk.check(dataset.bytes)
        with attempt.context.storage.local(dataset.storage_key, attempt.scratch) as archive:
            unpack(archive, folder, attempt.progress)
    return folder


def _remove_deleted(attempt: Attempt, cache: Path) -> None:
    """Delete the folders of deleted data sets."""
    # Looked for before the database is asked: what is unpacked from now on has a row.
    folders = [path for path in cache.iterdir() if not path.name.startswith(".")]
    with attempt.context.database.read() as session:
        known = {str(known) for known in session.scalars(sa.select(registry.Dataset.id))}
    for path in folders:
        if path.name not in known:
            shutil.rmtree(path, ignore_errors=True)
