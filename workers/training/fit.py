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
from workers.training import data, devices, networks, splits
from workers.training.evaluate import Evaluation, evaluate
from workers.training.watch import Epoch, Watch


@dataclass(frozen=True)
class Training:
    """A training's outcome; all but `model_path` is JSON.

    `metrics` has "final" (the last epoch) and "best" (the epoch of lowest val_loss). `weights` says of
    which of the two the saved model is: "best" if the spec has patience, else "last". `evaluation` is of
    the saved model, on all validation pictures, in float32. `timings` are in seconds; training includes
    the validations, and `pictures_per_second` counts its training pictures.
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


def train(spec: TrainSpec, dataset: Path, workdir: Path, report: Report) -> Training:
    """Train on `dataset` (train/<class>/<picture>, validation/ alike if it has one of its own).

    Writes `pictures.npy` and `model.keras` to the existing folder `workdir`. Raises WorkError for what the
    job's owner can mend: the data set, a learning rate that blows up, too little memory. Lets the
    report's Interrupted through.
    """
    try:
        return _train(spec, dataset, workdir, report)
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise WorkError(
            f"out of memory: lower batch_size (now {spec.batch_size}) or image_size (now {spec.image_size})"
        ) from error


def _train(spec: TrainSpec, dataset: Path, workdir: Path, report: Report) -> Training:
    environment = devices.prepare(spec.precision, spec.seed)
    split = splits.find(dataset, spec.validation_split, spec.seed)
    started = time.monotonic()

    report.phase("decoding")
    pictures, held_out = data.decode_all(split, spec.image_size, workdir, report)
    decoded = time.monotonic()

    model = networks.build(spec.network, spec.image_size, len(split.classes), environment.precision)
    steps = data.steps_of(pictures, spec.batch_size, spec.steps_per_epoch)
    watch = Watch(spec, steps, report)
    _compile(model, spec, environment.precision, networks.loss_of(len(split.classes)))
    model.fit(
        data.training_batches(pictures, spec.batch_size, spec.steps_per_epoch, spec.augment, spec.seed),
        epochs=spec.epochs,
        steps_per_epoch=steps,
        validation_data=data.validation_batches(held_out, spec.batch_size, spec.validation_steps),
        callbacks=[watch],
        shuffle=False,  # the stream is; Keras would warn that it can not shuffle it again
        verbose=0,
    )
    trained = time.monotonic()

    report.phase("evaluating")
    best = watch.best_weights
    finished = _as_float32(model, spec, len(split.classes), best if best is not None else model.get_weights())
    evaluation = evaluate(finished, held_out, split.classes, spec.batch_size, report)
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
            "train_seconds": trained - decoded,
            "evaluate_seconds": evaluated - trained,
            "pictures_per_second": seen * len(watch.history) / (trained - decoded),
        },
        environment=environment.as_dict(),
        counts=split.counts(),
    )


def _compile(model: Any, spec: TrainSpec, precision: str, loss: str) -> None:
    optimizer = keras.optimizers.Adam(spec.learning_rate)
    if precision == "mixed_float16":
        # Small gradients vanish in float16. Keras adds this by itself only for a global policy.
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])


def _as_float32(model: Any, spec: TrainSpec, classes: int, weights: list[Any]) -> Any:
    """The network to keep: without the optimizer (two thirds of the bytes), and good on any device."""
    finished = networks.build(spec.network, spec.image_size, classes, "float32")
    finished.set_weights(weights)
    return finished
