"""import: an archive or a folder of pictures becomes a registered data set."""

from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from jobyard.shared import registry, storage
from jobyard.shared.archives.folders import Folder
from jobyard.shared.archives.roots import opened
from jobyard.shared.disk import Room
from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.imports import ImportSpec
from jobyard.workers.datasets.importer import Imported, import_pictures
from jobyard.workers.runtime.attempt import Attempt, Finish


def work(attempt: Attempt, spec: ImportSpec) -> Finish:
    """Check every picture, keep the good ones, register them."""
    output = attempt.scratch / "dataset.zip"
    imported = _import(attempt, spec, output)
    stored = attempt.store("datasets", output)

    def finish(session: Session) -> dict[str, Any]:
        made = registry.Dataset(
            name=spec.name,
            job_id=attempt.job_id,
            classes=imported.classes,
            pictures=imported.pictures,
            rejected=imported.rejected,
            rejected_count=imported.rejected_count,
            report=dict(imported.report),
            storage_key=stored.key,
            bytes=stored.bytes,
            sha256=imported.sha256,
        )
        dataset = registry.add_dataset(session, made)
        if dataset is not made:
            attempt.unwanted.append(stored.key)
        if spec.file is not None:
            registry.note_source(
                session,
                dataset,
                storage.get_file(session, spec.file).sha256,
                labels=spec.labels,
                allow_partial=spec.allow_partial,
            )
        return {
            "dataset": dataset.reference,
            "classes": imported.classes,
            "pictures": imported.pictures,
            "rejected": imported.rejected,
            "rejected_count": imported.rejected_count,
            "read_as": imported.read_as,
            "labels": imported.report["labels"],
            "warnings": imported.report["warnings"],
            "duplicates_count": imported.report["duplicates_count"],
            "leaks_count": imported.report["leaks_count"],
            "conflicts_count": imported.report["conflicts_count"],
            "noted_count": imported.report["noted_count"],
        }

    return finish


def _import(attempt: Attempt, spec: ImportSpec, output: Path) -> Imported:
    context, settings = attempt.context, attempt.context.settings
    if spec.path is not None:
        with opened(spec.path, context.import_roots) as source:
            if isinstance(source, Folder):
                # The files lie here as they are: nothing can be more than was there.
                limit, room = settings.max_unpacked_bytes, Room(None, context.disk)
            else:
                size = source.stat().st_size
                limit = settings.max_unpacked_bytes_of(size)
                room = Room(settings.max_output_bytes(size), context.disk, "the data set")
            return import_pictures(
                source, output, limit, attempt.progress, room, spec.labels, allow_partial=spec.allow_partial
            )
    if spec.file is None:
        raise WorkError("the spec has neither a file nor a path")
    with context.database.read() as session:
        file = storage.get_file(session, spec.file)
    limit, room = settings.max_unpacked_bytes_of(file.bytes), attempt.room(file, "the data set")
    with attempt.archive(file) as upload:
        return import_pictures(
            upload, output, limit, attempt.progress, room, spec.labels, allow_partial=spec.allow_partial
        )
