"""The training itself, batch by batch: `model.fit`'s steps in a loop that can begin anywhere."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import keras
import tensorflow as tf

from jobyard.shared.errors import WorkError
from jobyard.shared.kinds.train import TrainSpec
from jobyard.workers.training import data, optimization
from jobyard.workers.training.checkpoint import Checkpoint, Position, Spent
from jobyard.workers.training.checkpoint_writer import CheckpointWriter
from jobyard.workers.training.data import Pictures
from jobyard.workers.training.monitor import Monitor


class Loop:
    """Trains a compiled model; at any moment between two steps it can be put into a Checkpoint.

    A step does what `model.fit` and `model.evaluate` do (`TensorFlowTrainer.train_step` and `test_step` of
    Keras 3.15). Unlike there, training and validation have accumulators of their own, so that neither
    loses the other's.
    """

    def __init__(
        self,
        model: Any,
        spec: TrainSpec,
        pictures: Pictures,
        held_out: Pictures,
        monitor: Monitor,
        class_weights: Sequence[float] | None = None,
    ):
        """`class_weights` are by label; None: all pictures count the same."""
        self.position = Position()
        self.best_weights: list[Any] = []
        self._model = model
        self._spec = spec
        self._pictures = pictures
        self._held_out = held_out
        self._monitor = monitor
        self._class_weights = None if class_weights is None else tf.constant(class_weights, tf.float32)
        self._steps = data.steps_of(pictures, spec.batch_size, spec.steps_per_epoch)
        self._validation_steps = data.steps_of(held_out, spec.batch_size, spec.validation_steps)
        self._validation = self._validation_batches(0)
        self._rate = optimization.Rate(spec, self._steps)
        # Not the compiled one: that may have smoothed labels, which would make runs hard to compare.
        self._plain_loss = optimization.loss(model.output_shape[-1])
        self._loss, self._accuracy = _metrics(model)
        self._val_loss, self._val_accuracy = _metrics(model)
        model.optimizer.build(model.trainable_variables)
        self._before = Spent()
        self._began: Spent | None = None
        # Compiled as Keras would: by XLA on a GPU.
        compiled = tf.function(self._train_step, jit_compile=model.jit_compile, reduce_retracing=True)
        self._train_on = tf.function(lambda batches: compiled(*next(batches)), reduce_retracing=True)
        compiled_test = tf.function(self._test_step, jit_compile=model.jit_compile, reduce_retracing=True)
        self._weights_are_finite = tf.function(
            lambda: tf.reduce_all([tf.reduce_all(tf.math.is_finite(one.value)) for one in model.weights])
        )
        self._test_on = tf.function(lambda batches: compiled_test(*next(batches)), reduce_retracing=True)

    @property
    def spent(self) -> Spent:
        """What the training has taken, with the earlier attempts that it continues."""
        return self._before if self._began is None else self._before + (Spent.now() - self._began)

    def run(self, checkpoint_writer: CheckpointWriter) -> None:
        """Train to the end, from wherever it is."""
        self._began = Spent.now()
        if not self._monitor.over:
            self._monitor.on_begin(self.position.batch)
            first = self.position.epoch * self._steps + self.position.batch
            batches = iter(self._training_batches(first))
        while not self._monitor.over:
            self._monitor.on_epoch_begin(self.position.epoch)
            self._train(batches, checkpoint_writer)
            self._validate(checkpoint_writer)
            self._end_epoch()
            self._monitor.report_last()
            checkpoint_writer.epoch_ended()
        self._before, self._began = self.spent, None

    def snapshot(self, identity: dict[str, Any], precision: str) -> Checkpoint:
        """This moment. The variables are not copied: TensorFlow does that if a step changes one meanwhile."""
        return Checkpoint(
            identity=identity,
            precision=precision,
            position=self.position,
            history=list(self._monitor.history),
            stopped_early=self._monitor.stopped_early,
            spent=self.spent,
            state=[variable.value.read_value() for variable in self._variables()],
            best_weights=self.best_weights,
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Back to that moment. Raises WorkError if the checkpoint is of another network."""
        variables = self._variables()
        shapes = [(tuple(variable.shape), variable.dtype) for variable in variables]
        if [(array.shape, array.dtype.name) for array in checkpoint.state] != shapes:
            raise WorkError(
                f"this training can't continue from its checkpoint: the network {self._spec.network} changed "
                "in between: retry the job to train from the start"
            )
        for variable, array in zip(variables, checkpoint.state, strict=True):
            variable.assign(array)
        self.position = checkpoint.position
        self.best_weights = list(checkpoint.best_weights)
        self._monitor.history = list(checkpoint.history)
        self._monitor.stopped_early = checkpoint.stopped_early
        self._before = checkpoint.spent

    def _train(self, batches: Iterator[Any], checkpoint_writer: CheckpointWriter) -> None:
        for batch in range(self.position.batch, self._steps):
            loss = float(self._train_on(batches))
            self.position = replace(self.position, batch=batch + 1)
            self._monitor.on_train_batch_end(batch, {"loss": loss})
            checkpoint_writer.offer()

    def _validate(self, checkpoint_writer: CheckpointWriter) -> None:
        first = self.position.validated
        batches = iter(self._validation_batches(first) if first else self._validation)
        for batch in range(first, self._validation_steps):
            self._test_on(batches)
            self.position = replace(self.position, validated=batch + 1)
            self._monitor.on_test_batch_end(batch)
            checkpoint_writer.offer()

    def _end_epoch(self) -> None:
        """All that changes with an epoch's end changes here, where no report can interrupt it."""
        metrics = {
            "loss": self._loss,
            "accuracy": self._accuracy,
            "val_loss": self._val_loss,
            "val_accuracy": self._val_accuracy,
        }
        ended = {name: float(metric.result()) for name, metric in metrics.items()}
        ended["learning_rate"] = float(self._rate(self._model.optimizer.iterations - 1))
        self._monitor.on_epoch_end(
            self.position.epoch, ended, weights_are_finite=bool(self._weights_are_finite())
        )
        for metric in metrics.values():
            metric.reset_state()
        self.position = Position(self.position.epoch + 1)
        if self._monitor.best["epoch"] == self.position.epoch:
            self.best_weights = self._model.get_weights()

    def _training_batches(self, first: int) -> Any:
        spec = self._spec
        return data.training_batches(
            self._pictures, spec.batch_size, spec.steps_per_epoch, spec.augment, spec.seed, first
        )

    def _validation_batches(self, first: int) -> Any:
        return data.validation_batches(
            self._held_out, self._spec.batch_size, self._spec.validation_steps, first
        )

    def _train_step(self, pixels: Any, labels: Any) -> Any:
        model, optimizer = self._model, self._model.optimizer
        with tf.GradientTape() as tape:
            outputs = model(pixels, training=True)
            loss = model.compute_loss(
                x=pixels, y=labels, y_pred=outputs, sample_weight=self._weights_of(labels), training=True
            )
            scaled = optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, model.trainable_weights)
        optimizer.apply_gradients(zip(gradients, model.trainable_weights, strict=True))
        self._accuracy.update_state(labels, outputs)
        self._loss.update_state(loss, sample_weight=tf.shape(labels)[0])
        return self._loss.result()

    def _weights_of(self, labels: Any) -> Any:
        """What each picture counts, as `class_weight` of `model.fit`: the sum is divided by the pictures."""
        return None if self._class_weights is None else tf.gather(self._class_weights, labels)

    def _test_step(self, pixels: Any, labels: Any) -> None:
        outputs = self._model(pixels, training=False)
        loss = self._plain_loss(labels, outputs)
        self._val_accuracy.update_state(labels, outputs)
        self._val_loss.update_state(loss, sample_weight=tf.shape(labels)[0])

    def _variables(self) -> list[Any]:
        metrics = (self._loss, self._accuracy, self._val_loss, self._val_accuracy)
        return [
            *self._model.variables,
            *self._model.optimizer.variables,
            *(variable for metric in metrics for variable in metric.variables),
        ]


def _metrics(model: Any) -> tuple[Any, Any]:
    accuracy = (
        keras.metrics.BinaryAccuracy()
        if model.output_shape[-1] == 1
        else keras.metrics.SparseCategoricalAccuracy()
    )
    return keras.metrics.Mean(), accuracy
