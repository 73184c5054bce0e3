"""The tables of the architecture's check against the installed Keras: an upgrade that changes one shows."""

import importlib
import inspect
from typing import Any

import keras
import numpy as np
import pytest
from keras.src.applications.convnext import LayerScale
from keras.src.applications.inception_resnet_v2 import CustomScaleLayer

from jobyard.workers.networks.architecture import check, parse
from jobyard.workers.networks.architecture.declarations import COMMON
from jobyard.workers.networks.architecture.layers import LAYERS
from jobyard.workers.networks.architecture.objects import (
    ACTIVATION_LAYERS,
    ACTIVATIONS,
    CONSTRAINTS,
    INITIALIZERS,
    REGULARIZERS,
)
from jobyard.workers.networks.architecture.operations import OPERATIONS
from tests.architectures import branched

# What a class can't be made without.
ARGUMENTS: dict[str, Any] = {
    "activation": "relu",
    "axes": 1,
    "axis": 1,
    "dims": (1,),
    "factor": 0.1,
    "filters": 4,
    "height": 8,
    "height_factor": 0.1,
    "init_values": 0.1,
    "input_dim": 4,
    "kernel_size": 3,
    "key_dim": 4,
    "layer": keras.layers.Dense(2),
    "n": 2,
    "num_heads": 2,
    "output_dim": 4,
    "output_size": 2,
    "pool_size": 2,
    "projection_dim": 3,
    "rate": 0.1,
    "scale": 0.5,
    "stddev": 0.1,
    "target_shape": (3,),
    "units": 4,
    "width": 8,
    "width_factor": 0.1,
    "dtype": "float32",
    "newshape": (-1, 3),
    "x_max": 1.0,
    "x_min": 0.0,
    "value": 0.5,
    "max_value": 2.0,
}
# Keys that other versions of Keras 3 write.
OF_OTHER_VERSIONS = {"noise_shape"}


def made(kind: tuple[str, str]) -> Any:
    """An object of a class by the name under which Keras writes it."""
    module = importlib.import_module(kind[0])
    of = getattr(module, kind[1])
    needed = [
        one.name
        for one in inspect.signature(of.__init__).parameters.values()
        if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD and one.name != "self"
    ]
    return of(**{name: ARGUMENTS[name] for name in needed})


@pytest.mark.parametrize("kind", LAYERS, ids=lambda kind: kind[1])
def test_a_layers_keys_are_those_that_keras_writes(kind: tuple[str, str]) -> None:
    layer = made(kind)
    written = keras.saving.serialize_keras_object(layer)
    assert (written["module"], written["class_name"]) == kind
    expected = set(written["config"]) - set(COMMON)
    declared = set(LAYERS[kind].config) | ({"layer"} if LAYERS[kind].wraps else set())
    assert declared - OF_OTHER_VERSIONS == expected - OF_OTHER_VERSIONS


@pytest.mark.parametrize("kind", OPERATIONS, ids=lambda kind: kind[1])
def test_an_operations_keys_are_those_that_keras_writes(kind: tuple[str, str]) -> None:
    written = keras.saving.serialize_keras_object(made(kind))
    assert (written["module"], written["class_name"], written["registered_name"]) == (*kind, kind[1])
    assert set(OPERATIONS[kind].config) == set(written["config"])


@pytest.mark.parametrize(
    ("module", "table"),
    [("initializers", INITIALIZERS), ("regularizers", REGULARIZERS), ("constraints", CONSTRAINTS)],
)
def test_an_objects_keys_are_those_that_keras_writes(module: str, table: dict[str, dict[str, Any]]) -> None:
    for name, keys in table.items():
        assert set(keys) == set(made((f"keras.{module}", name)).get_config()), name


