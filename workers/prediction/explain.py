"""Grad-CAM: which regions of a picture support its label.

R. R. Selvaraju, M. Cogswell, A. Das, R. Vedantam, D. Parikh, D. Batra: Grad-CAM: Visual Explanations from
Deep Networks via Gradient-based Localization. ICCV 2017.
"""

import io
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from PIL import Image

from jobyard.shared.errors import WorkError

# Of an overlay, in pixels.
MAX_SIDE = 512

# The heat's colours, from 0 to 1, and how much of the picture they cover at most.
COLOURS = np.array([(0, 0, 160), (0, 130, 255), (80, 230, 130), (255, 210, 0), (220, 0, 0)], dtype=np.float32)
COVER = 0.6


class Explainer:
    """Grad-CAM for one network, at the last of its layers whose output still has places."""

    def __init__(self, network: Any) -> None:
        """Raises WorkError for a network without such a layer."""
        inputs, steps = _steps(network)
        features = next((output for _, _, output in reversed(steps) if _has_places(output)), None)
        if features is None:
            raise WorkError("the model can't be explained: none of its layers has spatial outputs")
        last, before, _ = steps[-1]
        inner = keras.Model(inputs, [features, before])
        self._function = tf.function(lambda pixels, labels: _heat(inner, last, pixels, labels))

    def maps(self, pixels: NDArray[np.uint8], labels: NDArray[np.int64]) -> NDArray[np.float32]:
        """Pixels (n, size, size, 3) and the classes (n,) to explain, to heat (n, height, width) of 0…1.

        The heat is all zeros if no region supports the class.
        """
        heat: NDArray[np.float32] = self._function(tf.constant(pixels), tf.constant(labels)).numpy()
        return heat


def overlay(picture: Image.Image, heat: NDArray[np.float32]) -> bytes:
    """A PNG of the picture, under heat (height, width) of 0…1 that is stretched over it."""
    stretched = Image.fromarray(heat).resize(picture.size, Image.Resampling.BICUBIC)
    share = np.clip(np.asarray(stretched), 0, 1)
    steps = np.linspace(0, 1, len(COLOURS))
    colour = np.stack([np.interp(share, steps, channel) for channel in COLOURS.T], axis=-1)
    cover = COVER * np.sqrt(share)[..., np.newaxis]
    mixed = np.asarray(picture) * (1 - cover) + colour * cover
    target = io.BytesIO()
    Image.fromarray(mixed.round().astype(np.uint8)).save(target, "PNG")
    return target.getvalue()


def _steps(network: Any) -> tuple[Any, list[tuple[Any, Any, Any]]]:
    """The network's inputs, and each layer with what goes into it and comes out, as symbolic tensors."""
    if not isinstance(network, keras.Sequential):
        return network.inputs, [(layer, layer.input, layer.output) for layer in network.layers]
    # A layer of one that was loaded remembers the tensors of a graph that was not yet whole.
    inputs = output = keras.Input(network.input_shape[1:])
    steps = []
    for layer in network.layers:
        before, output = output, layer(output)
        steps.append((layer, before, output))
    return inputs, steps


def _has_places(output: Any) -> bool:
    shape = tuple(output.shape)
    return len(shape) == 4 and min(shape[1], shape[2]) > 1


def _heat(inner: Any, last: Any, pixels: Any, labels: Any) -> Any:
    with tf.GradientTape() as tape:
        pixels = tf.cast(pixels, tf.float32)
        tape.watch(pixels)
        features, before = inner(pixels, training=False)
        evidence = _evidence(_logits(last, before), labels)
    # Each channel counts by its mean gradient over all places (equations 1 and 2 of the paper).
    gradient = tf.cast(tape.gradient(evidence, features), tf.float32)
    weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
    heat = tf.nn.relu(tf.reduce_sum(weights * tf.cast(features, tf.float32), axis=-1))
    return tf.math.divide_no_nan(heat, tf.reduce_max(heat, axis=(1, 2), keepdims=True))


def _logits(last: Any, before: Any) -> Any:
    """What goes into the last activation: probabilities near 1 have next to no gradient."""
    if isinstance(last, keras.layers.Dense):
        return tf.cast(before, tf.float32) @ tf.cast(last.kernel, tf.float32) + tf.cast(last.bias, tf.float32)
    return before  # of a layer that is nothing but the activation


def _evidence(logits: Any, labels: Any) -> Any:
    """Of each picture's class; one output is for the second of two classes, and against the first."""
    if logits.shape[1] == 1:
        return logits[:, 0] * tf.cast(2 * labels - 1, logits.dtype)
    return tf.gather(logits, labels, axis=1, batch_dims=1)
