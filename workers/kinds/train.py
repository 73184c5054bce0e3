"""train: a data set becomes a registered model."""

import shutil
from typing import Any

from sqlalchemy.orm import Session

from jobyard.shared import registry, storage
from jobyard.shared.kinds.networks import CUSTOM
from jobyard.shared.kinds.train import TrainSpec
from jobyard.shared.registry.many_classes import MAX_CLASSES
from jobyard.workers.kinds.limits import network_limits
from jobyard.workers.kinds.whole_evaluation import keep_whole
from jobyard.workers.networks import backbones, model_file
from jobyard.workers.networks.architecture import parse
from jobyard.workers.networks.architecture.document import MAX_BYTES
from jobyard.workers.networks.model_file import ModelFile
from jobyard.workers.runtime.attempt import Attempt, Finish
from jobyard.workers.runtime.dataset_cache import find_dataset, folder_of
from jobyard.workers.training.fit import train


def work(attempt: Attempt, spec: TrainSpec) -> Finish:
    """Train, keep the model, register it."""
    dataset = find_dataset(attempt, spec.dataset)
    cache, settings = attempt.context.cache, attempt.context.settings
    init_from = None if spec.init_from is None else _saved(attempt, spec.init_from)
    backbone = None
    if init_from is None:
        backbone = backbones.find(spec.network, cache / "backbones", settings.backbone)
    training = train(
        spec,
        folder_of(attempt, dataset),
        attempt.scratch,
        attempt.progress,
        attempt.checkpoints,
        dataset_version=dataset.sha256,
        checkpoint_seconds=settings.checkpoint_seconds,
        init_from=init_from,
        backbone=backbone,
        cache=cache / "pixels",
        architecture=_architecture(attempt, spec, init_from),
        limits=network_limits(settings),
    )
    stored = attempt.store("models", training.model_path)
    last = None if training.last_path is None else attempt.store("models", training.last_path)
    evaluation = keep_whole(attempt, training.evaluation)
    has_many_classes = len(training.classes) > MAX_CLASSES

    def finish(session: Session) -> dict[str, Any]:
        model = registry.add(
            session,
            registry.Model(
                name=spec.model_name or dataset.name,
                job_id=attempt.job_id,
                dataset_id=dataset.id,
                network=spec.network,
                classes=training.classes,
                image_size=training.image_size,
                metrics=training.metrics,
                card={
                    "spec": spec.model_dump(
                        mode="json", exclude={"background"} if training.background is None else None
                    ),
                    "data": {
                        "dataset": dataset.reference,
                        "sha256": dataset.sha256,
                        "pictures": training.counts,
                    },
                    "background": training.background,
                    "class_weight": training.class_weight,
                    "backbone": training.backbone,
                    "evaluation": evaluation,
                    "warnings": training.warnings,
                    "least_keras": training.least_keras,
                    "environment": training.environment,
                    "timings": training.timings,
                },
                storage_key=stored.key,
                bytes=stored.bytes,
                sha256=stored.sha256,
            ),
        )
        for name, file in (("model.keras", stored), ("last.keras", last)):
            if file is not None:
                storage.add_file(
                    session, file, name=name, media_type="application/zip", job_id=attempt.job_id
                )
        return {
            "model": model.reference,
            "dataset": dataset.reference,
            "dataset_sha256": dataset.sha256,
            # Many classes are in the model, and not in each answer about the job.
            "classes": [] if has_many_classes else training.classes,
            "metrics": training.metrics,
            "evaluation": evaluation,
            "warnings": training.warnings,
            # What `loss` is in the metrics; that of earlier trainings had label smoothing and class weights.
            "training_loss": "cross-entropy",
            "epochs": training.epochs_run,
            "stopped_early": training.stopped_early,
            "class_weight": None if has_many_classes else training.class_weight,
            "monitor": spec.monitor,
            # The model's; those of the last epoch, where it is another one, are beside it.
            "weights": "best",
            "last": None if last is None else "last.keras",
            "backbone": training.backbone,
            "init_from": None if spec.init_from is None else {"model": spec.init_from, "head": training.head},
            "pictures": {
                split: sum(counts.values()) if has_many_classes else counts
                for split, counts in training.counts.items()
            },
            "timings": training.timings,
            "environment": training.environment,
        }

    return finish


def _architecture(attempt: Attempt, spec: TrainSpec, init_from: ModelFile | None) -> dict[str, Any] | None:
    """That of `custom`: of the upload, or of the model to start from. Raises WorkError for what is none."""
    if spec.network != CUSTOM:
        return None
    if spec.architecture is None:
        return None if init_from is None else model_file.architecture(init_from)
    with attempt.context.database.read() as session:
        file = storage.get_file(session, spec.architecture)
    with attempt.context.storage.open(file.storage_key) as source:
        return parse(source.read(MAX_BYTES + 1))


def _saved(attempt: Attempt, reference: str) -> ModelFile:
    """A copy of a registered model's file. Raises NotFound."""
    with attempt.context.database.read() as session:
        model = registry.find(session, registry.Model, reference)
    path = attempt.scratch / "initial.keras"
    with attempt.context.storage.open(model.storage_key) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target)
    return ModelFile(model.reference, path, model.sha256, model.classes, model.image_size)
