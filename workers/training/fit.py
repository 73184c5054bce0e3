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
from jobyard.shared.kinds.networks import PRETRAINED
from jobyard.shared.kinds.train import TrainSpec
from jobyard.workers.networks import backbones, building, custom, model_file
from jobyard.workers.networks.architecture import Limits, fitting
from jobyard.workers.networks.backbones import Backbone
from jobyard.workers.networks.model_file import ModelFile
from jobyard.workers.runtime.progress import Progress
from jobyard.workers.training import checkpoint as checkpointing
from jobyard.workers.training import data, devices, machine, splits, stages
from jobyard.workers.training.checkpoint import CheckpointStore, Position, Spent
from jobyard.workers.training.checkpoint_writer import CheckpointWriter
from jobyard.workers.training.class_weights import class_weights
from jobyard.workers.training.divergence import warnings_of
from jobyard.workers.training.evaluate import Evaluation, evaluate
from jobyard.workers.training.features import Extractor, Features
from jobyard.workers.training.loop import Loop
from jobyard.workers.training.monitor import Epoch, Monitor, report_metrics


@dataclass(frozen=True)
class Training:
    """A training's outcome; all but `model_path` is JSON.

    `metrics` has "final" (the last epoch) and "best" (the best by `spec.monitor`), whose weights are the
    model; `last_path` has those of the last epoch, where it is another one. `evaluation` is of the model,
    in float32, on all pictures of `test/` or else all that validated. `head` says what became of the last
    layer of the model that this one began as, if it did. `class_weight` is what the pictures of each class
    counted in the loss, if not all the same. On `background` what is transparent was laid; None where it
    kept its colour (`Checkpoint.background`). `backbone` has name and SHA-256 of the pretrained weights, if
    it began with those. `warnings` are about a training that diverged. `least_keras` is the oldest Keras
    that reads the file.

    `timings` are in seconds: training includes the validations and what earlier attempts did of it, "wall"
    everything, and "compute" is how long this process's processors were busy with the training.
    `pictures_per_second` counts the training pictures; a pretrained network, most of whose epochs pass over
    features, has `features_seconds` instead.
    """

    model_path: Path
    last_path: Path | None
    sha256: str
    bytes: int
    least_keras: str
    classes: list[str]
    image_size: int
    metrics: dict[str, Epoch]
    evaluation: Evaluation
    epochs_run: int
    stopped_early: str | None
    warnings: list[str]
    head: Literal["kept", "new"] | None
    class_weight: dict[str, float] | None
    background: str | None
    backbone: dict[str, str] | None
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
    backbone: Backbone | None = None,
    cache: Path | None = None,
    architecture: dict[str, Any] | None = None,
    limits: Limits | None = None,
) -> Training:
    """Train on `dataset` (train/<class>/<picture>, validation/ alike if it has one of its own).

    With `checkpoints` it continues exactly where the newest of them was made, and saves one at every epoch's
    end, every `checkpoint_seconds` within it, and when it is interrupted by anything but Cancelled and
    LeaseLost. The whole history is reported again then, from the first epoch on. `dataset_version` identifies
    the content of the data set. `init_from` is the model that `spec.init_from` names; without one, a
    pretrained network begins with the weights of `backbone`, or of the installed package. The decoded
    pictures and their features are kept in the folder `cache`, on the disk of `workdir`, for later trainings
    on the same version. `architecture` is what `spec.architecture` names, as parsed from JSON; it may have
    no more than `limits`.

    Writes to the existing folder `workdir`: `pictures.npy` and `features/` (without `cache`), `model.keras`,
    `last.keras` if the last epoch was not the best, and checkpoints for a while. Raises WorkError for what
    the job's owner can correct: the data set, a learning rate that blows up, too little memory, a checkpoint
    or an earlier model that doesn't fit. Lets the report's Interrupted through.
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
            init_from or backbone or backbones.find(spec.network, workdir),
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
    initial: ModelFile | Backbone | None,
    cache: Path | None,
    architecture: dict[str, Any] | None,
    limits: Limits | None,
) -> Training:
    began = time.monotonic()
    # Of an earlier model the spec names the version.
    backbone = initial if isinstance(initial, Backbone) else None
    identity = checkpointing.identity_of(spec, dataset_version, backbone.identity if backbone else None)
    earlier = checkpointing.find(checkpoints, identity)
    if earlier is not None:
        progress.phase(f"resuming after epoch {earlier.position.epoch}, batch {earlier.position.batch}")
        report_metrics(progress, earlier.history)
        identity = earlier.identity  # as it was before an upgrade, the background too
    background = spec.background if earlier is None else earlier.background

    before = earlier.spent if earlier is not None else Spent()

    # Another machine might take "auto" differently; a training keeps its precision.
    environment = devices.prepare(
        spec.precision if earlier is None else earlier.precision, spec.seed, spec.network
    )
    precision = environment.precision
    split = splits.find(dataset, spec.validation_split, spec.seed)
    classes = split.classes
    build = _builder(spec, len(classes), architecture, limits)
    model = build(precision, for_training=True)
    size = int(model.input_shape[1])
    head = _begin(model, classes, initial, workdir)

    progress.phase("decoding")
    started = time.monotonic()
    pictures, held_out, test = data.decode_all(
        split, size, workdir, progress, cache, dataset_version, background=background
    )
    decoded = time.monotonic()

    weights = class_weights(spec.class_weight, classes, pictures.labels)

    def features() -> Features:
        progress.phase("computing features")
        extractor = Extractor(
            backbones.part_of(model),
            f"{initial and initial.identity} {precision} {size} {background} {dataset_version}",
            workdir / "features" if cache is None else cache,
            workdir,
            progress,
        )
        return extractor.extract(pictures, held_out, spec.augment, spec.seed, spec.views)

    monitor = Monitor(progress)
    plan = stages.plan(model, spec, pictures, held_out, precision, features)
    position = Position() if earlier is None else earlier.position
    loop = Loop(
        plan[position.stage](), monitor, position, None if weights is None else list(weights.values())
    )
    prepared = time.monotonic()
    if earlier is not None:
        loop.restore(earlier)
        earlier = None  # it is large
    with CheckpointWriter(
        checkpoints,
        workdir,
        checkpoint_seconds,
        snapshot=lambda: loop.snapshot(identity, precision),
        saved=loop.position,
    ) as checkpoint_writer:
        loop.run(checkpoint_writer)
        for begin in plan[position.stage + 1 :]:
            loop = loop.followed_by(begin)
            loop.run(checkpoint_writer)
        trained = time.monotonic()

        progress.phase("evaluating")
        finished = _as_float32(build, model, loop.best_weights)
        judges = ("test", test) if len(test) else ("validation", held_out)
        evaluation = evaluate(finished, *judges, classes, spec.batch_size, progress)
        evaluated = time.monotonic()

        progress.phase("saving")
        path, last_path = workdir / "model.keras", workdir / "last.keras"
        least_keras = model_file.save(finished, path)
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        best_is_last = monitor.best == monitor.history[-1]
        if not best_is_last:
            last = _as_float32(build, model, loop.stage.model.get_weights())
            model_file.save(last, last_path)

    timings = {
        "decode_seconds": decoded - started,
        "train_seconds": loop.spent.wall,
        "evaluate_seconds": evaluated - trained,
        "wall_seconds": before.wall + time.monotonic() - began,
        "compute_seconds": loop.spent.compute,
    }
    if spec.network in PRETRAINED:
        timings["features_seconds"] = prepared - decoded
    else:
        timings["pictures_per_second"] = loop.stage.seen * len(monitor.history) / loop.spent.wall
    return Training(
        model_path=path,
        last_path=None if best_is_last else last_path,
        sha256=sha256,
        bytes=path.stat().st_size,
        least_keras=least_keras,
        classes=classes,
        image_size=size,
        metrics={"final": monitor.history[-1], "best": monitor.best},
        evaluation=evaluation,
        epochs_run=len(monitor.history),
        stopped_early=monitor.stopped_early,
        warnings=warnings_of(monitor.history, monitor.best, evaluation, loop.stage.spec.learning_rate),
        head=head,
        class_weight=weights,
        background=background,
        backbone={"name": backbone.name, "sha256": backbone.sha256} if backbone else None,
        timings=timings,
        environment=environment.as_dict() | machine.described(),
        counts=split.counts(),
    )


def _builder(
    spec: TrainSpec, classes: int, architecture: dict[str, Any] | None, limits: Limits | None
) -> Callable[..., Any]:
    """What makes the network of a precision (see `building.build`). Raises WorkError for an architecture."""
    fitted = None
    if architecture is not None:
        rescale = spec.rescale or "auto"
        # A registered model takes pixels of 0…255: whatever it needs done to them is in its own architecture.
        if spec.architecture is None and rescale == "auto":
            rescale = "none"
        fitted = fitting.fit(
            architecture,
            classes,
            image_size=spec.image_size,
            head=spec.head or "auto",
            rescale=rescale,
            limits=limits,
        )
    size = spec.image_size if fitted is None else fitted.image_size
    if size is None:
        raise WorkError(f"image_size should be a number for {spec.network}")
    return partial(building.build, spec.network, size, classes, fitted=fitted)


def _begin(
    model: Any, classes: list[str], initial: ModelFile | Backbone | None, workdir: Path
) -> Literal["kept", "new"] | None:
    """Give a network its first weights; returns what became of the last layer of an earlier model."""
    if isinstance(initial, ModelFile):
        return model_file.initialize(model, classes, initial)
    if initial is not None:
        initial.load_into(model, workdir)
    return None


def _as_float32(build: Callable[..., Any], model: Any, weights: list[Any]) -> Any:
    """The network to keep: without the optimizer (two thirds of the bytes), and good on any device.

    `weights` are all that it has, or those of its head, where the backbone is still that of `model`.
    """
    finished = build("float32")
    if len(weights) == len(finished.weights):
        finished.set_weights(weights)
    else:
        finished.set_weights(model.get_weights())
        stages.head_of(finished).set_weights(weights)
    custom.settle(finished)
    return finished
