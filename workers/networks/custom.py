"""`custom`: a network by the architecture that its owner wrote."""

from typing import Any, Final

import keras
import tensorflow as tf

from jobyard.shared.errors import WorkError
from jobyard.workers.networks.architecture.fitting import Fitted

# What Keras raises for graphs and values that don't go together.
_REFUSED: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    RecursionError,
    TypeError,
    ValueError,
    tf.errors.InvalidArgumentError,
    tf.errors.UnimplementedError,
)


def build(fitted: Fitted, precision: str) -> Any:
    """An uncompiled keras.Model: pixels (n, side, side, 3) of 0…255 to probabilities (n, 1) or (n, classes).

    `precision` is the name of a Keras dtype policy; scaling and probabilities are float32. Only classes of
    the allow-list are built, from values that were checked. Raises WorkError where Keras can't.
    """
    config = fitted.config(precision)
    try:
        with keras.saving.CustomObjectScope({}):
            model = keras.saving.deserialize_keras_object(config, safe_mode=True)
    except _REFUSED as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise WorkError(f"architecture: Keras can't build it: {reason}") from error
    expected = fitted.architecture.parameters
    if model.count_params() != expected or model.output_shape[1:] != fitted.architecture.output_shape:
        raise WorkError(
            f"architecture: Keras makes {model.count_params():,} parameters and outputs {model.output_shape} "
            f"of it, where {expected:,} and {fitted.architecture.output_shape} were counted"
        )
    return model


def settle(model: Any) -> None:
    """Have layers that compute with copies of their weights see those that they were given."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()
