import math
from itertools import pairwise
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from jobyard.shared.kinds.train import TrainSpec
from jobyard.workers.networks.outputs import class_probabilities
from jobyard.workers.training import optimization


def spec_of(**fields: Any) -> TrainSpec:
    """Of Adam without anything else, unless it is said."""
    return TrainSpec.model_validate(
        {"dataset": "drawn", "network": "classic", "epochs": 5, "learning_rate": 0.01, **fields}
    )


def rates(**fields: Any) -> list[float]:
    """Of 5 epochs of 4 steps."""
    rate = optimization.Rate(spec_of(**fields), 4)
    return [float(rate(tf.constant(step))) for step in range(20)]


def test_a_constant_rate_is_the_full_one_to_the_last_bit() -> None:
    assert set(rates()) == {float(np.float32(0.01))}


def test_a_warm_up_rises_in_a_line_to_the_full_rate() -> None:
    assert rates(warmup_epochs=1.5)[:7] == pytest.approx(
        [0.01 * (step + 1) / 6 for step in range(6)] + [0.01]
    )
    assert set(rates(warmup_epochs=1.5)[6:]) == set(rates())


def test_a_cosine_falls_from_the_full_rate_to_none_over_all_epochs() -> None:
    falling = [0.005 * (1 + math.cos(math.pi * step / 20)) for step in range(20)]

    assert rates(schedule="cosine") == pytest.approx(falling, abs=1e-8)
    assert float(optimization.Rate(spec_of(schedule="cosine"), 4)(20)) == pytest.approx(0, abs=1e-9)


def test_after_a_warm_up_the_cosine_begins_at_the_full_rate() -> None:
    found = rates(schedule="cosine", warmup_epochs=1)

    assert found[:5] == pytest.approx([0.0025, 0.005, 0.0075, 0.01, 0.01])
    assert found[12] == pytest.approx(0.005)
    assert all(later < earlier for earlier, later in pairwise(found[4:]))


def test_a_warm_up_longer_than_the_training_is_all_there_is() -> None:
    assert rates(schedule="cosine", warmup_epochs=10)[-1] == pytest.approx(0.005)


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_a_step_moves_the_weights_at_the_rate_of_its_number(precision: str) -> None:
    weight = keras.Variable(0.0)
    spec = spec_of(warmup_epochs=1)
    optimizer = optimization.optimizer(spec, precision, 4, [weight])
    optimizer.build([weight])
    moved = []
    for _ in range(5):
        before = float(weight.numpy())
        gradient = tf.constant(1.0) * (optimizer.dynamic_scale if precision == "mixed_float16" else 1)
        optimizer.apply_gradients([(gradient, weight)])
        moved.append(before - float(weight.numpy()))

    # A constant gradient moves Adam by the rate.
    assert moved == pytest.approx([0.0025, 0.005, 0.0075, 0.01, 0.01], rel=1e-4)


def test_weight_decay_shrinks_kernels_but_not_biases() -> None:
    kernel, bias = keras.Variable(np.ones((2, 2), np.float32)), keras.Variable(np.ones(2, np.float32))
    optimizer = optimization.optimizer(spec_of(weight_decay=0.5), "float32", 4, [kernel, bias])
    optimizer.build([kernel, bias])
    optimizer.apply_gradients([(tf.zeros((2, 2)), kernel), (tf.zeros(2), bias)])

    np.testing.assert_allclose(kernel.numpy(), 1 - 0.5 * 0.01, rtol=1e-6)
    np.testing.assert_array_equal(bias.numpy(), 1)
    assert not hasattr(
        optimization.optimizer(spec_of(), "float32", 4, [kernel]), "_exclude_from_weight_decay"
    )


def test_muon_turns_the_kernels_of_convolutions_by_a_step_of_equal_size_in_every_direction() -> None:
    random = np.random.default_rng(0)
    kernel = keras.Variable(np.zeros((3, 3, 4, 8), np.float32))
    optimizer = optimization.optimizer(spec_of(optimizer="muon"), "float32", 4, [kernel])
    optimizer.build([kernel])
    gradient = random.normal(size=kernel.shape).astype(np.float32)
    optimizer.apply_gradients([(tf.constant(gradient), kernel)])
    moved = -kernel.numpy().reshape(36, 8)

    # Newton and Schulz's steps make all singular values about 1; the rate is made as large as Adam's.
    left, singular, right = np.linalg.svd(moved / (0.01 * 0.2 * 36**0.5), full_matrices=False)
    assert 0.6 < singular.min() <= singular.max() < 1.3
    nearest, _, other = np.linalg.svd(gradient.reshape(36, 8), full_matrices=False)
    np.testing.assert_allclose(left @ right, nearest @ other, atol=0.05)


def test_muon_leaves_all_but_inner_convolutions_to_adam() -> None:
    shapes = [(3, 3, 3, 8), (8,), (8, 1)]
    weights = [keras.Variable(np.zeros(shape, np.float32)) for shape in shapes]
    optimizer = optimization.optimizer(spec_of(optimizer="muon"), "float32", 4, weights)
    optimizer.build(weights)
    optimizer.apply_gradients(
        [(tf.ones(shape), weight) for shape, weight in zip(shapes, weights, strict=True)]
    )

    # At half the rate: a first step of Adam's is as large as its rate, wherever the gradient is not 0.
    for weight in weights:
        np.testing.assert_allclose(weight.numpy(), -0.005, rtol=1e-4)


def test_muons_weight_decay_spares_biases() -> None:
    kernel = keras.Variable(np.ones((3, 3, 4, 8), np.float32))
    bias = keras.Variable(np.ones(8, np.float32))
    optimizer = optimization.optimizer(
        spec_of(optimizer="muon", weight_decay=0.5), "float32", 4, [kernel, bias]
    )
    optimizer.build([kernel, bias])
    optimizer.apply_gradients([(tf.zeros(kernel.shape), kernel), (tf.zeros(8), bias)])

    np.testing.assert_allclose(kernel.numpy(), 1 - 0.5 * 0.01, rtol=1e-6)
    np.testing.assert_array_equal(bias.numpy(), 1)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_is_the_cross_entropy_with_labels_spread_as_asked(classes: int, smoothing: float) -> None:
    random = np.random.default_rng(0)
    outputs = random.dirichlet(np.ones(classes), 6).astype(np.float32)
    labels = random.integers(0, classes, 6).astype(np.int32)
    found = optimization.loss(1 if classes == 2 else classes, smoothing)(
        labels, outputs[:, 1:] if classes == 2 else outputs
    )

    wanted = (1 - smoothing) * np.eye(classes)[labels] + smoothing / classes
    probabilities = class_probabilities(outputs[:, 1:] if classes == 2 else outputs)
    assert float(found) == pytest.approx(-np.mean(np.sum(wanted * np.log(probabilities), axis=1)), rel=1e-4)
