"""register: a model that was made elsewhere becomes a registered one."""

from typing import Any

from sqlalchemy.orm import Session

from jobyard.shared import registry, storage
from jobyard.shared.archives.members import printable
from jobyard.shared.kinds.register import IMPORTED, RegisterSpec
from jobyard.workers.kinds.limits import network_limits
from jobyard.workers.networks.foreign.process import run
from jobyard.workers.networks.foreign.task import MODEL, Task
from jobyard.workers.runtime.attempt import Attempt, Finish


def work(attempt: Attempt, spec: RegisterSpec) -> Finish:
    """Have a process of its own check the file and write it anew; register what it wrote."""
    with attempt.context.database.read() as session:
        file = storage.get_file(session, spec.file)
    settings = attempt.context.settings
    attempt.progress.phase("checking the model")
    with attempt.archive(file) as upload:
        task = Task(
            path=str(upload),
            name=file.name,
            folder=str(attempt.scratch),
            classes=spec.classes,
            rescale=spec.rescale,
            image_size=spec.image_size,
            unpacked_bytes=settings.max_unpacked_bytes_of(file.bytes),
            limits=network_limits(settings),
        )
        found = run(task, attempt.progress)
    attempt.progress.phase("storing")
    stored = attempt.store("models", attempt.scratch / MODEL)
    # PostgreSQL finds nothing in JSON that has a NUL.
    source = {"file": printable(file.name), "sha256": file.sha256, **found["source"]}

    def finish(session: Session) -> dict[str, Any]:
        model = registry.add(
            session,
            registry.Model(
                name=spec.name,
                job_id=attempt.job_id,
                dataset_id=None,
                network=IMPORTED,
                classes=spec.classes,
                image_size=found["image_size"],
                metrics={},
                card={
                    "spec": spec.model_dump(mode="json"),
                    "source": source,
                    "background": spec.background,
                    "outputs": found["outputs"],
                    "least_keras": found["least_keras"],
                    "environment": found["environment"],
                },
                storage_key=stored.key,
                bytes=stored.bytes,
                sha256=stored.sha256,
            ),
        )
        storage.add_file(
            session, stored, name="model.keras", media_type="application/zip", job_id=attempt.job_id
        )
        return {
            "model": model.reference,
            "sha256": stored.sha256,
            "classes": spec.classes,
            "image_size": found["image_size"],
            "source": source,
            "environment": found["environment"],
        }

    return finish
