"""Training from end to end: pictures in, a model and its record out."""

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import keras
import tensorflow as tf

from shared.errors import WorkError
from shared.specs import TrainSpec
from workers.report import Report
from workers.training import checkpoint as checkpointing
from workers.training import data, devices, networks, splits
from workers.training.checkpoint import Checkpoints
from workers.training.evaluate import Evaluation, evaluate
from workers.training.keeper import Keeper
from workers.training.loop import Loop
from workers.training.watch import Epoch, Watch, tell_metrics


@dataclass(frozen=True)
class Training:
    """A training's outcome; all but `model_path` is JSON.

    `metrics` has "final" (the last epoch) and "best" (the epoch of lowest val_loss). `weights` says of
    which of the two the saved model is: "best" if the spec has patience, else "last". `evaluation` is of
    the saved model, in float32, on all pictures of `test/` or else all that validated. `timings` are in
    seconds; training includes the validations and what earlier attempts did of it, and
    `pictures_per_second` counts its training pictures.
    """

    model_path: Path
    sha256: str
    bytes: int
    classes: list[str]
    image_size: int
    metrics: dict[str, Epoch]
    evaluation: Evaluation
    epochs_run: int
    stopped_early: str | None
    weights: Literal["best", "last"]
    timings: dict[str, float]
    environment: dict[str, str | int]
    counts: dict[str, dict[str, int]]


def train(
    spec: TrainSpec,
    dataset: Path,
    workdir: Path,
    report: Report,
    checkpoints: Checkpoints | None = None,
    *,
    dataset_version: str = "",
    checkpoint_seconds: float = 60,
) -> Training:
    """Train on `dataset` (train/<class>/<picture>, validation/ alike if it has one of its own).

    With `checkpoints` it goes on exactly where the newest of them was made, and saves one at every epoch's
    end, every `checkpoint_seconds` within it, and when it is interrupted by anything but Cancelled and
    LeaseLost. The whole history is reported again then, from the first epoch on. `dataset_version` tells
    one content of a data set from another.

    Writes to the existing folder `workdir`: `pictures.npy`, `model.keras`, and checkpoints for a while.
    Raises WorkError for what the job's owner can mend: the data set, a learning rate that blows up, too
    little memory, a checkpoint that doesn't fit any more. Lets the report's Interrupted through.
    """
    try:
        return _train(spec, dataset, workdir, report, checkpoints, dataset_version, checkpoint_seconds)
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise WorkError(
            f"out of memory: lower batch_size (now {spec.batch_size}) or image_size (now {spec.image_size})"
        ) from error


def _train(
    spec: TrainSpec,
    dataset: Path,
    workdir: Path,
    report: Report,
    checkpoints: Checkpoints | None,
    dataset_version: str,
    checkpoint_seconds: float,
) -> Training:
    identity = checkpointing.identity_of(spec, dataset_version)
    earlier = checkpointing.find(checkpoints, identity)
    if earlier is not None:
        report.phase(f"resuming after epoch {earlier.position.epoch}, batch {earlier.position.batch}")
        tell_metrics(report, earlier.history)

    # Another machine might take "auto" differently; a training keeps its precision.
    environment = devices.prepare(spec.precision if earlier is None else earlier.precision, spec.seed)
    split = splits.find(dataset, spec.validation_split, spec.seed)
    started = time.monotonic()

    report.phase("decoding")
    pictures, held_out, test = data.decode_all(split, spec.image_size, workdir, report)
    decoded = time.monotonic()

    model = networks.build(spec.network, spec.image_size, len(split.classes), environment.precision)
    steps = data.steps_of(pictures, spec.batch_size, spec.steps_per_epoch)
    watch = Watch(spec, steps, report)
    _compile(model, spec, environment.precision, networks.loss_of(len(split.classes)))
    loop = Loop(model, spec, pictures, held_out, watch)
    if earlier is not None:
        loop.restore(earlier)
        earlier = None  # it is large
    with Keeper(
        checkpoints,
        workdir,
        checkpoint_seconds,
        snapshot=lambda: loop.snapshot(identity, environment.precision),
        saved=loop.position,
    ) as keeper:
        loop.run(keeper)
        trained = time.monotonic()

        report.phase("evaluating")
        best = loop.best_weights
        weights = best if best is not None else model.get_weights()
        finished = _as_float32(spec, len(split.classes), weights)
        judges = test if len(test) else held_out
        evaluation = evaluate(finished, judges, split.classes, spec.batch_size, report)
        evaluated = time.monotonic()

        report.phase("saving")
        path = workdir / "model.keras"
        finished.save(path)
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()

    seen = spec.batch_size * steps if spec.steps_per_epoch else len(pictures)
    return Training(
        model_path=path,
        sha256=sha256,
        bytes=path.stat().st_size,
        classes=split.classes,
        image_size=spec.image_size,
        metrics={"final": watch.history[-1], "best": watch.best},
        evaluation=evaluation,
        epochs_run=len(watch.history),
        stopped_early=watch.stopped_early,
        weights="last" if best is None else "best",
        timings={
            "decode_seconds": decoded - started,
            "train_seconds": loop.seconds,
            "evaluate_seconds": evaluated - trained,
            "pictures_per_second": seen * len(watch.history) / loop.seconds,
        },
        environment=environment.as_dict(),
        counts=split.counts(),
    )


def _compile(model: Any, spec: TrainSpec, precision: str, loss: str) -> None:
    optimizer = keras.optimizers.Adam(spec.learning_rate)
    if precision == "mixed_float16":
        # Small gradients vanish in float16. Keras adds this by itself only for a global policy.
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(optimizer=optimizer, loss=loss)


def _as_float32(spec: TrainSpec, classes: int, weights: list[Any]) -> Any:
    """The network to keep: without the optimizer (two thirds of the bytes), and good on any device."""
    finished = networks.build(spec.network, spec.image_size, classes, "float32")
    finished.set_weights(weights)
    return finished
