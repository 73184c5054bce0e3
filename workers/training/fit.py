"""Training from end to end: pictures in, a model and its record out."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import tensorflow as tf

from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.train import TrainSpec
from jobyard.workers.networks import building, custom, model_file
from jobyard.workers.networks.architecture import Limits, fitting
from jobyard.workers.networks.model_file import ModelFile
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.training import checkpoint as checkpointing
from jobyard.workers.training import data, devices, machine, optimization, splits
from jobyard.workers.training.checkpoint import CheckpointStore, Spent
from jobyard.workers.training.checkpoint_writer import CheckpointWriter
from jobyard.workers.training.class_weights import class_weights
from jobyard.workers.training.evaluate import Evaluation, evaluate
from jobyard.workers.training.loop import Loop
from jobyard.workers.training.monitor import Epoch, Monitor, report_metrics


@dataclass(frozen=True)
class Training:
    """A training's outcome; all but `model_path` is JSON.

    `metrics` has "final" (the last epoch) and "best" (the best by `spec.monitor`), whose weights are the
    model; `last_path` has those of the last epoch, where it is another one. `evaluation` is of the model,
    in float32, on all pictures of `test/` or else all that validated. `head` says what became of the last
    layer of the model that this one began as, if it did. `class_weight` is what the pictures of each class
    counted in the loss, if not all the same.

    `timings` are in seconds: training includes the validations and what earlier attempts did of it, "wall"
    everything, and "compute" is how long this process's processors were busy with the training.
    `pictures_per_second` counts the training pictures.
    """

    model_path: Path
    last_path: Path | None
    sha256: str
    bytes: int
    classes: list[str]
    image_size: int
    metrics: dict[str, Epoch]
    evaluation: Evaluation
    epochs_run: int
    stopped_early: str | None
    head: Literal["kept", "new"] | None
    class_weight: dict[str, float] | None
    timings: dict[str, float]
    environment: dict[str, str | int]
    counts: dict[str, dict[str, int]]


def train(
    spec: TrainSpec,
    dataset: Path,
    workdir: Path,
    progress: Progress,
    checkpoints: CheckpointStore | None = None,
    *,
    dataset_version: str = "",
    checkpoint_seconds: float = 60,
    init_from: ModelFile | None = None,
    cache: Path | None = None,
    architecture: dict[str, Any] | None = None,
    limits: Limits | None = None,
) -> Training:
    """Train on `dataset` (train/<class>/<picture>, validation/ alike if it has one of its own).

    With `checkpoints` it continues exactly where the newest of them was made, and saves one at every epoch's
    end, every `checkpoint_seconds` within it, and when it is interrupted by anything but Cancelled and
    LeaseLost. The whole history is reported again then, from the first epoch on. `dataset_version` identifies
    the content of the data set. `init_from` is the model that `spec.init_from` names. The
    decoded pictures are kept in the folder `cache`, on the disk of `workdir`, for later trainings on the
    same version. `architecture` is what `spec.architecture` names, as parsed from JSON; it may have no more
    than `limits`.

    Writes to the existing folder `workdir`: `pictures.npy` (without `cache`), `model.keras`, `last.keras`
    if the last epoch was not the best, and checkpoints for a while. Raises WorkError for what the job's
    owner can correct: the data set, a learning rate that blows up, too little memory, a checkpoint or an
    earlier model that doesn't fit. Lets the report's Interrupted through.
    """
    try:
        return _train(
            spec,
            dataset,
            workdir,
            progress,
            checkpoints,
            dataset_version,
            checkpoint_seconds,
            init_from,
            cache,
            architecture,
            limits,
        )
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise WorkError(
            f"out of memory: lower batch_size (now {spec.batch_size}) or image_size (now {spec.image_size})"
        ) from error


def _train(
    spec: TrainSpec,
    dataset: Path,
    workdir: Path,
    progress: Progress,
    checkpoints: CheckpointStore | None,
    dataset_version: str,
    checkpoint_seconds: float,
    init_from: ModelFile | None,
    cache: Path | None,
    architecture: dict[str, Any] | None,
    limits: Limits | None,
) -> Training:
    began = time.monotonic()
    identity = checkpointing.identity_of(spec, dataset_version)
    earlier = checkpointing.find(checkpoints, identity)
    if earlier is not None:
        progress.phase(f"resuming after epoch {earlier.position.epoch}, batch {earlier.position.batch}")
        report_metrics(progress, earlier.history)

    before = earlier.spent if earlier is not None else Spent()

    # Another machine might take "auto" differently; a training keeps its precision.
    environment = devices.prepare(spec.precision if earlier is None else earlier.precision, spec.seed)
    split = splits.find(dataset, spec.validation_split, spec.seed)
    classes = split.classes
    build = _builder(spec, len(classes), architecture, limits)
    model = build(environment.precision, for_training=True)
    size = int(model.input_shape[1])
    head = None if init_from is None else model_file.initialize(model, classes, init_from)

    progress.phase("decoding")
    started = time.monotonic()
    pictures, held_out, test = data.decode_all(split, size, workdir, progress, cache, dataset_version)
    decoded = time.monotonic()

    weights = class_weights(spec.class_weight, classes, pictures.labels)
    steps = data.steps_of(pictures, spec.batch_size, spec.steps_per_epoch)
    monitor = Monitor(spec, steps, progress)
    model.compile(
        optimizer=optimization.optimizer(spec, environment.precision, steps, model.trainable_variables),
        loss=optimization.loss(model.output_shape[-1], spec.label_smoothing),
    )
    loop = Loop(model, spec, pictures, held_out, monitor, None if weights is None else list(weights.values()))
    if earlier is not None:
        loop.restore(earlier)
        earlier = None  # it is large
    with CheckpointWriter(
        checkpoints,
        workdir,
        checkpoint_seconds,
        snapshot=lambda: loop.snapshot(identity, environment.precision),
        saved=loop.position,
    ) as checkpoint_writer:
        loop.run(checkpoint_writer)
        trained = time.monotonic()

        progress.phase("evaluating")
        finished = _as_float32(build, loop.best_weights)
        judges = ("test", test) if len(test) else ("validation", held_out)
        evaluation = evaluate(finished, *judges, classes, spec.batch_size, progress)
        evaluated = time.monotonic()

        progress.phase("saving")
        path, last_path = workdir / "model.keras", workdir / "last.keras"
        finished.save(path)
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        best_is_last = monitor.best == monitor.history[-1]
        if not best_is_last:
            _as_float32(build, model.get_weights()).save(last_path)

    seen = spec.batch_size * steps if spec.steps_per_epoch else len(pictures)
    return Training(
        model_path=path,
        last_path=None if best_is_last else last_path,
        sha256=sha256,
        bytes=path.stat().st_size,
        classes=classes,
        image_size=size,
        metrics={"final": monitor.history[-1], "best": monitor.best},
        evaluation=evaluation,
        epochs_run=len(monitor.history),
        stopped_early=monitor.stopped_early,
        head=head,
        class_weight=weights,
        timings={
            "decode_seconds": decoded - started,
            "train_seconds": loop.spent.wall,
            "evaluate_seconds": evaluated - trained,
            "wall_seconds": before.wall + time.monotonic() - began,
            "compute_seconds": loop.spent.compute,
            "pictures_per_second": seen * len(monitor.history) / loop.spent.wall,
        },
        environment=environment.as_dict() | machine.described(),
        counts=split.counts(),
    )


def _builder(
    spec: TrainSpec, classes: int, architecture: dict[str, Any] | None, limits: Limits | None
) -> Callable[..., Any]:
    """What makes the network of a precision (see `building.build`). Raises WorkError for an architecture."""
    fitted = None
    if architecture is not None:
        fitted = fitting.fit(
            architecture,
            classes,
            image_size=spec.image_size,
            head=spec.head or "auto",
            rescale=spec.rescale or "auto",
            limits=limits,
        )
    size = spec.image_size if fitted is None else fitted.image_size
    if size is None:
        raise WorkError(f"image_size should be a number for {spec.network}")
    return partial(building.build, spec.network, size, classes, fitted=fitted)


def _as_float32(build: Callable[..., Any], weights: list[Any]) -> Any:
    """The network to keep: without the optimizer (two thirds of the bytes), and good on any device."""
    finished = build("float32")
    finished.set_weights(weights)
    custom.settle(finished)
    return finished
