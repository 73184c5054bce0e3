"""train: a data set becomes a registered model."""

from typing import Any

from sqlalchemy.orm import Session

from shared import catalog, storage
from shared.specs import TrainSpec
from workers.attempt import Attempt, Finish
from workers.kinds.datasets import find_dataset, folder_of
from workers.training.fit import train


def work(attempt: Attempt, spec: TrainSpec) -> Finish:
    """Train, keep the model, register it."""
    dataset = find_dataset(attempt, spec.dataset)
    training = train(
        spec,
        folder_of(attempt, dataset),
        attempt.scratch,
        attempt.report,
        attempt.checkpoints,
        dataset_version=dataset.sha256,
        checkpoint_seconds=attempt.here.settings.checkpoint_seconds,
    )
    stored = attempt.store("models", training.model_path)

    def finish(session: Session) -> dict[str, Any]:
        model = catalog.add(
            session,
            catalog.Model(
                name=spec.model_name or dataset.name,
                job_id=attempt.job_id,
                dataset_id=dataset.id,
                network=spec.network,
                classes=training.classes,
                image_size=training.image_size,
                metrics=training.metrics,
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
            "dataset": dataset.reference,
            "classes": training.classes,
            "metrics": training.metrics,
            "evaluation": training.evaluation,
            "epochs": training.epochs_run,
            "stopped_early": training.stopped_early,
            "weights": training.weights,
            "pictures": training.counts,
            "timings": training.timings,
            "environment": training.environment,
        }

    return finish
