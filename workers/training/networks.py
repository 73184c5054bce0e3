"""The networks by name, and how to read what they put out."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray


def build(network: str, image_size: int, classes: int, precision: str, *, for_training: bool = False) -> Any:
    """An uncompiled keras.Model: pixels (n, image_size, image_size, 3) of 0…255 to probabilities.

    The output is (n, 1), the probability of the second class, for two classes, else (n, classes).
    `precision` is the name of a Keras dtype policy; the input's scaling and the last layer, and so the
    loss, are float32 in any case. `for_training` computes the same faster, with layers that only this
    program knows: such a model is not to be saved. Its weights are those of the other, in the same order.
    """
    normalisation = _FusedBatchNormalization if for_training else keras.layers.BatchNormalization
    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    features = _NETWORKS[network](pixels, keras.DTypePolicy(precision), normalisation)
    return keras.Model(pixels, _head(classes)(features), name=network)


def class_probabilities(outputs: ArrayLike) -> NDArray[np.float64]:
    """Outputs (n, 1) or (n, classes) of a network as probabilities (n, classes), in order of the classes."""
    outputs = np.asarray(outputs, dtype=np.float64)
    return np.concatenate([1 - outputs, outputs], axis=1) if outputs.shape[1] == 1 else outputs


def _head(classes: int) -> Any:
    if classes == 2:
        return keras.layers.Dense(1, activation="sigmoid", name="probability", dtype="float32")
    return keras.layers.Dense(classes, activation="softmax", name="probabilities", dtype="float32")


def _classic(pixels: Any, dtype: Any, normalisation: type) -> Any:
    """The tutorial's, to compare with."""
    x = keras.layers.Rescaling(1 / 255, name="rescaling", dtype="float32")(pixels)
    for filters in (32, 64, 128):
        x = keras.layers.Conv2D(filters, 3, activation="relu", name=f"convolution_{filters}", dtype=dtype)(x)
        x = keras.layers.MaxPooling2D(2, name=f"pooling_{filters}", dtype=dtype)(x)
    x = keras.layers.Flatten(name="flatten", dtype=dtype)(x)
    return keras.layers.Dense(512, activation="relu", name="dense", dtype=dtype)(x)


def _compact(pixels: Any, dtype: Any, normalisation: type) -> Any:
    """Few and wide convolutions: with units for bfloat16, a pass over the pictures costs as much as one.

    Each stage halves the picture. All but the first do so by the largest of four neighbours, which learns
    from much fewer pictures than strides do; it comes before normalisation, which then has a quarter to
    pass over. The later stages add a residual block (He et al., 2016, arXiv:1512.03385) that begins as the
    identity. The mean over all places takes pictures of any size.
    """

    def convolution(x: Any, name: str, filters: int, strides: int = 1) -> Any:
        return keras.layers.Conv2D(
            filters,
            3,
            strides=strides,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            name=f"{name}_convolution",
            dtype=dtype,
        )(x)

    def normalised(x: Any, name: str, scale: str = "ones") -> Any:
        return normalisation(
            momentum=0.9, gamma_initializer=scale, name=f"{name}_normalisation", dtype=dtype
        )(x)

    def relu(x: Any, name: str) -> Any:
        return keras.layers.ReLU(name=f"{name}_relu", dtype=dtype)(x)

    # About -2 to 2, as normalised layers like it.
    x = keras.layers.Rescaling(1 / 64, -2, name="rescaling", dtype="float32")(pixels)
    for stage, (filters, blocks) in enumerate(COMPACT, 1):
        name = f"stage_{stage}"
        if stage == 1:
            x = convolution(x, name, filters, strides=2)
        else:
            x = keras.layers.MaxPooling2D(2, name=f"{name}_pooling", dtype=dtype)(
                convolution(x, name, filters)
            )
        x = relu(normalised(x, name), name)
        for block in range(1, blocks + 1):
            first, second = f"{name}_block_{block}_first", f"{name}_block_{block}_second"
            y = relu(normalised(convolution(x, first, filters), first), first)
            y = normalised(convolution(y, second, filters), second, scale="zeros")
            x = relu(keras.layers.Add(name=f"{name}_block_{block}_sum", dtype=dtype)([x, y]), second)
    return keras.layers.GlobalAveragePooling2D(name="mean", dtype="float32")(x)


# The stages of `compact`: filters, and residual blocks.
COMPACT = ((32, 0), (64, 0), (128, 1), (256, 1))

_NETWORKS = {"compact": _compact, "classic": _classic}


class _FusedBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Batch normalisation by one operation of TensorFlow's, which trains twice as fast as Keras' many."""

    def call(self, inputs: Any, training: bool = False, mask: Any = None) -> Any:
        nothing = tf.constant([], tf.float32)
        normalised, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma.value,
            offset=self.beta.value,
            mean=nothing if training else self.moving_mean.value,
            variance=nothing if training else self.moving_variance.value,
            epsilon=self.epsilon,
            is_training=training,
        )
        if training:
            for moving, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(moving.value * self.momentum + new * (1 - self.momentum))
        return normalised
