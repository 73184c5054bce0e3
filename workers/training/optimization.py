"""How the weights are moved: the learning rate of each step, the optimizer, and the loss."""

import math
from typing import Any

import keras
import tensorflow as tf

from jobyard.shared.kinds.train import TrainSpec

PIXEL_CHANNELS = 3


class Rate(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """The learning rate of step n (from 0): the number of the step is all that it depends on.

    So it is in a checkpoint by itself, as the optimizer's count of steps. It rises linearly to the full
    rate r over the w steps of the warm-up, and then stays there or falls along a cosine, to 0 after all s
    steps (Loshchilov and Hutter, 2017, arXiv:1608.03983, equation 5 without restarts):

        r · (n + 1) / w                            while n < w
        r / 2 · (1 + cos(π · (n - w) / (s - w)))   from then on
    """

    def __init__(self, spec: TrainSpec, steps: int) -> None:
        """`steps` are those of one epoch."""
        self._full = spec.learning_rate
        self._warm_up = round(spec.warmup_epochs * steps)
        self._cosine = spec.schedule == "cosine"
        self._falling = max(spec.epochs * steps - self._warm_up, 1)

    def __call__(self, step: Any) -> Any:
        """A float32 scalar."""
        step = tf.cast(step, tf.float32)
        rate = tf.constant(self._full, tf.float32)
        if self._cosine:
            share = tf.clip_by_value((step - self._warm_up) / self._falling, 0.0, 1.0)
            rate = rate / 2 * (1 + tf.cos(math.pi * share))
        if self._warm_up:
            rate = tf.where(step < self._warm_up, self._full * (step + 1) / self._warm_up, rate)
        return rate


def optimizer(spec: TrainSpec, precision: str, steps: int, weights: list[Any]) -> Any:
    """Muon or Adam; weight decay is decoupled, and leaves biases and the scales of normalisations alone.

    `steps` are those of one epoch, `weights` the variables that will be trained.
    """
    rate = Rate(spec, steps)
    if spec.optimizer == "muon":
        made = _Muon(
            rate,
            adam_lr_ratio=0.5,
            weight_decay=spec.weight_decay,
            adam_weight_decay=spec.weight_decay,
            adam_beta_2=0.99,
            name="muon",  # not the class's, which TensorFlow takes for no name
        )
    elif spec.weight_decay:
        made = keras.optimizers.AdamW(rate, weight_decay=spec.weight_decay)
    else:
        made = keras.optimizers.Adam(rate)
    if spec.weight_decay:
        made.exclude_from_weight_decay([weight for weight in weights if len(weight.shape) < 2])
    # Small gradients vanish in float16. Keras adds this by itself only for a global policy.
    return keras.optimizers.LossScaleOptimizer(made) if precision == "mixed_float16" else made


class _Muon(keras.optimizers.Muon):  # type: ignore[misc]
    """Keras' Muon, which takes matrices only, for the kernels of convolutions; all else is left to Adam.

    A kernel is taken as a matrix with a column per filter, as K. Jordan et al. do (Muon, 2024,
    kellerjordan.github.io/posts/muon); that of the pixels is left to Adam, too, as is advised there for
    what comes first and last.
    """

    def _should_use_adamw(self, variable: Any) -> bool:
        return len(variable.shape) != 4 or variable.shape[2] == PIXEL_CHANNELS

    def _muon_update_step(self, gradient: Any, variable: Any, lr: Any, m: Any) -> None:
        self.assign_add(m, gradient - m * (1 - self.momentum))
        ahead = gradient + self.momentum * m  # Nesterov's
        matrix = tf.reshape(ahead, (-1, variable.shape[-1]))
        update = self.lr_adjust(lr * self.zeropower_via_newtonschulz5(matrix, self.ns_steps))
        self.assign_sub(variable, tf.reshape(update, variable.shape))


def loss(outputs: int, label_smoothing: float = 0.0) -> Any:
    """Cross-entropy, a mean over the batch, of labels (b,) and the network's outputs (b, `outputs`): 1 for
    the second of two classes, or all classes.

    With smoothing the true label counts 1 - `label_smoothing`, and all classes together the rest in equal
    parts (Szegedy et al., 2016, arXiv:1512.00567, section 7).
    """
    if outputs == 1:
        return keras.losses.BinaryCrossentropy(label_smoothing=label_smoothing)
    return _Smoothed(label_smoothing) if label_smoothing else keras.losses.SparseCategoricalCrossentropy()


class _Smoothed(keras.losses.Loss):  # type: ignore[misc]
    """What Keras has for labels as vectors only."""

    def __init__(self, label_smoothing: float) -> None:
        super().__init__()
        self._label_smoothing = label_smoothing

    def call(self, labels: Any, outputs: Any) -> Any:
        wanted = tf.one_hot(tf.cast(tf.reshape(labels, [-1]), tf.int32), outputs.shape[-1])
        return keras.losses.categorical_crossentropy(wanted, outputs, label_smoothing=self._label_smoothing)
