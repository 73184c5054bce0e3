"""The training itself, batch by batch: `model.fit`'s steps in a loop that can begin anywhere."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import keras
import tensorflow as tf

from jobyard.shared.errors import WorkError
from jobyard.workers.training import batches as batching
from jobyard.workers.training import optimization
from jobyard.workers.training.checkpoint import Checkpoint, Position, Spent
from jobyard.workers.training.checkpoint_writer import CheckpointWriter
from jobyard.workers.training.monitor import Monitor
from jobyard.workers.training.stages import Stage


class Loop:
    """Trains the model of a stage; at any moment between two steps it can be put into a Checkpoint.

    A step does what `model.fit` and `model.evaluate` do (`TensorFlowTrainer.train_step` and `test_step` of
    Keras 3.15). Unlike there, training and validation have accumulators of their own, so that neither
    loses the other's.
    """

    def __init__(
        self,
        stage: Stage,
        monitor: Monitor,
        position: Position | None = None,
        class_weights: Sequence[float] | None = None,
    ) -> None:
        """`position` is where the stage begins, if not at the training's beginning.

        `class_weights` are by label; None: all pictures count the same.
        """
        model = stage.model
        self.position = position or Position()
        self.best_weights: list[Any] = []
        self.stage = stage
        self._model = model
        self._monitor = monitor
        self._class_weights = class_weights
        monitor.enter(stage.phase, stage.spec, stage.steps, self.position.before, stage.rate)
        self._validation = self._validation_batches(0)
        self._rate = optimization.Rate(stage.spec, stage.steps)
        # What is reported. The compiled one may have smoothed labels, below whose entropy it can't fall, and
        # class weights: curves of training and validation, and of several trainings, could not be compared.
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
        # Some layers count in whole numbers.
        floats = [one for one in model.weights if tf.as_dtype(one.dtype).is_floating]
        self._weights_are_finite = tf.function(
            lambda: tf.reduce_all([tf.reduce_all(tf.math.is_finite(one.value)) for one in floats])
        )
        self._test_on = tf.function(lambda batches: compiled_test(*next(batches)), reduce_retracing=True)

    def followed_by(self, begin: Callable[[], Stage]) -> "Loop":
        """The loop of the next stage, which begins with the best weights of this one."""
        self.stage.model.set_weights(self.best_weights)
        ended = self.position.epoch
        position = Position(ended, stage=self.position.stage + 1, before=ended)
        loop = Loop(begin(), self._monitor, position, self._class_weights)
        loop.best_weights, loop._before = self.best_weights, self.spent
        return loop

    @property
    def spent(self) -> Spent:
        """What the training has taken, with the earlier attempts that it continues."""
        return self._before if self._began is None else self._before + (Spent.now() - self._began)

    def run(self, checkpoint_writer: CheckpointWriter) -> None:
        """Train to the end, from wherever it is."""
        self._began = Spent.now()
        if not self._monitor.over:
            self._monitor.on_begin(self.position.batch)
            first = (self.position.epoch - self.position.before) * self.stage.steps + self.position.batch
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
                "this training can't continue from its checkpoint: the network "
                f"{self.stage.spec.network} changed in between: retry the job to train from the start"
            )
        for variable, array in zip(variables, checkpoint.state, strict=True):
            variable.assign(array)
        self.position = checkpoint.position
        self.best_weights = list(checkpoint.best_weights)
        self._monitor.history = list(checkpoint.history)
        self._monitor.stopped_early = checkpoint.stopped_early
        self._before = checkpoint.spent

    def _train(self, batches: Iterator[Any], checkpoint_writer: CheckpointWriter) -> None:
        for batch in range(self.position.batch, self.stage.steps):
            loss = float(self._train_on(batches))
            self.position = replace(self.position, batch=batch + 1)
            self._monitor.on_train_batch_end(batch, {"loss": loss})
            checkpoint_writer.offer()

    def _validate(self, checkpoint_writer: CheckpointWriter) -> None:
        first = self.position.validated
        batches = iter(self._validation_batches(first) if first else self._validation)
        for batch in range(first, self.stage.validation_steps):
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
        self.position = replace(self.position, epoch=self.position.epoch + 1, batch=0, validated=0)
        if self._monitor.best["epoch"] == self.position.epoch:
            self.best_weights = self._model.get_weights()

    def _training_batches(self, first: int) -> Any:
        spec = self.stage.spec
        return batching.training_batches(
            self.stage.train, spec.batch_size, spec.steps_per_epoch, spec.seed, first
        )

    def _validation_batches(self, first: int) -> Any:
        spec = self.stage.spec
        return batching.validation_batches(self.stage.held_out, spec.batch_size, spec.validation_steps, first)

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
        self._loss.update_state(self._plain_loss(labels, outputs), sample_weight=tf.shape(labels)[0])
        # What is minimised may be infinite though the plain one is not: with class weights, say.
        return tf.where(tf.math.is_finite(loss), self._loss.result(), tf.cast(loss, tf.float32))

    def _weights_of(self, labels: Any) -> Any:
        """What each picture counts, as `class_weight` of `model.fit`: the sum is divided by the pictures."""
        if self._class_weights is None:
            return None
        return tf.gather(tf.constant(self._class_weights, tf.float32), labels)

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
