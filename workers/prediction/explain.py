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

_CONVOLUTIONS = (
    keras.layers.Conv2D,
    keras.layers.Conv2DTranspose,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
)
# What goes into these are logits.
_FOLLOWS_LOGITS = (keras.layers.Dense, keras.layers.Activation, keras.layers.Softmax)


class Explainer:
    """Grad-CAM for one network, at the last of its layers from a convolution on whose output has places."""

    def __init__(self, network: Any) -> None:
        """Raises WorkError for a network without such a layer."""
        inputs, steps = _steps(network)
        first = next((index for index, (layer, _, _) in enumerate(steps) if _convolves(layer)), None)
        if first is None:
            raise WorkError("the model can't be explained: none of its layers is a convolution")
        features = next((output for _, _, output in reversed(steps[first:]) if _has_places(output)), None)
        if features is None:
            raise WorkError("the model can't be explained: none of its layers has spatial outputs")
        last, before, output = steps[-1]
        inner = keras.Model(inputs, [features, before if isinstance(last, _FOLLOWS_LOGITS) else output])
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
    """The network's inputs, and each layer with what goes into it and comes out, as symbolic tensors.

    Nested models are taken apart: their layers are called anew, in one graph.
    """
    inputs = keras.Input(network.input_shape[1:])
    steps: list[tuple[Any, Any, Any]] = []
    _walk(network, inputs, steps)
    return inputs, steps


def _walk(network: Any, pixels: Any, steps: list[tuple[Any, Any, Any]]) -> Any:
    """Call a network's layers, one by one; returns its output."""

    def called(layer: Any) -> Any:
        def call(*given: Any, **options: Any) -> Any:
            if isinstance(layer, keras.Model):
                return _walk(layer, given[0], steps)
            output = layer(*given, **options)
            steps.append((layer, given[0], output))
            return output

        return call

    if isinstance(network, keras.Sequential):
        for layer in network.layers:
            pixels = called(layer)(pixels)
        return pixels
    output = network._run_through_graph(pixels, called)
    return output[0] if isinstance(output, list) else output


def _convolves(layer: Any) -> bool:
    return isinstance(getattr(layer, "layer", layer), _CONVOLUTIONS)


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
    if not isinstance(last, keras.layers.Dense):
        # Of a layer that is nothing but the activation, or of one that is none.
        return tf.reshape(before, (tf.shape(before)[0], -1)) if len(before.shape) > 2 else before
    logits = tf.cast(before, tf.float32) @ tf.cast(last.kernel, tf.float32)
    return logits if last.bias is None else logits + tf.cast(last.bias, tf.float32)


def _evidence(logits: Any, labels: Any) -> Any:
    """Of each picture's class; one output is for the second of two classes, and against the first."""
    if logits.shape[1] == 1:
        return logits[:, 0] * tf.cast(2 * labels - 1, logits.dtype)
    return tf.gather(logits, labels, axis=1, batch_dims=1)
