"""`compact`: a small residual network for pictures of any size."""

from typing import Any

import keras

# The stages of `compact`: filters, and residual blocks.
COMPACT = ((32, 0), (64, 0), (128, 1), (256, 1))


def compact(pixels: Any, dtype: Any, normalisation: type) -> Any:
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