def test_activations_are_those_of_keras_that_keep_the_shape() -> None:
    known = {name for name in dir(keras.activations) if inspect.isfunction(getattr(keras.activations, name))}
    assert known - {"deserialize", "get", "serialize", "glu", "threshold"} == ACTIVATIONS
    for name in ACTIVATIONS:
        assert keras.activations.get(name)(np.zeros((2, 3, 4), "float32")).shape == (2, 3, 4)
    for name, keys in ACTIVATION_LAYERS.items():
        assert set(keys) == set(made(("keras.layers", name)).get_config()) - set(COMMON)


def test_what_was_checked_is_what_keras_builds() -> None:
    found = check(branched())
    model = keras.saving.deserialize_keras_object(found.config())

    assert model.count_params() == found.parameters
    assert model.output_shape[1:] == found.output_shape
    again = check(parse(model.to_json().encode()))
    assert (again.parameters, again.output_shape) == (found.parameters, found.output_shape)


def every_layer() -> Any:
    """A model in which every class of the table computes something that numbers can be compared by."""
    layers, ops = keras.layers, keras.ops
    pixels = keras.Input((24, 24, 3))
    x = (pixels / 127.5 - 1.0) * 0.5 + np.array([0.1, 0.2, 0.3], "float32")
    x = x[..., ::-1]
    x = layers.RandomZoom(0.1)(layers.RandomRotation(0.1)(layers.RandomFlip()(x)))
    x = layers.RandomTranslation(0.1, 0.1)(layers.RandomContrast(0.1)(layers.RandomBrightness(0.1)(x)))
    x = layers.Rescaling(2.0, [0.1, 0.2, 0.3])(x)
    x = layers.Normalization(axis=-1, mean=[0.1, 0.2, 0.3], variance=[1.0, 1.1, 1.2])(x)
    x = layers.Normalization()(layers.CenterCrop(22, 22)(layers.Resizing(26, 26)(x)))
    x = layers.Conv2D(8, 3, padding="same", groups=1, kernel_constraint="max_norm", bias_regularizer="l1")(x)
    x = layers.BatchNormalization()(layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same")(x))
    x = layers.PReLU(shared_axes=[1, 2])(layers.SeparableConv2D(8, (3, 5), dilation_rate=2)(x))
    x = layers.Conv2D(8, 3, groups=4, strides=2, activation=layers.LeakyReLU(0.2))(x)
    for transposed in (
        {"strides": 2},
        {"padding": "same", "strides": 3},
        {"strides": 2, "output_padding": 1},
    ):
        x = layers.MaxPooling2D(2, padding="same")(layers.Conv2DTranspose(4, 3, **transposed)(x))
    x = layers.Cropping2D(1)(layers.ZeroPadding2D(((1, 2), (3, 4)))(layers.UpSampling2D((2, 3))(x)))
    x = layers.AveragePooling2D((2, 3), strides=1)(layers.AdaptiveAveragePooling2D(9)(x))
    x = layers.AdaptiveMaxPooling2D((8, 6))(x)
    x = layers.GroupNormalization(2)(layers.LayerNormalization()(layers.UnitNormalization()(x)))
    x = layers.SpatialDropout2D(0.1)(layers.RMSNormalization()(x))
    x = layers.ELU()(
        layers.ActivityRegularization(0.1)(layers.ReLU(6.0)(layers.LeakyReLU()(layers.Activation("mish")(x))))
    )
    y = layers.SpectralNormalization(layers.Conv2D(4, 1))(x)
    x = CustomScaleLayer(0.2)([x, LayerScale(0.1, 4)(y)])
    x = layers.Add()([x, y]) + layers.Multiply()([x, y]) - layers.Subtract()([x, y])
    x = layers.Concatenate()([layers.Average()([x, y]), layers.Maximum()([x, y]), layers.Minimum()([x, y])])
    x = ops.relu6(x) * ops.sigmoid(ops.mean(x, axis=[1, 2], keepdims=True)) + ops.silu(ops.tanh(x))
    x = ops.maximum(ops.sqrt(ops.square(x) + 1.0), 0.5) - ops.exp(-ops.absolute(x))
    x = ops.clip(ops.selu(ops.elu(ops.softplus(ops.softsign(ops.gelu(x))))), -3.0, 3.0)
    x = ops.leaky_relu(ops.hard_sigmoid(x) + ops.hard_silu(x) + ops.relu(x), 0.1) / 2.0
    pooled = [layers.GlobalMaxPooling2D()(x), layers.GlobalAveragePooling2D()(x)]
    row, column = ops.max(x, axis=1) + ops.min(x, axis=1), ops.sum(ops.minimum(x, 1.0), axis=2)
    x = layers.MultiHeadAttention(2, 4, value_dim=6, output_shape=10)(x, x)
    x = layers.Permute((2, 1, 3))(layers.Reshape((8, -1, 10))(x))
    x = ops.transpose(ops.reshape(x, (-1, 48, 10)), (0, 2, 1))
    x = layers.Identity()(ops.concatenate([x, x * 2.0], axis=1))
    x = layers.Conv1D(8, 3, padding="causal", dilation_rate=2)(x)
    x = layers.SeparableConv1D(8, 3)(layers.DepthwiseConv1D(3)(x))
    x = layers.UpSampling1D(2)(layers.Conv1DTranspose(6, 3, strides=2)(x))
    x = layers.ZeroPadding1D((1, 2))(layers.Cropping1D((2, 1))(x))
    x = layers.MaxPooling1D(2)(layers.AveragePooling1D(2)(x))
    x = layers.AdaptiveMaxPooling1D(6)(layers.AdaptiveAveragePooling1D(8)(x))
    x = layers.SpatialDropout1D(0.1)(x)
    z = layers.Dense(6, activation="gelu", kernel_initializer="he_normal")(x)
    x = layers.Attention(use_scale=True)([x, z]) + layers.AdditiveAttention()([x, z, x])
    x = layers.MultiHeadAttention(2, 3)(x, value=z, key=z, use_causal_mask=True)
    x = layers.GaussianNoise(0.1)(
        layers.GaussianDropout(0.1)(layers.AlphaDropout(0.1)(layers.Dropout(0.1)(x)))
    )
    dot = layers.Dot(2)([x, z])
    parts = [layers.GlobalMaxPooling1D()(x), layers.GlobalAveragePooling1D()(z), layers.Flatten()(dot)]
    x = layers.Concatenate()(parts)
    x = layers.RepeatVector(2)(layers.Dense(4, kernel_regularizer="orthogonal_regularizer")(x))
    x = ops.squeeze(ops.expand_dims(ops.log_softmax(ops.softmax(x)), 1), 1)
    maps = keras.Sequential([layers.GlobalMaxPooling1D()])(row)
    maps = ops.log(
        ops.power(layers.Concatenate()([maps, layers.GlobalAveragePooling1D()(column)]), 2.0) + 1.0
    )
    x = layers.Softmax()(layers.Concatenate()([layers.Flatten()(x), ops.cast(maps, "float32"), *pooled]))
    return keras.Model(pixels, x)


def test_every_class_is_computed_as_keras_computes_it() -> None:
    keras.utils.set_random_seed(1)
    theirs = every_layer()
    used = {(one["module"], one["class_name"]) for one in theirs.get_config()["layers"]}
    # Of whole numbers, which nothing here computes.
    assert set(LAYERS) - used == {("keras.layers", "Embedding")}
    assert set(OPERATIONS) <= used

    found = check(parse(theirs.to_json().encode()))
    ours = keras.saving.deserialize_keras_object(found.config())

    assert ours.count_params() == found.parameters
    assert ours.output_shape[1:] == found.output_shape
    shapes = [tuple(weight.shape) for weight in theirs.weights]
    assert [tuple(weight.shape) for weight in ours.weights] == shapes
    ours.set_weights(theirs.get_weights())
    pixels = np.random.default_rng(1).uniform(0, 255, (2, 24, 24, 3)).astype("float32")
    np.testing.assert_array_equal(ours(pixels, training=False), theirs(pixels, training=False))
