"""`classic`: the tutorial's network, to compare with."""

from typing import Any

import keras


def classic(pixels: Any, dtype: Any, normalisation: type) -> Any:
    """Features (n, 512) of pixels (n, size, size, 3) of 0…255; it has no normalisation."""
    x = keras.layers.Rescaling(1 / 255, name="rescaling", dtype="float32")(pixels)
    for filters in (32, 64, 128):
        x = keras.layers.Conv2D(filters, 3, activation="relu", name=f"convolution_{filters}", dtype=dtype)(x)
        x = keras.layers.MaxPooling2D(2, name=f"pooling_{filters}", dtype=dtype)(x)
    x = keras.layers.Flatten(name="flatten", dtype=dtype)(x)
    return keras.layers.Dense(512, activation="relu", name="dense", dtype=dtype)(x)
