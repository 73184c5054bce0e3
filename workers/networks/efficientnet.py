"""EfficientNet-Lite: EfficientNets without what phones and small chips are slow at.

M. Tan and Q. V. Le: EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks. ICML 2019,
arXiv:1905.11946. The Lite variants leave out squeeze-and-excitation, have ReLU6 for swish, and do not scale
the stem and the top.

Batch normalisation is part of the convolutions: its statistics are never trained again, and a convolution
with a bias computes the same in a fifth of the time.
"""

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

Tensors = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Stage:
    """Inverted residual blocks of one size; the first of them has the strides."""

    blocks: int
    kernel: int
    strides: int
    expansion: int
    filters: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
STEM, TOP = 32, 1280

# What the weights were trained with: normalisation's epsilon, and pixels of (p - 127) / 128.
EPSILON = 1e-3
SCALE, OFFSET = 1 / 128, -127 / 128

# The last layer of the backbone: its output (n, 1280) is a picture's features.
FEATURES = "features"


def efficientnet_lite0(pixels: Any, dtype: Any, _normalisation: type) -> Any:
    """Features (n, 1280) of pixels (n, size, size, 3) of 0…255."""
    return backbone(pixels, dtype)


def backbone(pixels: Any, dtype: Any, *, width: float = 1.0, depth: float = 1.0) -> Any:
    """Pixels (n, size, size, 3) of 0…255 to features (n, 1280).

    `width` and `depth` scale the numbers of filters and of blocks: 1 and 1 for Lite0, 1 and 1.1 for Lite1,
    1.1 and 1.2 for Lite2.
    """

    def convolution(x: Any, name: str, filters: int, kernel: int = 1, strides: int = 1) -> Any:
        return keras.layers.Conv2D(
            filters,
            kernel,
            strides=strides,
            padding="same",
            kernel_initializer="he_normal",
            name=f"{name}_convolution",
            dtype=dtype,
        )(x)

    def depthwise(x: Any, name: str, kernel: int, strides: int) -> Any:
        return keras.layers.DepthwiseConv2D(
            kernel,
            strides=strides,
            padding="same",
            depthwise_initializer="he_normal",
            name=f"{name}_convolution",
            dtype=dtype,
        )(x)

    def relu6(x: Any, name: str) -> Any:
        return keras.layers.ReLU(6, name=f"{name}_relu", dtype=dtype)(x)

    def block(x: Any, name: str, stage: Stage, strides: int, filters: int) -> Any:
        before, wide = x, x.shape[-1] * stage.expansion
        if stage.expansion > 1:
            x = relu6(convolution(x, f"{name}_expand", wide), f"{name}_expand")
        x = relu6(depthwise(x, f"{name}_depthwise", stage.kernel, strides), f"{name}_depthwise")
        x = convolution(x, f"{name}_project", filters)
        if strides == 1 and before.shape[-1] == filters:
            x = keras.layers.Add(name=f"{name}_sum", dtype=dtype)([before, x])
        return x

    x = keras.layers.Rescaling(SCALE, OFFSET, name="rescaling", dtype="float32")(pixels)
    x = relu6(convolution(x, "stem", STEM, 3, 2), "stem")
    number = 0
    for index, stage in enumerate(STAGES):
        outermost = index in (0, len(STAGES) - 1)
        blocks = stage.blocks if outermost else math.ceil(depth * stage.blocks)
        for repeat in range(blocks):
            strides = 1 if repeat else stage.strides
            x = block(x, f"block_{number}", stage, strides, _filters(stage.filters * width))
            number += 1
    x = relu6(convolution(x, "top", TOP), "top")
    return keras.layers.GlobalAveragePooling2D(name=FEATURES, dtype="float32")(x)


def _filters(wanted: float) -> int:
    """The next multiple of 8, rounded, but never less than nine tenths of it."""
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


# What PyTorch's file calls the convolution of each part, and its normalisation.
TORCH_NAMES = {
    "stem": ("conv_stem", "bn0"),
    "expand": ("expand_conv", "bn0"),
    "depthwise": ("depthwise_conv", "bn1"),
    "project": ("project_conv", "bn2"),
    "top": ("conv_head", "bn1"),
}


def from_torch(tensors: Tensors, layer: str) -> list[NDArray[Any]]:
    """Kernel and bias of the convolution of that name, out of a state dictionary of PyTorch.

    With gamma, beta, mean m and variance v of the normalisation that follows it there, the kernel is scaled
    by gamma / √(v + ε), and the bias is beta - m · gamma / √(v + ε). Raises KeyError for what is not there.
    """
    block, _, part = layer.removesuffix("_convolution").rpartition("_")
    convolution, normalisation = TORCH_NAMES[part]
    place = f"_blocks.{block.removeprefix('block_')}._" if block else "_"
    kernel = tensors[f"{place}{convolution}.weight"].astype(np.float64)
    gamma, beta, mean, variance = (
        tensors[f"{place}{normalisation}.{what}"].astype(np.float64)
        for what in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gamma / np.sqrt(variance + EPSILON)
    # Theirs is (out, in, height, width), and (out, 1, height, width) if it is depthwise.
    kernel = (kernel * scale[:, None, None, None]).transpose(
        (2, 3, 0, 1) if part == "depthwise" else (2, 3, 1, 0)
    )
    return [kernel.astype(np.float32), (beta - mean * scale).astype(np.float32)]
