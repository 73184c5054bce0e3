"""The stages of a training: of a pretrained network the head alone, and then the network; of others one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from jobyard.shared.kinds.networks import PRETRAINED
from jobyard.shared.kinds.train import TrainSpec
from jobyard.workers.networks import efficientnet
from jobyard.workers.training import optimization
from jobyard.workers.training.batches import steps_of
from jobyard.workers.training.data import Pictures
from jobyard.workers.training.features import Features
from jobyard.workers.training.sources import PictureSource, Source

# An epoch of a pretrained network's head has so many steps at least: few pictures are passed over again.
MIN_STEPS = 10


@dataclass(frozen=True)
class Stage:
    """A compiled model, what it is trained and validated on, and the spec of this part of the training.

    `rate` is the field of the job's spec that the learning rate of this one is from.
    """

    phase: str
    rate: str
    model: Any
    spec: TrainSpec
    train: Source
    held_out: Source

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return steps_of(len(self.train.labels), self.spec.batch_size, self.spec.steps_per_epoch)

    @property
    def seen(self) -> int:
        """Examples in an epoch."""
        full = self.spec.batch_size * self.steps
        return full if self.spec.steps_per_epoch else len(self.train.labels)

    @property
    def validation_steps(self) -> int:
        """Batches in a validation."""
        return steps_of(len(self.held_out.labels), self.spec.batch_size, self.spec.validation_steps)


def plan(
    model: Any,
    spec: TrainSpec,
    train: Pictures,
    held_out: Pictures,
    precision: str,
    features: Callable[[], Features],
) -> list[Callable[[], Stage]]:
    """What makes each of the stages that train `model`, in their order.

    A pretrained network has a stage for its head, on `features`, and another one if it is to be fine-tuned.
    """
    pictures: tuple[Source, Source] = (
        PictureSource(train, spec.augment),
        PictureSource(held_out, spec.augment),
    )

    def whole() -> Stage:
        return _compiled("training", "learning_rate", model, spec, *pictures, precision)

    def head() -> Stage:
        found = features()
        passes = spec
        if (
            spec.steps_per_epoch is None
            and steps_of(len(found.train.labels), spec.batch_size, None) < MIN_STEPS
        ):
            passes = spec.model_copy(update={"steps_per_epoch": MIN_STEPS})
        return _compiled(
            "training", "learning_rate", head_of(model), passes, found.train, found.held_out, precision
        )

    def fine_tuning() -> Stage:
        rate = "fine_tune_learning_rate"
        low = spec.model_copy(
            update={"epochs": spec.fine_tune_epochs, "learning_rate": spec.fine_tune_learning_rate}
        )
        return _compiled("fine-tuning", rate, model, low, *pictures, precision)

    if spec.network not in PRETRAINED:
        return [whole]
    return [head, fine_tuning] if spec.fine_tune_epochs else [head]


def head_of(model: Any) -> Any:
    """The part of a pretrained network from features on, with the same layers."""
    last = model.get_layer(efficientnet.FEATURES)
    features = outputs = keras.Input(last.output.shape[1:], name=efficientnet.FEATURES)
    for layer in model.layers[model.layers.index(last) + 1 :]:
        outputs = layer(outputs)
    return keras.Model(features, outputs, name="head")


def _compiled(
    phase: str, rate: str, model: Any, spec: TrainSpec, train: Source, held_out: Source, precision: str
) -> Stage:
    stage = Stage(phase, rate, model, spec, train, held_out)
    model.compile(
        optimizer=optimization.optimizer(spec, precision, stage.steps, model.trainable_variables),
        loss=optimization.loss(model.output_shape[-1], spec.label_smoothing),
    )
    return stage
