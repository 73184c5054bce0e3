"""A registered data set as a folder on this machine."""

from pathlib import Path

from shared import catalog
from workers.attempt import Attempt
from workers.datasets.unpack import unpack


def find_dataset(attempt: Attempt, reference: str) -> catalog.Dataset:
    """Raises NotFound."""
    with attempt.here.database.read() as session:
        return catalog.find(session, catalog.Dataset, reference)


def folder_of(attempt: Attempt, dataset: catalog.Dataset) -> Path:
    """Unpacked once per machine: `<split>/<class>/<picture>`."""
    folder = attempt.here.cache / "datasets" / str(dataset.id)
    if not folder.is_dir():
        attempt.report.phase("unpacking")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with attempt.here.storage.local(dataset.storage_key, attempt.scratch) as archive:
            unpack(archive, folder, attempt.report)
    return folder
