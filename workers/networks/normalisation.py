"""Batch normalisation as it is trained."""

from typing import Any

import keras
import tensorflow as tf


class FusedBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
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
